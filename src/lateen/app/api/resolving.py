"""Names outside the cluster, when the lab was told a resolver or has a way out.

The lab's network has none of its own, so the agent hands such a query to the plane, which asks
from the host.
"""

import asyncio
import base64
import socket
from collections.abc import Awaitable, Callable

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route
from lateen.app.api import routes
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.node import ResolveAnswer, ResolveRequest

_SECONDS = 2.0


async def ask(address: str, query: bytes) -> bytes:
    """Ask a resolver (`HOST` or `HOST:PORT`) over UDP. Raises OSError, TimeoutError."""
    host, _, port = address.partition(":")
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        async with asyncio.timeout(_SECONDS):
            await loop.sock_connect(sock, (host, int(port or 53)))
            await loop.sock_sendall(sock, query)
            return await loop.sock_recv(sock, 65535)


Resolver = Callable[[bytes], Awaitable[bytes]]
"""Takes a DNS query and returns the reply; raises OSError, TimeoutError, ValueError."""


def route(resolver: Resolver | None) -> Route:
    """Serve the agent's queries; without a resolver every one is refused."""

    async def serve(call: exchange.Call, _names: Names) -> exchange.Response:
        if resolver is None:
            raise ApiError(404, "NotFound", "the lab has no dnsForward resolver and no egress")
        try:
            answer = await resolver(base64.b64decode(routes.decoded(call, ResolveRequest).query))
        except (OSError, TimeoutError, ValueError) as error:
            raise ApiError(503, "ServiceUnavailable", str(error)) from error
        return routes.answer(ResolveAnswer(base64.b64encode(answer).decode()))

    return routes.owned(contract.RESOLVE, serve)
