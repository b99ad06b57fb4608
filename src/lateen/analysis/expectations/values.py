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


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """A statement about all requests of some clients to some destinations."""

    name: str
    place: str
    kind: str
    """`none` (no such request gets there), `all` (every one does), `only` (nobody else's does) or
    `equal` (the clients fare alike)."""
    start: tuple[str, ...] = ()
    """Clients: `sa/NAME`, `deploy/NAME`, `ns/NAME`, `outside`; empty for all."""
    to: tuple[str, ...] = ()
    """Destinations: `svc/NAME`, `ns/NAME`, a gateway's host; empty for all."""
    tls: tuple[str, ...] = ()
    """Protection of the least protected connection: `plaintext`, `tls`, `mtls`."""
    path: str = ""
    """A path, or with `*` at its end all that begin so; empty for all."""
    method: str = ""
    allow_open: bool = False
    """Whether it may pass though something was left open."""


class CaseResult(msgspec.Struct, frozen=True, kw_only=True):
    """How a case came out. `problems` is empty when it passed."""

    case: Case
    problems: tuple[str, ...]
    explanation: str = ""
