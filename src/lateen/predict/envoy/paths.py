"""Paths as Envoy sees them: cut, normalized, with their query apart. Pure."""

import re

_KEPT = frozenset(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/|[]"
)
"""What a path may hold as it is."""
_ALSO_KEPT = frozenset("%")
_UNESCAPED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
"""What is written plainly even where it was escaped: the unreserved characters of RFC 3986."""
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def without_query(path: str) -> str:
    """Return the path alone: what routes and rules are matched on."""
    for index, char in enumerate(path):
        if char in "?#":
            return path[:index]
    return path


def query(path: str) -> dict[str, str]:
    """Return the first value of each query parameter, as it is written."""
    _, _, text = path.partition("#")[0].partition("?")
    found: dict[str, str] = {}
    for part in text.split("&") if text else ():
        name, _, value = part.partition("=")
        found.setdefault(name, value)
    return found


def normalized(path: str) -> str | None:
    """Return a path after `normalize_path`: dots resolved, unreserved characters written plainly,
    backslashes as slashes. None for one that is refused. The query stays as it is."""
    head = without_query(path)
    tail = path[len(head) :]
    if not head.startswith("/"):
        return None
    plain = _written(head)
    return None if plain is None else _resolved(plain) + tail


def _written(path: str) -> str | None:
    out: list[str] = []
    index = 0
    while index < len(path):
        char = path[index]
        if char == "%" and _ESCAPE.match(path, index):
            code = path[index + 1 : index + 3]
            value = chr(int(code, 16))
            if value == "\0":
                return None
            out.append(value if value in _UNESCAPED else f"%{code}")
            index += 3
            continue
        if char == "\\":
            out.append("/")
        elif char in _KEPT or char in _ALSO_KEPT:
            out.append(char)
        else:
            out.extend(f"%{byte:02X}" for byte in char.encode("latin-1", "replace"))
        index += 1
    return "".join(out)


def _resolved(path: str) -> str:
    """Resolve `.` and `..`; empty segments stay, as `merge_slashes` is another setting."""
    segments: list[str] = []
    parts = path.split("/")[1:]
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        if part == "..":
            if segments:
                segments.pop()
            if last:
                segments.append("")
        elif part == ".":
            if last:
                segments.append("")
        else:
            segments.append(part)
    return "/" + "/".join(segments)


def merged(path: str) -> str:
    """Return a path with runs of slashes as one; the query stays as it is."""
    head = without_query(path)
    return re.sub(r"/{2,}", "/", head) + path[len(head) :]
