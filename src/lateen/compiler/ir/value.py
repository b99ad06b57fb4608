"""The bases of IR values: frozen, compared by content, hashed once. Pure."""

from enum import Enum

import msgspec


class Value(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True, gc=False):
    """A keyword-only value whose hash is computed once and kept.

    Views hold thousands of nested values and are used as cache keys, so a hash that walked the
    whole tree each time would cost more than the rendering it saves. A Struct rather than a
    dataclass because defining one costs 0.01 ms instead of 0.45, and three processes define all
    of them while a person waits for `lateen up`. Values are trees, made from the leaves up, so
    none of them can be part of a cycle and the collector need not look at them.
    """


class Kept(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True, weakref=True):
    """A value that results are kept for as long as it lives (`backend.memo`).

    The collector looks at these: a Struct cannot both be watched for its end and be left out.
    """


class Choice(Enum):
    """One of a few. There is one object of each, so its identity is its hash: Python's own hashes
    the name anew each time, which took a fiftieth of a compilation."""

    __hash__ = object.__hash__
