"""Captured segments to lines: what each connection is, and each plaintext request on it. Pure."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from lateen.observe import redact
from lateen.observe.wire import classify, http, tls
from lateen.observe.wire.classify import Kind, Reading
from lateen.observe.wire.frames import Segment
from lateen.observe.wire.streams import KEEP, Assembler, Conversation, Direction

LEGS = {"eth0": "wire", "lo": "app"}
"""Interface to leg: between pods, or between a proxy and its application inside one."""
QUIET_PORTS = frozenset({15000, 15020, 15021, 15090})
"""Envoy's admin, health and statistics ports: not shown unless asked for by number."""


_STATES = 8192
"""Connections followed per pod at a time."""


class Flow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line. `event` is `handshake`, `request`, `response`, `data` or `end`; `tls` is `none`,
    `tls` or `mtls`; `time` is in seconds since the epoch. JSON leaves out what is empty."""

    time: float
    pod: str
    leg: str
    client: str
    server: str
    event: str
    tls: str
    kind: str
    version: str = ""
    sni: str = ""
    alpn: tuple[str, ...] = ()
    method: str = ""
    path: str = ""
    host: str = ""
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    detail: str = ""

    @property
    def text(self) -> str:
        """What happened, after the addresses."""
        if self.event == "request":
            return " ".join(part for part in (self.method, self.path, self.host) if part)
        if self.event == "response":
            return f"-> {self.status} {self.detail}".rstrip()
        if self.event == "handshake":
            parts = [self.version or "ClientHello, no answer"]
            parts += [f"sni={self.sni}"] * bool(self.sni)
            parts += [f"alpn={','.join(self.alpn)}"] * bool(self.alpn)
            parts += [self.detail] * bool(self.detail)
            return " ".join(parts)
        return self.detail


class _State:
    """What was said of a connection so far."""

    def __init__(self, leg: str, conversation: Conversation) -> None:
        self.leg, self.conversation = leg, conversation
        self.kind: Kind | None = None
        self.tls = "none"
        self.told = False
        self.ended = False
        self.skip: dict[int, int] = {}
        """Of a direction (its id): bytes of a body that are still to come."""


def tls_word(reading: Reading) -> str:
    """Return `none`, `tls` or `mtls`; where bytes do not tell, Istio's SNI and ALPN do."""
    if not reading.kind.encrypted:
        return "none"
    if reading.mutual is not None:
        return "mtls" if reading.mutual else "tls"
    return "mtls" if reading.istio_mtls and reading.sni.startswith("outbound_") else "tls"


class Narrator:
    """Tells the flows of one pod, segment by segment.

    `known` gives the handshake of a connection that is older than the capture. `others` are the
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
            _trim(conversation.from_client, len(conversation.from_client.data))
            _trim(conversation.from_server, len(conversation.from_server.data))
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
        if state.kind is Kind.HTTP1:
            yield from self._messages(made, state)
        elif state.kind is Kind.TLS and not state.told:
            yield from self._handshake(made, state)
        if made.ended_by and not state.ended:
            state.ended = True
            yield from self._end(made, state)

    def _first(self, made: Conversation, state: _State) -> Iterator[Flow]:
        reading = classify.read(made)
        if reading.kind is Kind.NOTHING:
            return
        state.kind = reading.kind
        if not made.handshake and reading.kind is Kind.OTHER:
            older = self._known(str(made.client), str(made.server))
            if older is not None:
                state.kind, state.told, state.tls = Kind(older.kind), True, older.tls
                yield msgspec.structs.replace(older, detail="opened before the capture")
                return
            if _encrypted_data(made):
                state.kind, state.told, state.tls = Kind.TLS, True, "tls"
                yield _flow(made, state, "data", detail="TLS, opened before the capture")
                return
        if reading.kind in (Kind.OTHER, Kind.HTTP2):
            yield _flow(made, state, "data", detail=f"{reading.kind.value} connection")

    def _handshake(self, made: Conversation, state: _State) -> Iterator[Flow]:
        reading = classify.read(made)
        alert = reading.server_alert or reading.client_alert
        settled = reading.version and (reading.mutual is not None or reading.handshake_done)
        if not (settled or alert or made.ended_by):
            return
        state.told, state.tls = True, tls_word(reading)
        detail = f"server alert {reading.server_alert}" if reading.server_alert else ""
        detail = detail or (f"client alert {reading.client_alert}" if alert else "")
        yield _handshake_flow(made, reading, detail)

    def _messages(self, made: Conversation, state: _State) -> Iterator[Flow]:
        for direction in (made.from_client, made.from_server):
            while (head := _next_head(direction, state)) is not None:
                yield self._message(made, state, head)

    def _message(self, made: Conversation, state: _State, head: http.Message) -> Flow:
        pairs = head.headers if self._secrets else tuple(redact.headers(head.headers))
        first, _, rest = head.start.partition(" ")
        if first.startswith("HTTP/"):
            number, _, reason = rest.partition(" ")
            status = int(number) if number.isdigit() else 0
            return _flow(made, state, "response", status=status, detail=reason, headers=pairs)
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


def _handshake_flow(made: Conversation, reading: Reading, detail: str) -> Flow:
    return Flow(
        time=made.last,
        pod="",
        leg="",
        client=str(made.client),
        server=str(made.server),
        event="handshake" if reading.kind is Kind.TLS else "data",
        tls=tls_word(reading),
        kind=reading.kind.value,
        version=reading.version,
        sni=reading.sni,
        alpn=reading.alpn,
        detail=detail,
    )


def _next_head(direction: Direction, state: _State) -> http.Message | None:
    """Take the next message off a direction, its body too, be it there or still to come."""
    skipped = min(state.skip.get(id(direction), 0), len(direction.data))
    if skipped:
        state.skip[id(direction)] -= skipped
        _trim(direction, skipped)
    data = bytes(direction.data)
    head = http.message(data)
    if head is None or not head.complete:
        return None
    whole = http.next_message(data)
    if whole is not None:
        _trim(direction, whole[1])
        return head
    length = head.header("content-length")
    if length.isdigit():
        state.skip[id(direction)] = int(length) - (len(data) - data.index(b"\r\n\r\n") - 4)
    elif len(data) < KEEP:
        return None
    _trim(direction, len(data))
    return head


def opening(pod: str, leg: str, made: Conversation) -> Flow | None:
    """Return what a connection's opening told as a flow; None if it told nothing."""
    reading = classify.read(made)
    if reading.kind is Kind.NOTHING:
        return None
    alert = reading.server_alert or reading.client_alert
    side = "server" if reading.server_alert else "client"
    told = _handshake_flow(made, reading, f"{side} alert {alert}" if alert else "")
    return msgspec.structs.replace(told, pod=pod, leg=LEGS[leg], time=round(made.opened, 6))


def _trim(direction: Direction, size: int) -> None:
    del direction.data[:size]


def _encrypted_data(made: Conversation) -> bool:
    return any(bytes(d.data[:2]) == b"\x17\x03" for d in (made.from_client, made.from_server))


def _resynchronise(made: Conversation, segment: Segment, state: _State) -> None:
    """In a connection older than the capture, begin at the first message head that comes."""
    if made.handshake or state.kind not in (None, Kind.OTHER, Kind.HTTP1):
        return
    if not _begins_message(segment.payload) or tls.looks_like_tls(segment.payload):
        return
    direction = made.from_client if segment.source == made.client else made.from_server
    if state.skip.get(id(direction)) or _begins_message(bytes(direction.data)):
        return
    direction.data[:] = segment.payload
    state.kind = Kind.HTTP1


def _begins_message(data: bytes) -> bool:
    return http.is_request(data) or http.is_response(data)


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which flows to show. Names are matched as prefixes of `namespace/pod`, or of `pod`."""

    tls: str = ""
    sources: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    status: str = ""
    port: int = 0
    leg: str = "all"

    def keeps(self, flow: Flow, names: Mapping[str, str]) -> bool:
        """Whether to show a flow; `names` maps addresses to `namespace/pod`."""
        ports = {int(end.rpartition(":")[2]) for end in (flow.client, flow.server)}
        if (self.port not in ports) if self.port else bool(ports & QUIET_PORTS):
            return False
        if self.leg != "all" and flow.leg != self.leg:
            return False
        if self.tls and flow.tls != self.tls:
            return False
        if self.status and not _status_matches(flow.status, self.status):
            return False
        ends = (
            (self.sources, place(flow, flow.client, names)),
            (self.targets, place(flow, flow.server, names)),
        )
        return all(not wanted or _named(found, wanted) for wanted, found in ends)


def place(flow: Flow, end: str, names: Mapping[str, str]) -> str:
    """Return who is at an end of a flow: a pod, or the address if it is nobody's."""
    host = end.rpartition(":")[0].strip("[]")
    if host.startswith("127.") or host == "::1":
        return flow.pod
    return names.get(host, host)


def _named(found: str, wanted: tuple[str, ...]) -> bool:
    return any(
        found.startswith(each) or found.partition("/")[2].startswith(each) for each in wanted
    )


def _status_matches(status: int, wanted: str) -> bool:
    """`503` is itself; `5+` and `5xx` are all that begin with 5, as hubble has it."""
    if wanted.endswith(("+", "xx")):
        return str(status).startswith(wanted.rstrip("+x"))
    return str(status) == wanted


def line(flow: Flow, names: Mapping[str, str], clock: str) -> str:
    """Return a flow as one line; `clock` is its time as it is to be shown."""
    ends = []
    for end in (flow.client, flow.server):
        port = end.rpartition(":")[2]
        ends.append(f"{place(flow, end, names)}:{port}")
    return f"{clock} {flow.leg:<4} {ends[0]} > {ends[1]} {flow.tls:<4} {flow.kind}: {flow.text}"
