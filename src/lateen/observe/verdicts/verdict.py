"""One sentence for one request: what came back, where it failed, why, and which field decided.

Pure. Reasons come from the logs, choices from the compiled views (`facts`), causes and advice from
`lateen.causes`: no rule is told twice.
"""

from collections.abc import Mapping

import msgspec

from lateen.causes import advice, catalogue
from lateen.causes.advice import Advice
from lateen.causes.cause import Category, Cause, Mark
from lateen.causes.situation import Situation
from lateen.compiler.backend import names
from lateen.compiler.ir.proxy import ProxyView
from lateen.model.meta import Source, parse_source
from lateen.model.snapshot import Snapshot
from lateen.observe import redact
from lateen.observe.requests import directory, hops, journey, logline
from lateen.observe.requests.journey import Call, Journey
from lateen.observe.requests.legs import Leg
from lateen.observe.verdicts import authorization, corrections, failures, manifest_text, situations
from lateen.observe.verdicts.failures import Received

_TLS_WORDS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS", "": "nothing"}
_SENT_WORDS = {**_TLS_WORDS, "tls": "TLS without a client certificate"}


class RequestVerdict(msgspec.Struct, frozen=True):
    """The answer to `why`. `code` is stable; `sources` are the fields that decided, the most
    telling first."""

    code: str
    sentence: str
    sources: tuple[Source, ...] = ()
    advice: Advice = Advice()


Views = Mapping[str, ProxyView]


class _Judge:
    """What every part of a verdict is made from."""

    def __init__(self, views: Views, snapshot: Snapshot, *, insecure: bool) -> None:
        self.views, self.snapshot, self.insecure = views, snapshot, insecure

    def advice(self, cause: Cause, leg: Leg) -> Advice:
        known = situations.of(leg, self.views, self.snapshot, insecure=self.insecure)
        return advice.of(cause, known)

    def choice(self, leg: Leg) -> directory.TlsChoice | None:
        if leg.client_entry is None or leg.client_entry.proxy not in self.views:
            return None
        made = leg.client_entry.entry
        view = self.views[leg.client_entry.proxy]
        return directory.choice(view, made.upstream_cluster, made.upstream_remote, self._mode)

    def _mode(self, block: Source) -> str:
        found = manifest_text.value(self.snapshot, block)
        return str(found.get("mode", "")) if isinstance(found, dict) else ""


def judge(
    found: Journey, answer: Received, views: Views, snapshot: Snapshot, *, insecure: bool = False
) -> RequestVerdict:
    """Say what happened to a request and why. `insecure`: the client took any certificate."""
    by = _Judge(views, snapshot, insecure=insecure)
    cause, leg = failures.of(found, answer, views)
    came = str(answer.status) if answer.status is not None else answer.error
    if leg is None:
        sentence, sources = _success(found, came, by)
        return RequestVerdict(cause.code, sentence, sources)
    if Mark.MEANT in cause.marks:
        return _meant(found, cause, leg, came, by)
    cause = authorization.refine(cause, leg, views)
    place = f"at {leg.client.name}" if not leg.sent else f"on {journey.name(leg)}"
    sentence = f"{came}: it failed {place}: {cause.words}"
    why, sources = _why(leg, cause, by)
    return RequestVerdict(cause.code, f"{sentence}{why}.", sources, by.advice(cause, leg))


def _meant(found: Journey, cause: Cause, leg: Leg, came: str, by: _Judge) -> RequestVerdict:
    """An error that somebody answered on purpose; an application's may come of its own calls."""
    if cause is not catalogue.APPLICATION_STATUS:
        return RequestVerdict(cause.code, f"{came}: {cause.words}.", _decided(leg, by), Advice())
    sentence = f"{came}: {cause.words} ({leg.server.name})"
    culprit = failed_call(found.calls)
    if culprit is None:
        changed = corrections.rewritten(found.legs)
        if changed is not None and changed.client_entry is not None:
            http = changed.client_entry.entry.http
            sentence += f"; it was asked for {redact.path(http.path)}" if http is not None else ""
        told = by.advice(cause, changed or leg)
        return RequestVerdict(cause.code, f"{sentence}.", _decided(changed or leg, by), told)
    call, broken, of_call = culprit
    of_call = authorization.refine(of_call, broken, by.views)
    why, sources = _why(broken, of_call, by)
    sentence += f"; it asked for {call.request} meanwhile, which failed on {journey.name(broken)} "
    sentence += f"({broken.server.name or 'nowhere'}): {of_call.words}{why}"
    return RequestVerdict(cause.code, f"{sentence}.", sources, by.advice(of_call, broken))


def failed_call(calls: tuple[Call, ...]) -> tuple[Call, Leg, Cause] | None:
    """Return the innermost call that failed, the last of several, and why."""
    for call in reversed(calls):
        inner = failed_call(call.calls)
        if inner is not None:
            return inner
        for leg in call.legs:
            cause = failures.of_leg(leg) if leg.failed else None
            if cause is not None:
                return call, leg, cause
    return None


def reasons(leg: Leg) -> list[tuple[str, str]]:
    """Return what each side says went wrong on a leg, as (side, words)."""
    found = []
    if leg.failed and leg.client_entry is not None:
        made = leg.client_entry.entry
        failure = logline.plain_reason(made.upstream_failure)
        words = f"{made.flags} {failure}" if failure else hops.complaint(leg.client_entry)
        found.append(("client", words.strip()))
    if leg.server_entry is not None and hops.refused(leg.server_entry):
        failure = logline.plain_reason(hops.handshake_failure(leg.server_entry))
        found.append(("server", failure or hops.complaint(leg.server_entry)))
    if leg.failed and leg.reading is not None and leg.reading.server_alert:
        found.append(("wire", f"server alert {leg.reading.server_alert}"))
    if leg.failed and leg.reading is not None and leg.reading.client_alert:
        found.append(("wire", f"client alert {leg.reading.client_alert}"))
    return [(side, words) for side, words in found if words]


def _success(found: Journey, came: str, by: _Judge) -> tuple[str, tuple[Source, ...]]:
    wires = [leg for leg in found.legs if leg.sent and not leg.inside]
    told = ", ".join(f"{_TLS_WORDS[leg.tls]} on {journey.name(leg)}" for leg in wires)
    sentence = f"{came}: {told}" if told else came
    sources: list[Source] = []
    for leg in reversed(wires):
        why = _chosen(leg, by) or _without_proxy(leg, by)
        if why is not None:
            sentence += f"; {why[0]}"
            sources += why[1]
            break
    for leg in found.legs:
        if (answered := _own_answer(leg)) is not None:
            sentence += f"; {answered[0]}"
            sources += answered[1]
        if leg.sent and (policy := authorization.allowing_policy(leg, by.views)) is not None:
            sentence += f"; a rule of {policy.ref} allows it"
            sources.append(policy)
    for leg in wires:
        if (delayed := _delayed(leg)) is not None:
            sentence += f"; {delayed[0]}"
            sources += delayed[1]
        sources += situations.tagged(leg)
    return f"{sentence}.", _unique(sources)


def _delayed(leg: Leg) -> tuple[str, list[Source]] | None:
    """What held a request back that was answered all the same: a delay that a route injects."""
    entry = leg.client_entry
    if entry is None or "DI" not in entry.entry.flags.split(","):
        return None
    tag = entry.entry.tags.get("source", "")
    route = [parse_source(tag)] if tag else []
    of = f" of {route[0].ref}" if route else ""
    return f"it was held back by an injected delay{of}", [each.at("fault.delay") for each in route]


def _own_answer(leg: Leg) -> tuple[str, list[Source]] | None:
    """What a proxy answered by itself, as it was told to."""
    entry = leg.server_entry
    if entry is None or not hops.chosen(entry):
        return None
    tag = entry.entry.tags.get("source", "")
    preflight = entry.entry.http is not None and entry.entry.http.details == "cors_response"
    what = "a preflight that the corsPolicy allows" if preflight else "as the route says"
    return f"{leg.server.name} answered by itself: {what}", [parse_source(tag)] if tag else []


def _chosen(leg: Leg, by: _Judge) -> tuple[str, tuple[Source, ...]] | None:
    """Why a leg that a proxy opened has the TLS it has."""
    made = leg.client_entry.entry if leg.client_entry is not None else None
    if made is not None and made.upstream_cluster == names.PASSTHROUGH_CLUSTER:
        return "no service of the mesh matches what was sent, so it is passed on as it came", ()
    choice = by.choice(leg)
    if choice is None:
        return None
    if choice.tls == leg.tls:
        return f"{_SENT_WORDS[leg.tls]} there because {choice.why}", choice.sources
    if choice.tls == "none" and leg.carried == "tls":
        words = f"that TLS is the application's own, the mesh adds none because {choice.why}"
        return words, choice.sources
    words = f"{_SENT_WORDS[leg.tls]} there; by its present configuration the client's proxy sends "
    return f"{words}{_SENT_WORDS[choice.tls]}, because {choice.why}", choice.sources


def _without_proxy(leg: Leg, by: _Judge) -> tuple[str, tuple[Source, ...]] | None:
    """Why a client without a proxy got through to a sidecar."""
    accepted = _accepted(leg, by.views)
    if leg.client_entry is not None or accepted is None:
        return None
    words = f"the client has no proxy, and the server takes that: its mode is {accepted.mode}"
    return words, (accepted.source,) if accepted.source is not None else ()


def _why(leg: Leg, cause: Cause, by: _Judge) -> tuple[str, tuple[Source, ...]]:
    """Return the rest of a failure's sentence and its sources: the client's side, the server's."""
    parts: list[str] = []
    sources: list[Source] = []
    choice = by.choice(leg)
    known = situations.of(leg, by.views, by.snapshot)
    if cause.category is Category.AUTHORIZATION:
        parts, sources = authorization.told(leg, by.views)
    if Mark.TLS in cause.marks:
        if choice is not None:
            parts.append(f"the client's proxy sends {_SENT_WORDS[choice.tls]} because {choice.why}")
            sources += choice.sources
        elif _passed_through(leg):
            parts.append("the client's proxy passes on as it comes what is for no Service")
        accepted = _accepted(leg, by.views)
        if accepted is not None and leg.server.role == "sidecar":
            of = f" by {accepted.source.ref}" if accepted.source is not None else " by default"
            parts.append(f"the server's mode is {accepted.mode}{of}")
            sources += [accepted.source] if accepted.source is not None else []
    sources += _of_cause(leg, cause, by, known)
    sources += absent(leg, cause, by.views, by.snapshot, known)
    if cause is catalogue.NO_ROUTE and (short := situations.by_short_host(leg, by.snapshot)):
        ref = short[0].ref
        means = f"a Service of the namespace {ref.namespace}"
        parts.append(f"{ref} is written for it by a short name, which means {means}")
    elif cause is catalogue.NO_ROUTE and (looked := situations.looked_up(leg, by.views)):
        parts.append(f"the host is that of {', '.join(str(source.ref) for source in looked[:3])}")
    sources += _destination(leg, by.views)
    sources += situations.tagged(leg)
    return ("; " + "; ".join(parts) if parts else ""), _unique(sources)


def absent(
    leg: Leg, cause: Cause, views: Views, snapshot: Snapshot, known: Situation
) -> list[Source]:
    """Return what is written of something that the proxies do not have, hence no log names: a
    Sidecar that leaves a Service out, routes for other hosts, a server that nothing is bound to."""
    sources = [each.field for each in known.corrections if each.code == cause.code]
    if cause is catalogue.NO_MATCHING_SERVER:
        meant = situations.meant_servers(leg, snapshot)
        sources += meant or list(situations.came_to(leg, views))
    if cause is catalogue.NO_ROUTE:
        sources += (
            situations.by_short_host(leg, snapshot)
            or situations.looked_up(leg, views)
            or situations.unrouted(leg, snapshot)
        )
    return sources


def _of_cause(leg: Leg, cause: Cause, by: _Judge, known: Situation) -> list[Source]:
    """Return what a class of failures names beside what every one does."""
    if Mark.POOL in cause.marks:
        return _limits(leg, by.views)
    if cause is catalogue.TLS_TO_HTTP_PORT:
        return [known.service_port] if known.service_port is not None else []
    if cause is catalogue.NO_SERVER_CERTIFICATE:
        return list(situations.named_servers(leg, by.views))
    if cause is catalogue.RATE_LIMITED:
        return _limiting_patches(leg, by.views)
    return []


_LIMITS = ("local_ratelimit", "ratelimit.v3")
"""What the types of Envoy's filters that limit requests have in their names."""


def _limiting_patches(leg: Leg, views: Views) -> list[Source]:
    """Return the EnvoyFilters' patches that bring such a filter to the proxy that refused."""
    view = views.get(leg.server.name) or views.get(leg.client.name)
    patches = view.patches.patches if view is not None and view.patches is not None else ()
    return [one.source for one in patches if any(word in str(one.value) for word in _LIMITS)]


def _passed_through(leg: Leg) -> bool:
    entry = leg.client_entry
    return entry is not None and entry.entry.upstream_cluster == names.PASSTHROUGH_CLUSTER


def _limits(leg: Leg, views: Views) -> list[Source]:
    entry = leg.client_entry
    view = views.get(entry.proxy) if entry is not None else None
    limits = directory.limits(view, situations.cluster_name(leg, view)) if view else None
    return [limits] if limits is not None else []


def _destination(leg: Leg, views: Views) -> list[Source]:
    """Return what defines the destination of a step that was not taken, or a refused port."""
    entry = leg.client_entry
    if entry is None or (leg.sent and not entry.inbound):
        return []
    if entry.inbound:
        tag = entry.entry.tags.get("cluster_source", "")
        return [parse_source(tag)] if tag else []
    view = views.get(entry.proxy)
    return list(directory.routed(view, entry.entry.tags.get("source", ""))) if view else []


def _accepted(leg: Leg, views: Views) -> directory.Acceptance | None:
    view, entry = views.get(leg.server.name), leg.server_entry
    # A client that passes on to a Service's address knows the Service's port alone.
    address = (entry.entry.downstream_local if entry is not None else "") or leg.server_address
    port = address.rpartition(":")[2]
    return directory.accepts(view, int(port)) if view is not None and port.isdigit() else None


def _decided(leg: Leg, by: _Judge) -> tuple[Source, ...]:
    choice = by.choice(leg)
    return _unique([*situations.tagged(leg), *(choice.sources if choice else ())])


def _unique(found: list[Source]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(found))
