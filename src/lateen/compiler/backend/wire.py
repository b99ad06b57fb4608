"""Protobuf's wire format, as far as joining serialized parts needs it. Pure."""


def varint(number: int) -> bytes:
    """Return a non-negative number in base 128."""
    if number < 0x80:
        return bytes((number,))
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, content: bytes) -> bytes:
    """Return a length-delimited field: text, bytes or a message. `number` is at most 15."""
    return bytes((number << 3 | 2,)) + varint(len(content)) + content
