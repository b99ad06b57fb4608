"""A prediction as the document that `lateen explain -o json` prints and the lab answers with."""

from collections.abc import Callable, Iterable

from lateen.base.jsonvalue import Json
from lateen.causes import catalogue
from lateen.causes.advice import Advice
from lateen.model.meta import Location, Source
from lateen.predict.values.outcome import (
    Branch,
    Candidate,
    Foretold,
    Leg,
    Log,
    Party,
    Prediction,
    Step,
)

Locate = Callable[[Source], Location | None]

REACHED = frozenset({"ok", "application-status", "direct-response"})
"""Classes of requests that get where the configuration sends them."""
_CAUSES = catalogue.BY_CODE
_OTHER = {
    "unknown": "it cannot be said",
    "unknown-name": "no name server knows the name",
    "server-first": "the proxy waits for the client's first bytes, and the client for the server's",
}
"""Words for what no evidence shows."""


Advised = Callable[[Foretold], Advice]
"""What may be done about an outcome that is a failure."""


def document(found: Prediction, locate: Locate, advised: Advised) -> Json:
    """Return all of it; `locate` knows where fields were written."""
    return {
        "exit": exit_code(found),
        "open": found.open,
        "branches": [_branch(each, locate, advised) for each in found.branches],
    }


def exit_code(found: Prediction) -> int:
    """Return 0 if every request reaches an application, or is answered as a route says; 1 if none
    is; 2 if that depends or is not known."""
    reached = [each.outcome.code in REACHED for each in found.branches]
    unknown = any(each.outcome.unknown for each in found.branches) or bool(found.open)
    if all(reached) and not unknown:
        return 0
    return 2 if any(reached) or unknown else 1


def _branch(branch: Branch, locate: Locate, advised: Advised) -> Json:
    failed = branch.outcome.code not in REACHED
    hints = advised(branch.outcome).hints if failed else ()
    return {
        "share": branch.share,
        "conditions": list(branch.conditions),
        "outcome": outcome(branch.outcome, locate, hints),
    }


def outcome(found: Foretold, locate: Locate, hints: Iterable[str] = ()) -> Json:
    """Return one outcome, with what else may help."""
    cause = _CAUSES.get(found.code)
    return {
        "status": found.status,
        "error": found.error,
        "code": found.code,
        "reached": found.code in REACHED,
        "words": cause.words if cause is not None else _OTHER.get(found.code, ""),
        "hints": list(hints),
        "unknown": found.unknown,
        "destination": found.destination,
        "cluster": found.cluster,
        "sources": _sources(found.sources, locate),
        "steps": [_step(each, locate) for each in found.steps],
        "legs": [_leg(each) for each in found.legs],
    }


def _sources(found: Iterable[Source], locate: Locate) -> list[Json]:
    return [{"text": str(each), "location": _place(each, locate)} for each in found]


def _place(source: Source, locate: Locate) -> str:
    where = locate(source)
    return "" if where is None else str(where)


def _step(step: Step, locate: Locate) -> Json:
    return {
        "kind": step.kind,
        "text": step.text,
        "ok": step.ok,
        "at": step.at,
        "sources": _sources(step.sources, locate),
        "lost": [_candidate(each, locate) for each in step.lost],
    }


def _candidate(found: Candidate, locate: Locate) -> Json:
    source = found.source
    return {
        "text": found.text,
        "why": found.why,
        "meant": found.meant,
        "source": "" if source is None else str(source),
        "location": "" if source is None else _place(source, locate),
    }


def _leg(leg: Leg) -> Json:
    return {
        "name": leg.name,
        "from": _party(leg.client),
        "to": _party(leg.server),
        "tls": leg.tls,
        "sni": leg.sni,
        "alpn": list(leg.alpn),
        "client_identity": leg.client_identity,
        "server_identity": leg.server_identity,
        "client_log": _log(leg.client_log),
        "server_log": _log(leg.server_log),
        "failed": leg.failed,
    }


def _party(party: Party) -> Json:
    return {"role": party.role, "name": party.name, "address": party.address}


def _log(log: Log | None) -> Json | None:
    if log is None:
        return None
    return {
        "proxy": log.proxy,
        "kind": log.kind,
        "status": log.status,
        "flags": ",".join(log.flags) or "-",
        "details": log.details,
        "upstream_failure": log.upstream_failure,
        "downstream_failure": log.downstream_failure,
        "attempts": log.attempts,
    }
