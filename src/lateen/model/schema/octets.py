"""Bytes in JSON: base64, read and written again as Go does. Pure."""

import binascii

_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
_BREAKS = b"\r\n"


def written(text: str) -> str:
    """Return base64 without line breaks, which may stand anywhere in it.

    Raises ValueError, in the words of Kubernetes' JSON reader, for anything else.
    """
    at = _illegal(text.encode())
    if at is not None:
        raise ValueError(f"illegal base64 data at input byte {at}")
    return binascii.b2a_base64(binascii.a2b_base64(text), newline=False).decode()


def size(text: str) -> int:
    """Return the number of bytes that a text from `written` stands for."""
    return len(text) // 4 * 3 - text.count("=", -2)


def _illegal(data: bytes) -> int | None:
    """Return the offset at which Go gives up, None where it does not."""
    if not len(data) % 4 and _ALPHABET.issuperset(data.rstrip(b"=")) and data[-3:-2] != b"=":
        return None  # by far the most, and found at once: a Secret may hold a megabyte
    seen = 0
    for at, byte in enumerate(data):
        if byte in _ALPHABET:
            seen += 1
        elif byte not in _BREAKS:
            return _padding(data, at, seen % 4) if byte == ord("=") else at
    return len(data) - seen % 4 if seen % 4 else None


def _padding(data: bytes, at: int, seen: int) -> int | None:
    """Judge what begins with the first `=`, after that many letters of a group of four."""
    if seen < 2:
        return at
    place = at + 1
    if seen == 2:
        place = _after_breaks(data, place)
        if place == len(data):
            return place
        if data[place] != ord("="):
            return place - 1
        place += 1
    place = _after_breaks(data, place)
    return place if place < len(data) else None


def _after_breaks(data: bytes, place: int) -> int:
    while place < len(data) and data[place] in _BREAKS:
        place += 1
    return place
