"""HTTP/2 on a blocking socket, a thread per stream, over the h2 library."""

import threading
from collections.abc import Callable, Iterable
from typing import Any

import h2.config
import h2.connection
import h2.events
import h2.exceptions

from lateen.node.standins.http1 import ByteStream, Site, SiteRequest, SiteResponse

Logger = Callable[[SiteRequest, int, int], None]


class Http2Connection:
    """Serves one connection until its peer goes away."""

    def __init__(
        self, stream: ByteStream, site: Site, peer: tuple[str, int], scheme: str, log: Logger
    ) -> None:
        self._stream = stream
        self._site = site
        self._peer = peer
        self._scheme = scheme
        self._log = log
        config = h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        self._h2 = h2.connection.H2Connection(config)
        self._changed = threading.Condition()
        self._heads: dict[int, list[tuple[str, str]]] = {}
        self._bodies: dict[int, bytearray] = {}
        self._open = True

    def serve(self, early: bytes = b"") -> None:
        """Read and answer; `early` is what was read already. Returns when the peer is gone."""
        self._h2.initiate_connection()
        self._flush()
        data = early
        try:
            while data or (data := self._stream.recv(65536)):
                with self._changed:
                    events = self._h2.receive_data(data)
                    for event in events:
                        self._take(event)
                    self._flush()
                    self._changed.notify_all()
                data = b""
        except h2.exceptions.ProtocolError:
            self._flush()
        finally:
            with self._changed:
                self._open = False
                self._changed.notify_all()

    def _take(self, event: Any) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._heads[event.stream_id] = [
                (str(name), str(value)) for name, value in event.headers
            ]
            self._bodies[event.stream_id] = bytearray()
        elif isinstance(event, h2.events.DataReceived):
            self._bodies.get(event.stream_id, bytearray()).extend(event.data)
            self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            self._heads.pop(event.stream_id, None)
            self._bodies.pop(event.stream_id, None)
        elif isinstance(event, h2.events.StreamEnded) and event.stream_id in self._heads:
            request = self._request(event.stream_id)
            threading.Thread(
                target=self._answer, args=(event.stream_id, request), daemon=True
            ).start()

    def _request(self, stream_id: int) -> SiteRequest:
        fields = self._heads.pop(stream_id)
        pseudo = {name: value for name, value in fields if name.startswith(":")}
        headers = [pair for pair in fields if not pair[0].startswith(":")]
        if ":authority" in pseudo:
            headers.insert(0, ("host", pseudo[":authority"]))
        return SiteRequest(
            pseudo.get(":method", "GET"),
            pseudo.get(":path", "/"),
            "HTTP/2.0",
            headers,
            bytes(self._bodies.pop(stream_id)),
            *self._peer,
            self._scheme,
        )

    def _answer(self, stream_id: int, request: SiteRequest) -> None:
        response = self._site(request)
        try:
            sent = self._send(stream_id, request, response)
        except (OSError, h2.exceptions.H2Error):
            return
        self._log(request, response.status, sent)

    def _send(self, stream_id: int, request: SiteRequest, response: SiteResponse) -> int:
        headers = [(":status", str(response.status))]
        headers += [(name.lower(), value) for name, value in response.headers]
        body = response.body
        if isinstance(body, bytes) and response.status != 204 and not response.trailers:
            names = {name for name, _ in headers}
            if "content-length" not in names:
                headers.append(("content-length", str(len(body))))
        parts: Iterable[bytes] = [body] if isinstance(body, bytes) else body
        if request.method == "HEAD" or response.status in (204, 304):
            parts = []
        with self._changed:
            self._h2.send_headers(stream_id, headers)
            self._flush()
        sent = 0
        for part in parts:
            self._send_part(stream_id, part)
            sent += len(part)
        with self._changed:
            if response.trailers:
                self._h2.send_headers(stream_id, list(response.trailers), end_stream=True)
            else:
                self._h2.end_stream(stream_id)
            self._flush()
        return sent

    def _send_part(self, stream_id: int, part: bytes) -> None:
        """Send bytes as flow control lets them through. Raises OSError when the peer is gone."""
        at = 0
        while at < len(part):
            with self._changed:
                self._changed.wait_for(
                    lambda: not self._open or self._h2.local_flow_control_window(stream_id) > 0
                )
                if not self._open:
                    raise OSError("the peer is gone")
                room = self._h2.local_flow_control_window(stream_id)
                size = min(room, self._h2.max_outbound_frame_size)
                self._h2.send_data(stream_id, part[at : at + size])
                self._flush()
                at += size

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._stream.sendall(data)
