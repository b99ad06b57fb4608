"""Serving the application by uvicorn: on TLS at the loopback, and on a Unix socket."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from lateen.apiserver.protocol.upgrade import UpgradingProtocol
from lateen.base.tasks import TaskGroup

CLOSE_SECONDS = 1.0
"""How long calls that run may take to end once their connections are closed."""


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """The server's certificate chain and key, PEM files."""

    certificate: Path
    key: Path


def loopback(port: int) -> socket.socket:
    """Bind 127.0.0.1; port 0 takes a free one. Raises OSError when the port is taken."""
    # asyncio sets TCP_NODELAY only where the protocol is named; without it each answer waits 40 ms
    # for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    return listener


def unix(path: Path) -> socket.socket:
    """Bind a Unix socket that only its owner may open; a stale one is replaced."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    return listener


class _Quiet(uvicorn.Server):
    """A server that leaves signals to the process that runs it."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so to who waits."""
        await super().startup(sockets)
        self._up.set()

    async def ready(self, tasks: TaskGroup, serving: "asyncio.Task[None]") -> None:
        """Wait for the start. Raises what the server failed with."""
        waiting = tasks.start(self._up.wait(), "ready")
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if serving.done():
            serving.result()

    def capture_signals(self) -> Any:
        """Leave them alone."""
        return _Nothing()


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


class ApiServer:
    """One application on several listening sockets."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._servers: list[uvicorn.Server] = []
        self._tasks = TaskGroup("serve")

    async def listen(self, listener: socket.socket, tls: Tls | None = None) -> None:
        """Serve on a bound socket; returns once connections are accepted."""
        config = uvicorn.Config(
            self._app,
            http=UpgradingProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            h11_max_incomplete_event_size=64 * 1024,
            backlog=512,
            ssl_certfile=str(tls.certificate) if tls else None,
            ssl_keyfile=str(tls.key) if tls else None,
            timeout_graceful_shutdown=1,
        )
        server = _Quiet(config)
        self._servers.append(server)
        task = self._tasks.start(server.serve(sockets=[listener]), f"fd{listener.fileno()}")
        await server.ready(self._tasks, task)

    async def close(self) -> None:
        """Stop accepting, end what runs, free the sockets."""
        for server in self._servers:
            server.should_exit = True
            server.force_exit = True
            for listener in getattr(server, "servers", ()):
                listener.close()
            # Whoever serves a closed connection sees that its client is gone, and ends by itself.
            for connection in tuple(server.server_state.connections):
                if (transport := getattr(connection, "transport", None)) is not None:
                    transport.abort()
        left = {task for server in self._servers for task in server.server_state.tasks}
        if left:
            await asyncio.wait(left, timeout=CLOSE_SECONDS)
        await self._tasks.stop()
