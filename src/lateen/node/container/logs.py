"""Where container logs are, and their last lines.

`ROOT/<namespace>_<pod>_<uid>/<container>/<restart>.log`, in CRI lines; files that were rotated
away end in `.1`, `.2`.
"""

import re
import shutil
from collections.abc import Collection
from pathlib import Path

_TAIL = 8192
_LOG = re.compile(r"^(\d+)\.log$")


def directory(root: Path, namespace: str, pod: str, uid: str) -> Path:
    """Return the log directory of a pod."""
    return root / f"{namespace}_{pod}_{uid}"


def path(pod_directory: Path, container: str, attempt: int) -> Path:
    """Return the log file of one run of a container."""
    return pod_directory / container / f"{attempt}.log"


def newest_attempt(container_directory: Path) -> int | None:
    """Return the number of the latest run that has a log, or None."""
    try:
        names = [entry.name for entry in container_directory.iterdir()]
    except OSError:
        return None
    return max((int(match[1]) for name in names if (match := _LOG.match(name))), default=None)


def prune(container_directory: Path, newest: int, keep: int = 2) -> None:
    """Remove the logs of runs older than the newest `keep`, as kubelet does."""
    try:
        entries = list(container_directory.iterdir())
    except OSError:
        return
    for entry in entries:
        number = entry.name.partition(".")[0]
        if number.isdigit() and int(number) <= newest - keep:
            entry.unlink(missing_ok=True)


def remove(pod_directory: Path) -> None:
    """Remove a pod's logs, as kubelet does when the pod is gone."""
    shutil.rmtree(pod_directory, ignore_errors=True)


def remove_others(root: Path, known: Collection[str]) -> None:
    """Remove the logs of pods whose uid is not among the known."""
    for entry in root.iterdir():
        namespace, _, rest = entry.name.partition("_")
        uid = rest.rpartition("_")[2]
        if entry.is_dir() and namespace and uid and uid not in known:
            remove(entry)


def last_words(file: Path, lines: int = 80, limit: int = 2048) -> str:
    """Return the end of a log as plain text: the message of a container that failed."""
    try:
        with file.open("rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - _TAIL))
            rows = log.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    texts = [parts[3] for row in rows if len(parts := row.split(" ", 3)) == 4]
    return "\n".join(texts[-lines:])[-limit:]
