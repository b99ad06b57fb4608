"""Segments to conversations: TCP reassembly with reordering, retransmission and loss. Pure.

Bounded: of each direction only the first `KEEP` bytes are kept, which hold every handshake and
header that is looked at; what comes later is counted.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from lateen.observe.wire import frames
from lateen.observe.wire.frames import Address, Segment

KEEP = 64 * 1024
_HELD = 256
"""Out-of-order segments kept per direction, at most."""
_STALLED = 32
"""Segments held back by a gap that will not be filled: on one machine packets hardly overtake."""
_WRAP = 1 << 32
_HALF = 1 << 31
_CLOSE = 1 << 20
"""How far the two directions of one connection may be apart in what they have acknowledged."""
CAPTURING = frozenset(Address("127.0.0.1", port) for port in (15001, 15006))
"""Where the capture rules of a pod lead its own connections on the loopback. Answers come from the
address that was meant: the two directions of such a connection name different servers."""


@dataclass
class Direction:
    """One direction of a connection: its contiguous bytes so far."""

    data: bytearray = field(default_factory=bytearray)
    size: int = 0
    """Bytes seen in order, kept or not."""
    retransmitted: int = 0
    first_time: float | None = None
    """When its first payload byte was seen."""
    _next: int | None = None
    _held: dict[int, bytes] = field(default_factory=dict)

    def start(self, seq: int) -> None:
        """Take the sequence number of the first byte, unless it is known."""
        if self._next is None:
            self._next = seq % _WRAP

    @property
    def missing(self) -> bool:
        """Whether later bytes are held back by a gap."""
        return bool(self._held)

    @property
    def stalled(self) -> bool:
        """Whether the gap is one that a capture has lost: nothing will fill it any more."""
        return len(self._held) >= _STALLED

    def restart(self, seq: int, payload: bytes) -> None:
        """Begin anew behind a gap, at a segment."""
        self._held.clear()
        self.data[:] = payload
        self._next = (seq + len(payload)) % _WRAP

    def take(self, seq: int, payload: bytes, time: float) -> None:
        """Take a segment's payload, in whatever order it comes."""
        if not payload:
            return
        if self.first_time is None:
            self.first_time = time
        self.start(seq)
        self._place(seq, payload)
        while self._held and self._next in self._held:
            self._place(self._next, self._held.pop(self._next))
        self._merge_held()

    def _place(self, seq: int, payload: bytes) -> None:
        assert self._next is not None
        ahead = (seq - self._next) % _WRAP
        if ahead == 0:
            self._append(payload)
        elif ahead < _HALF:
            longer = len(payload) > len(self._held.get(seq, b""))
            if longer and (seq in self._held or len(self._held) < _HELD):
                self._held[seq] = payload
        else:
            behind = _WRAP - ahead
            self.retransmitted += min(behind, len(payload))
            if behind < len(payload):
                self._append(payload[behind:])

    def _merge_held(self) -> None:
        """Use held segments that overlap the end of what is contiguous."""
        moved = True
        while moved and self._held:
            moved = False
            for seq, payload in list(self._held.items()):
                assert self._next is not None
                if (seq - self._next) % _WRAP >= _HALF or seq == self._next:
                    del self._held[seq]
                    self._place(seq, payload)
                    moved = True

    def _append(self, payload: bytes) -> None:
        assert self._next is not None
        room = KEEP - len(self.data)
        if room > 0:
            self.data += payload[:room]
        self.size += len(payload)
        self._next = (self._next + len(payload)) % _WRAP


@dataclass
class Conversation:
    """One TCP connection. `client` opened it, as far as the capture shows."""

    client: Address
    server: Address
    opened: float
    from_client: Direction = field(default_factory=Direction)
    from_server: Direction = field(default_factory=Direction)
    packets: int = 0
    cut: int = 0
    last: float = 0.0
    handshake: bool = False
    """Whether the capture holds the opening SYN."""
    ended_by: str = ""
    """`client FIN`, `server FIN`, `client RST`, `server RST`, or empty while open."""
    captured: Address | None = None
    """Where the capture rules led it, as soon as `server` is known to be what was meant."""
    reach: int = 0
    """The sequence number after the newest segment's bytes."""

    def take(self, segment: Segment) -> None:
        """Add one segment of this connection."""
        outward = segment.source == self.client
        direction = self.from_client if outward else self.from_server
        self.packets += 1
        self.cut += segment.cut
        self.last = segment.time
        self.reach = segment.seq + len(segment.payload)
        if segment.flags & frames.SYN:
            direction.start(segment.seq + 1)
            self.handshake = self.handshake or outward
            if segment.payload:
                direction.take(segment.seq + 1, segment.payload, segment.time)
        else:
            direction.take(segment.seq, segment.payload, segment.time)
        self._note_end(segment, "client" if outward else "server")

    def _note_end(self, segment: Segment, side: str) -> None:
        if segment.flags & frames.RST:
            self.ended_by = f"{side} RST"
        elif segment.flags & frames.FIN and not self.ended_by:
            self.ended_by = f"{side} FIN"


class Assembler:
    """Groups segments into connections as they come.

    A SYN on a known pair of addresses whose earlier connection has ended starts a new one. Where
    capture rules changed the address of one direction, what both acknowledge joins them.
    """

    def __init__(self) -> None:
        self._current: dict[tuple[Address, Address], Conversation] = {}
        self._halves: dict[Address, Conversation] = {}
        """Connections of which one direction was seen and the other may have another address, by
        their client."""

    def take(self, segment: Segment) -> tuple[Conversation, bool]:
        """Add a segment; returns its connection and whether that is a new one."""
        pair = _pair(segment.source, segment.target)
        known = self._current.get(pair)
        syn = bool(segment.flags & frames.SYN) and not segment.flags & frames.ACK
        if known is not None and syn and _reopened(known, segment):
            self.forget(known)
            known = None
        if known is None:
            known = self._other_half(segment)
        new = known is None
        if known is None:
            known = _opened(segment)
            self._current[pair] = known
            if known.server in CAPTURING or segment.source == known.server:
                self._halves[known.client] = known
        known.take(segment)
        return known, new

    def _other_half(self, segment: Segment) -> Conversation | None:
        """Return the connection that a segment of unknown addresses answers, and make it one."""
        if segment.target in CAPTURING:
            half = self._halves.get(segment.source)
            if half is None or half.server in CAPTURING or half.from_client.size:
                return None
            server = half.server
        else:
            half = self._halves.get(segment.target)
            if half is None or half.server not in CAPTURING or segment.source.ip == "127.0.0.1":
                return None
            server = segment.source
        if (segment.ack - half.reach + _CLOSE) % _WRAP > 2 * _CLOSE:
            return None
        half.captured = segment.target if segment.target in CAPTURING else half.server
        half.server = server
        del self._halves[half.client]
        for end in (half.server, half.captured):
            self._current[_pair(half.client, end)] = half
        return half

    def forget(self, conversation: Conversation) -> None:
        """Drop a connection: what still comes of it starts a new one."""
        for end in (conversation.server, conversation.captured):
            if end is not None:
                pair = _pair(conversation.client, end)
                if self._current.get(pair) is conversation:
                    del self._current[pair]
        if self._halves.get(conversation.client) is conversation:
            del self._halves[conversation.client]


def conversations(segments: Iterable[Segment]) -> list[Conversation]:
    """Group segments into connections, in the order they were opened."""
    assembler, found = Assembler(), list[Conversation]()
    for segment in segments:
        conversation, new = assembler.take(segment)
        if new:
            found.append(conversation)
    return found


def _reopened(known: Conversation, segment: Segment) -> bool:
    return bool(known.ended_by) or known.client != segment.source


def _opened(segment: Segment) -> Conversation:
    """Decide who is the client: who sends the SYN; without one, the higher port."""
    answer = segment.flags & frames.SYN and segment.flags & frames.ACK
    syn = (segment.flags & frames.SYN and not answer) or segment.target in CAPTURING
    higher = segment.source.port >= segment.target.port and segment.source not in CAPTURING
    outward = bool(syn) or (not answer and higher)
    client, server = (
        (segment.source, segment.target) if outward else (segment.target, segment.source)
    )
    return Conversation(client, server, segment.time)


def _pair(one: Address, other: Address) -> tuple[Address, Address]:
    return (one, other) if one <= other else (other, one)
