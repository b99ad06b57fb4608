"""What an earlier run of a lab left, looked at before a new one starts on it.

Only what a glance shows: files that are directories, an empty or foreign store. What takes a
library to read, the control plane says when it reads it.
"""

import json
from pathlib import Path

from lateen.app.lab.paths import LabPaths

_SQLITE = b"SQLite format 3\x00"


def damage(paths: LabPaths) -> str:
    """Say which file of a kept lab cannot be used and why; empty if none is seen. Never raises."""
    keys = tuple(paths.authority / name for name in ("root.pem", "intermediate.pem"))
    files = (paths.settings, paths.store, paths.kubeconfig, paths.ledger, *keys)
    for path in files:
        if path.is_dir():
            return f"{path} is a directory where a file belongs"
    for path in (paths.authority, paths.logs):
        if path.exists() and not path.is_dir():
            return f"{path} is a file where a directory belongs"
    try:
        return _of_store(paths) or _of_ledger(paths.ledger)
    except OSError as error:
        return f"{error.filename} cannot be read: {error.strerror}"


def _of_store(paths: LabPaths) -> str:
    if not paths.store.exists():
        return ""
    with paths.store.open("rb") as file:
        head = file.read(len(_SQLITE))
    if not head:
        # Of a lab that never got to write anything there is no kubeconfig either.
        return f"{paths.store} is empty: its objects are lost" if paths.kubeconfig.exists() else ""
    return "" if head == _SQLITE else f"{paths.store} is not a database"


def _of_ledger(path: Path) -> str:
    if not path.exists():
        return ""
    try:
        found = json.loads(path.read_bytes())
    except ValueError:
        found = None
    good = isinstance(found, dict) and isinstance(found.get("links"), list)
    return "" if good else f"{path} is not a list of what the lab made on the host"
