"""One sentence for one request: what came back, where it failed, why, and which field decided.

Pure. Reasons come from the logs, choices from the compiled views (`facts`): no rule is told twice.
"""

from collections.abc import Mapping

import msgspec

from lateen.compiler.ir.proxy import ProxyView
from lateen.model.meta import Source, parse_source
from lateen.observe.requests import authorization, directory, failures, hops, journey, logline
from lateen.observe.requests.journey import Journey, Leg

_TLS_WORDS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS"}
_SENT_WORDS = {**_TLS_WORDS, "tls": "TLS without a client certificate"}


class Verdict(msgspec.Struct, frozen=True):
    """The answer to `why`. `code` is stable; `sources` are the fields that decided, the most
    telling first."""

    code: str
    sentence: str
    sources: tuple[Source, ...] = ()
    remedies: tuple[str, ...] = ()


class Answer(msgspec.Struct, frozen=True):
    """What the client got: a status, or an error of its own."""

    status: int | None = None
    error: str = ""


_PASSTHROUGH = "PassthroughCluster"
Views = Mapping[str, ProxyView]


def judge(found: Journey, answer: Answer, views: Views) -> Verdict:
    """Say what happened to a request and why."""
    cause, leg = failures.of(found, answer.status, answer.error)
    came = str(answer.status) if answer.status is not None else answer.error
    if leg is None:
        sentence, sources = _success(found, came, views)
        return Verdict(cause.code, sentence, sources)
    if cause.code in ("application-status", "direct-response"):
        words = f"{came}: {cause.words}"
        where = f" ({leg.server.name})" if cause.code == "application-status" else ""
        return Verdict(cause.code, f"{words}{where}.", _decided(leg, views), cause.remedies)
    cause = authorization.refine(cause, leg, views)
    place = f"at {leg.client.name}" if not leg.sent else f"on {journey.name(leg)}"
    sentence = f"{came}: it failed {place}: {cause.words}"
    why, sources = _why(leg, cause, views)
    return Verdict(cause.code, f"{sentence}{why}.", sources, cause.remedies)


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


def _success(found: Journey, came: str, views: Views) -> tuple[str, tuple[Source, ...]]:
    wires = [leg for leg in found.legs if leg.sent and not leg.inside]
    told = ", ".join(f"{_TLS_WORDS[leg.tls]} on {journey.name(leg)}" for leg in wires)
    sentence = f"{came}: {told}" if told else came
    sources: list[Source] = []
    for leg in reversed(wires):
        why = _chosen(leg, views) or _without_proxy(leg, views)
        if why is not None:
            sentence += f"; {why[0]}"
            sources += why[1]
            break
    for leg in wires:
        sources += _tagged(leg)
    return f"{sentence}.", _unique(sources)


def _chosen(leg: Leg, views: Views) -> tuple[str, tuple[Source, ...]] | None:
    """Why a leg that a proxy opened has the TLS it has."""
    made = leg.client_entry.entry if leg.client_entry is not None else None
    if made is not None and made.upstream_cluster == _PASSTHROUGH:
        return "no service of the mesh matches what was sent, so it is passed on as it came", ()
    choice = _choice(leg, views)
    if choice is None:
        return None
    if choice.tls == leg.tls:
        return f"{_SENT_WORDS[leg.tls]} there because {choice.why}", choice.sources
    if choice.tls == "none" and leg.carried == "tls":
        words = f"that TLS is the application's own, the mesh adds none because {choice.why}"
        return words, choice.sources
    return f"{_SENT_WORDS[leg.tls]} there although {choice.why}", choice.sources


def _without_proxy(leg: Leg, views: Views) -> tuple[str, tuple[Source, ...]] | None:
    """Why a client without a proxy got through to a sidecar."""
    accepted = _accepted(leg, views)
    if leg.client_entry is not None or accepted is None:
        return None
    words = f"the client has no proxy, and the server takes that: its mode is {accepted.mode}"
    return words, (accepted.source,) if accepted.source is not None else ()


def _why(leg: Leg, cause: failures.Cause, views: Views) -> tuple[str, tuple[Source, ...]]:
    """Return the rest of a failure's sentence and its sources: the client's side, the server's."""
    parts: list[str] = []
    sources: list[Source] = []
    choice = _choice(leg, views)
    about_tls = cause.code in _TLS_CODES
    if cause.code in authorization.CODES:
        parts, sources = authorization.told(leg, views)
    if choice is not None and about_tls:
        parts.append(f"the client's proxy sends {_SENT_WORDS[choice.tls]} because {choice.why}")
        sources += choice.sources
    accepted = _accepted(leg, views)
    if accepted is not None and about_tls and leg.server.role == "sidecar":
        by = f" by {accepted.source.ref}" if accepted.source is not None else " by default"
        parts.append(f"the server's mode is {accepted.mode}{by}")
        sources += [accepted.source] if accepted.source is not None else []
    if cause.code in _POOL_CODES:
        sources += _limits(leg, views)
    sources += _destination(leg, views)
    sources += _tagged(leg)
    return ("; " + "; ".join(parts) if parts else ""), _unique(sources)


def _limits(leg: Leg, views: Views) -> list[Source]:
    entry = leg.client_entry
    view = views.get(entry.proxy) if entry is not None else None
    limits = directory.limits(view, entry.entry.upstream_cluster) if view and entry else None
    return [limits] if limits is not None else []


def _destination(leg: Leg, views: Views) -> list[Source]:
    """Return what defines the destination of a step that was not taken, or a refused port."""
    entry = leg.client_entry
    if entry is None or (leg.sent and not entry.inbound):
        return []
    if entry.inbound:
        tagged = entry.entry.tags.get("cluster_source", "")
        return [parse_source(tagged)] if tagged else []
    view = views.get(entry.proxy)
    return list(directory.routed(view, entry.entry.tags.get("source", ""))) if view else []


_POOL_CODES = frozenset({"overflow", "connect-timeout"})
_TLS_CODES = frozenset(
    {
        "plaintext-to-strict",
        "no-mesh-certificate",
        "client-certificate-untrusted",
        "server-certificate-untrusted",
        "client-certificate-expired",
        "server-certificate-expired",
        "no-client-certificate",
        "san-mismatch",
        "tls-to-plaintext",
        "double-tls",
        "connection-terminated",
        "rbac-no-identity",
    }
)


def _choice(leg: Leg, views: Views) -> directory.Choice | None:
    if leg.client_entry is None or leg.client_entry.proxy not in views:
        return None
    made = leg.client_entry.entry
    view = views[leg.client_entry.proxy]
    return directory.choice(view, made.upstream_cluster, made.upstream_remote)


def _accepted(leg: Leg, views: Views) -> directory.Acceptance | None:
    view = views.get(leg.server.name)
    port = leg.server_address.rpartition(":")[2]
    return directory.accepts(view, int(port)) if view is not None and port.isdigit() else None


def _decided(leg: Leg, views: Views) -> tuple[Source, ...]:
    choice = _choice(leg, views)
    return _unique([*_tagged(leg), *(choice.sources if choice else ())])


def _tagged(leg: Leg) -> list[Source]:
    """Return the sources that a proxy's route and cluster carry, as its log names them."""
    if leg.client_entry is None or leg.client_entry.inbound:
        return []
    tags = leg.client_entry.entry.tags
    return [parse_source(tags[key]) for key in ("source", "cluster_source") if tags.get(key)]


def _unique(found: list[Source]) -> tuple[Source, ...]:
    return tuple(dict.fromkeys(found))
