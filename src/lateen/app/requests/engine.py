"""Sending a real request, and telling how it travelled and why it ended so."""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names
from lateen.app.api import routes
from lateen.app.capture.taps import Recording, Taps
from lateen.app.mesh.pipeline import Pipeline
from lateen.app.mesh.reporting import Reporting
from lateen.app.reach.podstreams import ShimLink
from lateen.app.requests import targets
from lateen.base.jsonvalue import Json
from lateen.causes.advice import Advice
from lateen.compiler.ir.proxy import ProxyView
from lateen.model.labapi import explain
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.labapi.request import CurlRequest
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.snapshot import Snapshot
from lateen.observe import redact
from lateen.observe.requests import directory, journey
from lateen.observe.requests.directory import Directory, Party
from lateen.observe.requests.journey import Journey, Sent
from lateen.observe.requests.ledger import Ledger
from lateen.observe.verdicts import findings, report, verdict
from lateen.observe.verdicts.failures import Received

if TYPE_CHECKING:
    from lateen.app.requests import sending


_LOG_SECONDS = 1.0
"""How long to wait for entries that must come; proxies send theirs every 0.1 s."""
_MOST_RECORDED = 16


class Knowledge(msgspec.Struct, frozen=True):
    """What the lab knows of its configuration: findings about objects, and what proxies rejected
    (`namespace/pod` to words), and what the configuration would do with changes."""

    findings: Callable[[], Awaitable[Sequence[Diagnostic]]]
    rejected: Callable[[str], Sequence[str]]
    proved: Callable[[ExplainRequest, str, Advice], Awaitable[Advice]]
    """What may mend a failure of a class, tried."""


class EvidenceEngine:
    """Sends requests and joins what was seen of them."""

    def __init__(
        self,
        shim: ShimLink,
        pipeline: Pipeline,
        ledger: Ledger,
        forwards: Callable[[], targets.Forwards],
        taps: Taps,
        reporting: Reporting,
        knowledge: Knowledge,
        roots: str = "",
    ) -> None:
        """`roots` are those that a lab's pods trust, in PEM; empty where it is the machine's."""
        self._roots = roots
        self._knowledge = knowledge
        self._shim, self._pipeline, self._ledger = shim, pipeline, ledger
        self._forwards = forwards
        self._taps = taps
        self._reporting = reporting

    async def serve(self, call: exchange.Call, _names: Names) -> exchange.Response:
        """Answer a call with a request's story. Raises ApiError."""
        return routes.answer(await self.request(routes.decoded(call, CurlRequest)))

    async def request(self, asked: CurlRequest) -> Json:
        """Send one request and return its story. Raises ApiError where it cannot be sent."""
        current = self._pipeline.current
        start = targets.origin(current.snapshot, asked.origin, asked.namespace)
        resolver = targets.Resolver(self._shim, current.snapshot, self._forwards())
        target = await resolver.target(
            asked.url, start, gateway=asked.gateway, resolve=asked.resolve
        )
        mark = self._ledger.position
        from lateen.app.requests import sending  # its HTTP client loads for 15 ms

        pods = watched(current.snapshot, self._pipeline.views, start)
        async with self._reporting.everything(), self._taps.recording(pods) as recording:
            response = await sending.send(self._shim, _request(asked, start, target, self._roots))
            who = directory.directory(current.snapshot, self._pipeline.views)
            sent = _sent(asked, start, target, response, who, mark)
            found = await self._joined(sent, who, recording)
        answer = Received(response.status, response.error, response.failure)
        judged = verdict.judge(
            found, answer, self._pipeline.views, current.snapshot, insecure=asked.insecure
        )
        if asked.remedies:
            question = explain.of_curl(asked)
            proved = await self._knowledge.proved(question, judged.code, judged.advice)
            judged = msgspec.structs.replace(judged, advice=proved)
        return {
            "request": _request_shown(asked, start, target),
            "response": _response_shown(asked, response),
            "legs": report.legs(found, secrets=asked.show_secrets),
            "calls": report.calls(found.calls, secrets=asked.show_secrets),
            "verdict": {
                **report.judgement(judged, current.snapshot),
                "findings": await self._findings(found, judged, _host(asked, target)),
                "rejected": self._rejected(found),
            },
        }

    async def _findings(
        self, found: Journey, judged: verdict.RequestVerdict, host: str
    ) -> list[Json]:
        """Return the findings about the objects that a request has to do with."""
        snapshot = self._pipeline.current.snapshot
        about = findings.objects(found, host, self._pipeline.views, snapshot)
        causes = frozenset(source.ref for source in judged.sources)
        chosen = findings.concerning(await self._knowledge.findings(), about, causes)
        return [report.finding(each, snapshot) for each in chosen]

    def _rejected(self, found: Journey) -> list[Json]:
        """Return what proxies on the way did not take of their configuration."""
        parties = [party for leg in found.legs for party in (leg.client, leg.server)]
        proxies = dict.fromkeys(party.name for party in parties if party.name)
        return [
            {"proxy": proxy, "text": text}
            for proxy in proxies
            for text in self._knowledge.rejected(proxy)
        ]

    async def _joined(self, sent: Sent, who: Directory, recording: Recording) -> Journey:
        """Join until everything that must be logged is there, or the time is up."""
        news = asyncio.Event()
        cancel = self._ledger.subscribe(lambda _: news.set())
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _LOG_SECONDS
        try:
            while True:
                news.clear()
                found = journey.build(sent, self._ledger, who, recording.reading)
                left = deadline - loop.time()
                if found.complete or left <= 0:
                    return found
                try:
                    async with asyncio.timeout(left):
                        await news.wait()
                except TimeoutError:
                    continue
        finally:
            cancel()


def _host(asked: CurlRequest, target: targets.UrlTarget) -> str:
    """Return the host that is asked for: as the header says, else as the URL does."""
    given = next((value for name, value in asked.headers if name.lower() == "host"), "")
    return given.partition(":")[0] or urlsplit(target.url).hostname or ""


def watched(snapshot: Snapshot, views: Mapping[str, ProxyView], start: targets.Origin) -> list[str]:
    """Return the uids of the pods to record: all, or in a large lab the origin and the gateways.

    The others are known by their standing taps, which see every connection's opening.
    """
    running = {
        f"{namespace}/{name}": pod.metadata.uid
        for (namespace, name), pod in snapshot.pods.items()
        if pod.status.pod_ip and not pod.metadata.deletion_timestamp
    }
    if len(running) <= _MOST_RECORDED:
        return list(running.values())
    gateways = [proxy for proxy, view in views.items() if view.gateway is not None]
    return [running[pod] for pod in (start.pod, *gateways) if pod in running][:_MOST_RECORDED]


def _request(
    asked: CurlRequest, start: targets.Origin, target: targets.UrlTarget, roots: str
) -> "sending.Request":
    from lateen.app.requests import sending

    return sending.Request(
        method=asked.method,
        url=target.url,
        address=target.address,
        port=target.port,
        pod=start.uid,
        headers=asked.headers,
        without=asked.without,
        body=asked.body.encode() + asked.body_base64,
        http=asked.http,
        insecure=asked.insecure,
        ca=roots if start.uid else "",
        timeout=asked.timeout,
    )


def _sent(
    asked: CurlRequest,
    start: targets.Origin,
    target: targets.UrlTarget,
    response: "sending.ClientResponse",
    who: Directory,
    mark: int,
) -> Sent:
    party = Party("host", "host")
    if start.pod:
        party = Party("app", start.pod, who.identities.get(start.pod, ""))
    return Sent(
        party=party,
        local=response.local,
        remote=response.remote,
        tls=response.tls,
        secure=urlsplit(target.url).scheme == "https",
        failure=response.failure,
        mark=mark,
    )


def _request_shown(asked: CurlRequest, start: targets.Origin, target: targets.UrlTarget) -> Json:
    parts = urlsplit(target.url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    hidden = str if asked.show_secrets else redact.path
    return {
        "method": asked.method,
        "url": hidden(target.url),
        "path": hidden(path),
        "from": start.pod or "host",
        "address": f"{target.address}:{target.port}",
        "note": target.note,
        "headers": _shown(asked.headers, secrets=asked.show_secrets),
    }


def _response_shown(asked: CurlRequest, response: "sending.ClientResponse") -> Json:
    text: Mapping[str, str]
    try:
        text = {"body": _body_shown(asked, response.body.decode())}
    except UnicodeDecodeError:
        text = {"body": "", "body_base64": base64.b64encode(response.body).decode()}
    return {
        "status": response.status,
        "http": response.http,
        "headers": _shown(response.headers, secrets=asked.show_secrets),
        **text,
        "size": response.size,
        "error": response.error,
        "tls": response.tls,
        "seconds": round(response.seconds, 6),
    }


def _body_shown(asked: CurlRequest, text: str) -> str:
    if asked.show_secrets:
        return text
    return redact.body(text, redact.values(asked.headers, asked.url))


def _shown(headers: Sequence[tuple[str, str]], *, secrets: bool) -> list[list[str]]:
    shown = headers if secrets else redact.headers(headers)
    return [[name, value] for name, value in shown]
