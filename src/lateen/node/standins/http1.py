"""HTTP/1.1 on a blocking socket: one request after the other, as small servers need it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
_LONGEST_METHOD = 32
_METHOD_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ_-"

REASONS = {
    100: "Continue", 101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted",
    203: "Non-Authoritative Information", 204: "No Content", 205: "Reset Content",
    206: "Partial Content", 300: "Multiple Choices", 301: "Moved Permanently", 302: "Found",
    303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect",
    400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 408: "Request Timeout",
    409: "Conflict", 410: "Gone", 411: "Length Required", 412: "Precondition Failed",
    413: "Request Entity Too Large", 414: "Request-URI Too Long", 415: "Unsupported Media Type",
    417: "Expectation Failed", 418: "I'm a teapot", 421: "Misdirected Request",
    422: "Unprocessable Entity", 425: "Too Early", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
    505: "HTTP Version Not Supported",
}  # fmt: skip


class TlsSession(NamedTuple):
    """What TLS agreed on for one connection."""

    version: str
    """As OpenSSL names it: `TLSv1.3`."""
    server_name: str
    protocol: str
    """The protocol that ALPN chose; empty if none."""
    cipher: str
    """As OpenSSL names it: `ECDHE-RSA-AES128-GCM-SHA256`."""
    certificates: tuple[bytes, ...] = ()
    """The client's certificate (DER), if it showed one."""


class ResetError(OSError):
    """The site wants the connection to end by a reset (RST) instead of an answer."""


class SiteRequest(NamedTuple):
    """A request, whatever version it came in. Header names are as they were sent."""

    method: str
    target: str
    version: str
    headers: list[tuple[str, str]]
    body: bytes
    remote: str
    remote_port: int
    scheme: str
    local_port: int = 0
    """The port that the request came to."""
    secured: TlsSession | None = None

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """The query, still encoded."""
        return self.target.partition("?")[2]

    def header(self, name: str, default: str = "") -> str:
        """Return a header's first value; `name` in lower case."""
        for each, value in self.headers:
            if each.lower() == name:
                return value
        return default


class SiteResponse(NamedTuple):
    """An answer; a body that is no bytes is sent in chunks as it comes."""

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | Iterable[bytes] = b""
    trailers: Sequence[tuple[str, str]] = ()
    """Sent after the body, over HTTP/2 alone."""
    takes_over: "Callable[[ByteStream, bytes], None] | None" = None
    """What goes on with the connection after the head of an answer 101, over HTTP/1.1 alone; it is
    given the bytes that came too early. The connection ends when it returns."""


Site = Callable[[SiteRequest], SiteResponse]


class ByteStream(Protocol):
    """The part of a socket that is used: a plain one or one of ssl."""

    def recv(self, size: int, /) -> bytes: ...

    def sendall(self, data: bytes, /) -> None: ...


class BadRequestError(Exception):
    """The peer does not speak HTTP; `status` is what to tell it."""

    def __init__(self, status: int = 400) -> None:
        super().__init__(REASONS[status])
        self.status = status


class RequestReader:
    """Reads requests from a stream, keeping what came too early for the next one."""

    def __init__(self, stream: ByteStream, early: bytes = b"") -> None:
        self._stream = stream
        self.buffer = bytearray(early)

    def head(self) -> bytes | None:
        """Return the next request's head with its blank line; None at the end of the stream.

        Raises BadRequestError for a head without end, and at once for what can be no request: a
        TLS client that waits for an answer to its ClientHello never sends a blank line."""
        while True:
            while self.buffer[:2] == b"\r\n":
                del self.buffer[:2]
            if not _may_begin(self.buffer):
                raise BadRequestError
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                return self.take(end + 4)
            if len(self.buffer) > MAX_HEAD:
                raise BadRequestError(431)
            if not self._fill():
                return None

    def body(self, headers: list[tuple[str, str]]) -> bytes:
        """Read the body that the headers announce. Raises BadRequestError, EOFError."""
        fields = {name.lower(): value for name, value in headers}
        if "chunked" in fields.get("transfer-encoding", "").lower():
            return self._chunks()
        length = fields.get("content-length", "0")
        if not length.isdigit():
            raise BadRequestError
        if int(length) > MAX_BODY:
            raise BadRequestError(413)
        return self._exactly(int(length))

    def take(self, count: int) -> bytes:
        """Remove and return so many buffered bytes."""
        taken = bytes(self.buffer[:count])
        del self.buffer[:count]
        return taken

    def _fill(self) -> bool:
        data = self._stream.recv(65536)
        self.buffer += data
        return bool(data)

    def _exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            if not self._fill():
                raise EOFError
        return self.take(count)

    def _line(self) -> bytes:
        while (end := self.buffer.find(b"\r\n")) < 0:
            if len(self.buffer) > MAX_HEAD:
                raise BadRequestError
            if not self._fill():
                raise EOFError
        return self.take(end + 2)[:-2]

    def _chunks(self) -> bytes:
        body = bytearray()
        while True:
            try:
                size = int(self._line().partition(b";")[0], 16)
            except ValueError as error:
                raise BadRequestError from error
            if size == 0:
                while self._line():
                    pass
                return bytes(body)
            if size < 0 or len(body) + size > MAX_BODY:
                raise BadRequestError(413)
            body += self._exactly(size)
            if self._line():
                raise BadRequestError


def _may_begin(buffer: bytearray) -> bool:
    """Tell whether the bytes so far may be the beginning of a request: a method in capitals (with
    nginx's `_` and `-`), as far as it has come."""
    method = buffer[:_LONGEST_METHOD].partition(b" ")[0].partition(b"\r")[0]
    return not method.translate(None, _METHOD_LETTERS)


def parse_head(head: bytes) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Return method, target, version and headers. Raises BadRequestError."""
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    parts = first.split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1.") or not parts[0].isalpha():
        raise BadRequestError
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequestError
        headers.append((name, value.strip()))
    target = parts[1]
    if target.startswith(("http://", "https://")):
        slash = target.find("/", 8)
        target = target[slash:] if slash > 0 else "/"
    return parts[0], target, parts[2], headers


def keeps_alive(version: str, headers: list[tuple[str, str]]) -> bool:
    """Tell whether the client wants to go on with the connection."""
    words = ",".join(value for name, value in headers if name.lower() == "connection").lower()
    return "close" not in words and (version != "HTTP/1.0" or "keep-alive" in words)


def write(stream: ByteStream, request: SiteRequest, response: SiteResponse, *, keep: bool) -> int:
    """Send a response; return how many bytes of body went out."""
    status, headers, body = response.status, response.headers, response.body
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    bodiless = request.method == "HEAD" or status in (204, 304) or status < 200
    chunked = not isinstance(body, bytes) and request.version != "HTTP/1.0"
    if isinstance(body, bytes):
        if status != 204 and not any(name.lower() == "content-length" for name, _ in headers):
            lines.append(f"Content-Length: {len(body)}")
    elif chunked:
        lines.append("Transfer-Encoding: chunked")
    if response.takes_over is None:
        lines.append(f"Connection: {'keep-alive' if keep else 'close'}")
    head = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
    if isinstance(body, bytes):
        stream.sendall(head if bodiless else head + body)
        return 0 if bodiless else len(body)
    stream.sendall(head)
    return 0 if bodiless else _write_parts(stream, iter(body), chunked=chunked)


def _write_parts(stream: ByteStream, parts: Iterator[bytes], *, chunked: bool) -> int:
    sent = 0
    for part in parts:
        if part:
            stream.sendall(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
            sent += len(part)
    if chunked:
        stream.sendall(b"0\r\n\r\n")
    return sent
