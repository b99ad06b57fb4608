"""Whether a prediction is what a case expects. Pure.

A prediction is the document of `lateen explain -o json`, of manifests or of a lab alike.
"""

import re
from collections.abc import Iterator

from lateen.analysis.expectations.values import Case, Expected, Identity
from lateen.base.jsonvalue import JsonView

_MADE = re.compile(r"-[0-9]+|(-[bcdfghjklmnpqrstvwxz2456789]+)?-[bcdfghjklmnpqrstvwxz2456789]{5}")
"""What Kubernetes adds to a workload's name for its pods."""
_TLS = {"none": "plaintext", "": "nothing"}


def came(texts: tuple[str, ...]) -> tuple[str, ...]:
    """Return problems in the words for a request that was sent."""
    return tuple(text.replace(" predicted", " came") for text in texts)


def problems(case: Case, told: JsonView) -> tuple[str, ...]:
    """Return what is not as expected: nothing when the case passes.

    Every branch must do, or with `any` one of them. What is unknown, or was not looked into, is
    not as expected.
    """
    branches = told["branches"]
    if case.expected.clusters:
        return tuple(_clusters(case.expected, branches))
    found = [tuple(_branch(case.expected, branch)) for branch in branches]
    if case.expected.some:
        if any(not each for each in found):
            return ()
        return tuple(dict.fromkeys(text for each in found for text in each))
    left = (f"left open: {told['open']}",) if told.get("open") else ()
    return (*dict.fromkeys(text for each in found for text in each), *left)


def _branch(expected: Expected, branch: JsonView) -> Iterator[str]:
    outcome = branch["outcome"]
    where = f" (if {' and '.join(branch['conditions'])})" if branch["conditions"] else ""
    if outcome["unknown"]:
        yield f"not known: {outcome['unknown']}{where}"
        return
    for text in _outcome(expected, outcome):
        yield text + where


def _outcome(expected: Expected, outcome: JsonView) -> Iterator[str]:
    if expected.statuses:
        status = str(outcome["status"] or outcome["error"] or "no answer")
        if not any(_is_status(status, wanted) for wanted in expected.statuses):
            yield f"status {' or '.join(expected.statuses)} expected, {status} predicted"
    if expected.outcome:
        came = "reached" if outcome["reached"] else "failed"
        if came != expected.outcome:
            why = "" if outcome["reached"] else f": {outcome['words']}"
            yield f"{expected.outcome} expected, {came} predicted{why}"
    if expected.code and expected.code != outcome["code"]:
        yield f"class {expected.code} expected, {outcome['code']} predicted"
    if expected.destination and not _is_destination(outcome["destination"], expected.destination):
        told = outcome["destination"] or "none"
        yield f"destination {expected.destination} expected, {told} predicted"
    yield from _last_leg(expected, outcome["legs"])
    if expected.decided_by and not any(
        _decides(expected.decided_by, source) for source in _sources(outcome)
    ):
        told = outcome["sources"][0]["text"] if outcome["sources"] else "nothing"
        yield f"decided by {expected.decided_by} expected, by {told} predicted"


def _is_status(status: str, wanted: str) -> bool:
    return status == wanted or (
        wanted.endswith("xx") and status[:1] == wanted[0] and len(status) == 3
    )


def _is_destination(pod: str, wanted: str) -> bool:
    """Whether a pod is that pod, or one of that workload: its name and what controllers add."""
    namespace, _, name = pod.partition("/")
    space, slash, word = wanted.rpartition("/")
    if space in ("deploy", "deployment", "pod", "sts", "ds"):
        space, slash = "", ""
    if not pod or (slash and space != namespace):
        return False
    return name == word or (name.startswith(word) and bool(_MADE.fullmatch(name[len(word) :])))


def _last_leg(expected: Expected, legs: list[JsonView]) -> Iterator[str]:
    """The last connection between pods: those from a proxy to its own application are inside."""
    if not expected.tls and expected.identity == Identity():
        return
    between = [leg for leg in legs if leg["from"]["name"] != leg["to"]["name"]] or legs
    if not between:
        yield "a connection expected, none predicted"
        return
    leg = between[-1]
    tls = _TLS.get(leg["tls"], leg["tls"])
    if expected.tls and tls != expected.tls:
        yield f"{expected.tls} on {leg['name']} expected, {tls} predicted"
    for side, wanted in (
        ("client", expected.identity.client),
        ("server", expected.identity.server),
    ):
        told = str(leg[f"{side}_identity"])
        if wanted and not _is_identity(told, wanted):
            yield f"{side} {wanted} on {leg['name']} expected, {told or 'nobody'} predicted"


def _is_identity(told: str, wanted: str) -> bool:
    return told == wanted or told.replace("/ns/", "/").endswith(f"/{wanted.replace('ns/', '')}")


def _sources(outcome: JsonView) -> Iterator[JsonView]:
    yield from outcome["sources"]
    for step in outcome["steps"]:
        yield from step["sources"]


def _decides(wanted: str, source: JsonView) -> bool:
    """Whether a source is meant: its object, with the field or one above it, or its place."""
    if source["location"] and f"/{source['location']}".endswith(f"/{wanted}"):
        return True
    name, _, field = wanted.partition("#")
    told, _, path = str(source["text"]).partition("#")
    parts = told.split("/")
    named = {told, f"{parts[0]}/{parts[-1]}"}
    return name in named and (
        not field or path == field or path.startswith((f"{field}.", f"{field}["))
    )


def _clusters(expected: Expected, branches: list[JsonView]) -> Iterator[str]:
    """The set of destinations that the first proxy may choose."""
    told = {
        str(branch["outcome"]["cluster"]) for branch in branches if branch["outcome"]["cluster"]
    }
    left = [one for one in expected.clusters if not any(_is_cluster(each, one) for each in told)]
    more = [one for one in told if not any(_is_cluster(one, each) for each in expected.clusters)]
    same = bool(told) and not left and not more
    if same is not expected.matches:
        listed = ", ".join(sorted(map(_readable, told))) or "none"
        word = "expected" if expected.matches else "not expected"
        yield f"destinations {', '.join(expected.clusters)} {word}, {listed} predicted"


def _readable(cluster: str) -> str:
    parts = cluster.split("|")
    if len(parts) != 4:
        return cluster
    return f"{parts[3]}:{parts[1]}" + (f"#{parts[2]}" if parts[2] else "")


def _is_cluster(cluster: str, wanted: str) -> bool:
    """Whether Istio's name of a cluster is a destination as a route writes it."""
    parts = cluster.split("|")
    if len(parts) != 4:
        return False
    _, number, subset, host = parts
    where, _, version = wanted.partition("#")
    name, _, port = where.partition(":")
    return (
        (host == name or host.startswith(f"{name}."))
        and subset == version
        and (not port or port == number)
    )
