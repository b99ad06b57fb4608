"""Leaving HTTP: how a request for WebSocket or SPDY gets the raw connection under uvicorn.

uvicorn can hand a connection to a WebSocket library only. Its HTTP/1.1 protocol is extended here
so that every upgrade request reaches the application as an ordinary one, with an `Upgrade` in its
scope; the application authenticates and decides, then refuses by an ordinary answer or accepts
and gets the connection as a stream.
"""

import asyncio
from typing import Any

import h11
import msgspec
from uvicorn.protocols.http.h11_impl import H11Protocol

from lateen import __version__
from lateen.apiserver import errors
from lateen.apiserver.protocol.send_backlog import PIECE_BYTES, Unread
from lateen.model.labapi import contract

VERSION = (contract.VERSION_HEADER.lower().encode(), __version__.encode())
"""The header that says which version of Lateen answers."""
EXTENSION = "lateen.upgrade"
CHUNKS = "lateen.chunks"
REQUEST_SECONDS = 15.0
"""How long a client may take from the first byte of a request to the end of its headers."""
_BUFFER = 256 * 1024


class RawConnection(msgspec.Struct, frozen=True):
    """The raw connection after an upgrade."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Upgrade:
    """An upgrade that a client asks for; `protocol` is its Upgrade header in lower case."""

    def __init__(self, protocol: "UpgradingProtocol", wanted: str) -> None:
        self.protocol = wanted
        self._http = protocol

    def accept(self, headers: list[tuple[str, str]]) -> RawConnection:
        """Answer 101 and take the connection over. The HTTP side never touches it again.

        Raises ApiError 400 when the client has gone away meanwhile.
        """
        return self._http.switch(headers)


class Chunks:
    """The body of an answer, once its headers are sent and until its end: in HTTP/1.1's chunks, for
    an older client as it is.

    A watch writes a chunk per watcher and change. Passing it through the HTTP library costs more
    than all the rest of it, and adds nothing but the length before it.
    """

    def __init__(self, protocol: "UpgradingProtocol", *, framed: bool) -> None:
        self._http = protocol
        self._framed = framed

    async def send(self, data: bytes, unread: Unread, seconds: float | None) -> None:
        """Write what is not empty, in pieces; waits while the client does not read.

        Raises NotReadError when it has not read for so many seconds, or when it is the one to be
        given up because too much is held for such clients (`Unread`).
        """
        http = self._http
        for start in range(0, len(data), PIECE_BYTES):
            if http.flow.write_paused and not http.cycle.disconnected:
                await unread.wait(http.flow.drain(), len(data), seconds)
            if http.transport.is_closing():
                return
            piece = data[start : start + PIECE_BYTES]
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if self._framed else piece
            http.transport.write(framed)

    def abort(self) -> None:
        """Drop the connection, with what waits in it."""
        self._http.transport.abort()


class UpgradingProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, with upgrades left to the application and a limit on slow headers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: asyncio.TimerHandle | None = None
        self._switched = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the clock: a connection that says nothing is closed."""
        assert isinstance(transport, asyncio.Transport)  # a stream's: uvicorn serves nothing else
        super().connection_made(transport)
        # TLS would hold half a megabyte for each client before it says that none is taken.
        transport.set_write_buffer_limits(PIECE_BYTES)
        self._expect_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the clock, and let go of what refers to itself: a connection holds the buffers of
        TLS, and garbage in cycles is not collected before a million objects are made."""
        self._got_request()
        super().connection_lost(exc)
        if self.scope is not None:
            self.scope["extensions"] = {}

    def data_received(self, data: bytes) -> None:
        """Take bytes; between requests the first of them starts the clock."""
        if self.conn.their_state is h11.IDLE and self._deadline is None:
            self._expect_request()
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._got_request()

    def _expect_request(self) -> None:
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._too_slow)

    def _got_request(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.conn.their_state is h11.IDLE and not self.transport.is_closing():
            self.transport.close()

    def _should_upgrade(self) -> bool:
        framed = self.scope["http_version"] == "1.1"
        offered: dict[str, Any] = {CHUNKS: Chunks(self, framed=framed)}
        wanted = self._get_upgrade()
        if wanted is not None:
            offered[EXTENSION] = Upgrade(self, wanted.decode("latin-1"))
        self.scope["extensions"] = offered
        return False

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP, whatever path it may have meant. uvicorn's own answer would not
        name the version, and a command would take the lab for an older one."""
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
        parts = (
            h11.Response(status_code=400, headers=[*headers, VERSION], reason=b"Bad Request"),
            h11.Data(data=msg.encode("ascii", "replace")),
            h11.EndOfMessage(),
        )
        for part in parts:
            self.transport.write(self.conn.send(part) or b"")
        self.transport.close()

    def shutdown(self) -> None:
        """The server ends: an upgraded connection has no answer to wait for."""
        if self._switched:
            self.transport.close()
        else:
            super().shutdown()

    def switch(self, headers: list[tuple[str, str]]) -> RawConnection:
        """Answer 101 and give the transport to a stream. Raises ApiError 400.

        A transport that is closed tells nobody else of its end: a stream on it would wait for ever.
        """
        if self.transport.is_closing() or self.cycle.disconnected:
            raise errors.bad_request("the client went away")
        encoded = [(name.encode(), value.encode()) for name, value in headers]
        answer = h11.InformationalResponse(
            status_code=101, headers=encoded, reason=b"Switching Protocols"
        )
        self.transport.write(self.conn.send(answer))
        self.cycle.response_started = True
        self.cycle.response_complete = True
        self._switched = True
        self._unset_keepalive_if_required()
        reader = asyncio.StreamReader(limit=_BUFFER, loop=self.loop)
        protocol = _Raw(reader, self)
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        if self.conn.trailing_data[0]:
            reader.feed_data(self.conn.trailing_data[0])
        self.transport.resume_reading()
        writer = asyncio.StreamWriter(self.transport, protocol, reader, self.loop)
        return RawConnection(reader, writer)


class _Raw(asyncio.StreamReaderProtocol):
    """The stream's side of a connection; the server counts it until it is closed."""

    def __init__(self, reader: asyncio.StreamReader, http: UpgradingProtocol) -> None:
        super().__init__(reader, loop=http.loop)
        self._http = http

    def connection_lost(self, exc: Exception | None) -> None:
        self._http.connections.discard(self._http)
        super().connection_lost(exc)
