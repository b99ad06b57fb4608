"""A rejection in the user's terms: which resource, from which manifest field, what to do. Pure."""

import re
from collections.abc import Iterable, Mapping

from lateen.compiler.output import Resource, ResourceType

_KIND_NAMES: Mapping[ResourceType, str] = {
    ResourceType.CLUSTER: "cluster",
    ResourceType.ENDPOINT: "endpoints",
    ResourceType.LISTENER: "listener",
    ResourceType.ROUTE: "route table",
    ResourceType.SECRET: "secret",
    ResourceType.EXTENSION: "authorization filter",
    ResourceType.RUNTIME: "runtime values",
}

_FEW = 3
"""How many resources, and sources of each, are named; the rest is counted."""

_REMEDIES: tuple[tuple[str, str], ...] = (
    (
        r"regex|re2|perl operator|missing \)|unexpected \)|repetition|invalid escape"
        r"|character class|named capture|pattern too large",
        "The proxy could not compile a regular expression: it must be valid RE2 (no look-around, "
        "no back-references).",
    ),
    (
        r"bind|address already in use",
        "The proxy could not open a port: another process of the pod listens on it, or it is "
        "below 1024 without permission.",
    ),
    (
        r"private key|certificate|PEM|key values mismatch",
        "The certificate or key in the Secret cannot be used: check that both are PEM and belong "
        "together.",
    ),
    (
        r"duplicate|multiple filter chains",
        "Two sources ask for the same thing on one port: look for hosts or ports declared twice.",
    ),
    (
        r"Only unique values for domains",
        "Two virtual hosts of one port claim the same host name.",
    ),
    (
        r"trusted_ca|Failed to load",
        "A file of trusted certificates could not be read: name the right one in "
        "caCertificates, or install the machine's CA bundle.",
    ),
)


def rejected(
    kind: ResourceType, error: str, names: Iterable[str], known: Mapping[str, Resource]
) -> str:
    """Return what a rejection means and what to do about it.

    `names` are the resources the response spoke of, `known` those that exist, by name.
    """
    spoken_of = tuple(names)
    mentioned = blamed(error, spoken_of)
    if not mentioned and len(spoken_of) <= _FEW:
        mentioned = spoken_of
    lines = [_subject(kind, name, known.get(name)) for name in mentioned[:_FEW]]
    what = "; ".join(lines) if lines else f"a {_KIND_NAMES[kind]}"
    remedy = next((text for pattern, text in _REMEDIES if re.search(pattern, error, re.I)), "")
    kept = "The proxy keeps its last good configuration."
    return " ".join(part for part in (f"Envoy rejected {what}.", remedy, kept) if part)


def blamed(error: str, names: Iterable[str]) -> tuple[str, ...]:
    """Return which of the resources of a rejected response the client blames: those it names, or
    the only one there is."""
    spoken_of = tuple(names)
    if len(spoken_of) == 1:
        return spoken_of
    return tuple(
        name
        for name in spoken_of
        if re.search(rf"(?<![\w.|-]){re.escape(name)}(?!\.?[\w|-])", error)
    )


def _subject(kind: ResourceType, name: str, resource: Resource | None) -> str:
    subject = f"{_KIND_NAMES[kind]} {name}"
    sources = resource.sources if resource is not None else ()
    if not sources:
        return subject
    shown = ", ".join(str(source) for source in sources[:_FEW])
    more = f" and {len(sources) - _FEW} more" if len(sources) > _FEW else ""
    return f"{subject} (made from {shown}{more})"
