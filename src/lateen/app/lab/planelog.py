"""The plane's log in the form of a container's, so that `kubectl logs` shows it for istiod."""

import logging
from datetime import UTC, datetime
from pathlib import Path

_LEVELS = {"WARNING": "warn", "CRITICAL": "fatal"}


class ContainerLines(logging.Formatter):
    """Writes records as a container runtime writes lines, and in them as istiod does: time, level,
    scope, message."""

    def format(self, record: logging.LogRecord) -> str:
        """Return a record's lines."""
        moment = datetime.fromtimestamp(record.created, UTC)
        stamp = moment.strftime("%Y-%m-%dT%H:%M:%S.%f")
        level = _LEVELS.get(record.levelname, record.levelname.lower())
        root, _, rest = record.name.partition(".")
        scope = rest if root == "lateen" and rest else record.name
        head = f"{stamp}000Z stdout F "
        first, *more = super().format(record).split("\n")
        lines = [f"{stamp}Z\t{level}\t{scope}\t{first}", *more]
        return "\n".join(head + line for line in lines)


def handler(path: Path) -> logging.Handler:
    """Return what writes the log of one run of the plane; nobody else may read it."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    made = logging.FileHandler(path, encoding="utf-8")
    made.setFormatter(ContainerLines())
    return made
