"""Forwarding names outside the cluster to a resolver, when the lab was told one."""

import asyncio
import socket

from lateen.node.dns import Forwarder

_SECONDS = 2.0


def forwarder(address: str) -> Forwarder | None:
    """Return a function that asks the resolver over UDP, or None when none is set.

    It raises OSError when the resolver does not answer within two seconds.
    """
    if not address:
        return None
    host, _, port = address.partition(":")

    async def ask(query: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, (host, int(port or 53)))
            await loop.sock_sendall(sock, query)
            async with asyncio.timeout(_SECONDS):
                return await loop.sock_recv(sock, 65535)

    return ask
