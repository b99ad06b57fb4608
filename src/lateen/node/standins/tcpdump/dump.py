"""Packet contents in letters and in hex. Pure."""


def ascii_text(data: bytes) -> str:
    """Write bytes as `-A` does: carriage returns before a line end vanish, the rest that cannot
    be seen is a dot."""
    text = []
    last = len(data) - 1
    for at, byte in enumerate(data):
        if byte == 13:
            if at < last and data[at + 1] != 10:
                text.append(".")
        elif 33 <= byte <= 126 or byte in (9, 10, 32):
            text.append(chr(byte))
        else:
            text.append(".")
    return "\n" + "".join(text)


def hex_text(data: bytes, *, letters: bool) -> str:
    """Write bytes as `-x` does, or (with `letters`) as `-X` does."""
    lines = []
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        groups = "".join(f" {row[at : at + 2].hex()}" for at in range(0, len(row), 2))
        line = f"\n\t0x{start:04x}: {groups}"
        if letters:
            seen = "".join(chr(byte) if 33 <= byte <= 126 else "." for byte in row)
            line = f"\n\t0x{start:04x}: {groups:<40}  {seen}"
        lines.append(line)
    return "".join(lines)
