"""What one client was told of one resource: the states, and all ways from one to the next. Pure.

A client's stream has a state for each name of each type. What happens to the name is an event; the
table says for every state and event what comes of it and what is sent. What is not in the table
cannot happen.
"""

from collections.abc import Mapping
from enum import IntEnum, auto
from typing import Final

from lateen.compiler.output import ResourceType


class Delivery(IntEnum):
    """How far a client is told of a name."""

    UNTOLD = auto()
    """It was told nothing."""
    HELD = auto()
    """It holds what it was sent last. A rejected resource counts, so it is not sent again."""
    LEAVING = auto()
    """It holds one that is published no longer, and learns so when all else is acknowledged."""
    DENIED = auto()
    """It was told that there is none."""


class DeliveryEvent(IntEnum):
    """What can happen to a name that the client wants."""

    CHANGED = auto()
    """Another version is published than the client holds, or one that it asks for again."""
    SAME = auto()
    """What the client holds is published."""
    MISSING = auto()
    """Nothing is published."""
    ASKED = auto()
    """Nothing is published, and the client has just asked for it by name."""
    SETTLED = auto()
    """All that travels in order was acknowledged: what disappeared may be told now."""
    ORPHANED = auto()
    """As SETTLED, and what refers to the name is gone too."""


class Action(IntEnum):
    """What is sent."""

    NOTHING = auto()
    SEND = auto()
    """The published resource."""
    EMPTY = auto()
    """An empty resource of that name, which stands for none."""
    DENY = auto()
    """That there is none."""
    REMOVE = auto()
    """That there is none any more: after everything else."""


Step = tuple[Delivery, Action]
Table = dict[tuple[Delivery, DeliveryEvent], Step]

_UNTOLD, _HELD, _LEAVING, _DENIED = Delivery
_CHANGED, _SAME, _MISSING, _ASKED, _SETTLED, _ORPHANED = DeliveryEvent

_SENT: Final[Table] = {
    (_UNTOLD, _CHANGED): (_HELD, Action.SEND),
    (_HELD, _CHANGED): (_HELD, Action.SEND),
    (_HELD, _SAME): (_HELD, Action.NOTHING),
    (_UNTOLD, _MISSING): (_UNTOLD, Action.NOTHING),
}
"""Alike for all types."""

_REMOVED: Final[Table] = {
    **_SENT,
    (_UNTOLD, _ASKED): (_DENIED, Action.DENY),
    (_HELD, _MISSING): (_LEAVING, Action.NOTHING),
    (_HELD, _ASKED): (_LEAVING, Action.NOTHING),
    (_LEAVING, _CHANGED): (_HELD, Action.SEND),
    (_LEAVING, _SAME): (_HELD, Action.NOTHING),
    (_LEAVING, _MISSING): (_LEAVING, Action.NOTHING),
    (_LEAVING, _ASKED): (_LEAVING, Action.NOTHING),
    (_LEAVING, _SETTLED): (_DENIED, Action.REMOVE),
    (_DENIED, _CHANGED): (_HELD, Action.SEND),
    (_DENIED, _MISSING): (_DENIED, Action.NOTHING),
    (_DENIED, _ASKED): (_DENIED, Action.DENY),
}
"""Clusters and listeners are removed, after everything else."""

_EMPTIED: Final[Table] = {
    **_SENT,
    (_UNTOLD, _ASKED): (_HELD, Action.EMPTY),
    (_HELD, _MISSING): (_LEAVING, Action.NOTHING),
    (_HELD, _ASKED): (_HELD, Action.EMPTY),
    (_LEAVING, _CHANGED): (_HELD, Action.SEND),
    (_LEAVING, _SAME): (_HELD, Action.NOTHING),
    (_LEAVING, _MISSING): (_LEAVING, Action.NOTHING),
    (_LEAVING, _ASKED): (_HELD, Action.EMPTY),
    (_LEAVING, _SETTLED): (_HELD, Action.EMPTY),
    (_LEAVING, _ORPHANED): (_HELD, Action.NOTHING),
}
"""Endpoints of a cluster that stays, and runtime values, become empty. Those of a removed cluster
the client forgets by itself. Who asks waits for an answer: an empty one is one."""

_LEFT: Final[Table] = {
    **_SENT,
    (_UNTOLD, _ASKED): (_HELD, Action.EMPTY),
    (_HELD, _MISSING): (_HELD, Action.NOTHING),
    (_HELD, _ASKED): (_HELD, Action.EMPTY),
}
"""The route table of a removed listener serves connections that are being drained: nothing is said,
and the client forgets it with the listener."""

_WITHDRAWN: Final[Table] = {
    **_SENT,
    (_UNTOLD, _ASKED): (_DENIED, Action.DENY),
    (_HELD, _MISSING): (_DENIED, Action.DENY),
    (_HELD, _ASKED): (_DENIED, Action.DENY),
    (_DENIED, _CHANGED): (_HELD, Action.SEND),
    (_DENIED, _MISSING): (_DENIED, Action.NOTHING),
    (_DENIED, _ASKED): (_DENIED, Action.DENY),
}
"""A secret is withdrawn at once."""

_KEPT: Final[Table] = {
    **_SENT,
    (_UNTOLD, _ASKED): (_UNTOLD, Action.NOTHING),
    (_HELD, _MISSING): (_HELD, Action.NOTHING),
    (_HELD, _ASKED): (_HELD, Action.NOTHING),
}
"""The configuration of a filter is never said to be gone: a listener that still asks for it would
refuse every request, and the one that takes its place no longer asks."""

TABLES: Final[Mapping[ResourceType, Table]] = {
    ResourceType.CLUSTER: _REMOVED,
    ResourceType.ENDPOINT: _EMPTIED,
    ResourceType.LISTENER: _REMOVED,
    ResourceType.ROUTE: _LEFT,
    ResourceType.SECRET: _WITHDRAWN,
    ResourceType.EXTENSION: _KEPT,
    ResourceType.RUNTIME: _EMPTIED,
}
