"""What a connection was, from its bytes alone. Pure and total.

From bytes alone mutual TLS cannot always be told from TLS: in TLS 1.3 the client's certificate is
encrypted. Its size gives it away, unless the session is an earlier one taken up again; the
proxies' logs decide the rest (`observe.requests.legs`).
"""

from enum import Enum

import msgspec

from lateen.observe.wire import http, http2, tls
from lateen.observe.wire.streams import Conversation

ISTIO_ALPN = frozenset(
    {"istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"}
)
"""Protocols that only Istio's proxies offer."""


_CERTIFICATE_SIZE = 200
"""A client's first encrypted record in TLS 1.3 is at most 94 bytes long without a certificate (an
empty Certificate and a Finished message) and beyond 300 with one."""


_ISTIO_SNI = "outbound_"
"""What the SNI of Istio's own mutual TLS begins with."""


class WireKind(Enum):
    """What travelled."""

    HTTP1 = "HTTP/1"
    HTTP2 = "HTTP/2"
    TLS = "TLS"
    OTHER = "other"
    NOTHING = "nothing"

    @property
    def encrypted(self) -> bool:
        """Whether it was encrypted."""
        return self is WireKind.TLS

    @property
    def plain(self) -> bool:
        """Whether it was HTTP for all to read."""
        return self in (WireKind.HTTP1, WireKind.HTTP2)


class Reading(msgspec.Struct, frozen=True):
    """One connection, read."""

    kind: WireKind
    version: str = ""
    """Negotiated TLS version; empty when no ServerHello was seen."""
    sni: str = ""
    alpn: tuple[str, ...] = ()
    """What the client offered."""
    istio_mtls: bool = False
    """Whether the ALPN says that an Istio proxy opened it with its workload certificate."""
    mutual: bool | None = None
    """Whether the client sent a certificate; None where the bytes do not tell."""
    client_certificates: tuple[bytes, ...] = ()
    server_certificates: tuple[bytes, ...] = ()
    client_alert: str = ""
    server_alert: str = ""
    handshake_done: bool = False
    """Whether both sides went on to encrypted data."""
    requests: tuple[http.Message, ...] = ()
    responses: tuple[http.Message, ...] = ()
    ended_by: str = ""
    answered_http1: bool = False
    """Whether what the server sent begins as an HTTP/1 response, whatever it was asked in."""

    @property
    def certified(self) -> bool:
        """Whether the client used a certificate. Where bytes do not tell, Istio's SNI and ALPN
        do."""
        if self.mutual is not None:
            return self.mutual
        return self.istio_mtls and self.sni.startswith(_ISTIO_SNI)

    @property
    def tls(self) -> str:
        """`none`, `tls` or `mtls`, of a connection of which only packets are known."""
        if not self.kind.encrypted:
            return "none"
        return "mtls" if self.certified else "tls"

    @property
    def line(self) -> str:
        """One line that says it."""
        if self.kind is not WireKind.TLS:
            return (
                f"plaintext {self.kind.value}" if self.kind is not WireKind.NOTHING else "no bytes"
            )
        parts = [self.version or "TLS (no ServerHello)"]
        parts += [f"SNI {self.sni}"] * bool(self.sni)
        parts += [f"ALPN {', '.join(self.alpn)}"] * bool(self.alpn)
        parts += [f"server alert {self.server_alert}"] * bool(self.server_alert)
        parts += [f"client alert {self.client_alert}"] * bool(self.client_alert)
        return ", ".join(parts)


def read(conversation: Conversation) -> Reading:
    """Classify a connection."""
    client = bytes(conversation.from_client.data)
    server = bytes(conversation.from_server.data)
    ended = conversation.ended_by
    if not client and not server:
        return Reading(WireKind.NOTHING, ended_by=ended)
    if tls.looks_like_tls(client):
        return _tls(client, server, ended)
    if http2.begins(client, server):
        requests, responses = _messages(client, client=True), _messages(server, client=False)
        return Reading(
            WireKind.HTTP2,
            requests=requests,
            responses=responses,
            ended_by=ended,
            answered_http1=http.is_response(server),
        )
    if http.is_request(client) or (not client and http.is_response(server)):
        requests = tuple(http.heads(client))
        methods = (each.start.partition(" ")[0] for each in requests)
        return Reading(
            WireKind.HTTP1,
            requests=requests,
            responses=tuple(http.heads(server, methods)),
            ended_by=ended,
            answered_http1=http.is_response(server),
        )
    return Reading(WireKind.OTHER, ended_by=ended)


def _messages(data: bytes, *, client: bool) -> tuple[http.Message, ...]:
    """Return the heads of an HTTP/2 direction, as far as they can be read."""
    if len(data) <= len(http2.PREFACE):
        return ()
    found = []
    for event in http2.FrameReader(client=client).read(data):
        if isinstance(event, http2.Head) and (start := http2.first_line(event)):
            found.append(http.Message(start, event.fields, True, event.stream))
    return tuple(found)


def _tls(client: bytes, server: bytes, ended: str) -> Reading:
    outward, back = tls.read_both(client, server)
    hello, answer = outward.client_hello, back.server_hello
    alpn = hello.alpn if hello else ()
    return Reading(
        WireKind.TLS,
        version=answer.version if answer else "",
        sni=hello.sni if hello else "",
        alpn=alpn,
        istio_mtls=bool(ISTIO_ALPN.intersection(alpn)),
        mutual=_mutual(outward, back),
        client_certificates=outward.certificates,
        server_certificates=back.certificates,
        client_alert=outward.alert,
        server_alert=back.alert,
        handshake_done=outward.encrypted and back.encrypted,
        ended_by=ended,
    )


def _mutual(client: tls.Records, server: tls.Records) -> bool | None:
    answer = server.server_hello
    if client.certificates:
        return True
    if answer is None or answer.resumed:
        return None
    if answer.version != "TLSv1.3":
        return False if client.encrypted and server.certificates else None
    if not client.first_encrypted:
        return None
    return client.first_encrypted > _CERTIFICATE_SIZE
