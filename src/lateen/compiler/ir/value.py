"""The decorator of every IR value: frozen, compared by content, hashed once. Pure."""

from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[T]) -> type[T]:
    """Make a keyword-only frozen dataclass whose hash is computed once and kept.

    Views hold thousands of nested values and are used as cache keys, so a hash that walked the
    whole tree each time would cost more than the rendering it saves.
    """
    made = dataclass(frozen=True, kw_only=True)(cls)
    content_hash = made.__hash__

    def cached_hash(self: Any) -> int:
        known = self.__dict__.get("_hash")
        if known is None:
            known = content_hash(self)
            object.__setattr__(self, "_hash", known)
        return int(known)

    content_eq = made.__eq__

    def fast_eq(self: Any, other: object) -> Any:
        if self is other:
            return True
        if type(self) is type(other) and cached_hash(self) != cached_hash(other):
            return False
        return content_eq(self, other)

    made.__hash__ = cached_hash  # type: ignore[method-assign]
    made.__eq__ = fast_eq  # type: ignore[method-assign]
    return made
