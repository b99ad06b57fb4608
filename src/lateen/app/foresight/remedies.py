"""What mends a request: each change was laid over the objects, compiled, and explained again.

The changes are those of `causes.remedies`, for a failure that was foretold or that was seen. What
does not help, or cannot be tried, is not told.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

import msgspec

from lateen.app.foresight import candidates, explanation
from lateen.app.foresight.state import Foresight
from lateen.base.jsonvalue import Json, JsonView
from lateen.causes import advice, catalogue, change
from lateen.causes.advice import Advice
from lateen.causes.cause import Category, Cause
from lateen.causes.remedies import SERVER_FIRST, Remedy
from lateen.causes.situation import Situation
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.meta import ObjectRef
from lateen.model.schema import decode, kinds
from lateen.model.validation import dispatch
from lateen.predict.values.outcome import Branch, Foretold, Prediction
from lateen.predict.values.request import Http, Tls, innermost

if TYPE_CHECKING:
    from lateen.observe.requests.legs import Leg

MOST = 4
"""Remedies that are told."""
_TRIED = 24
"""Changes that are tried."""
_OF_THE_PATH = (404, 405)
Objects = Mapping[ObjectRef, Json | None]
"""Changed objects; None for one that is taken away."""


class Ground(Protocol):
    """The objects that a remedy changes: manifests, or what a lab holds."""

    def body(self, ref: ObjectRef) -> JsonView | None:
        """Return an object as it was written; None where it cannot be changed."""
        ...

    def laid(self, remedy: Remedy) -> tuple[Objects, str] | None:
        """Return the objects of a remedy with its edits made, and the diff of the files if there
        are any; None where the edits cannot be made."""
        ...

    def over(self, changed: Objects) -> Foresight | None:
        """Return what foretells with changed objects; None where that cannot be known."""
        ...


class TriedRemedy(msgspec.Struct, frozen=True, kw_only=True):
    """A change that mends the request, what it does then, and a diff where there are files."""

    remedy: Remedy
    diff: str
    outcome: Foretold


def explained(
    foresight: Foresight, request: ExplainRequest, ground: Ground | None, locate: explanation.Locate
) -> Json:
    """Return the document about a request, with what mends it if there is ground to try it on.
    Raises AskedError."""
    found = foresight.predict(request)
    failure = first_failure(found)
    branches = tuple(_with_absent(foresight, request, each) for each in found.branches)
    found = msgspec.structs.replace(found, branches=branches)
    found = candidates.with_losers(foresight, request, found)
    document = explanation.document(found, locate, lambda each: advised(foresight, request, each))
    if failure is not None and ground is not None:
        proposed = advised(foresight, request, failure).remedies
        document["remedies"] = list(told(tried(ground, request, proposed), locate))
    return document


def first_failure(found: Prediction) -> Foretold | None:
    """Return the first of the outcomes that do not reach an application."""
    outcomes = (branch.outcome for branch in found.branches)
    return next((each for each in outcomes if each.code not in explanation.REACHED), None)


def advised(foresight: Foresight, request: ExplainRequest, outcome: Foretold) -> Advice:
    """Return what may be done about a foretold failure: nothing of it is tried yet."""
    cause = catalogue.BY_CODE.get(outcome.code)
    if cause is None and outcome.code == SERVER_FIRST:
        cause = Cause(code=SERVER_FIRST, category=Category.PROTOCOL, words="")
    if cause is None or outcome.code in explanation.REACHED:
        return Advice()
    return advice.of(cause, _known(foresight, request, outcome))


def _failed(foresight: Foresight, request: ExplainRequest, outcome: Foretold) -> "Leg | None":
    """Return the leg on which a request fails, as evidence of it would be."""
    asked = foresight.asked(request)
    inner = innermost(asked.content)
    namespace = asked.pod.namespace if asked.pod is not None else ""
    known = foresight.network.names.addresses(asked.host, namespace)
    address = asked.address or next(iter(known), asked.host)
    from lateen.app.foresight import evidence  # what reads logs is not loaded where all is well

    sent = evidence.SentRequest(
        http=inner if isinstance(inner, Http) else None,
        sni=asked.content.sni if isinstance(asked.content, Tls) else "",
        address=f"{address}:{asked.port}",
    )
    return evidence.failed(outcome, sent, foresight.views)


def _known(foresight: Foresight, request: ExplainRequest, outcome: Foretold) -> Situation:
    from lateen.observe.verdicts import situations

    leg = _failed(foresight, request, outcome)
    if leg is None:
        return Situation(insecure=request.insecure)
    found = situations.of(leg, foresight.views, foresight.snapshot, insecure=request.insecure)
    return with_listeners(foresight, leg.server.name, found)


def _with_absent(foresight: Foresight, request: ExplainRequest, branch: Branch) -> Branch:
    """Return a branch whose sources begin with what is written of something that the proxies do not
    have: the interpreter cannot know of it, and evidence names it."""
    cause, outcome = catalogue.BY_CODE.get(branch.outcome.code), branch.outcome
    if cause is None or outcome.code in explanation.REACHED:
        return branch
    from lateen.observe.verdicts import situations, verdict

    leg = _failed(foresight, request, outcome)
    if leg is None:
        return branch
    views, snapshot = foresight.views, foresight.snapshot
    known = situations.of(leg, views, snapshot, insecure=request.insecure)
    absent = verdict.absent(leg, cause, views, snapshot, known)
    sources = tuple(dict.fromkeys((*absent, *outcome.sources)))
    return msgspec.structs.replace(
        branch, outcome=msgspec.structs.replace(outcome, sources=sources)
    )


def with_listeners(foresight: Foresight, pod: str, known: Situation) -> Situation:
    """Return a situation with the ports that the server's application listens on."""
    facts = next((each for each in foresight.network.pods.values() if each.name == pod), None)
    ports = tuple(sorted((facts.speeches if facts is not None else None) or ()))
    return msgspec.structs.replace(known, listens=ports)


def with_foreknowledge(
    foresight: Foresight, request: ExplainRequest, outcome: Foretold, proposed: Advice
) -> list[Remedy]:
    """Return the changes for a failure that was seen, and those that are known beforehand only:
    on which ports an application listens is in no log."""
    every = (*proposed.remedies, *advised(foresight, request, outcome).remedies)
    once = {str(each.edits): each for each in reversed(every)}
    ordered = [each for each in every if once.pop(str(each.edits), None) is not None]
    return sorted(ordered, key=lambda each: each.weakens)


def tried(ground: Ground, request: ExplainRequest, proposed: Sequence[Remedy]) -> list[TriedRemedy]:
    """Return the changes that mend a request, the best first."""
    mended: list[TriedRemedy] = []
    for remedy in proposed[:_TRIED]:
        if len(mended) == MOST:
            break
        if remedy.kin and any(each.remedy.kin == remedy.kin for each in mended):
            continue
        found = _try(ground, request, remedy)
        if found is not None:
            mended.append(found)
    return mended


def _try(ground: Ground, request: ExplainRequest, remedy: Remedy) -> TriedRemedy | None:
    laid = ground.laid(remedy)
    if laid is None or not all(body is None or _valid(body) for body in laid[0].values()):
        return None
    foresight = ground.over(laid[0])
    if foresight is None:
        return None
    then = foresight.predict(request)
    if explanation.exit_code(then) != 0 or not all(map(_wished, then.branches)):
        return None
    return TriedRemedy(remedy=remedy, diff=laid[1], outcome=then.branches[0].outcome)


def _wished(branch: Branch) -> bool:
    """Whether it is answered, and by no error but what an application says of a path or method."""
    outcome = branch.outcome
    return outcome.code != "application-status" or outcome.status in _OF_THE_PATH


def _valid(body: Json) -> bool:
    info = kinds.find(str(body.get("apiVersion")), str(body.get("kind")))
    if info is None:
        return False
    decoded = decode.decode(info, body, strict=False)
    if decoded.object is None or decoded.problems:
        return False
    return not dispatch.validate(info, decoded.object).errors


def edited(ground: Ground, remedy: Remedy) -> Objects | None:
    """Return the objects of a remedy with its edits made; None where one of them is not there."""
    found: dict[ObjectRef, Json | None] = {}
    for edit in remedy.edits:
        before = found[edit.ref] if edit.ref in found else ground.body(edit.ref)
        try:
            found[edit.ref] = change.applied(edit, before)
        except (KeyError, TypeError):
            return None
    return found


def told(found: Sequence[TriedRemedy], locate: explanation.Locate) -> Iterator[Json]:
    """Yield remedies as the document has them."""
    from lateen.observe.verdicts import report

    for each in found:
        after = explanation.outcome(each.outcome, locate)
        yield {
            "title": each.remedy.purpose,
            **report.remedy(each.remedy, locate),
            "diff": each.diff,
            "then": {
                "status": after["status"],
                "code": after["code"],
                "legs": [{"name": leg["name"], "tls": leg["tls"]} for leg in after["legs"]],
            },
        }
