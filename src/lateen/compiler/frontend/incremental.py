"""Values that remember what they were computed from, so that a change redoes only what read it.

Pure in effect: a derived value always equals what a computation from nothing would give; only
the work is kept. A `Table` holds inputs by key. A `Derived` is a function of one key whose
reads, of tables and of other derived values, are noted while it runs; putting a different
input in a table marks its readers, and theirs, as stale. A recomputed value that equals the old
one is replaced by the old object, so identity tells what really changed.
"""

from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cell:
    """One derived value: what it is, who read it, and whose reader lists it stands in."""

    __slots__ = ("fresh", "key", "owner", "readers", "reads", "value")

    def __init__(self, owner: "Derived[Any, Any]", key: Any) -> None:
        self.owner = owner
        self.key = key
        self.value: Any = None
        self.fresh = False
        self.readers: set[Cell] = set()
        self.reads: list[set[Cell]] = []


class Graph:
    """The bookkeeping that tables and derived values of one front end share."""

    def __init__(self) -> None:
        self.running: list[Cell] = []
        self._stale: set[Cell] = set()
        self._older: set[Cell] = set()

    def invalidate(self, readers: set[Cell]) -> None:
        """Mark cells, and the cells that read them, as stale."""
        pending = list(readers)
        while pending:
            cell = pending.pop()
            if not cell.fresh:
                continue
            cell.fresh = False
            self._stale.add(cell)
            if cell.owner.watched:
                cell.owner.stale.add(cell.key)
            pending.extend(cell.readers)

    def sweep(self) -> None:
        """Forget values that went stale before the last sweep and that nobody asked for since."""
        for cell in self._older:
            if not cell.fresh:
                cell.owner.forget(cell)
        self._older = self._stale
        self._stale = set()


class Table(Generic[K, V]):
    """Inputs by key; a missing key reads as the default and counts as read all the same."""

    def __init__(self, graph: Graph, default: V) -> None:
        self._graph = graph
        self._default = default
        self.entries: dict[K, V] = {}
        self._readers: dict[K, set[Cell]] = {}

    def get(self, key: K) -> V:
        """Return the entry, noting who asked."""
        running = self._graph.running
        if running:
            readers = self._readers.get(key)
            if readers is None:
                readers = self._readers[key] = set()
            cell = running[-1]
            if cell not in readers:
                readers.add(cell)
                cell.reads.append(readers)
        return self.entries.get(key, self._default)

    def put(self, key: K, value: V) -> None:
        """Set an entry (the default removes it); another object makes its readers stale."""
        old = self.entries.get(key, self._default)
        if old is value:
            return
        if value is self._default or value == self._default:
            self.entries.pop(key, None)
        else:
            self.entries[key] = value
        readers = self._readers.get(key)
        if readers:
            self._graph.invalidate(readers)


class Derived(Generic[K, V]):
    """A function of a key, computed when asked for and kept until something it read changes."""

    def __init__(self, graph: Graph, compute: Callable[[K], V], *, watched: bool = False) -> None:
        self._graph = graph
        self.watched = watched
        self._compute = compute
        self._cells: dict[K, Cell] = {}
        self.stale: set[Any] = set()
        """If watched: keys that went stale since the owner last emptied this set."""

    def get(self, key: K) -> V:
        """Return the value, computing it if needed, and note who asked."""
        cell = self._cells.get(key)
        if cell is None:
            cell = self._cells[key] = Cell(self, key)
        if not cell.fresh:
            self._run(cell, key)
        running = self._graph.running
        if running:
            reader = running[-1]
            if reader not in cell.readers:
                cell.readers.add(reader)
                reader.reads.append(cell.readers)
        value: V = cell.value
        return value

    def _run(self, cell: Cell, key: K) -> None:
        for readers in cell.reads:
            readers.discard(cell)
        cell.reads = []
        running = self._graph.running
        running.append(cell)
        try:
            value = self._compute(key)
        finally:
            running.pop()
        if cell.value is None or value != cell.value:
            cell.value = value
        cell.fresh = True

    def forget(self, cell: Cell) -> None:
        """Drop a value nobody needs."""
        for readers in cell.reads:
            readers.discard(cell)
        if self._cells.get(cell.key) is cell:
            del self._cells[cell.key]

    def drop(self, gone: Callable[[K], bool]) -> None:
        """Forget every value whose key is `gone`."""
        for key in [key for key in self._cells if gone(key)]:
            self.forget(self._cells[key])
