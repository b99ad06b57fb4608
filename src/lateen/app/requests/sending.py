"""A real request from a place in the lab: its socket is opened in that network by the shim."""

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpcore
import msgspec

from lateen.app.reach.podstreams import ShimLink
from lateen.app.requests import failures, tls as evidence_tls
from lateen.app.requests.tls import TlsStream
from lateen.causes.cause import SendFailure
from lateen.model.client import ApiError
from lateen.node.shim.client import ShimError, ShimGoneError
from lateen.observe import redact
from lateen.observe.wire import http

BODY_LIMIT = 1024 * 1024
"""Bytes of a body that are kept; the rest is read and counted."""
_USER_AGENT = "lateen"
_NOT_HTTP = "the answer is not HTTP"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests say how long their body is, even if there is none."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, and from where. `pod` is a uid, empty for the host's side of the lab."""

    method: str
    url: str
    address: str
    port: int
    pod: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    without: tuple[str, ...] = ()
    """Names of headers that are left out though every client sends them."""
    body: bytes = b""
    http: str = "1.1"
    """HTTP version to speak: `1.0`, `1.1` or `2`."""
    insecure: bool = False
    ca: str = ""
    """PEM of the roots to trust; the machine's own if empty."""
    timeout: float = 15.0


class ClientResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, and what the client itself saw of its connection. Times are seconds."""

    local: str = ""
    remote: str = ""
    status: int | None = None
    http: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    size: int = 0
    error: str = ""
    failure: SendFailure | None = None
    """What kind of error it is; None where an answer came."""
    tls: str = ""
    seconds: float = 0.0


class _Stream(httpcore.AsyncNetworkStream):
    """A connection for httpcore on asyncio's streams."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.session: ssl.SSLObject | None = None
        """TLS on it, once it has begun."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout("no answer in time") from error
        except OSError as error:
            raise httpcore.ReadError(_words(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        try:
            self._writer.write(buffer)
            async with asyncio.timeout(timeout):
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout("the request was not taken in time") from error
        except OSError as error:
            raise httpcore.WriteError(_words(error)) from error

    async def aclose(self) -> None:
        self._writer.close()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        secured = TlsStream(self, ssl_context, server_hostname)
        self.session = secured.session
        try:
            async with asyncio.timeout(timeout):
                await secured.handshake(None)
        except (TimeoutError, ssl.SSLError, httpcore.NetworkError) as error:
            await self.aclose()
            if isinstance(error, TimeoutError):
                raise httpcore.ConnectTimeout("no TLS handshake in time") from error
            told = evidence_tls.words(error) if isinstance(error, ssl.SSLError) else str(error)
            raise httpcore.ConnectError(f"TLS: {told}") from error
        return secured

    def get_extra_info(self, info: str) -> Any:
        return self._reader.at_eof() if info == "is_readable" else None


class _Network(httpcore.AsyncNetworkBackend):
    """Connects one address from inside one network, and remembers both ends."""

    def __init__(self, shim: ShimLink | None, request: Request) -> None:
        self._shim, self._request = shim, request
        self.local = self.remote = ""
        self.stream: _Stream | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        wanted = self._request
        try:
            made = await self._socket(wanted.pod)
        except (ShimError, ShimGoneError) as error:
            raise httpcore.ConnectError(f"the node has no such network: {error}") from error
        try:
            async with asyncio.timeout(timeout):
                target = (wanted.address, wanted.port)
                await asyncio.get_running_loop().sock_connect(made, target)
            self.local, self.remote = _text(made.getsockname()), _text(target)
            reader, writer = await asyncio.open_connection(sock=made)
        except TimeoutError as error:
            made.close()
            raise httpcore.ConnectTimeout("no connection in time") from error
        except OSError as error:
            made.close()
            self.remote = self.remote or f"{wanted.address}:{wanted.port}"
            raise httpcore.ConnectError(_words(error)) from error
        self.stream = _Stream(reader, writer)
        return self.stream

    async def _socket(self, pod: str) -> socket.socket:
        if self._shim is None:
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            made.setblocking(False)
            return made
        shim = await self._shim.get()
        return await shim.open_socket(pod, socket.AF_INET, socket.SOCK_STREAM)

    def failure(self, error: BaseException) -> SendFailure:
        """Return what kind of failure an error was, by how far the connection had come."""
        session = self.ssl_object()
        handshaking = session is not None and session.version() is None
        return failures.of(error, connected=bool(self.local), handshaking=handshaking)

    def ssl_object(self) -> ssl.SSLObject | None:
        """The TLS session, if there is one."""
        return self.stream.session if self.stream is not None else None


async def send(shim: ShimLink | None, request: Request) -> ClientResponse:
    """Send one request on a connection of its own and read the whole answer. Without a shim it is
    sent from this machine's own network.

    What goes wrong on the way is in `error`, in plain words. Raises ApiError 400 for a URL or
    header that cannot be sent, 503 while the node is not there.
    """
    network = _Network(shim, request)
    started = time.monotonic()
    try:
        async with (
            asyncio.timeout(request.timeout),
            httpcore.AsyncConnectionPool(
                ssl_context=_tls(request),
                http1=request.http != "2",
                http2=request.http == "2",
                network_backend=network,
            ) as pool,
        ):
            if request.http == "1.0":
                answered = await _old_exchange(request, network)
            else:
                answered = await _exchange(pool, request, network)
    except (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError, ValueError) as error:
        raise ApiError(400, "BadRequest", f"{redact.path(request.url)}: {error}") from error
    except TimeoutError as error:
        told = f"no answer within {request.timeout:g} s"
        answered = ClientResponse(error=told, failure=network.failure(error))
    except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
        told = _told(error)
        answered = ClientResponse(error=told, failure=network.failure(error))
    return msgspec.structs.replace(
        answered,
        local=network.local,
        remote=network.remote or f"{request.address}:{request.port}",
        seconds=time.monotonic() - started,
    )


async def _exchange(
    pool: httpcore.AsyncConnectionPool, request: Request, network: _Network
) -> ClientResponse:
    seconds = request.timeout
    limits = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    async with pool.stream(
        request.method,
        _url(request),
        headers=_headers(request),
        content=request.body or None,
        extensions={"timeout": limits},
    ) as response:
        body, size = bytearray(), 0
        session = network.ssl_object()
        version = _version(session)
        async for part in response.aiter_stream():
            body += part[: max(0, BODY_LIMIT - len(body))]
            size += len(part)
        spoken = response.extensions.get("http_version", b"HTTP/1.1").decode()
        return ClientResponse(
            status=response.status,
            http=spoken,
            headers=tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers),
            body=bytes(body),
            size=size,
            tls=version,
        )


def _url(request: Request) -> httpcore.URL:
    """Return the URL with its path as it stands: the library's own reading loses what follows a
    semicolon. Raises ValueError for a port that is no number."""
    parts = urlsplit(request.url)
    return httpcore.URL(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port,
        target=_target(request),
    )


def _host(parts: SplitResult) -> bytes:
    """Return the Host as clients send it: without the port that the scheme implies."""
    implied = {"http": ":80", "https": ":443"}[parts.scheme]
    return parts.netloc.rpartition("@")[2].removesuffix(implied).encode()


def _target(request: Request) -> str:
    parts = urlsplit(request.url)
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


async def _old_exchange(request: Request, network: _Network) -> ClientResponse:
    """Speak HTTP/1.0, which the library does not: one request, the answer ends with the bytes."""
    parts = urlsplit(request.url)
    stream = await network.connect_tcp(request.address, request.port, request.timeout)
    if parts.scheme == "https":
        context = _tls(request)
        assert context is not None
        stream = await stream.start_tls(context, parts.hostname, request.timeout)
    head = [f"{request.method} {_target(request)} HTTP/1.0".encode()]
    head += [name + b": " + value for name, value in _headers(request, _host(parts).decode())]
    await stream.write(b"\r\n".join(head) + b"\r\n\r\n" + request.body, request.timeout)
    received = bytearray()
    while data := await stream.read(65536, request.timeout):
        received += data
        found = http.heads(bytes(received))
        length = http.content_length(found[0]) if found and found[0].complete else None
        if length is not None and len(received.partition(b"\r\n\r\n")[2]) >= length:
            break
    await stream.aclose()
    answer = http.message(bytes(received))
    if answer is None:
        raise httpcore.RemoteProtocolError(_NOT_HTTP)
    version, status = answer.start.split(" ")[:2]
    body = bytes(received).partition(b"\r\n\r\n")[2]
    return ClientResponse(
        status=int(status),
        http=version,
        headers=answer.headers,
        body=body[:BODY_LIMIT],
        size=len(body),
        tls=_version(network.ssl_object()),
    )


def _version(session: ssl.SSLObject | None) -> str:
    return (session.version() or "") if session is not None else ""


def _headers(request: Request, host: str = "") -> list[tuple[bytes, bytes]]:
    """Return what is sent: what is asked for, and what every client sends. A `host` is sent unless
    another is asked for, or none."""
    names = {name.lower() for name in (*request.without, *(n for n, _ in request.headers))}
    defaults = [("Host", host)] * bool(host) + [("User-Agent", _USER_AGENT), ("Accept", "*/*")]
    every = [(n, v) for n, v in defaults if n.lower() not in names] + list(request.headers)
    if (request.body or request.method in _WITH_BODY) and "content-length" not in names:
        every.append(("Content-Length", str(len(request.body))))
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in every]


def _tls(request: Request) -> ssl.SSLContext | None:
    if not request.url.startswith("https:"):
        return None  # reading the roots takes 25 ms
    context = ssl.create_default_context(cadata=request.ca or None)
    if request.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _told(error: Exception) -> str:
    """Return an error's words. The library speaks of illegal lines where bytes are no HTTP."""
    text = str(error) or type(error).__name__
    return _NOT_HTTP if text.startswith("illegal ") else text


def _words(error: OSError) -> str:
    if isinstance(error, ConnectionResetError):
        return "connection reset by the other side"
    if isinstance(error, ConnectionRefusedError):
        return "connection refused"
    told = error.strerror or ""
    if error.errno and told.startswith("Connect call failed"):  # the event loop's own words
        told = os.strerror(error.errno)
    return told or str(error) or "connection lost"


def _text(address: tuple[str, int]) -> str:
    return f"{address[0]}:{address[1]}"
