"""The states that commands about all requests are asked of: files, revisions, labs, clusters."""

import contextlib
import io
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.lab import rehearsed
from lateen.cli.lab.rehearsed import Ground, Parts
from lateen.cli.manifests.named import Named

if TYPE_CHECKING:
    from lateen.app.foresight.classes.compiled_state import CompiledState


AS_IT_IS = "git:"
"""No revision: what the folder holds now."""


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """How the words of a state are read."""

    named: Named = Named()
    """Of a revision: the folders in it. Else what is named beside it."""
    ground: Ground = rehearsed.NO_GROUND
    istio: str = ""


def standing(parts: Parts, proxies: Sequence[str] = ()) -> "CompiledState":
    """Return what manifests would make, compiled; with `proxies` what those have, as `--proxies`
    names them. Raises LabError."""
    from lateen.app.foresight import offline
    from lateen.app.foresight.classes.compiled_state import CompiledState

    made = parts.made()
    dumps = rehearsed.dumps(proxies, parts, made)
    return CompiledState(offline.foresight(made, parts.settings.images, dumps), made.locate)


@contextlib.contextmanager
def parts(word: str, reading: Reading) -> Iterator[Parts]:
    """Yield what a word means: `lab:NAME`, or `lab:NAME+PATH` once that is applied to it,
    `context:NAME`, `git:REVISION`, a file or a folder.

    Raises Refusal for manifests that are refused, LabError for what is not there.
    """
    kind, colon, name = word.partition(":")
    if colon and kind == "lab":
        lab, _, change = name.partition("+")
        laid = Named([change], recursive=Path(change).is_dir()) if change else Named()
        yield rehearsed.of_lab(lab, reading.istio, laid)
    elif colon and kind == "context":
        yield rehearsed.parts(Named(), reading.istio, Ground(context=name))
    elif word == AS_IT_IS:
        yield rehearsed.parts(reading.named or Named(["."]), reading.istio, reading.ground)
    elif colon and kind == "git":
        with _revision(name, reading.named) as named:
            yield rehearsed.parts(named, reading.istio, reading.ground)
    elif (path := Path(word)).is_file() and rehearsed.snapshot(path) is not None:
        yield rehearsed.parts(reading.named, reading.istio, Ground(base=word))
    else:
        named = msgspec.structs.replace(reading.named, names=[word, *reading.named.names])
        yield rehearsed.parts(named, reading.istio, reading.ground)


def revisions(word: str) -> tuple[str, str] | None:
    """Return the two revisions that `OLD..NEW` names; None for another word. Without NEW it is
    what the folder holds now, said as an empty word."""
    old, dots, new = word.partition("..")
    if not (old and dots) or "/" in new[:1] or Path(word).exists():
        return None
    return f"git:{old}", f"git:{new.removeprefix('.')}" if new else ""


@contextlib.contextmanager
def _revision(name: str, named: Named) -> Iterator[Named]:
    """Yield what is named, as it is in a revision of the repository that holds it."""
    with tempfile.TemporaryDirectory(prefix="lateen-") as directory:
        out = Path(directory)
        found = [str(_extracted(name, Path(each), out)) for each in named.names or ["."]]
        yield msgspec.structs.replace(named, names=found)


def _extracted(revision: str, path: Path, out: Path) -> Path:
    """Write the whole of a revision, once, as links in it may lead anywhere in it. Return where a
    path of the repository is there."""
    place = path if path.is_dir() else path.parent
    inside = _git(place, "rev-parse", "--show-prefix").decode().strip()
    root = _git(place, "rev-parse", "--show-toplevel").decode().strip()
    if not any(out.iterdir()):
        tree = _git(Path(root), "archive", "--format=tar", revision)
        with tarfile.open(fileobj=io.BytesIO(tree)) as archive:
            for member in archive:
                archive.extract(member, out, filter=_inside)
    return out / inside / ("" if path.is_dir() else path.name)


def _inside(member: tarfile.TarInfo, where: str) -> tarfile.TarInfo | None:
    """Leave out what leads out of a repository."""
    try:
        return tarfile.data_filter(member, where)
    except tarfile.FilterError:
        return None


def _git(place: Path, *words: str) -> bytes:
    """Return what git says. Raises LabError."""
    command = ["git", "-C", str(place), *words]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise LabError("git is not installed", exits.FAILED) from error
    if done.returncode:
        raise LabError(done.stderr.decode(errors="replace").strip(), exits.UNPARSABLE)
    return done.stdout
