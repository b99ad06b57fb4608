"""Values that remember who read them, so that a change redoes only what read it.

Pure in effect: a derived value always equals what a computation from nothing would give; only
the work is kept. A `Table` holds collections by key. A `Derived` is a function of one key whose
reads, of tables and of other derived values, are noted while it runs; putting a different
input in a table marks its readers, and theirs, as stale. A recomputed value that equals the old
one is replaced by the old object, so identity tells what really changed.

A reader stays noted until what it read changes, even if by then it reads something else: that
costs a needless recomputation now and then and saves the bookkeeping of every run.
"""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

import msgspec

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cell(msgspec.Struct, eq=False):
    """One derived value: what it is, and who read it (nobody, one other cell, or several)."""

    owner: "Derived[Any, Any] | None"
    key: Any
    value: Any = None
    fresh: bool = False
    readers: "Cell | set[Cell] | None" = None


Readers = Cell | set[Cell] | None

_DEAD_BEFORE_PURGE = 10_000


class Graph:
    """The bookkeeping that tables and derived values of one front end share."""

    def __init__(self) -> None:
        self.running: list[Cell] = []
        self.tables: list[Table[Any, Any]] = []
        self.derived: list[Derived[Any, Any]] = []
        self._stale: set[Cell] = set()
        self._older: set[Cell] = set()
        self._dead = 0

    def invalidate(self, readers: Readers) -> None:
        """Mark cells, and the cells that read them, as stale."""
        pending = _listed(readers)
        while pending:
            cell = pending.pop()
            if not cell.fresh or cell.owner is None:
                continue
            cell.fresh = False
            self._stale.add(cell)
            if cell.owner.watched:
                cell.owner.stale.add(cell.key)
            pending += _listed(cell.readers)
            cell.readers = None

    def sweep(self) -> None:
        """Forget values that went stale before the last sweep and that nobody asked for since."""
        for cell in self._older:
            if not cell.fresh and cell.owner is not None:
                cell.owner.forget(cell)
                self._dead += 1
        self._older = self._stale
        self._stale = set()
        if self._dead > _DEAD_BEFORE_PURGE:
            self._purge()

    def _purge(self) -> None:
        """Take forgotten cells out of the readers of collections that never changed meanwhile."""
        self._dead = 0
        for table in self.tables:
            table.readers = {
                key: kept
                for key, readers in table.readers.items()
                if (kept := _living(readers)) is not None
            }
        for derived in self.derived:
            for cell in derived.cells.values():
                cell.readers = _living(cell.readers)


class Table(Generic[K, V]):
    """Collections by key; a missing key reads as the default and counts as read all the same."""

    def __init__(self, graph: Graph, default: V) -> None:
        self._graph = graph
        self._running = graph.running
        self._default = default
        self.entries: dict[K, V] = {}
        self.readers: dict[K, Cell | set[Cell]] = {}
        graph.tables.append(self)

    def get(self, key: K) -> V:
        """Return the entry, noting who asked."""
        running = self._running
        if running:
            reader = running[-1]
            known = self.readers.get(key)
            if known is None:
                self.readers[key] = reader
            elif known is not reader:
                if isinstance(known, set):
                    known.add(reader)
                else:
                    self.readers[key] = {known, reader}
        return self.entries.get(key, self._default)

    def put(self, key: K, value: V) -> None:
        """Set an entry (the default removes it); another object makes its readers stale."""
        if self.entries.get(key, self._default) is value:
            return
        if value is self._default or value == self._default:
            self.entries.pop(key, None)
        else:
            self.entries[key] = value
        if key in self.readers:
            self._graph.invalidate(self.readers.pop(key))


class Derived(Generic[K, V]):
    """A function of a key, computed when asked for and kept until something it read changes."""

    def __init__(self, graph: Graph, compute: Callable[[K], V], *, watched: bool = False) -> None:
        self._running = graph.running
        self._compute = compute
        self.watched = watched
        self.cells: dict[K, Cell] = {}
        self.stale: set[Any] = set()
        """If watched: keys that went stale since the owner last emptied this set."""
        graph.derived.append(self)

    def get(self, key: K) -> V:
        """Return the value, computing it if needed, and note who asked."""
        cell = self.cells.get(key)
        if cell is None:
            cell = self.cells[key] = Cell(self, key)
        running = self._running
        if not cell.fresh:
            running.append(cell)
            try:
                value = self._compute(key)
            finally:
                running.pop()
            if cell.value is None or value != cell.value:
                cell.value = value
            cell.fresh = True
        if running:
            reader = running[-1]
            known = cell.readers
            if known is None:
                cell.readers = reader
            elif known is not reader:
                if isinstance(known, set):
                    known.add(reader)
                else:
                    cell.readers = {known, reader}
        found: V = cell.value
        return found

    def forget(self, cell: Cell) -> None:
        """Drop a value nobody needs."""
        if self.cells.get(cell.key) is cell:
            del self.cells[cell.key]
        cell.fresh = False
        cell.owner = None

    def drop(self, gone: Callable[[K], bool]) -> None:
        """Forget every value whose key is `gone`."""
        for key in [key for key in self.cells if gone(key)]:
            self.forget(self.cells[key])


def _listed(readers: Readers) -> list[Cell]:
    if readers is None:
        return []
    return list(readers) if isinstance(readers, set) else [readers]


def _living(readers: Readers) -> Readers:
    left = {cell for cell in _listed(readers) if cell.owner is not None}
    return left.pop() if len(left) == 1 else left or None
