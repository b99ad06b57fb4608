"""What a TLS client offers, read from its first record. Pure."""

HANDSHAKE = 22
CLIENT_HELLO = 1
_ALPN = 16
RECORD_HEAD = 5

NO_APPLICATION_PROTOCOL = b"\x15\x03\x03\x00\x02\x02\x78"
"""The record of the fatal alert 120: the server speaks none of the protocols that are offered."""


def record_length(head: bytes) -> int:
    """Return how long the record is that these five bytes begin, head included; 0 if it is none
    of TLS's handshake."""
    if len(head) < RECORD_HEAD or head[0] != HANDSHAKE or head[1] != 3:
        return 0
    return RECORD_HEAD + int.from_bytes(head[3:5], "big")


def offered_protocols(record: bytes) -> tuple[str, ...] | None:
    """Return the names in the ClientHello's ALPN extension (RFC 7301); None if it has none, or
    if the record is cut short or no ClientHello at all."""
    try:
        return _protocols(record)
    except IndexError:
        return None


def _protocols(record: bytes) -> tuple[str, ...] | None:
    if record[0] != HANDSHAKE or record[RECORD_HEAD] != CLIENT_HELLO:
        return None
    at = RECORD_HEAD + 4 + 2 + 32  # the message's head, its version, its random bytes
    at += 1 + record[at]  # the session's id
    at += 2 + _short(record, at)  # cipher suites
    at += 1 + record[at]  # compression methods
    end = at + 2 + _short(record, at)
    at += 2
    while at < end:
        kind, size = _short(record, at), _short(record, at + 2)
        if kind == _ALPN:
            return _names(record[at + 6 : at + 4 + size])
        at += 4 + size
    return None


def _names(listed: bytes) -> tuple[str, ...]:
    names, at = [], 0
    while at < len(listed):
        size = listed[at]
        names.append(listed[at + 1 : at + 1 + size].decode("latin-1"))
        at += 1 + size
    return tuple(names)


def _short(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]
