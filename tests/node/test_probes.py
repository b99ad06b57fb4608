"""Probes: counting by kubelet's thresholds, quick until the first success, and asking for real."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from lateen.base.clock import ManualClock
from lateen.base.tasks import TaskGroup
from lateen.model.kube.core.container import (
    Container,
    ContainerPort,
    GRPCAction,
    HTTPGetAction,
    HTTPHeader,
    Probe,
)
from lateen.node.container.plan import ProbeKind, ProbePlan
from lateen.node.probes import grpchealth, plan as probes, prober
from lateen.node.probes.plan import ProbeOutcome

READINESS, LIVENESS, STARTUP = ProbeKind.READINESS, ProbeKind.LIVENESS, ProbeKind.STARTUP


def probe(kind: ProbeKind = READINESS, **fields: float) -> ProbePlan:
    return ProbePlan(kind, Probe(), **fields)


@pytest.mark.parametrize(
    ("plan", "answers", "verdicts"),
    [
        (probe(), "FFFF", [None, None, False, False]),
        (probe(), "SFFSFFF", [True, True, True, True, True, True, False]),
        (probe(successes=2, failures=1), "SSFSS", [None, True, False, False, True]),
        (probe(LIVENESS, failures=2), "SFFS", [True, True, False, True]),
    ],
)
def test_thresholds(plan: ProbePlan, answers: str, verdicts: list[bool | None]) -> None:
    count, now = probes.counter(plan, 0.0), 0.0
    seen = []
    for answer in answers:
        now += plan.period
        count = count.after(answer == "S", now)
        seen.append(count.healthy)
    assert seen == verdicts


def test_failures_count_once_a_period() -> None:
    count = probes.counter(probe(period=10, failures=2), 0.0)
    for now in (0.1, 0.5, 0.9):
        count = count.after(False, now)
    assert count.streak == 0, "it is still starting"
    count = count.after(False, 1.0)
    count = count.after(False, 5.0)
    assert (count.streak, count.healthy) == (1, None)
    count = count.after(False, 11.0)
    assert count.healthy is False


def test_it_is_asked_quickly_until_it_succeeds() -> None:
    count = probes.counter(probe(period=10), 0.0)
    waits = []
    for _ in range(100):
        waits.append(count.wait)
        count = count.after(False, 0.5)
    assert waits[0] < 0.01
    assert waits == sorted(waits)
    assert waits[-1] == 0.5
    assert count.after(True, 0.9).wait == 10
    assert probes.counter(probe(LIVENESS, period=7), 0.0).wait == 7


def watching(
    plan: ProbePlan, answers: Callable[[float], bool], seconds: float
) -> tuple[list[tuple[float, bool]], int]:
    """Watch for so many seconds of manual time; return verdicts with their times, and failures."""
    verdicts: list[tuple[float, bool]] = []
    failures = 0

    async def main() -> None:
        clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))

        async def ask(_: ProbePlan) -> ProbeOutcome:
            return ProbeOutcome(answers(clock.monotonic()), "no")

        def failed(_: ProbePlan, outcome: ProbeOutcome) -> None:
            nonlocal failures
            failures += 1
            assert outcome.message == "no"

        def verdict(_: ProbePlan, ok: bool) -> None:
            verdicts.append((round(clock.monotonic(), 3), ok))

        async with TaskGroup("test") as tasks:
            tasks.start(probes.watch(plan, ask, clock, verdict, failed), "probe")
            for _ in range(int(seconds * 100)):
                await clock.advance(0.01)
                await asyncio.sleep(0)

    asyncio.run(main())
    return verdicts, failures


def test_readiness_is_seen_within_moments_and_lost_after_three_periods() -> None:
    verdicts, failures = watching(probe(period=2), lambda now: 0.1 <= now < 5, 15)
    (ready, first), (lost, second) = verdicts
    assert (first, second) == (True, False)
    assert 0.1 <= ready < 0.15
    assert 9 < lost < 11.5
    assert failures >= 3


def test_the_initial_delay_is_kept() -> None:
    verdicts, _ = watching(probe(initial_delay=3), lambda _: True, 4)
    assert [round(at, 1) for at, _ in verdicts] == [3.0]


def test_a_startup_probe_ends_with_its_verdict() -> None:
    verdicts, failures = watching(probe(STARTUP, period=1, failures=3), lambda _: False, 10)
    assert [ok for _, ok in verdicts] == [False]
    assert failures == 3


@contextlib.asynccontextmanager
async def serving(answer: bytes | None) -> AsyncIterator[tuple[int, list[bytes]]]:
    """Serve one answer to every connection (None never answers); yield port and requests."""
    requests: list[bytes] = []
    held: list[asyncio.StreamWriter] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError):
            requests.append(await reader.readuntil(b"\r\n\r\n"))
        held.append(writer)
        if answer is not None:
            writer.write(answer)
            await writer.drain()
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], requests
    finally:
        server.close()
        for writer in held:
            writer.close()


async def opened() -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    return sock


def ask(
    answer: bytes | None, question: Callable[[int], Awaitable[ProbeOutcome]]
) -> tuple[ProbeOutcome, list[bytes]]:
    async def main() -> tuple[ProbeOutcome, list[bytes]]:
        async with serving(answer) as (port, requests):
            return await question(port), requests

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("answer", "ok", "words"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True, ""),
        (b"HTTP/1.1 302 Found\r\n\r\n", True, ""),
        (b"HTTP/1.1 503 No\r\n\r\n", False, "HTTP probe failed with statuscode: 503"),
        (b"junk\r\n\r\n", False, "malformed HTTP response"),
        (b"", False, "EOF"),
        (None, False, "context deadline exceeded"),
    ],
)
def test_http(answer: bytes | None, ok: bool, words: str) -> None:
    action = HTTPGetAction(path="/healthz", port=0, http_headers=(HTTPHeader(name="X", value="1"),))

    async def question(port: int) -> ProbeOutcome:
        return await probes.ask_http(opened, "127.0.0.1", port, action, 0.3)

    outcome, requests = ask(answer, question)
    assert outcome.ok is ok
    assert words in outcome.message
    assert requests[0].startswith(b"GET /healthz HTTP/1.1\r\n")
    assert b"\r\nX: 1\r\n" in requests[0]
    assert b"\r\nUser-Agent: kube-probe/" in requests[0]


@pytest.mark.parametrize(("answer", "ok"), [(b"HTTP/1.1 404 No\r\n\r\n", True), (b"", False)])
def test_any_answer_satisfies_a_hook(answer: bytes, ok: bool) -> None:
    async def question(port: int) -> ProbeOutcome:
        action = HTTPGetAction(path="/bye", port=0)
        return await probes.ask_http(opened, "127.0.0.1", port, action, 0.3, hook=True)

    outcome, requests = ask(answer, question)
    assert outcome.ok is ok
    assert b"\r\nUser-Agent: kube-lifecycle/" in requests[0]


def test_tcp_and_refusal() -> None:
    async def question(port: int) -> ProbeOutcome:
        assert (await probes.ask_tcp(opened, "127.0.0.1", port, 1)).ok
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            closed = free.getsockname()[1]
            return await probes.ask_tcp(opened, "127.0.0.1", closed, 1)

    outcome, _ = ask(b"", question)
    assert outcome.message.endswith("connect: connection refused")


def test_grpc_frames() -> None:
    assert grpchealth.request("") == b"\0\0\0\0\0"
    assert grpchealth.request("ab") == b"\0\0\0\0\4\n\2ab"
    assert grpchealth.status(b"\0\0\0\0\2\x08\x01") == "SERVING"
    assert grpchealth.status(b"\0\0\0\0\2\x08\x02") == "NOT_SERVING"
    assert grpchealth.status(b"\0\0\0\0\0") == "UNKNOWN"
    with pytest.raises(ValueError, match="127 bytes"):
        grpchealth.request("x" * 200)


def test_grpc_against_something_else() -> None:
    async def question(port: int) -> ProbeOutcome:
        return await probes.ask_grpc(opened, "127.0.0.1", port, GRPCAction(port=port), 1)

    outcome, _ = ask(b"", question)
    assert not outcome.ok
    assert "failed to connect service" in outcome.message


def test_named_ports_and_rewritten_paths() -> None:
    container = Container(name="app", ports=(ContainerPort(name="http", container_port=81),))
    assert prober.port_number(80, container) == 80
    assert prober.port_number("http", container) == 81
    assert prober.port_number("8080", container) == 8080
    with pytest.raises(ValueError, match="couldn't find port: 'web' in container app"):
        prober.port_number("web", container)
    assert prober.rewritten("") == {}
    assert prober.rewritten("[1]") == {}
    assert prober.rewritten("{") == {}
    assert prober.rewritten('{"/app-health/app/readyz": {}}') == {"/app-health/app/readyz": {}}
