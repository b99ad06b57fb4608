"""Protocols that are lines of text: what is written of a segment's payload. Pure."""

_HTTP = frozenset(
    {"GET", "PUT", "COPY", "HEAD", "LOCK", "MOVE", "POLL", "POST", "BCOPY", "BMOVE", "MKCOL",
     "TRACE", "LABEL", "MERGE", "DELETE", "SEARCH", "UNLOCK", "REPORT", "UPDATE", "NOTIFY",
     "BDELETE", "CONNECT", "OPTIONS", "CHECKIN", "PROPFIND", "CHECKOUT", "CCM_POST", "SUBSCRIBE",
     "PROPPATCH", "BPROPFIND", "BPROPPATCH", "UNCHECKOUT", "MKACTIVITY", "MKWORKSPACE",
     "UNSUBSCRIBE", "RPC_CONNECT", "VERSION-CONTROL", "BASELINE-CONTROL"}
)  # fmt: skip
_HTTP_PORTS = (80, 8080)


def payload(ports: tuple[int, int], data: bytes, length: int, verbose: int) -> str:
    """Return what comes after `length N` for the ports of a known protocol."""
    if length <= 0 or not any(port in _HTTP_PORTS for port in ports):
        return ""
    if not _begins_http(data):
        return ": HTTP"
    if not verbose:
        line = _line(data, 0)
        return ": HTTP" if line is None else f": HTTP: {line[0]}"
    lines = f": HTTP, length: {length}"
    at = 0
    while at < len(data) and (line := _line(data, at)) is not None:
        lines += f"\n\t{line[0]}"
        at = line[1]
    return lines


def _begins_http(data: bytes) -> bool:
    """Tell whether the data starts with a method, or with a version and a status."""
    words = data[:256].split(None, 2)
    if not words or data[:1].isspace():
        return False
    if words[0].decode("latin-1").upper() in _HTTP:
        return True
    return len(words) > 1 and len(words[1]) == 3 and words[1].isdigit() and words[0].isascii()


def _line(data: bytes, start: int) -> tuple[str, int] | None:
    """Return the line that starts there and where the next one does; None if it is no text. One
    that does not end is marked as cut."""
    for at in range(start, len(data)):
        byte = data[at]
        if byte == 10:
            return data[start:at].decode("ascii"), at + 1
        if byte == 13:
            if data[at + 1 : at + 2] != b"\n":
                return None
            return data[start:at].decode("ascii"), at + 2
        if not 32 <= byte <= 126 and byte != 9:
            return None
    return data[start:].decode("ascii") + " [|http]", len(data)
