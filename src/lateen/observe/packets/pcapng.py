"""Blocks of a pcapng file: sections, interfaces, packets, secrets, statistics. Pure.

Little-endian; times are in nanoseconds since the epoch. Wireshark and tshark read what comes out.
"""

import struct
from collections.abc import Sequence

_SECTION, _INTERFACE, _PACKET, _STATISTICS, _SECRETS = 0x0A0D0D0A, 1, 6, 5, 10
_MAGIC = 0x1A2B3C4D
_COMMENT, _APPLICATION = 1, 4
_NAME, _DESCRIPTION, _RESOLUTION = 2, 3, 9
_RECEIVED, _DROPPED = 4, 5
_NANOSECONDS = b"\x09"
_TLS_KEYS = 0x544C534B
ETHERNET = 1
_SNAP = 0x40000
_PACKET_HEAD = struct.Struct("<IIIIIII")
_WORD = struct.Struct("<I")


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + b"\0" * (-len(value) % 4)


def _options(pairs: Sequence[tuple[int, bytes]]) -> bytes:
    made = b"".join(_option(code, value[:65535]) for code, value in pairs if value)
    return made + b"\0\0\0\0" if made else b""


def _block(kind: int, body: bytes) -> bytes:
    size = _WORD.pack(len(body) + 12)
    return _WORD.pack(kind) + size + body + size


def section(application: str, comment: str = "") -> bytes:
    """Return the block that a file begins with."""
    body = struct.pack("<IHHq", _MAGIC, 1, 0, -1)
    named = [(_COMMENT, comment.encode()), (_APPLICATION, application.encode())]
    return _block(_SECTION, body + _options(named))


def interface(name: str, description: str = "", comment: str = "") -> bytes:
    """Return the block of an interface; the first in a file has number 0, the next 1."""
    options = [
        (_COMMENT, comment.encode()),
        (_NAME, name.encode()),
        (_DESCRIPTION, description.encode()),
        (_RESOLUTION, _NANOSECONDS),
    ]
    return _block(_INTERFACE, struct.pack("<HHI", ETHERNET, 0, _SNAP) + _options(options))


def packet(number: int, time: int, data: bytes, length: int, comment: str = "") -> bytes:
    """Return the block of a frame seen on interface `number`; `length` is what it had on the
    wire, `data` what was kept of it."""
    options = _options([(_COMMENT, comment.encode())]) if comment else b""
    kept = len(data)
    padding = -kept % 4
    size = 32 + kept + padding + len(options)
    head = _PACKET_HEAD.pack(
        _PACKET, size, number, (time >> 32) & 0xFFFFFFFF, time & 0xFFFFFFFF, kept, length
    )
    return b"".join((head, data, b"\0\0\0"[:padding], options, _WORD.pack(size)))


def secrets(key_log: bytes) -> bytes:
    """Return a decryption secrets block with the lines of a TLS key log (SSLKEYLOGFILE)."""
    body = struct.pack("<II", _TLS_KEYS, len(key_log)) + key_log + b"\0" * (-len(key_log) % 4)
    return _block(_SECRETS, body)


def statistics(number: int, time: int, received: int, dropped: int) -> bytes:
    """Return the block that says how many frames an interface gave and how many were lost."""
    options = [
        (_RECEIVED, struct.pack("<Q", received)),
        (_DROPPED, struct.pack("<Q", dropped)),
    ]
    stamp = struct.pack("<III", number, (time >> 32) & 0xFFFFFFFF, time & 0xFFFFFFFF)
    return _block(_STATISTICS, stamp + _options(options))
