"""Captured segments to lines: what each connection is, and each plaintext request on it. Pure."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from lateen.model.labapi.traffic import Flow
from lateen.observe import redact
from lateen.observe.packets import flowlines
from lateen.observe.packets.flowlines import LEGS
from lateen.observe.wire import classify, http, http2, tls
from lateen.observe.wire.classify import WireKind
from lateen.observe.wire.frames import Segment
from lateen.observe.wire.streams import CAPTURING, Assembler, Conversation, Direction

_STATES = 8192
"""Connections followed per pod at a time."""
_TELLING = 8
"""Bytes that say what a connection is."""
_UNANSWERED = 256
"""Requests of a connection whose answers are waited for."""


class _State:
    """What was said of a connection so far, and the readers of its two directions."""

    def __init__(self, leg: str, conversation: Conversation) -> None:
        self.leg, self.conversation = leg, conversation
        self.kind: WireKind | None = None
        self.tls = "none"
        self.told = False
        self.ended = False
        self.methods: deque[str] = deque(maxlen=_UNANSWERED)
        """Of requests that are not answered yet."""
        self.http1: list[http.HeadReader] = []
        self.http2: list[http2.FrameReader] = []

    def becomes_http1(self) -> None:
        """Read the next bytes of both directions as HTTP/1."""
        self.kind = WireKind.HTTP1
        self.http1 = [http.HeadReader(), self._answers()]

    def becomes_http2(self) -> None:
        """Read the next bytes of both directions as HTTP/2's first."""
        self.kind, self.http1 = WireKind.HTTP2, []
        self.http2 = [http2.FrameReader(client=True), http2.FrameReader(client=False)]

    def restart(self, number: int) -> None:
        """Begin a direction (0 is the client's) anew, at a message's beginning."""
        if not self.http1:
            self.becomes_http1()
        self.methods.clear()
        self.http1[number] = self._answers() if number else http.HeadReader()

    def _answers(self) -> http.HeadReader:
        def methods() -> Iterator[str]:
            while True:
                yield self.methods.popleft() if self.methods else ""

        return http.HeadReader(methods())


class Narrator:
    """Tells the flows of one pod, segment by segment.

    `known` gives the handshake of a connection that is older than the capture, by its client and
    server (empty where capture rules hide it). `others` are the
    addresses of other pods captured at the same time: what both see is told by the client's side.
    """

    def __init__(
        self,
        pod: str,
        address: str,
        *,
        others: frozenset[str] = frozenset(),
        known: Callable[[str, str], Flow | None] = lambda client, server: None,
        secrets: bool = False,
    ) -> None:
        self._pod, self._address, self._others = pod, address, others
        self._known, self._secrets = known, secrets
        self._assemblers: dict[str, Assembler] = {}
        self._states: dict[int, _State] = {}

    def take(self, segment: Segment, leg: str) -> Iterator[Flow]:
        """Add a segment seen on `eth0` or `lo`; yields what it completes."""
        assembler = self._assemblers.setdefault(leg, Assembler())
        conversation, new = assembler.take(segment)
        if new:
            self._states[id(conversation)] = _State(leg, conversation)
            if len(self._states) > _STATES:
                self._prune()
        if leg != "lo" and self._told_elsewhere(conversation):
            _taken(conversation.from_client)
            _taken(conversation.from_server)
            return
        state = self._states[id(conversation)]
        _resynchronise(conversation, segment, state)
        for flow in self._flows(conversation, state):
            yield msgspec.structs.replace(
                flow, pod=self._pod, leg=LEGS[leg], time=round(segment.time, 6)
            )

    def _prune(self) -> None:
        """Forget connections that have ended, and the oldest if that is not enough."""
        ended = [key for key, state in self._states.items() if state.conversation.ended_by]
        for key in ended or list(self._states)[: _STATES // 2]:
            state = self._states.pop(key)
            self._assemblers[state.leg].forget(state.conversation)

    def _told_elsewhere(self, conversation: Conversation) -> bool:
        ends = conversation.client.ip, conversation.server.ip
        return ends[0] != self._address and ends[0] in self._others

    def _flows(self, made: Conversation, state: _State) -> Iterator[Flow]:
        if state.kind is None:
            yield from self._first(made, state)
        if state.http1:
            yield from self._messages(made, state)
        if state.http2:
            yield from self._streams(made, state)
        elif state.kind is WireKind.TLS and not state.told:
            yield from self._handshake(made, state)
        if made.ended_by and not state.ended:
            state.ended = True
            yield from self._end(made, state)

    def _first(self, made: Conversation, state: _State) -> Iterator[Flow]:
        reading = classify.read(made)
        if reading.kind is WireKind.NOTHING or _too_little(made, reading.kind):
            return
        state.kind = reading.kind
        if not made.handshake and reading.kind is WireKind.OTHER:
            half = made.server in CAPTURING  # what was meant is not known yet
            older = self._known(str(made.client), "" if half else str(made.server))
            if older is not None:
                state.kind, state.told, state.tls = WireKind(older.kind), True, older.tls
                yield msgspec.structs.replace(older, detail=_older(state.kind))
                return
            if _encrypted_data(made):
                state.kind, state.told, state.tls = WireKind.TLS, True, "tls"
                yield _flow(made, state, "data", detail="TLS, opened before the capture")
                return
        if reading.kind is WireKind.HTTP1:
            state.becomes_http1()
        elif reading.kind is WireKind.HTTP2:
            state.becomes_http2()
        elif reading.kind is WireKind.OTHER:
            since = "" if made.handshake else ", opened before the capture"
            yield _flow(made, state, "data", detail=f"other connection{since}")

    def _handshake(self, made: Conversation, state: _State) -> Iterator[Flow]:
        reading = classify.read(made)
        alert = reading.server_alert or reading.client_alert
        settled = reading.version and (reading.mutual is not None or reading.handshake_done)
        if not (settled or alert or made.ended_by):
            return
        state.told, state.tls = True, reading.tls
        detail = f"server alert {reading.server_alert}" if reading.server_alert else ""
        detail = detail or (f"client alert {reading.client_alert}" if alert else "")
        yield flowlines.handshake(made, reading, detail)

    def _messages(self, made: Conversation, state: _State) -> Iterator[Flow]:
        for reader, direction in zip(
            state.http1, (made.from_client, made.from_server), strict=True
        ):
            for head in reader.read(_taken(direction)):
                flow = self._message(made, state, head)
                if flow.event == "request":
                    state.methods.append(flow.method)
                yield flow
                if _switches(head):
                    direction.data[:] = reader.rest
                    state.becomes_http2()
                    return

    def _message(self, made: Conversation, state: _State, head: http.Message) -> Flow:
        pairs = head.headers if self._secrets else tuple(redact.headers(head.headers))
        first, _, rest = head.start.partition(" ")
        if first.startswith("HTTP/"):
            number, _, reason = rest.partition(" ")
            return _flow(
                made, state, "response", status=_status(number), detail=reason, headers=pairs
            )
        path = rest.rpartition(" ")[0]
        return _flow(
            made,
            state,
            "request",
            method=first,
            path=path if self._secrets else redact.path(path),
            host=head.header("host"),
            headers=pairs,
        )

    def _streams(self, made: Conversation, state: _State) -> Iterator[Flow]:
        """Tell what HTTP/2's streams carry; where they cannot be read further, why."""
        both = (("client", made.from_client), ("server", made.from_server))
        for reader, (side, direction) in zip(state.http2, both, strict=True):
            data, ended = _taken(direction), reader.stopped
            if ended:
                continue
            for event in reader.read(data):
                yield from self._event(made, state, event, side)
            if direction.stalled:
                reader.stop("bytes are missing from the capture")
            if reader.stopped:
                yield _flow(made, state, "data", detail=f"{side} not read on: {reader.stopped}")

    def _event(
        self, made: Conversation, state: _State, event: http2.Head | http2.Ending, side: str
    ) -> Iterator[Flow]:
        if isinstance(event, http2.Ending):
            if event.error != "NO_ERROR":
                what = "stream reset" if event.stream else "connection given up"
                detail = f"{what} by {side}: {event.error}"
                yield _flow(made, state, "end", stream=event.stream, detail=detail)
            return
        pairs = event.fields if self._secrets else tuple(redact.headers(event.fields))
        more = {"stream": event.stream, "headers": pairs}
        grpc = ("grpc-status", "grpc-message")
        said = " ".join(f"{k}={v}" for k, v in pairs if k in grpc)
        if status := event.header(":status"):
            yield _flow(made, state, "response", status=_status(status), detail=said, **more)
        elif method := event.header(":method"):
            path = event.header(":path")
            yield _flow(
                made,
                state,
                "request",
                method=method,
                path=path if self._secrets else redact.path(path),
                host=event.header(":authority") or event.header("host"),
                **more,
            )
        else:
            yield _flow(made, state, "trailers", detail=said, **more)

    def _end(self, made: Conversation, state: _State) -> Iterator[Flow]:
        nothing = not made.from_server.size
        if made.ended_by.endswith("RST") or (nothing and state.kind is not None):
            said = ", the server said nothing" if nothing else ""
            yield _flow(made, state, "end", detail=f"ended by {made.ended_by}{said}")


def _flow(made: Conversation, state: _State, event: str, **more: Any) -> Flow:
    return Flow(
        time=made.last,
        pod="",
        leg="",
        client=str(made.client),
        server=str(made.server),
        event=event,
        tls=state.tls,
        kind=state.kind.value if state.kind else "",
        **more,
    )


def _taken(direction: Direction) -> bytes:
    """Take what has come of a direction."""
    data = bytes(direction.data)
    direction.data.clear()
    return data


def _status(text: str) -> int:
    """Return a status; 0 for what is none."""
    return int(text) if len(text) == 3 and text.isascii() and text.isdigit() else 0


def _too_little(made: Conversation, kind: WireKind) -> bool:
    """Whether the first bytes may still become something that is known."""
    size = made.from_client.size + made.from_server.size
    return kind is WireKind.OTHER and size < _TELLING and not made.ended_by


def _older(kind: WireKind) -> str:
    """Say what being older than the capture means for what can be read."""
    if kind is WireKind.HTTP2:
        return "opened before the capture: its headers' compression is not known"
    return "opened before the capture"


def _switches(head: http.Message) -> bool:
    """Whether a server says that HTTP/2 comes next."""
    return head.start.startswith("HTTP/1.1 101") and head.header("upgrade").lower() == "h2c"


def _encrypted_data(made: Conversation) -> bool:
    return any(bytes(d.data[:2]) == b"\x17\x03" for d in (made.from_client, made.from_server))


def _resynchronise(made: Conversation, segment: Segment, state: _State) -> None:
    """In a connection older than the capture, or that misses bytes, begin at the next message."""
    number = int(segment.source != made.client)
    direction = (made.from_client, made.from_server)[number]
    whole = made.handshake and not direction.stalled
    if whole or state.kind not in (None, WireKind.OTHER, WireKind.HTTP1):
        return
    if not _begins_message(segment.payload) or tls.looks_like_tls(segment.payload):
        return
    if not direction.stalled:
        if state.http1 and not state.http1[number].lost:
            return
        if not state.http1 and _begins_message(bytes(direction.data)):
            if state.kind is WireKind.OTHER:
                state.becomes_http1()
            return
    direction.restart(segment.seq, segment.payload)
    state.restart(number)


def _begins_message(data: bytes) -> bool:
    return http.is_request(data) or http.is_response(data)
