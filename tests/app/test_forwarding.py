"""Ports of loopback that lead to LoadBalancer Services: here to servers of this host."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

from lateen.app.reach.forwarding import Forwarder
from lateen.base.tasks import TaskGroup
from lateen.store.api import Entry, Event, EventType, Key

NOW_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER by which closing resets a connection."""


class HostNetwork:
    """The way into a lab whose network is the host's own."""

    async def get(self) -> "HostNetwork":
        return self

    async def open_socket(self, _pod: str, family: int, kind: int) -> socket.socket:
        made = socket.socket(family, kind)
        made.setblocking(False)
        return made


def changed(kind: EventType, port: int) -> Event:
    value = {
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {"type": "LoadBalancer", "ports": [{"port": port}]},
        "status": {"loadBalancer": {"ingress": [{"ip": "127.0.0.1"}]}},
    }
    return Event(kind, Entry(Key("services", "default", "web"), 1, value))


@contextlib.asynccontextmanager
async def forwarder() -> AsyncIterator[Forwarder]:
    async with TaskGroup("test") as tasks:
        link: Any = HostNetwork()
        yield Forwarder(link, tasks)


async def until(condition: Any) -> None:
    for _ in range(2000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come to that in ten seconds")


def test_a_reset_of_the_client_ends_the_connection_behind_it() -> None:
    """A load test that is interrupted must not leave connections in the gateway."""

    async def scenario() -> None:
        behind: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            behind.append(writer)
            with contextlib.suppress(ConnectionError):
                while await reader.read(100):
                    pass
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with forwarder() as made:
            made.note(changed(EventType.ADDED, port))
            await until(lambda: made.ports)
            for _ in range(5):
                client = socket.create_connection(("127.0.0.1", *made.ports.values()))
                client.send(b"GET / HTTP/1.1\r\n")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW_RESET)
                await asyncio.sleep(0.02)
                client.close()
            await until(lambda: len(behind) == 5)
            await until(lambda: all(writer.is_closing() for writer in behind))
        server.close()

    asyncio.run(scenario())


def test_a_half_closed_connection_still_brings_the_answer() -> None:
    async def scenario() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.read()
            writer.write(asked.upper())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with forwarder() as made:
            made.note(changed(EventType.ADDED, port))
            await until(lambda: made.ports)
            reader, writer = await asyncio.open_connection("127.0.0.1", *made.ports.values())
            writer.write(b"hello")
            writer.write_eof()
            assert await reader.read() == b"HELLO"
            writer.close()
        server.close()

    asyncio.run(scenario())


def test_a_service_that_goes_at_once_leaves_no_port() -> None:
    """Both writes come before the first of the two could be acted on."""

    async def scenario() -> None:
        async with forwarder() as made:
            made.note(changed(EventType.ADDED, 9))
            made.note(changed(EventType.DELETED, 9))
            await asyncio.sleep(0.05)
            assert not made.ports
            made.note(changed(EventType.ADDED, 9))
            made.note(changed(EventType.MODIFIED, 10))
            await until(lambda: [target[2] for target in made.ports] == [10])

    asyncio.run(scenario())
