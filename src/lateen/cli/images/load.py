"""`lateen image load` and `lateen image pull`."""

import sys
from collections.abc import Callable
from pathlib import Path

from lateen.app.lab.lab import LabError
from lateen.app.lab.paths import images_root
from lateen.base.clock import SystemClock
from lateen.cli import exits
from lateen.node.images.reference import InvalidImageNameError
from lateen.node.oci import archives
from lateen.node.oci.errors import ImageError
from lateen.node.oci.remote import credentials, engines, pulling
from lateen.node.oci.remote.pulling import Progress
from lateen.node.oci.store import ImageStore, Record

_MEGA = 1e6


def store() -> ImageStore:
    """Return this user's images. Raises LabError."""
    try:
        return ImageStore(images_root(), SystemClock())
    except ValueError as error:
        raise LabError(str(error), exits.FAILED) from error


def load(file: str, name: str) -> int:
    """Load what a file, a folder, standard input or a local engine has."""
    return _told(lambda images: _loaded(images, file, name))


def _loaded(images: ImageStore, file: str, name: str) -> tuple[Record, ...]:
    if file == "-":
        return archives.load_stream(images, sys.stdin.buffer, "standard input", name=name)
    path = Path(file)
    if path.exists():
        return archives.load(images, path, name=name)
    if file.startswith(("/", ".", "~")):
        raise ImageError(f"{file}: no such file or folder")
    found = engines.load(images, file)
    if found is None:
        raise ImageError(
            f"{file} is neither a file nor an image of a local Docker or Podman that answers;"
            f" `lateen image pull {file}` asks its registry"
        )
    return (found,)


def pull(name: str) -> int:
    """Pull an image, with a line for each layer on a terminal."""
    way = pulling.PullSettings(credentials=credentials.here())
    return _told(lambda images: (pulling.pull(images, name, way, _report),))


def _report(progress: Progress) -> None:
    if not sys.stderr.isatty():
        return
    total = f" of {progress.total / _MEGA:.1f}" if progress.total >= 0 else ""
    end = "\n" if progress.done == progress.total else ""
    short = progress.digest.partition(":")[2][:12]
    sys.stderr.write(f"\r{short} {progress.done / _MEGA:.1f}{total} MB{end}")


def _told(bring: Callable[[ImageStore], tuple[Record, ...]]) -> int:
    images = store()
    try:
        for record in bring(images):
            image = images.find(record.name)
            assert image is not None, "it was named a moment ago"
            images.root_of(image)
            print(f"{record.name} {record.target}")
    except (ImageError, InvalidImageNameError) as error:
        raise LabError(str(error), exits.UNPARSABLE) from error
    except OSError as error:
        raise LabError(f"{error.filename or 'images'}: {error.strerror}", exits.FAILED) from error
    return exits.OK
