"""The relay: takes the connections that pods make to what is outside, and makes them anew from
the host.

A rule in the lab's own network leads every TCP connection to an address outside the lab to the
relay's port, where the kernel tells the address that was meant. The host's network is not touched:
no rule, no forwarding. So it works for an ordinary user as for root.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from lateen.app.egress.policy import Policy, own_addresses
from lateen.base.clock import Clock
from lateen.base.tasks import TaskGroup
from lateen.node.net.egress import PORT
from lateen.node.shim.client import ShimClient, ShimError, ShimGoneError

log = logging.getLogger(__name__)

_RETRY = 0.05
_FREEBIND = 15
"""IP_FREEBIND, which Python does not name: the agent may not have set the address yet."""
_ORIGINAL_DESTINATION = 80
_CONNECT_SECONDS = 10.0
_CHUNK = 64 * 1024
MOST = 512
"""Connections at a time: two descriptors each."""


class EgressConnection(msgspec.Struct, frozen=True):
    """One connection that left, or was kept in: told of when it is made and when it is over."""

    client: str
    """The pod's address and port."""
    target: str
    """The address and port outside."""
    start: datetime
    seconds: float = 0.0
    """How long it lasted, or since it was asked for."""
    open: bool = False
    failure: str = ""
    """Why nothing was reached there."""
    sent: int = 0
    received: int = 0
    refused: str = ""
    """Why it was kept in; empty if it left."""


Passed = Callable[[EgressConnection], None]


def host_addresses() -> frozenset[str]:
    """Return the host's own addresses at this moment. Raises OSError where /proc is missing."""
    return own_addresses(Path("/proc/net/fib_trie").read_text(encoding="ascii"))


class Relay:
    """Serves pods' connections to the outside, anew each time the node comes up."""

    def __init__(
        self, policy: Policy, shim_socket: Path, address: str, passed: Passed, clock: Clock
    ) -> None:
        """`address` is the node's, in the lab; `passed` is told of every connection."""
        self._policy, self._clock = policy, clock
        self._shim_socket, self._address = shim_socket, address
        self._passed = passed
        self._tasks = TaskGroup("egress")
        self._open = 0

    async def run(self) -> None:
        """Serve until cancelled."""
        try:
            while True:
                await self._once()
        finally:
            await self._tasks.stop()

    async def _once(self) -> None:
        try:
            shim = await ShimClient.connect(self._shim_socket, subscribe=True)
        except OSError:
            await self._clock.sleep(_RETRY)
            return
        try:
            await self._serve(shim)
        except ShimGoneError:
            await self._clock.sleep(_RETRY)
        except (ShimError, OSError) as error:
            log.error("pods cannot reach the outside: %s", error)
            await self._clock.sleep(5.0)
        finally:
            await shim.close()

    async def _serve(self, shim: ShimClient) -> None:
        listener = await shim.open_socket("", socket.AF_INET, socket.SOCK_STREAM)
        with contextlib.closing(listener):
            listener.setblocking(False)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setsockopt(socket.IPPROTO_IP, _FREEBIND, 1)
            listener.bind((self._address, PORT))
            listener.listen(128)
            accepting = self._tasks.start(self._accept(listener), "accept")
            try:
                async for _ in shim.exits():
                    pass
            finally:
                accepting.cancel()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listener)
            except OSError as error:  # no descriptor is left, or the client has gone again
                log.warning("a pod's connection to the outside: %s", error.strerror)
                await self._clock.sleep(_RETRY)
                continue
            connection.setblocking(False)
            self._tasks.start(self._relay(connection, f"{peer[0]}:{peer[1]}"), "connection")

    async def _relay(self, pod: socket.socket, client: str) -> None:
        with contextlib.closing(pod):
            try:
                host, port = meant(pod)
            except OSError:
                return  # nobody led it here, or the pod has gone
            made = EgressConnection(client, f"{host}:{port}", self._clock.now())
            if refused := self._refusal(host):
                reset(pod)
                self._passed(replace(made, refused=refused))
                return
            self._open += 1
            try:
                await self._carry(pod, (host, port), made)
            finally:
                self._open -= 1

    def _refusal(self, host: str) -> str:
        if host == self._address:
            return "it is the relay itself"
        if self._open >= MOST:
            return f"{MOST} connections are open already"
        return self._policy.refusal(host, host_addresses())

    async def _carry(
        self, pod: socket.socket, target: tuple[str, int], made: EgressConnection
    ) -> None:
        """Connect and carry bytes both ways; what cannot be reached is reset."""
        loop, begun = asyncio.get_running_loop(), self._clock.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as outside:
            outside.setblocking(False)
            try:
                async with asyncio.timeout(_CONNECT_SECONDS):
                    await loop.sock_connect(outside, target)
            except (OSError, TimeoutError) as error:
                reset(pod)
                why = getattr(error, "strerror", "") or "no answer"
                self._passed(replace(made, failure=why))
                return
            for each in (pod, outside):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._passed(replace(made, open=True))
            ways = (_pump(pod, outside), _pump(outside, pod))
            sent, received = await asyncio.gather(*ways)
            took = self._clock.monotonic() - begun
            self._passed(replace(made, seconds=took, sent=sent, received=received))


async def _pump(source: socket.socket, sink: socket.socket) -> int:
    """Carry bytes one way until their end, then tell the other side; return how many. A reset of
    one side becomes one of the other."""
    loop, carried = asyncio.get_running_loop(), 0
    try:
        while data := await loop.sock_recv(source, _CHUNK):
            await loop.sock_sendall(sink, data)
            carried += len(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, sink):
            reset(each)
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
    return carried


def meant(connection: socket.socket) -> tuple[str, int]:
    """Return where a connection was going before a rule led it here. Raises OSError."""
    raw = connection.getsockopt(socket.SOL_IP, _ORIGINAL_DESTINATION, 16)
    port, packed = struct.unpack_from("!2xH4s", raw)
    return socket.inet_ntoa(packed), port


def reset(connection: socket.socket) -> None:
    """Have the connection end with a reset when it is closed: nothing was to be had there."""
    with contextlib.suppress(OSError):
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
