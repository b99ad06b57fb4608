"""TLS records and handshakes, as far as they travel in the clear. Pure and total.

In TLS 1.3 that is ClientHello, ServerHello and an early alert; in TLS 1.2 also the certificates
of both sides.
"""

import msgspec

_HANDSHAKE, _ALERT, _CHANGE, _DATA = 22, 21, 20, 23
_CLIENT_HELLO, _SERVER_HELLO, _CERTIFICATE, _CERTIFICATE_REQUEST = 1, 2, 11, 13
_SNI, _ALPN, _SESSION, _VERSIONS = 0, 16, 41, 43
_MAX_RECORD = 16384 + 2048

VERSIONS = {
    0x0300: "SSLv3",
    0x0301: "TLSv1",
    0x0302: "TLSv1.1",
    0x0303: "TLSv1.2",
    0x0304: "TLSv1.3",
}

ALERTS = {
    0: "close_notify",
    10: "unexpected_message",
    20: "bad_record_mac",
    40: "handshake_failure",
    42: "bad_certificate",
    43: "unsupported_certificate",
    44: "certificate_revoked",
    45: "certificate_expired",
    46: "certificate_unknown",
    47: "illegal_parameter",
    48: "unknown_ca",
    49: "access_denied",
    50: "decode_error",
    51: "decrypt_error",
    70: "protocol_version",
    71: "insufficient_security",
    80: "internal_error",
    86: "inappropriate_fallback",
    90: "user_canceled",
    109: "missing_extension",
    110: "unsupported_extension",
    112: "unrecognized_name",
    116: "certificate_required",
    120: "no_application_protocol",
}


class ClientHello(msgspec.Struct, frozen=True):
    """What a client offers."""

    versions: tuple[str, ...]
    sni: str
    alpn: tuple[str, ...]


class ServerHello(msgspec.Struct, frozen=True):
    """What the server chose. `alpn` is visible before TLS 1.3 only."""

    version: str
    cipher: int
    alpn: str
    resumed: bool = False
    """Whether it takes up an earlier session (seen in TLS 1.3): no certificates are sent then."""


class Records(msgspec.Struct, frozen=True):
    """The clear part of one direction."""

    client_hello: ClientHello | None = None
    server_hello: ServerHello | None = None
    certificates: tuple[bytes, ...] = ()
    """DER, leaf first (TLS 1.2)."""
    certificate_requested: bool = False
    """The server asked for a client certificate (seen in TLS 1.2)."""
    alert: str = ""
    """The first alert in the clear, by name."""
    encrypted: bool = False
    """Whether encrypted records followed."""
    first_encrypted: int = 0
    """Length of the first encrypted record. The client's in TLS 1.3 begins with its certificate
    if it sends one."""


def looks_like_tls(data: bytes) -> bool:
    """Whether the bytes start with a TLS record (or could, if there are only a few)."""
    if not data or data[0] not in (_HANDSHAKE, _ALERT):
        return False
    if len(data) >= 2 and data[1] != 3:
        return False
    if len(data) >= 5:
        return int.from_bytes(data[3:5], "big") <= _MAX_RECORD
    return True


def read(data: bytes, version: str = "") -> Records:
    """Read one direction from its first byte.

    `version` is what was negotiated, if known. It decides what a ChangeCipherSpec means: from TLS
    1.3 on nothing at all, before that the start of encryption.
    """
    handshake = bytearray()
    alert, encrypted, offset, first = "", False, 0, 0
    while offset + 5 <= len(data) and not encrypted:
        kind, length = data[offset], int.from_bytes(data[offset + 3 : offset + 5], "big")
        body = data[offset + 5 : offset + 5 + length]
        if data[offset + 1] != 3 or length > _MAX_RECORD or kind not in range(20, 25):
            break
        if kind == _HANDSHAKE:
            handshake += body
        elif kind == _ALERT and len(body) == 2 and not alert:
            alert = ALERTS.get(body[1], f"alert {body[1]}")
        elif kind == _DATA or (kind == _CHANGE and version not in ("", "TLSv1.3")):
            encrypted, first = True, length if kind == _DATA else 0
        offset += 5 + length
    made = _messages(bytes(handshake), alert)
    return msgspec.structs.replace(made, encrypted=encrypted, first_encrypted=first)


def read_both(client: bytes, server: bytes) -> tuple[Records, Records]:
    """Read both directions of one connection; the server's choice of version holds for both."""
    answer = read(server)
    if answer.server_hello is None:
        return read(client), answer
    version = answer.server_hello.version
    return read(client, version), read(server, version)


def _messages(data: bytes, alert: str) -> Records:
    client: ClientHello | None = None
    server: ServerHello | None = None
    certificates: tuple[bytes, ...] = ()
    requested, offset = False, 0
    while offset + 4 <= len(data):
        kind, length = data[offset], int.from_bytes(data[offset + 1 : offset + 4], "big")
        body = data[offset + 4 : offset + 4 + length]
        if len(body) < length:
            break
        if kind == _CLIENT_HELLO and client is None:
            client = _client_hello(body)
        elif kind == _SERVER_HELLO and server is None:
            server = _server_hello(body)
        elif kind == _CERTIFICATE and not certificates:
            certificates = _certificates(body)
        elif kind == _CERTIFICATE_REQUEST:
            requested = True
        offset += 4 + length
    return Records(client, server, certificates, requested, alert)


class _Reader:
    """Reads lengths and slices; past the end it gives empty bytes and zero."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, size: int) -> int:
        return int.from_bytes(self.raw(size), "big")

    def raw(self, size: int) -> bytes:
        part = self._data[self._at : self._at + size]
        self._at += size
        return part

    def vector(self, size: int) -> bytes:
        return self.raw(self.number(size))

    @property
    def more(self) -> bool:
        return self._at < len(self._data)


def _extensions(data: bytes) -> dict[int, bytes]:
    reader, found = _Reader(data), dict[int, bytes]()
    while reader.more:
        kind = reader.number(2)
        found.setdefault(kind, reader.vector(2))
    return found


def _text(data: bytes) -> str:
    return data.decode("ascii", "backslashreplace")


def _protocols(data: bytes) -> tuple[str, ...]:
    reader, found = _Reader(_Reader(data).vector(2)), list[str]()
    while reader.more:
        found.append(_text(reader.vector(1)))
    return tuple(found)


def _server_name(data: bytes) -> str:
    reader = _Reader(_Reader(data).vector(2))
    while reader.more:
        kind, name = reader.number(1), reader.vector(2)
        if kind == 0:
            return _text(name)
    return ""


def _client_hello(body: bytes) -> ClientHello:
    reader = _Reader(body)
    legacy = reader.number(2)
    reader.raw(32)
    reader.vector(1)
    reader.vector(2)
    reader.vector(1)
    extensions = _extensions(reader.vector(2))
    offered = _Reader(_Reader(extensions.get(_VERSIONS, b"")).vector(1))
    numbers = []
    while offered.more:
        numbers.append(offered.number(2))
    known = [n for n in numbers or [legacy] if n in VERSIONS]
    return ClientHello(
        tuple(VERSIONS[n] for n in sorted(known, reverse=True)),
        _server_name(extensions.get(_SNI, b"")),
        _protocols(extensions.get(_ALPN, b"")),
    )


def _server_hello(body: bytes) -> ServerHello:
    reader = _Reader(body)
    version = reader.number(2)
    reader.raw(32)
    reader.vector(1)
    cipher = reader.number(2)
    reader.number(1)
    extensions = _extensions(reader.vector(2))
    if _VERSIONS in extensions:
        version = int.from_bytes(extensions[_VERSIONS][:2], "big")
    protocols = _protocols(extensions.get(_ALPN, b""))
    return ServerHello(
        VERSIONS.get(version, f"0x{version:04x}"),
        cipher,
        protocols[0] if protocols else "",
        _SESSION in extensions,
    )


def _certificates(body: bytes) -> tuple[bytes, ...]:
    reader, found = _Reader(_Reader(body).vector(3)), list[bytes]()
    while reader.more:
        found.append(reader.vector(3))
    return tuple(c for c in found if c)
