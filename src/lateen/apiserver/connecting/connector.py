"""Exec, attach, port-forward, logs and proxy: what a call for them means and how it is served."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.connecting import (
    channels,
    forwarding,
    logs,
    proxying,
    remotecommand,
    spdysession,
    streams,
    websocket,
)
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.protocol import exchange, upgrade
from lateen.apiserver.protocol.request import Query
from lateen.apiserver.writing import verbs
from lateen.base.jsonvalue import Json
from lateen.base.tasks import TaskGroup
from lateen.model import wellknown

MAX_SESSIONS = 512
_FORWARD_WEBSOCKET = ("SPDY/3.1+portforward.k8s.io", "v4.channel.k8s.io", "portforward.k8s.io")


class Connector:
    """Serves what reaches into pods."""

    def __init__(self, api: verbs.Api, pods: "streams.PodStreams | None") -> None:
        self._api = api
        self._pods = pods
        self._sessions = 0

    async def serve(
        self, call: exchange.Call, target: Target, channel: upgrade.Upgrade | None
    ) -> exchange.Response | None:
        """Answer; None when an upgraded connection was served to its end. Raises ApiError."""
        if self._pods is None:
            raise errors.unavailable("no pods run on this server")
        proxied = target.subresource == "proxy"
        name = proxying.split_name(target.name)[0] if proxied else target.name
        whole = Target(target.kind, target.version, target.namespace, name)
        obj = self._api.get(whole)
        if self._sessions >= MAX_SESSIONS:
            raise errors.too_many(f"more than {MAX_SESSIONS} sessions are open; close some", 5)
        if target.subresource == "log":
            return self._log(call, obj, self._pods)
        if target.subresource == "proxy":
            return await proxying.serve(self._api, self._pods, call, target, obj)
        if call.info.verb not in ("get", "create"):
            raise errors.method_not_allowed(target.info)
        if channel is None:
            raise errors.bad_request("Upgrade request required")
        self._sessions += 1
        try:
            await self._upgraded(call, target, obj, channel, self._pods)
        finally:
            self._sessions -= 1
        return None

    def _log(self, call: exchange.Call, pod: Json, pods: "streams.PodStreams") -> exchange.Response:
        if call.info.verb != "get":
            raise errors.method_not_allowed()
        options = logs.options(call.info.query, self._api.clock.now())
        container = container_of(pod, call.info.query.text("container"))
        chunks = logs.follow(pods, pod, container, options, self._api.clock)
        return exchange.Response(
            chunks=self._counted(chunks), content_type="text/plain; charset=utf-8"
        )

    async def _counted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        self._sessions += 1
        try:
            async for chunk in chunks:
                yield chunk
        finally:
            self._sessions -= 1

    async def _upgraded(
        self,
        call: exchange.Call,
        target: Target,
        pod: Json,
        channel: upgrade.Upgrade,
        pods: "streams.PodStreams",
    ) -> None:
        if target.subresource == "portforward":
            _running(pod)
            await _forward(call, pod, channel, pods)
            return
        query = call.info.query
        container = container_of(pod, query.text("container"))
        wanted = _wanted(query)
        _running(pod)
        protocol = _agreed(call, channel)
        if target.subresource == "exec":
            command = query.every.get("command", ())
            if not command:
                raise errors.bad_request("you must specify at least 1 command for the container")
            running = await pods.exec(
                pod, container, command, stdin=channels.STDIN in wanted, tty=query.flag("tty")
            )
        else:
            running = await pods.attach(
                pod, container, stdin=channels.STDIN in wanted, tty=query.flag("tty")
            )
        async with remotecommand.holding(running) as held:
            await _remote_command(
                channel.accept(list(protocol.headers)),
                protocol,
                held,
                wanted,
                attached=target.subresource == "attach",
            )


def container_of(pod: Json, wanted: str) -> str:
    """Return the container asked for, or the only one. Raises ApiError 400."""
    spec: dict[str, Any] = pod.get("spec") or {}
    names = [one["name"] for one in spec.get("containers") or ()]
    first = [one["name"] for one in spec.get("initContainers") or ()]
    later = [one["name"] for one in spec.get("ephemeralContainers") or ()]
    name = pod["metadata"]["name"]
    if wanted:
        if wanted not in (*names, *first, *later):
            raise errors.bad_request(f"container {wanted} is not valid for pod {name}")
        return wanted
    if len(names) == 1:
        return str(names[0])
    text = f"a container name must be specified for pod {name}, choose one of: [{' '.join(names)}]"
    if first:
        text += f" or one of the init containers: [{' '.join(first)}]"
    raise errors.bad_request(text)


def _running(pod: Json) -> None:
    phase = (pod.get("status") or {}).get("phase")
    if phase in wellknown.ENDED:
        raise errors.bad_request(
            f"cannot exec into a container in a completed pod; current phase is {phase}"
        )
    if not (pod.get("spec") or {}).get("nodeName"):
        raise errors.bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")


def _wanted(query: Query) -> frozenset[int]:
    """Return the channels that a client will open for these parameters. Raises ApiError 400."""
    wanted = {channels.ERROR}
    for name, number in (
        ("stdin", channels.STDIN),
        ("stdout", channels.STDOUT),
        ("stderr", channels.STDERR),
    ):
        if query.flag(name):
            wanted.add(number)
    if len(wanted) == 1:
        raise errors.bad_request("you must specify at least one of stdin, stdout, stderr")
    if query.flag("tty"):
        wanted.discard(channels.STDERR)
    return frozenset(wanted)


class _Agreed(msgspec.Struct, frozen=True):
    """What a client that upgrades is to speak: known, and refused, before a command runs for it."""

    chosen: str
    """Subprotocol; empty for a WebSocket that names none."""
    headers: tuple[tuple[str, str], ...]
    """Those of the 101 answer."""
    over_websocket: bool


def _agreed(call: exchange.Call, channel: upgrade.Upgrade) -> _Agreed:
    """Choose the protocol of exec or attach. Raises ApiError 400, 403."""
    if channel.protocol != "websocket":
        chosen = _spdy_protocol(call, channel, channels.SPDY_PROTOCOLS)
        return _Agreed(chosen, tuple(_spdy_headers(chosen)), over_websocket=False)
    offered = call.headers.get("sec-websocket-protocol", "")
    chosen = websocket.choose(offered, channels.WEBSOCKET_PROTOCOLS)
    if offered and not chosen:
        raise errors.bad_request(f"unable to upgrade: unsupported subprotocol {offered[:80]!r}")
    headers = websocket.accept_headers(call.headers.get("sec-websocket-key", ""), chosen)
    return _Agreed(chosen, tuple(headers), over_websocket=True)


async def _remote_command(
    connection: upgrade.RawConnection,
    protocol: _Agreed,
    held: remotecommand.CommandHandle,
    wanted: frozenset[int],
    *,
    attached: bool,
) -> None:
    chosen = protocol.chosen
    if protocol.over_websocket:
        socket = websocket.WebSocket(connection, text="base64" in chosen)
        carried = channels.WebSocketChannels(socket, chosen)
        output = channels.STDOUT if channels.STDOUT in wanted else channels.STDERR
        await carried.greet(output if output in wanted else channels.ERROR)
        await remotecommand.serve(carried, held, structured=carried.structured, attached=attached)
        return
    if held.running.tty and chosen.startswith(("v3", "v4")):
        wanted |= {channels.RESIZE}
    async with TaskGroup("spdy") as tasks:
        session = raw_session(connection)
        reading = tasks.start(session.run(), "session")
        try:
            gathered = await channels.SpdyChannels.gather(session, wanted, chosen)
            serving = tasks.start(
                remotecommand.serve(
                    gathered, held, structured=gathered.structured, attached=attached
                ),
                "serve",
            )
            await asyncio.wait({serving, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                await held.running.stop()
                await asyncio.wait({serving}, timeout=5)
            else:
                await asyncio.wait({reading}, timeout=5)
        except TimeoutError:
            return  # it did not open what it announced
        finally:
            connection.writer.close()


def raw_session(connection: upgrade.RawConnection) -> spdysession.Session:
    """Speak SPDY on a raw connection."""

    async def incoming() -> AsyncIterator[bytes]:
        try:
            while data := await connection.reader.read(64 * 1024):
                yield data
        except OSError:
            return

    async def write(data: bytes) -> None:
        try:
            connection.writer.write(data)
            await connection.writer.drain()
        except OSError:
            return

    return spdysession.Session(incoming(), write)


def _spdy_protocol(call: exchange.Call, channel: upgrade.Upgrade, spoken: tuple[str, ...]) -> str:
    if channel.protocol != "spdy/3.1":
        raise errors.bad_request(f"unable to upgrade to {channel.protocol[:40]!r}")
    offered = call.headers.get("x-stream-protocol-version", "")
    chosen = websocket.choose(offered, spoken)
    if offered and not chosen:
        raise errors.forbidden_protocol(offered, spoken)
    return chosen or spoken[-1]


def _spdy_headers(chosen: str) -> list[tuple[str, str]]:
    return [
        ("Upgrade", "SPDY/3.1"),
        ("Connection", "Upgrade"),
        ("X-Stream-Protocol-Version", chosen),
    ]


async def _forward(
    call: exchange.Call, pod: Json, channel: upgrade.Upgrade, pods: "streams.PodStreams"
) -> None:
    async def connect(port: int) -> Any:
        return await pods.port_forward(pod, port)

    if channel.protocol != "websocket":
        chosen = _spdy_protocol(call, channel, ("portforward.k8s.io",))
        connection = channel.accept(_spdy_headers(chosen))
        try:
            await forwarding.serve(raw_session(connection), connect)
        finally:
            connection.writer.close()
        return
    offered = call.headers.get("sec-websocket-protocol", "")
    chosen = websocket.choose(offered, _FORWARD_WEBSOCKET)
    if offered and not chosen:
        raise errors.bad_request(f"unable to upgrade: unsupported subprotocol {offered[:80]!r}")
    ports = forwarding.ports(call.info.query.every.get("ports", ()))
    headers = websocket.accept_headers(call.headers.get("sec-websocket-key", ""), chosen)
    socket = websocket.WebSocket(channel.accept(headers))
    try:
        if chosen.startswith("SPDY"):
            await forwarding.serve(spdysession.Session(socket.messages(), socket.send), connect)
        else:
            await forwarding.serve_channels(socket, ports, connect)
    finally:
        await socket.close()
