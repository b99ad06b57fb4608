"""Asks a pod's probes and hooks: from the node, from inside the pod, or by a command in it."""

import asyncio
import contextlib
import itertools
import json
import os
import socket
from typing import Any

import msgspec

from lateen.base.clock import Clock
from lateen.model.kube.core.container import (
    Container,
    ExecAction,
    HTTPGetAction,
    LifecycleHandler,
    Probe,
)
from lateen.node.container.plan import ProbePlan
from lateen.node.probes import plan as probes
from lateen.node.probes.plan import ProbeOutcome
from lateen.node.shim.client import ShimClient, ShimError
from lateen.node.shim.protocol import ContainerSpec

AGENT_PORT = 15020
PROBERS = "ISTIO_KUBE_APP_PROBERS"
_OUTPUT_LIMIT = 10 * 1024
_HOOK_SECONDS = 30.0
_HOOK_PAUSE = 0.02


class ProbeTarget(msgspec.Struct, frozen=True):
    """The pod that is asked."""

    pod: str
    """Its uid."""
    ip: str
    rewritten: dict[str, Any]
    """What the paths under /app-health stand for, from the sidecar's ISTIO_KUBE_APP_PROBERS."""


def rewritten(text: str) -> dict[str, Any]:
    """Read ISTIO_KUBE_APP_PROBERS; what is not JSON stands for nothing."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def port_number(port: int | str, container: Container) -> int:
    """Return a probe's port: a number, or the name of one of the container's. Raises ValueError."""
    if isinstance(port, int):
        return port
    for declared in container.ports:
        if declared.name == port:
            return declared.container_port
    if port.isdigit():
        return int(port)
    raise ValueError(f"couldn't find port: {port!r} in container {container.name}")


class _Output:
    """What a command writes: read while it runs, or it would wait for room in the pipe, and kept
    as far as it is shown."""

    def __init__(self, reader: int) -> None:
        self._reader = reader
        self._kept = bytearray()
        os.set_blocking(reader, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(reader, self._read)

    def _read(self) -> bool:
        """Take what is there; return whether there may be more."""
        try:
            data = os.read(self._reader, 65536)
        except BlockingIOError:
            return False
        if not data:
            self._loop.remove_reader(self._reader)
        self._kept += data[: _OUTPUT_LIMIT - len(self._kept)]
        return bool(data)

    def text(self) -> str:
        """Return what was written until now."""
        while self._read():
            pass
        return self._kept.decode(errors="replace")

    def close(self) -> None:
        """Read no more."""
        self._loop.remove_reader(self._reader)
        os.close(self._reader)


class Prober:
    """Probes and hooks on the shim."""

    def __init__(self, shim: ShimClient, clock: Clock) -> None:
        self._shim = shim
        self._clock = clock
        self._numbers = itertools.count(1)

    async def ask(
        self, target: ProbeTarget, container: Container, handle: str, plan: ProbePlan
    ) -> ProbeOutcome:
        """Ask one probe of a container's current run."""
        action = plan.action
        try:
            if action.exec:
                return await self.command(handle, action.exec, plan.timeout)
            if action.http_get:
                port = port_number(action.http_get.port, container)
                meant = target.rewritten.get(action.http_get.path) if port == AGENT_PORT else None
                if meant is not None:
                    return await self._rewritten(target, meant, plan.timeout)
            return await self._over_network(action, container, target, "", plan.timeout)
        except ValueError as error:
            return ProbeOutcome(False, str(error))
        except OSError as error:  # of the shim, or of this process: no descriptor is left
            return ProbeOutcome(False, error.strerror or str(error))

    async def _rewritten(
        self, target: ProbeTarget, meant: dict[str, Any], timeout: float
    ) -> ProbeOutcome:
        """Do what Istio's agent does: ask from inside the pod, where nothing is captured on the
        way to the pod's own address, and hand on the result."""
        action = msgspec.convert(
            {k: v for k, v in meant.items() if k in ("httpGet", "tcpSocket", "grpc")}, Probe
        )
        outcome = await self._over_network(action, Container(), target, target.pod, timeout)
        if outcome.ok or outcome.message.startswith("HTTP probe failed"):
            return outcome
        return ProbeOutcome(False, "HTTP probe failed with statuscode: 500")

    async def _over_network(
        self,
        action: Probe,
        container: Container,
        target: ProbeTarget,
        inside: str,
        timeout: float,
        *,
        hook: bool = False,
    ) -> ProbeOutcome:
        async def opened() -> socket.socket:
            if inside:
                return await self._shim.open_socket(inside, socket.AF_INET, socket.SOCK_STREAM)
            # The node's own network is this process's.
            return socket.socket(type=socket.SOCK_STREAM | socket.SOCK_NONBLOCK)

        if get := action.http_get:
            port = port_number(get.port, container)
            host = get.host or target.ip
            return await probes.ask_http(opened, host, port, get, timeout, hook=hook)
        if tcp := action.tcp_socket:
            port = port_number(tcp.port, container)
            return await probes.ask_tcp(opened, tcp.host or target.ip, port, timeout)
        if action.grpc:
            return await probes.ask_grpc(opened, target.ip, action.grpc.port, action.grpc, timeout)
        return ProbeOutcome(False, "missing probe handler")

    async def command(self, handle: str, action: ExecAction, timeout: float | None) -> ProbeOutcome:
        """Run a command in a container; exit status 0 is success, the begin of its output the
        message."""
        reader, writer = os.pipe()
        output = _Output(reader)
        run = f"{handle}#probe-{os.getpid()}-{next(self._numbers)}"
        try:
            null = os.open(os.devnull, os.O_RDONLY)
            try:
                spec = ContainerSpec(argv=action.command)
                await self._shim.exec(run, handle, spec, (null, writer, writer))
            finally:
                os.close(writer)
                os.close(null)
            try:
                async with asyncio.timeout(timeout):
                    ended = await self._shim.wait(run)
            except TimeoutError:
                with contextlib.suppress(ShimError):
                    await self._shim.kill(run, 9)
                return ProbeOutcome(False, f'command "{" ".join(action.command)}" timed out')
            return ProbeOutcome(ended.code == 0, output.text())
        finally:
            output.close()

    async def hook(
        self,
        target: ProbeTarget,
        container: Container,
        handle: str,
        action: LifecycleHandler,
        patience: float = 0.0,
    ) -> ProbeOutcome:
        """Run a postStart or preStop hook to its end. An HTTP hook is refused while its server
        comes up: so many seconds that does not count."""
        if action.sleep:
            await self._clock.sleep(action.sleep.seconds)
            return ProbeOutcome(True)
        try:
            if action.exec:
                return await self.command(handle, action.exec, None)
            probe = Probe(http_get=action.http_get or HTTPGetAction())
            until = self._clock.monotonic() + patience
            while True:
                asked = self._over_network(probe, container, target, "", _HOOK_SECONDS, hook=True)
                outcome = await asked
                refused = not outcome.ok and outcome.message.endswith(probes.REFUSED)
                if not refused or self._clock.monotonic() >= until:
                    return outcome
                await self._clock.sleep(_HOOK_PAUSE)
        except (ShimError, ValueError) as error:
            return ProbeOutcome(False, str(error))
