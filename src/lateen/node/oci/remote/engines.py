"""Images of a local Docker or Podman, where their socket answers: both speak Docker's interface."""

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO
from urllib.parse import quote

import httpcore

from lateen.node.images import reference
from lateen.node.images.reference import Reference
from lateen.node.oci import archives
from lateen.node.oci.store import ImageStore, Record

_SECONDS = {"connect": 2.0, "read": 300.0, "write": 30.0, "pool": 2.0}
_PIECE = 1 << 20


def sockets(environment: Mapping[str, str], uid: int) -> tuple[str, ...]:
    """Return where engines may listen: what DOCKER_HOST names, then the usual places. Pure."""
    named = environment.get("DOCKER_HOST", "")
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{uid}"
    usual = (
        f"{runtime}/docker.sock",
        "/var/run/docker.sock",
        f"{runtime}/podman/podman.sock",
        "/run/podman/podman.sock",
    )
    first = (named.removeprefix("unix://"),) if named.startswith("unix://") else ()
    return tuple(dict.fromkeys((*first, *usual)))


def load(store: ImageStore, name: str) -> Record | None:
    """Bring an image that a local engine has; None where none has it, or none answers.

    Raises InvalidImageNameError; ImageError and OSError as archives do.
    """
    image = reference.parse(name)
    for path in sockets(os.environ, os.getuid()):
        if not _is_socket(path):
            continue
        with _saved(path, image) as archive:
            if archive is not None:
                full = image.full.partition("@")[0] if image.tag else image.full
                return archives.load_stream(store, archive, f"engine {path}", name=full)[0]
    return None


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


@contextlib.contextmanager
def _saved(path: str, image: Reference) -> Iterator[IO[bytes] | None]:
    """Ask an engine for what `docker save` would write."""
    with tempfile.TemporaryFile() as file:
        yield file if _fetched(path, image, file) else None


def _fetched(path: str, image: Reference, file: IO[bytes]) -> bool:
    # Podman keeps names in full, Docker takes them so.
    name = quote(image.full, safe="/:@")
    try:
        with (
            httpcore.ConnectionPool(uds=path) as pool,
            pool.stream(
                "GET",
                f"http://localhost/images/{name}/get",
                headers=[("Host", "localhost")],
                extensions={"timeout": _SECONDS},
            ) as answer,
        ):
            if answer.status != 200:
                return False
            for piece in answer.iter_stream():
                file.write(piece)
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException):
        return False
    file.seek(0)
    return True
