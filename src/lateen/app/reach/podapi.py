"""The API server's door for pods: it listens at the node's address in the lab's own network."""

import contextlib
import logging
import socket
from pathlib import Path
from typing import Any

from lateen.apiserver.serving import serve
from lateen.base.clock import Clock
from lateen.controllers.network import apiservice
from lateen.node.shim.client import ShimClient, ShimError, ShimGoneError

log = logging.getLogger(__name__)

_RETRY = 0.05
_FREEBIND = 15
"""IP_FREEBIND, which Python does not name: the agent may not have set the address yet."""
HOSTS = tuple(
    f"kubernetes{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")
)
"""The names by which pods call it; its certificate has them."""


class InsideServer:
    """Serves the application to pods, anew each time the node comes up.

    The listening socket is made by the shim, so it lives in the lab's network and nobody on the
    host reaches it there. Callers need a token as everywhere.
    """

    def __init__(self, app: Any, tls: serve.Tls, shim_socket: Path, address: str) -> None:
        self._app, self._tls = app, tls
        self._shim_socket, self._address = shim_socket, address

    async def run(self, clock: Clock) -> None:
        """Serve until cancelled."""
        while True:
            try:
                shim = await ShimClient.connect(self._shim_socket, subscribe=True)
            except OSError:
                await clock.sleep(_RETRY)
                continue
            try:
                await self._serve(shim)
            except ShimGoneError:
                await clock.sleep(_RETRY)
            except (ShimError, OSError) as error:
                log.error("pods cannot reach the API server: %s", error)
                await clock.sleep(5.0)
            finally:
                await shim.close()

    async def _serve(self, shim: ShimClient) -> None:
        listener = await shim.open_socket("", socket.AF_INET, socket.SOCK_STREAM)
        server = serve.ApiServer(self._app)
        with contextlib.closing(listener):
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_IP, _FREEBIND, 1)
            listener.bind((self._address, apiservice.PORT))
            try:
                await server.listen(listener, self._tls)
                async for _ in shim.exits():
                    pass
            finally:
                await server.close()
