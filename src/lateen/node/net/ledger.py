"""What a lab has made outside itself, written down before it is made.

Whatever the ledger names may or may not exist; what it does not name was not made by the lab. So
after a crash at any moment, removing the named things and nothing else leaves the host as it was.
"""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """A network interface of the host. The name finds it and the MAC proves that it is ours."""

    name: str
    mac: str
    network: str
    """The network routed over it; the route and the addresses go with the interface."""


class Ledger:
    """The file. Each change is on the disk when the call returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def entries(self) -> tuple[LedgerEntry, ...]:
        """Return what is recorded. Raises ValueError when the file is not a ledger."""
        try:
            raw = json.loads(self._path.read_text())
            return tuple(LedgerEntry(**each) for each in raw["links"])
        except FileNotFoundError:
            return ()
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"{self._path} is not a ledger ({error}); remove by hand the interfaces named"
                " lateen… that `ip link` shows, then the file"
            ) from error

    def record(self, entry: LedgerEntry) -> None:
        """Add an entry; call before making the thing. Raises OSError."""
        self._write((*self.entries(), entry))

    def settle(
        self, remove: Callable[[LedgerEntry], None], entries: Sequence[LedgerEntry] | None = None
    ) -> None:
        """Remove each recorded thing, or those given, by `remove`, which may find that it is gone,
        and then forget it. Raises what `remove` raises, with that entry and the later ones still
        recorded."""
        for entry in self.entries() if entries is None else entries:
            remove(entry)
            self._write(tuple(each for each in self.entries() if each != entry))

    def _write(self, entries: tuple[LedgerEntry, ...]) -> None:
        text = json.dumps({"links": [asdict(each) for each in entries]}, indent=1)
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
