"""A closed-loop load generator: so many keep-alive connections, each asks again when answered.

    python -m bench.load HOST PORT PATH CONNECTIONS SECONDS

Prints one JSON object: requests, failed, p50 and p99 in seconds.
"""

import asyncio
import json
import sys
import time
from typing import cast


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, ask: bytes, until: float, took: list[float]) -> None:
        self._ask = ask
        self._until = until
        self._took = took
        self._buffer = b""
        self.failed = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._send()

    def _send(self) -> None:
        self._began = time.perf_counter()
        self._transport.write(self._ask)

    def data_received(self, data: bytes) -> None:
        """Count an answer once it is whole, and ask again."""
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        lowered = head.lower()
        length = int(lowered.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self._took.append(now - self._began)
        self.failed += not head.startswith(b"HTTP/1.1 200")
        self._buffer = b""
        if now < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        """The end."""
        if not self.done.done():
            self.done.set_result(None)


async def load(host: str, port: int, path: str, connections: int, seconds: float) -> None:
    """Run it."""
    ask = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    took: list[float] = []
    until = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    clients = [
        (await loop.create_connection(lambda: Client(ask, until, took), host, port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(client.done for client in clients))
    took.sort()
    print(
        json.dumps(
            {
                "requests": len(took),
                "failed": sum(client.failed for client in clients),
                "p50": took[len(took) // 2],
                "p99": took[int(len(took) * 0.99)],
            }
        )
    )


if __name__ == "__main__":
    where, port, path, connections, seconds = sys.argv[1:6]
    asyncio.run(load(where, int(port), path, int(connections), float(seconds)))
