"""The HTTP client keeps connections, and the server may close one at any time."""

import asyncio
from pathlib import Path

from lateen.kube.http import ApiEndpoint, HttpClient

ANSWER = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}"


class ShortLived:
    """A server that closes every connection after its first answer."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.closed = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(head.split(b" ")[0].decode())
        await reader.readexactly(2)
        writer.write(ANSWER)
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        self.closed.release()


def test_a_post_after_a_quiet_while_takes_a_fresh_connection(tmp_path: Path) -> None:
    async def main() -> list[str]:
        server = ShortLived()
        listening = await asyncio.start_unix_server(server.serve, tmp_path / "api.sock")
        client = HttpClient(ApiEndpoint(token="t", socket=str(tmp_path / "api.sock")))
        async with listening:
            for _ in range(3):
                assert await client.post("/token", {}) == {}
                await server.closed.acquire()
                for _ in range(20):  # turns of the loop, in which the client's side hears of it
                    await asyncio.sleep(0)
            await client.close()
        return server.asked

    assert asyncio.run(asyncio.wait_for(main(), 10)) == ["POST"] * 3
