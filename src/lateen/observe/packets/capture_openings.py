"""Connections' openings, kept for a while: what a connection was, known however old it is. Pure.

A connection that carries a request may have been opened long before; its handshake is read when
it happens and kept here.
"""

from collections import OrderedDict
from collections.abc import Iterable

import msgspec

from lateen.observe.wire import classify
from lateen.observe.wire.classify import Reading, WireKind
from lateen.observe.wire.frames import Segment
from lateen.observe.wire.streams import Assembler, Conversation

LIMIT = 10_000
"""Connections kept; a handshake with certificates takes about 5 kB."""


class CapturedConnection(msgspec.Struct, frozen=True):
    """A connection and where it was seen: the pod's uid and the leg, `eth0` or `lo`."""

    pod: str
    leg: str
    conversation: Conversation


class Openings:
    """The newest connections of all taps, found by their ends.

    A connection between two pods is seen by both: what the first one saw is kept.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._assemblers: dict[tuple[str, str], Assembler] = {}
        self._seen: OrderedDict[int, CapturedConnection] = OrderedDict()
        self._numbers: dict[str, OrderedDict[int, None]] = {}
        self._next = 0

    def take(self, pod: str, leg: str, segment: Segment) -> None:
        """Add a segment that a pod's tap saw on a leg."""
        assembler = self._assemblers.setdefault((pod, leg), Assembler())
        conversation, new = assembler.take(segment)
        if not new:
            return
        self._next += 1
        self._seen[self._next] = CapturedConnection(pod, leg, conversation)
        numbers = self._numbers.setdefault(str(conversation.client), OrderedDict())
        numbers[self._next] = None
        if len(self._seen) > self._limit:
            self._drop_oldest()

    def forget_pod(self, pod: str) -> None:
        """Drop what was being assembled for a pod that is gone; finished openings stay."""
        for key in [key for key in self._assemblers if key[0] == pod]:
            del self._assemblers[key]

    def find(self, client: str, server: str = "") -> Conversation | None:
        """Return the newest connection between two `IP:port`.

        With another `server` than the packets show (a Service's address is changed on the way),
        it is the newest from that client.
        """
        found = [self._seen[number] for number in self._numbers.get(client, ())]
        exact = [seen for seen in found if str(seen.conversation.server) == server]
        chosen = exact or found
        return _most_told(chosen).conversation if chosen else None

    def newest(self, host: str, server: str) -> Conversation | None:
        """Return the newest connection from an IP to `IP:port`."""
        for seen in reversed(self._seen.values()):
            made = seen.conversation
            if str(made.server) == server and str(made.client).rpartition(":")[0] == host:
                return made
        return None

    def reading(self, client: str, server: str) -> Reading | None:
        """Return what a connection was, or None if its opening was not seen or told nothing."""
        conversation = self.find(client, server)
        reading = classify.read(conversation) if conversation is not None else None
        return None if reading is None or reading.kind is WireKind.NOTHING else reading

    def since(self, time: float) -> list[CapturedConnection]:
        """Return the connections opened at or after `time` (seconds since the epoch)."""
        return [seen for seen in self._seen.values() if seen.conversation.opened >= time]

    def _drop_oldest(self) -> None:
        number, seen = self._seen.popitem(last=False)
        client = str(seen.conversation.client)
        numbers = self._numbers[client]
        del numbers[number]
        if not numbers:
            del self._numbers[client]
        assembler = self._assemblers.get((seen.pod, seen.leg))
        if assembler is not None:
            assembler.forget(seen.conversation)


def _most_told(found: Iterable[CapturedConnection]) -> CapturedConnection:
    """Of the newest connection's two views, the one with more bytes."""

    def worth(seen: CapturedConnection) -> tuple[float, int]:
        made = seen.conversation
        return round(made.opened, 1), len(made.from_client.data) + len(made.from_server.data)

    return max(found, key=worth)


def either(opening: Reading | None, recorded: Conversation | None) -> Reading | None:
    """Join what an opening told with what was recorded of the same connection later.

    Encrypted or HTTP/2 is said at the opening only; plaintext HTTP/1 by every request.
    """
    reading = classify.read(recorded) if recorded is not None else None
    if reading is not None and reading.kind in (WireKind.TLS, WireKind.HTTP1, WireKind.HTTP2):
        return reading
    return opening or reading
