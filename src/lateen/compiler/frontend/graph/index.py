"""Objects filed under keys, oldest first, kept up to date by difference. Pure in effect."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import Any

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.incremental import Graph, Table


class Index:
    """Objects filed under keys, each list oldest first, in a table once they are all filed."""

    def __init__(self, graph: Graph, *, watched: bool = False) -> None:
        self._watched = watched
        self.table: Table[Any, tuple[Any, ...]] = Table(graph, ())
        self._filed: dict[Any, list[tuple[precedence.AgeKey, Any]]] = {}
        self._touched: dict[Any, bool] = {}
        """Keys whose lists changed since the table was settled, and whether each had one then."""
        self.keys_changed: set[Any] = set()
        """If watched: keys that appeared or went since the owner last emptied this set."""

    def replace(self, old: Any, old_keys: Iterable[Any], new: Any, new_keys: Iterable[Any]) -> None:
        """File `new` instead of `old`; either may be None, then without keys."""
        for key in old_keys:
            filed = self._filed[key]
            at = bisect_left(filed, (precedence.age(old),))
            while filed[at][1] is not old:
                at += 1
            del filed[at]
            self._touched.setdefault(key, True)
        for key in new_keys:
            self._touched.setdefault(key, key in self._filed)
            filed = self._filed.setdefault(key, [])
            insort(filed, (precedence.age(new), new), key=lambda entry: entry[0])

    def settle(self) -> None:
        """Put the lists that changed into the table: once each, as thousands of objects may have
        been filed under one key."""
        touched, self._touched = self._touched, {}
        for key, known in touched.items():
            filed = self._filed[key]
            if not filed:
                del self._filed[key]
            if bool(filed) is not known and self._watched:
                self.keys_changed.add(key)
            self.table.put(key, tuple(obj for _, obj in filed))

    def under(self, key: Any) -> tuple[Any, ...]:
        """Return the objects filed under a key by now, whether the table is settled or not."""
        return tuple(obj for _, obj in self._filed.get(key, ()))

    def filed(self) -> Iterable[Any]:
        """Return the keys that have objects."""
        return self._filed.keys()
