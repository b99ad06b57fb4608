"""Cases as values. Pure."""

import msgspec

from lateen.model.labapi.explain import ExplainRequest


class Identity(msgspec.Struct, frozen=True):
    """Who both ends are to be: a SPIFFE id, or its end, such as `shop/sa/web`."""

    client: str = ""
    server: str = ""


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """What a request is to come to; what is empty is not looked at."""

    statuses: tuple[str, ...] = ()
    """`200`, `2xx`."""
    outcome: str = ""
    """`reached` (an application answers, or a route as it is written) or `failed`."""
    code: str = ""
    destination: str = ""
    """`namespace/name` of a pod or of its workload, or the name alone."""
    tls: str = ""
    """Of the last connection between two pods: `mtls`, `tls` or `plaintext`."""
    identity: Identity = Identity()
    decided_by: str = ""
    """`Kind/name`, `Kind/namespace/name`, either with `#field`, or FILE:LINE."""
    clusters: tuple[str, ...] = ()
    """The destinations that the first proxy may choose, together: `host`, `host:port`,
    `host#subset`, `host:port#subset`."""
    matches: bool = True
    """Whether `clusters` are to be it, or are not to be it."""
    some: bool = False
    """Whether one branch is enough; else all must do."""


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One request and what is expected."""

    name: str
    place: str
    request: ExplainRequest
    expected: Expected


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a case came out. `problems` is empty when it passed."""

    case: Case
    problems: tuple[str, ...]
    explanation: str = ""
