"""HTTP/2 conversations made by the h2 library, as the bytes of both directions."""

from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

Headers = list[tuple[str, str]]


@dataclass(frozen=True)
class Exchange:
    """A request, its response, and trailers after it if any."""

    request: Headers
    response: Headers
    body: bytes = b""
    trailers: Headers = field(default_factory=list)


def request(path: str, *more: tuple[str, str], method: str = "GET") -> Headers:
    """Return a request's headers."""
    fixed = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "db")]
    return [*fixed, *more]


def response(status: int = 200, *more: tuple[str, str]) -> Headers:
    """Return a response's headers."""
    return [(":status", str(status)), *more]


class Dialogue:
    """Two ends that talk to each other; what each said is kept."""

    def __init__(self, *, table: int = 4096) -> None:
        """`table` is the size of the header table that both allow."""
        self.client = self._end(client=True, table=table)
        self.server = self._end(client=False, table=table)
        self.turns: list[tuple[int, bytes]] = []
        """Who spoke (0 is the client), and what, in order."""
        self._settle()

    @staticmethod
    def _end(*, client: bool, table: int) -> h2.connection.H2Connection:
        config = h2.config.H2Configuration(client_side=client, header_encoding="utf-8")
        made = h2.connection.H2Connection(config)
        made.initiate_connection()
        made.update_settings({1: table})
        return made

    def _settle(self) -> None:
        ends = (self.client, self.server)
        moved = True
        while moved:
            moved = False
            for number, end in enumerate(ends):
                if data := end.data_to_send():
                    self.turns.append((number, data))
                    ends[1 - number].receive_data(data)
                    moved = True

    def exchange(self, made: Exchange) -> int:
        """Let the client ask and the server answer; returns the stream's number."""
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, made.request, end_stream=True)
        self._settle()
        bare = not made.body and not made.trailers
        self.server.send_headers(stream, made.response, end_stream=bare)
        if made.body:
            self.server.send_data(stream, made.body, end_stream=not made.trailers)
        if made.trailers:
            self.server.send_headers(stream, made.trailers, end_stream=True)
        self._settle()
        return stream

    def reset(self, made: Exchange, code: int) -> int:
        """Let the client ask and the server reset the stream."""
        stream = self.client.get_next_available_stream_id()
        self.client.send_headers(stream, made.request, end_stream=True)
        self._settle()
        self.server.reset_stream(stream, code)
        self._settle()
        return stream

    def said(self, side: int) -> bytes:
        """Return all that the client (0) or the server (1) said."""
        return b"".join(data for number, data in self.turns if number == side)
