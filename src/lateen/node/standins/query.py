"""Queries, forms and cookies: what urllib.parse does, without its import time."""

_HEX = "0123456789abcdefABCDEF"


def unquote(text: str, *, plus: bool = False) -> str:
    """Undo percent-encoding; with `plus` a plus sign is a blank."""
    if plus:
        text = text.replace("+", " ")
    if "%" not in text:
        return text
    first, *rest = text.split("%")
    out = bytearray(first.encode())
    for part in rest:
        if len(part) >= 2 and part[0] in _HEX and part[1] in _HEX:
            out.append(int(part[:2], 16))
            out += part[2:].encode()
        else:
            out += b"%" + part.encode()
    return out.decode("utf-8", "replace")


def pairs(text: str) -> list[tuple[str, str]]:
    """Read `a=1&b=2`."""
    found = []
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            found.append((unquote(name, plus=True), unquote(value, plus=True)))
    return found


def cookies(header: str) -> dict[str, str]:
    """Read a Cookie header."""
    found = {}
    for part in header.split(";"):
        name, equals, value = part.strip().partition("=")
        if equals:
            found[name] = value.strip('"')
    return found
