"""Ports on 127.0.0.1 that lead to the lab's LoadBalancer Services, for who has no host link.

The plane listens on the host's loopback; the connection onward is made by a socket that lives in
the lab's network, so it meets the Service rules there as any client's would.
"""

import asyncio
import logging
import socket
from dataclasses import dataclass

from lateen.app.reach.podstreams import ShimLink
from lateen.base.tasks import TaskGroup
from lateen.model.client import ApiError
from lateen.node.shim.client import ShimError, ShimGoneError
from lateen.store.api import Event, EventType, JsonObject

log = logging.getLogger(__name__)

_PREFERRED = {80: 8080, 443: 8443}
"""Ports that are easy to remember, taken when they are free."""
_CHUNK = 64 * 1024
_CONNECT_SECONDS = 5.0

Target = tuple[str, str, int]
"""Namespace and name of a Service, and the number of one of its ports."""


@dataclass
class _Forward:
    address: str
    server: asyncio.Server
    port: int


class Forwarder:
    """Keeps one listening port per port of every LoadBalancer Service that has an address."""

    def __init__(self, shim: ShimLink, tasks: TaskGroup) -> None:
        self._shim = shim
        self._tasks = tasks
        self._forwards: dict[Target, _Forward] = {}
        self._wanted: dict[tuple[str, str], dict[Target, str]] = {}
        """What each Service wants by the newest that is known of it; forwards follow."""
        self._lock = asyncio.Lock()

    @property
    def ports(self) -> dict[Target, int]:
        """The local port of each target."""
        return {target: forward.port for target, forward in self._forwards.items()}

    def note(self, event: Event) -> None:
        """Take a change of a Service; called by the store within the write."""
        key = event.entry.key
        service = (key.namespace, key.name)
        gone = event.type is EventType.DELETED
        wanted = {} if gone else _wanted(event.entry.value)
        if wanted == self._wanted.get(service, {}):
            return
        if wanted:
            self._wanted[service] = wanted
        else:
            del self._wanted[service]
        self._tasks.start(self._adjust(*service), "forward")

    async def _adjust(self, namespace: str, name: str) -> None:
        async with self._lock:
            wanted = self._wanted.get((namespace, name), {})
            for target, forward in list(self._forwards.items()):
                if target[:2] == (namespace, name) and wanted.get(target) != forward.address:
                    forward.server.close()
                    del self._forwards[target]
            for target, address in wanted.items():
                if target not in self._forwards:
                    await self._listen(target, address)

    async def _listen(self, target: Target, address: str) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._relay(address, target[2], reader, writer)

        for port in (_PREFERRED.get(target[2], 0), 0):
            try:
                server = await asyncio.start_server(serve, "127.0.0.1", port)
            except OSError as error:
                log.info("port %d on 127.0.0.1: %s", port, error.strerror)
                continue
            taken = server.sockets[0].getsockname()[1]
            self._forwards[target] = _Forward(address, server, taken)
            return

    async def _relay(
        self,
        address: str,
        port: int,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            inside = await self._connect(address, port)
        except (OSError, TimeoutError, ApiError) as error:
            log.info("forward to %s:%d: %s", address, port, error)
            writer.transport.abort()
            return
        onward_reader, onward_writer = await asyncio.open_connection(sock=inside)
        copying = {
            self._tasks.start(_copy(reader, onward_writer), "forward out"),
            self._tasks.start(_copy(onward_reader, writer), "forward back"),
        }
        whole = True
        while copying and whole:
            done, copying = await asyncio.wait(copying, return_when=asyncio.FIRST_COMPLETED)
            whole = all(task.result() for task in done)
        for task in copying:  # one side is gone: nothing leads to it or comes from it any more
            task.cancel()
        for each in (writer, onward_writer):
            if whole:
                each.close()
            else:
                each.transport.abort()

    async def _connect(self, address: str, port: int) -> socket.socket:
        try:
            shim = await self._shim.get()
            made = await shim.open_socket("", socket.AF_INET, socket.SOCK_STREAM)
        except (ShimError, ShimGoneError) as error:
            raise OSError(str(error)) from error
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made


def _wanted(service: JsonObject) -> dict[Target, str]:
    if service["spec"].get("type") != "LoadBalancer":
        return {}
    balancer = (service.get("status") or {}).get("loadBalancer") or {}
    addresses = [i["ip"] for i in balancer.get("ingress") or () if i.get("ip")]
    metadata = service["metadata"]
    if not addresses:
        return {}
    return {
        (metadata["namespace"], metadata["name"], port["port"]): addresses[0]
        for port in service["spec"].get("ports") or ()
        if port.get("protocol", "TCP") == "TCP"
    }


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Copy until the end, then close that direction only: the answer may still come. Returns
    False when a connection broke instead."""
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()
    except OSError:
        return False
    return True
