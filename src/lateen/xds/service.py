"""The discovery service: one gRPC server per pod, on that pod's own Unix socket.

Who a client is follows from the socket it came by; a node id that says otherwise is refused. The
same socket takes the proxy's structured access logs.
"""

import asyncio
import logging
import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

import grpc
from google.protobuf.message import DecodeError

from lateen.base.clock import Clock, SystemClock
from lateen.base.tasks import TaskGroup
from lateen.compiler.output import ResourceType
from lateen.xds import access_log, resources
from lateen.xds.delta import DeltaSession
from lateen.xds.hub import Hub
from lateen.xds.session import Output, Send, Session, check_node
from lateen.xds.sotw import SotwSession

log = logging.getLogger(__name__)

AccessLogSink = Callable[[str, tuple[access_log.AccessEntry, ...]], None]

RELEASE_SECONDS = 2.0
"""How long listeners and routes wait for clusters that do not become usable."""
GRACE_SECONDS = 0.2
_SOCKET_PATH_LIMIT = 107
_DISCOVERY = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_ACCESS_LOG = "envoy.service.accesslog.v3.AccessLogService"
_OPTIONS = (
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),
)


class _Stream:
    """One client's open stream: its session, and responses waiting to be written."""

    def __init__(self, proxy: str, session: Session, hub: Hub, clock: Clock) -> None:
        self._proxy = proxy
        self._session = session
        self._hub = hub
        self._clock = clock
        self._outbox: deque[bytes] = deque()
        self._ready = asyncio.Event()
        self._held = 0

    def publish(
        self, config: resources.Config, touched: Mapping[ResourceType, Iterable[str]]
    ) -> None:
        """Take a new configuration from the hub."""
        self._perform(self._session.publish(config, touched))

    def waiting(self, kind: ResourceType) -> bool:
        """Whether something of the type is unsent or unanswered."""
        return self._session.plan.waiting(kind)

    def subscribed(self, kind: ResourceType) -> bool:
        """Whether the client asked for the type."""
        return self._session.plan.subscribed(kind)

    def receive(self, data: bytes) -> None:
        """Take a request. Raises PermissionError, or DecodeError for what is no request."""
        self._perform(self._session.receive(data))

    def _perform(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self._outbox.append(output.data)
            else:
                if output.error is not None:
                    log.warning("%s rejected %s: %s", self._proxy, output.kind.name, output.error)
                self._hub.settled(self._proxy, output.kind, output.names, output.error)
        if self._outbox:
            self._ready.set()

    async def responses(self) -> AsyncIterator[bytes]:
        """Yield responses as they become due, for ever."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._outbox:
                yield self._outbox.popleft()

    async def watch(self) -> None:
        """Release what is held back for too long."""
        while True:
            await self._clock.sleep(RELEASE_SECONDS / 2)
            self._held = self._held + 1 if self._session.plan.holding else 0
            if self._held > 2:
                log.warning("%s: clusters do not become usable; sending the rest", self._proxy)
                self._held = 0
                self._perform(self._session.release())


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
        self._servers: dict[str, tuple[grpc.aio.Server, Path]] = {}
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
        path.unlink(missing_ok=True)
        self._hub.add_proxy(proxy)
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers(_Handlers(self, proxy, node_id).handlers())
        if not server.add_insecure_port(f"unix:{path}"):
            raise OSError(f"cannot listen on {path}")
        path.chmod(0o600)
        await server.start()
        self._servers[proxy] = (server, path)

    async def close(self, proxy: str) -> None:
        """Stop serving a proxy and forget its configuration; harmless if it is not served."""
        entry = self._servers.pop(proxy, None)
        if entry is None:
            return
        server, path = entry
        await server.stop(GRACE_SECONDS)
        path.unlink(missing_ok=True)
        self._hub.remove_proxy(proxy)

    async def stop(self) -> None:
        """Close every socket and end every stream."""
        await asyncio.gather(*(self.close(proxy) for proxy in tuple(self._servers)))
        await self._tasks.stop()

    async def serve(
        self, proxy: str, session: Session, requests: AsyncIterator[bytes], context: Any
    ) -> None:
        """Run one discovery stream to its end."""
        stream = _Stream(proxy, session, self._hub, self._clock)
        self._hub.attach(proxy, stream)
        writer = self._tasks.start(_write(stream, context), f"write {proxy}")
        watcher = self._tasks.start(stream.watch(), f"watch {proxy}")
        try:
            async for data in requests:
                stream.receive(data)
        except PermissionError as error:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not a discovery request")
        finally:
            writer.cancel()
            watcher.cancel()
            self._hub.detach(proxy, stream)

    async def collect(
        self, proxy: str, node_id: str, messages: AsyncIterator[bytes], context: Any
    ) -> bytes:
        """Read one access-log stream to its end."""
        name = ""
        try:
            async for data in messages:
                claimed, named, entries = access_log.read(data, name)
                check_node(node_id, claimed)
                name = named or name
                if entries:
                    self._sink(proxy, entries)
        except PermissionError as error:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, str(error))
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not an access-log message")
        return b""

    def config(self, proxy: str) -> resources.Config:
        """Return what a new stream of the proxy starts from."""
        return self._hub.config(proxy)


async def _write(stream: _Stream, context: Any) -> None:
    async for data in stream.responses():
        await context.write(data)


class _Handlers:
    """The gRPC methods of one pod's socket."""

    def __init__(self, server: XdsServer, proxy: str, node_id: str) -> None:
        self._server = server
        self._proxy = proxy
        self._node_id = node_id

    def handlers(self) -> "tuple[grpc.GenericRpcHandler[bytes, bytes], ...]":
        """Return handlers that take and give raw bytes."""
        return (
            grpc.method_handlers_generic_handler(
                _DISCOVERY,
                {
                    "DeltaAggregatedResources": grpc.stream_stream_rpc_method_handler(self._delta),
                    "StreamAggregatedResources": grpc.stream_stream_rpc_method_handler(self._sotw),
                },
            ),
            grpc.method_handlers_generic_handler(
                _ACCESS_LOG,
                {"StreamAccessLogs": grpc.stream_unary_rpc_method_handler(self._logs)},
            ),
        )

    async def _delta(self, requests: AsyncIterator[bytes], context: Any) -> None:
        session = DeltaSession(self._node_id, self._server.config(self._proxy))
        await self._server.serve(self._proxy, session, requests, context)

    async def _sotw(self, requests: AsyncIterator[bytes], context: Any) -> None:
        session = SotwSession(self._node_id, self._server.config(self._proxy))
        await self._server.serve(self._proxy, session, requests, context)

    async def _logs(self, messages: AsyncIterator[bytes], context: Any) -> bytes:
        return await self._server.collect(self._proxy, self._node_id, messages, context)
