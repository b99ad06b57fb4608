"""Probes: when to ask, what to count, and asking over HTTP, TCP, gRPC or by a command.

Counting and timing are pure (`Counter`); the rest is a thin shell around them. Until the first
success a probe is asked many times a second, so that a pod is ready when its application is, not
up to a period later; failures count only once a period, so thresholds mean what they say.
"""

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Awaitable, Callable

import msgspec
from msgspec.structs import replace

from lateen.base.clock import Clock
from lateen.model.kube.core.container import GRPCAction, HTTPGetAction
from lateen.node.container.plan import ProbeKind, ProbePlan

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.5
_GROWTH = 1.05
"""By which the pause grows: an application is noticed to be ready within a tenth or so of the time
that it took."""
FIRST_FAILURE = 1.0
"""Failures in the first second are the application still starting: kubelet's own first probe
comes that late on average."""
_HEADER_LIMIT = 16 * 1024
REFUSED = "connect: connection refused"
"""How the answer ends where nothing listens yet."""
USER_AGENT = "kube-probe/1.36"
HOOK_AGENT = "kube-lifecycle/1.36"


class ProbeOutcome(msgspec.Struct, frozen=True):
    """One answer to a probe; `message` in kubelet's words."""

    ok: bool
    message: str = ""


Ask = Callable[[ProbePlan], Awaitable[ProbeOutcome]]


class Counter(msgspec.Struct, frozen=True):
    """Counts answers. Pure: `after` returns the counter that follows."""

    plan: ProbePlan
    healthy: bool | None = None
    """The verdict so far; None until there is one."""
    streak: int = 0
    """Successes or failures in a row that count."""
    last_ok: bool | None = None
    pause: float = _FIRST_PAUSE
    counts_from: float = 0.0
    """Failures before this moment do not count."""

    def after(self, ok: bool, now: float) -> "Counter":
        """Take an answer that came at `now` (seconds, monotonic)."""
        if not ok and now < self.counts_from:
            pause = min(self.pause * _GROWTH, _LONGEST_PAUSE, self.plan.period)
            return replace(self, pause=pause)
        streak = self.streak + 1 if ok == self.last_ok else 1
        needed = self.plan.successes if ok else self.plan.failures
        return replace(
            self,
            streak=streak,
            last_ok=ok,
            healthy=ok if streak >= needed else self.healthy,
            counts_from=now + self.plan.period,
        )

    @property
    def wait(self) -> float:
        """Seconds until it is asked again."""
        quick = self.healthy is None and self.plan.kind is not ProbeKind.LIVENESS
        return self.pause if quick and not self.last_ok else self.plan.period


def counter(plan: ProbePlan, now: float) -> Counter:
    """Return the counter of a probe whose container started at `now`."""
    grace = min(plan.period, FIRST_FAILURE)
    return Counter(plan, counts_from=now + plan.initial_delay + grace)


async def watch(
    plan: ProbePlan,
    ask: Ask,
    clock: Clock,
    verdict: Callable[[ProbePlan, bool], None],
    failed: Callable[[ProbePlan, ProbeOutcome], None],
    healthy: bool | None = None,
) -> None:
    """Probe until cancelled; a startup or liveness probe ends with its verdict of death.

    `verdict` hears of each change of the verdict, `failed` of each failure that counts. `healthy`
    is the verdict to start from, for a container that was adopted.
    """
    count = replace(counter(plan, clock.monotonic()), healthy=healthy, last_ok=healthy)
    await clock.sleep(plan.initial_delay)
    while True:
        asked = clock.monotonic()
        outcome = await ask(plan)
        counted = outcome.ok or asked >= count.counts_from
        before, count = count.healthy, count.after(outcome.ok, asked)
        if counted and not outcome.ok:
            failed(plan, outcome)
        if count.healthy is not before and count.healthy is not None:
            verdict(plan, count.healthy)
            if plan.kind is ProbeKind.STARTUP or (
                plan.kind is ProbeKind.LIVENESS and not count.healthy
            ):
                return
        await clock.sleep(max(0.0, count.wait - (clock.monotonic() - asked)))


OpenSocket = Callable[[], Awaitable[socket.socket]]
"""Opens a non-blocking TCP socket in the network that the probe is made from."""


async def ask_tcp(open_socket: OpenSocket, ip: str, port: int, timeout: float) -> ProbeOutcome:
    """Connect; that it connects is success."""
    try:
        async with asyncio.timeout(timeout):
            sock = await open_socket()
            with contextlib.closing(sock):
                await asyncio.get_running_loop().sock_connect(sock, (ip, port))
    except TimeoutError:
        return ProbeOutcome(False, f"dial tcp {ip}:{port}: i/o timeout")
    except OSError as error:
        return ProbeOutcome(False, _dial_error(ip, port, error))
    return ProbeOutcome(True)


async def ask_http(
    open_socket: OpenSocket,
    ip: str,
    port: int,
    action: HTTPGetAction,
    timeout: float,
    *,
    hook: bool = False,
) -> ProbeOutcome:
    """Ask over HTTP or HTTPS (any certificate); a status from 200 to 399 is success. To a `hook`
    every answer is, as to kubelet."""
    secure = action.scheme.upper() == "HTTPS"
    path = action.path if action.path.startswith("/") else f"/{action.path}"
    url = f"{'https' if secure else 'http'}://{ip}:{port}{path}"
    try:
        async with asyncio.timeout(timeout):
            request = _request(action, ip, port, path, HOOK_AGENT if hook else USER_AGENT)
            status = await _status(open_socket, ip, port, request, secure)
    except TimeoutError:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return ProbeOutcome(False, f'Get "{url}": {why}')
    except ssl.SSLError as error:
        return ProbeOutcome(False, f'Get "{url}": tls: {error.reason or error}')
    except ConnectionResetError:
        return ProbeOutcome(False, f'Get "{url}": read: connection reset by peer')
    except EOFError:
        return ProbeOutcome(False, f'Get "{url}": EOF')
    except ValueError as error:
        return ProbeOutcome(False, f'Get "{url}": {error}')
    except OSError as error:
        return ProbeOutcome(False, f'Get "{url}": {_dial_error(ip, port, error)}')
    if hook or 200 <= status < 400:
        return ProbeOutcome(True)
    return ProbeOutcome(False, f"HTTP probe failed with statuscode: {status}")


async def ask_grpc(
    open_socket: OpenSocket, ip: str, port: int, action: GRPCAction, timeout: float
) -> ProbeOutcome:
    """Call grpc.health.v1.Health/Check; SERVING is success."""
    from lateen.node.probes import grpchealth  # its HTTP/2 library would slow every agent's start

    try:
        async with asyncio.timeout(timeout):
            reader, writer = await _connect(open_socket, ip, port, secure=False)
            try:
                answer = await grpchealth.check(reader, writer, action.service or "")
            finally:
                writer.close()
    except TimeoutError:
        return ProbeOutcome(
            False, f'timeout: failed to connect service "{ip}:{port}" within {timeout}s'
        )
    except (OSError, EOFError) as error:
        return ProbeOutcome(False, f'error: failed to connect service "{ip}:{port}": {error}')
    if answer == "SERVING":
        return ProbeOutcome(True)
    return ProbeOutcome(False, f'service unhealthy (responded with "{answer}")')


def _request(action: HTTPGetAction, ip: str, port: int, path: str, agent: str) -> bytes:
    headers = {"Host": f"{action.host or ip}:{port}", "User-Agent": agent, "Accept": "*/*"}
    for header in action.http_headers:
        name = header.name.title() if header.name.lower() in ("host", "accept") else header.name
        headers[name] = header.value
    headers["Connection"] = "close"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1", "replace")


async def _connect(
    open_socket: OpenSocket, ip: str, port: int, *, secure: bool
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    sock = await open_socket()
    try:
        await asyncio.get_running_loop().sock_connect(sock, (ip, port))
        return await asyncio.open_connection(
            sock=sock,
            ssl=_any_certificate() if secure else None,
            server_hostname=ip if secure else None,
            limit=_HEADER_LIMIT,
        )
    except BaseException:
        sock.close()
        raise


async def _status(open_socket: OpenSocket, ip: str, port: int, request: bytes, secure: bool) -> int:
    """Return the status code. The body is not read: to wait for its end could take a second."""
    reader, writer = await _connect(open_socket, ip, port, secure=secure)
    try:
        writer.write(request)
        line = await reader.readline()
        if not line:
            raise EOFError
        version, _, rest = line.decode("latin-1").partition(" ")
        if not version.startswith("HTTP/") or not rest[:3].isdigit():
            raise ValueError("malformed HTTP response")
        return int(rest[:3])
    finally:
        writer.transport.abort()


def _any_certificate() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _dial_error(ip: str, port: int, error: OSError) -> str:
    words = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"dial tcp {ip}:{port}: connect: {words}"
