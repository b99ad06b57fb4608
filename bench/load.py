"""A load generator: so many keep-alive connections, each with one request at a time.

    python -m bench.load HOST PORT PATH CONNECTIONS SECONDS RATE

RATE is requests a second over all connections; 0 lets the next one follow the answer.

Prints one JSON object: requests, failed, p50 and p99 in seconds.
"""

import asyncio
import json
import sys
import time
from typing import cast


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self, ask: bytes, until: float, pause: float, took: list[float]) -> None:
        self._ask = ask
        self._until = until
        self._pause = pause
        self._loop = asyncio.get_running_loop()
        self._due = 0.0
        self._took = took
        self._buffer = b""
        self.failed = 0
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        self._transport = cast(asyncio.Transport, transport)
        self._due = self._loop.time()
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
        self._due = max(self._due + self._pause, self._loop.time()) if self._pause else 0.0
        if now >= self._until:
            self.done.set_result(None)
            self._transport.close()
        elif self._pause:
            self._loop.call_at(self._due, self._send)
        else:
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        """The end; before its time a failure, or a load of fewer connections would pass for this
        one."""
        if not self.done.done():
            self.failed += 1
            self.done.set_result(None)


async def load(
    host: str, port: int, path: str, connections: int, seconds: float, rate: float
) -> None:
    """Run it."""
    ask = f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()
    took: list[float] = []
    until = time.perf_counter() + seconds
    pause = connections / rate if rate else 0.0
    loop = asyncio.get_running_loop()
    clients = []
    for _ in range(connections):
        await asyncio.sleep(pause / connections)  # their requests do not fire in step
        made = await loop.create_connection(lambda: Client(ask, until, pause, took), host, port)
        clients.append(made[1])
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
    where, port, path, connections, seconds, rate = sys.argv[1:7]
    asyncio.run(load(where, int(port), path, int(connections), float(seconds), float(rate)))
