"""The discovery service: one gRPC server per pod, on that pod's own Unix socket.

Who a client is follows from the socket it came by; a node id that says otherwise is refused. The
same socket takes the proxy's structured access logs.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
from google.protobuf.message import DecodeError

from lateen.base.clock import Clock, SystemClock
from lateen.base.tasks import TaskGroup
from lateen.xds import als
from lateen.xds.delta import DeltaSession
from lateen.xds.hub import Hub
from lateen.xds.session import Session, check_node
from lateen.xds.sotw import SotwSession
from lateen.xds.stream import LiveStream

AccessLogSink = Callable[[str, als.LogBatch], None]

GRACE_SECONDS = 0.2
_SOCKET_PATH_LIMIT = 107
_DISCOVERY = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_ACCESS_LOG = "envoy.service.accesslog.v3.AccessLogService"
_OPTIONS = (
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)


class XdsServer:
    """Serves every pod of a lab, each on its own socket.

    `access_log_sink` is called with the proxy's name and entries, in the event loop: it must be
    quick.
    """

    def __init__(
        self, hub: Hub, access_log_sink: AccessLogSink, clock: Clock | None = None
    ) -> None:
        self._hub = hub
        self._sink = access_log_sink
        self._clock = clock or SystemClock()
        self._sockets: dict[str, _PodSocket] = {}
        self._tasks = TaskGroup("xds")

    async def open(self, proxy: str, node_id: str, socket_path: str | Path) -> None:
        """Serve one proxy (`namespace/pod`) on a socket that only this user may use.

        The proxy is added to the hub. Raises ValueError for a path longer than the kernel
        takes, OSError if the socket cannot be made.
        """
        path = Path(socket_path)
        if len(os.fsencode(path)) > _SOCKET_PATH_LIMIT:
            raise ValueError(
                f"socket path of {proxy} is longer than {_SOCKET_PATH_LIMIT} bytes: {path}; "
                "use a shorter run directory (LATEEN_HOME)"
            )
        await self.close(proxy)
        self._hub.add_proxy(proxy)
        socket = _PodSocket(proxy, node_id, path, self._hub, self._sink, self._clock, self._tasks)
        await socket.start()
        self._sockets[proxy] = socket

    async def close(self, proxy: str) -> None:
        """Stop serving a proxy and forget its configuration; harmless if it is not served."""
        socket = self._sockets.pop(proxy, None)
        if socket is not None:
            await socket.stop()
            self._hub.remove_proxy(proxy)

    async def stop(self) -> None:
        """Close every socket and end every stream."""
        await asyncio.gather(*(self.close(proxy) for proxy in tuple(self._sockets)))
        await self._tasks.stop()


class _Refusal(NamedTuple):
    """How a stream that cannot go on is ended."""

    code: grpc.StatusCode
    reason: str


class _PodSocket:
    """One pod's gRPC server: discovery in both variants, and access logs."""

    def __init__(
        self,
        proxy: str,
        node_id: str,
        path: Path,
        hub: Hub,
        sink: AccessLogSink,
        clock: Clock,
        tasks: TaskGroup,
    ) -> None:
        self._proxy = proxy
        self._node_id = node_id
        self._path = path
        self._hub = hub
        self._sink = sink
        self._clock = clock
        self._tasks = tasks
        self._closing = asyncio.Event()
        self._server = grpc.aio.server(options=_OPTIONS)

    async def start(self) -> None:
        """Listen. Raises OSError if the socket cannot be made."""
        self._path.unlink(missing_ok=True)
        self._server.add_generic_rpc_handlers(self._handlers())
        if not self._server.add_insecure_port(f"unix:{self._path}"):
            raise OSError(f"cannot listen on {self._path}")
        self._path.chmod(0o600)
        await self._server.start()

    async def stop(self) -> None:
        """End every stream in good order, then stop listening."""
        self._closing.set()
        await self._server.stop(GRACE_SECONDS)
        self._path.unlink(missing_ok=True)

    def _handlers(self) -> "tuple[grpc.GenericRpcHandler[bytes, bytes], ...]":
        """Return handlers that take and give raw bytes."""
        both = grpc.stream_stream_rpc_method_handler
        discovery = {
            "DeltaAggregatedResources": both(self._delta),
            "StreamAggregatedResources": both(self._sotw),
        }
        logs = {"StreamAccessLogs": grpc.stream_unary_rpc_method_handler(self._logs)}
        return (
            grpc.method_handlers_generic_handler(_DISCOVERY, discovery),
            grpc.method_handlers_generic_handler(_ACCESS_LOG, logs),
        )

    async def _delta(self, requests: AsyncIterator[bytes], context: Any) -> None:
        session = DeltaSession(self._node_id, self._hub.config(self._proxy))
        await self._discover(session, requests, context)

    async def _sotw(self, requests: AsyncIterator[bytes], context: Any) -> None:
        session = SotwSession(self._node_id, self._hub.config(self._proxy))
        await self._discover(session, requests, context)

    async def _discover(
        self, session: Session, requests: AsyncIterator[bytes], context: Any
    ) -> None:
        """Run one discovery stream to its end."""
        stream = LiveStream(self._proxy, session, self._hub, self._clock)
        self._hub.attach(self._proxy, stream)
        writer = self._tasks.start(_write(stream, context), f"write {self._proxy}")
        watcher = self._tasks.start(stream.watch(), f"watch {self._proxy}")
        try:
            await self._run(_read(stream, requests), context)
        finally:
            writer.cancel()
            watcher.cancel()
            self._hub.detach(self._proxy, stream)

    async def _logs(self, messages: AsyncIterator[bytes], context: Any) -> bytes:
        """Run one access-log stream to its end."""
        await self._run(self._collect(messages), context)
        return b""

    async def _collect(self, messages: AsyncIterator[bytes]) -> _Refusal | None:
        name = ""
        try:
            async for data in messages:
                if not name:  # only the first message says whose log it is
                    claimed, name, _ = als.read(data)
                    check_node(self._node_id, claimed)
                self._sink(self._proxy, als.LogBatch(data, name))
        except PermissionError as error:
            return _Refusal(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except DecodeError:
            return _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "not an access-log message")
        return None

    async def _run(self, reading: Coroutine[Any, Any, _Refusal | None], context: Any) -> None:
        """Read until the client ends, is refused, or this socket is closed."""
        reader = self._tasks.start(reading, f"read {self._proxy}")
        closing = self._tasks.start(self._closing.wait(), f"close {self._proxy}")
        try:
            await asyncio.wait({reader, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            closing.cancel()
            if not reader.done():
                reader.cancel()
        if reader.done() and not reader.cancelled() and (refusal := reader.result()) is not None:
            await context.abort(refusal.code, refusal.reason)


async def _read(stream: LiveStream, requests: AsyncIterator[bytes]) -> _Refusal | None:
    try:
        async for data in requests:
            stream.receive(data)
    except PermissionError as error:
        return _Refusal(grpc.StatusCode.PERMISSION_DENIED, str(error))
    except DecodeError:
        return _Refusal(grpc.StatusCode.INVALID_ARGUMENT, "not a discovery request")
    return None


async def _write(stream: LiveStream, context: Any) -> None:
    async for data in stream.responses():
        await context.write(data)
