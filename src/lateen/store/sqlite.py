"""The durable store: every write is in an SQLite file before it returns; reads never touch it.

One append-only table of revisions holds both the objects and the watch log. WAL with
synchronous=NORMAL survives the end of the process at any instant, which is what is promised;
after a power failure the last writes may be missing, but never out of order.
"""

import logging
import sqlite3
from pathlib import Path

import msgspec

from lateen.store import api
from lateen.store.history import History, obsolete
from lateen.store.memory import HISTORY_CAPACITY, JournaledStore
from lateen.store.table import ObjectTable

log = logging.getLogger(__name__)

FORMAT = 1
"""Version of the file's layout, kept in SQLite's user_version."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS revisions (
    revision INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    resource TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS compaction (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), floor);
INSERT OR IGNORE INTO compaction VALUES (1, 0);
"""


class StoreInUseError(api.StoreError):
    """Another process has the file open."""


class SqliteStore(JournaledStore):
    """A Store kept in one file (and SQLite's `-wal` beside it), for one process at a time.

    Used from one thread at a time. Raises StoreInUseError if another process has it open,
    StorageFullError if the file cannot be written, StoreError if it is not a store.
    """

    def __init__(self, path: Path, history: int = HISTORY_CAPACITY) -> None:
        journal = _open(path)
        try:
            table, dropped = journal.load(history)
        except (sqlite3.Error, msgspec.DecodeError, ValueError, KeyError) as error:
            journal.close()
            raise api.StoreError(
                f"{path} is damaged ({error}): restore it from a copy, or remove it to start empty"
            ) from error
        journal.forget(dropped, table.history.floor)
        super().__init__(table, journal)


def _open(path: Path) -> "_SqliteJournal":
    try:
        connection = sqlite3.connect(
            path, timeout=0, isolation_level=None, check_same_thread=False, cached_statements=16
        )
    except sqlite3.Error as error:
        raise _refusal(error, path) from error
    try:
        _prepare(connection, path)
    except sqlite3.Error as error:
        connection.close()
        raise _refusal(error, path) from error
    except api.StoreError:
        connection.close()
        raise
    return _SqliteJournal(connection, path)


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise api.StoreError(f"{path} is on a file system without write-ahead logging: move it")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("COMMIT")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, FORMAT):
        raise api.StoreError(
            f"{path} has format {version}, this version of lateen writes {FORMAT}:"
            " use the lateen that wrote it, or remove the file to start empty"
        )
    if version == 0:
        connection.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {FORMAT};COMMIT;")


class _SqliteJournal:
    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._unneeded: list[tuple[int]] = []

    def load(self, capacity: int) -> tuple[ObjectTable, tuple[api.Event, ...]]:
        """Read everything back; return the table and the events that its history is too small for.

        Raises ValueError, KeyError, DecodeError or sqlite3.Error for a damaged file."""
        (floor,) = self._connection.execute("SELECT floor FROM compaction").fetchone()
        table = ObjectTable(History(capacity, floor))
        decode = msgspec.json.Decoder().decode
        rows = self._connection.execute(
            "SELECT revision, type, resource, namespace, name, value FROM revisions"
            " ORDER BY revision"
        )
        for revision, kind, resource, namespace, name, value in rows:
            entry = api.Entry(api.Key(resource, namespace, name), revision, decode(value))
            if revision <= floor:
                table.restore(entry)
                continue
            kind = api.EventType(kind)
            before = None if kind is api.EventType.ADDED else table.get(entry.key)
            table.apply(api.Event(kind, entry, before, len(value)))
        return table, table.history.compact()

    def write(self, event: api.Event) -> int:
        """Insert one row; return the object's bytes. Raises StorageFullError."""
        key = event.entry.key
        value = msgspec.json.encode(event.entry.value)
        try:
            self._connection.execute(
                "INSERT INTO revisions VALUES (?, ?, ?, ?, ?, ?)",
                (event.revision, event.type.value, *key, value),
            )
        except sqlite3.Error as error:
            self._roll_back()
            raise _refusal(error, self._path) from error
        return len(value)

    def forget(self, dropped: tuple[api.Event, ...], floor: int) -> None:
        """Delete rows that nothing needs. If the disk refuses, the next compaction does it."""
        self._unneeded += [(revision,) for revision in obsolete(dropped)]
        if not dropped:
            return
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("DELETE FROM revisions WHERE revision = ?", self._unneeded)
            self._connection.execute("UPDATE compaction SET floor = ?", (floor,))
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            log.warning("%s could not be compacted (%s); tried again later", self._path, error)
            self._roll_back()
        else:
            self._unneeded.clear()

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file; SQLite folds its log into it."""
        self._connection.close()


_FULL = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}


def _refusal(error: sqlite3.Error, path: Path) -> api.StoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreInUseError(
            f"{path} is in use by another process: is the lab already running? Stop it first"
        )
    if code in _FULL:
        return api.StorageFullError(
            f"{path} cannot be written ({error}): free space on its disk or make it writable"
        )
    return api.StoreError(f"{path} is not a usable store ({error}): remove it to start empty")
