"""The end of a pod's proxy: it is asked to drain, and its clients are waited for."""

import asyncio
import contextlib
import logging
import socket
from pathlib import Path

from lateen.base.clock import Clock
from lateen.node.container import sidecar
from lateen.node.container.plan import PROXY
from lateen.node.shim import protocol
from lateen.node.shim.client import ShimClient

log = logging.getLogger(__name__)

_POLL = 0.02


class ProxyDrain:
    """Drains the proxy of one pod; `attempt` is the run of its container."""

    def __init__(
        self, shim: ShimClient, clock: Clock, uid: str, attempt: int, *, router: bool
    ) -> None:
        self._shim = shim
        self._clock = clock
        self._uid = uid
        self._handle = protocol.handle(uid, PROXY, attempt)
        self._router = router

    async def run(self, patience: float) -> None:
        """Ask Envoy to drain, and wait until its clients are gone: a quarter of a second at least,
        Istio's terminationDrainDuration (`patience`, seconds) at most."""
        try:
            async with asyncio.timeout(patience):
                await self._ask()
                await self._clock.sleep(sidecar.LEAST_DRAIN_SECONDS)
                while await self._connections():
                    await self._clock.sleep(_POLL)
        except (TimeoutError, OSError) as error:
            log.info("draining pod %s: %s", self._uid, error)

    async def _ask(self) -> None:
        sock = await self._shim.open_socket(self._uid, socket.AF_INET, socket.SOCK_STREAM)
        loop = asyncio.get_running_loop()
        with contextlib.closing(sock):
            await loop.sock_connect(sock, ("127.0.0.1", sidecar.ADMIN_PORT))
            await loop.sock_sendall(sock, sidecar.drain_request(router=self._router))
            await loop.sock_recv(sock, 1024)

    async def _connections(self) -> int:
        """Count connections to the proxy by the tables of its network namespace."""
        for process in (await self._shim.state()).processes:
            if process.handle == self._handle and process.state == "running":
                table = Path(f"/proc/{process.pid}/net/tcp")
                return sidecar.active_connections(table.read_text(encoding="ascii"))
        return 0
