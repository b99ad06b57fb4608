"""Results kept for as long as the value they were made from lives. Pure."""

import weakref
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from lateen.compiler.ir.value import Kept

K = TypeVar("K", bound=Kept)
R = TypeVar("R")


class Recent(Generic[R]):
    """The last few results, by the identity of what they were made from.

    For tuples, which cannot be watched for their end: what an unchanged scope of a thousand
    clusters is made into is found without looking at one of them.
    """

    def __init__(self, size: int = 16) -> None:
        self._entries: deque[tuple[tuple[object, ...], R]] = deque(maxlen=size)

    def __call__(self, make: Callable[[], R], *parts: object) -> R:
        """Return the result made from exactly these objects, or make it."""
        for known, result in self._entries:
            if all(a is b for a, b in zip(known, parts, strict=True)):
                return result
        made = make()
        self._entries.appendleft((parts, made))
        return made


class _Ref(weakref.ref[K]):
    """A weak reference that knows under which key it is kept."""

    __slots__ = ("key",)
    key: int


class Memo(Generic[K, R]):
    """Remembers one result per IR value: by identity first, then by content.

    Identity is what the front end preserves for what did not change, and costs a tenth of a hash;
    content lets equal values of different scopes share bytes. Nothing has to be evicted: an entry
    goes with its value.
    """

    def __init__(self, make: Callable[[K], R]) -> None:
        self._make = make
        self._by_identity: dict[int, tuple[_Ref[K], R]] = {}
        self._by_content: dict[weakref.ref[K], R] = {}
        """A weak reference has the hash of its value and equals one to an equal value."""
        self._ended = self._forget
        """Bound once, not for each value."""

    def __call__(self, value: K) -> R:
        """Return the value's result, made at most once."""
        key = id(value)
        known = self._by_identity.get(key)
        if known is not None and known[0]() is value:
            return known[1]
        reference = _Ref(value, self._ended)
        reference.key = key
        result = self._by_content.get(reference)
        if result is None:
            result = self._by_content[reference] = self._make(value)
        self._by_identity[key] = (reference, result)
        return result

    def _forget(self, gone: weakref.ref[K]) -> None:
        key = getattr(gone, "key", 0)
        entry = self._by_identity.get(key)
        if entry is not None and entry[0] is gone:
            del self._by_identity[key]
        self._by_content.pop(gone, None)

    def __len__(self) -> int:
        return len(self._by_identity)
