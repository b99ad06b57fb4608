"""Virtual hosts, routes, matches and actions. Pure."""

from lateen.compiler.ir.policy import HashKey
from lateen.compiler.ir.value import value
from lateen.model.meta import Source


@value
class StringMatch:
    """`kind` is exact, prefix, regex or present; regex means a full RE2 match."""

    kind: str
    value: str = ""
    ignore_case: bool = False


@value
class HeaderMatch:
    """A condition on one header (or `:method`, `:authority`, `:scheme`)."""

    name: str
    match: StringMatch
    invert: bool = False


@value
class RouteMatch:
    """All conditions must hold. `path` None matches every path (prefix `/`)."""

    path: StringMatch | None = None
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[tuple[str, StringMatch], ...] = ()
    source: Source | None = None


@value
class HeaderOps:
    """Header edits in Envoy's order of meaning: set overwrites, add appends, remove removes."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


@value
class Destination:
    """One weighted cluster. A cluster that does not exist answers 503 NC, as on Istio."""

    cluster: str
    weight: int = 100
    request: HeaderOps = HeaderOps()
    response: HeaderOps = HeaderOps()
    host_rewrite: str = ""
    """Host set by this destination's own `headers.request`, if any."""
    source: Source | None = None


@value
class Redirect:
    """VirtualService `redirect`; empty string and None are unset."""

    uri: str = ""
    prefix: str = ""
    authority: str = ""
    scheme: str = ""
    port: int | None = None
    derive_port: str = ""
    code: int = 301


@value
class DirectResponse:
    """VirtualService `directResponse`."""

    status: int
    body: bytes | None = None


@value
class Rewrite:
    """Path and host rewrite. `uri` replaces the prefix (prefix match) or the whole path."""

    uri: str = ""
    authority: str = ""
    regex: str = ""
    substitution: str = ""


@value
class RetryPolicy:
    """Retries; `attempts` 0 is off. Durations are seconds."""

    attempts: int = 2
    retry_on: str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
    status_codes: tuple[int, ...] = ()
    per_try_timeout: float | None = None
    backoff: float | None = None
    avoid_previous_hosts: bool = True
    remote_localities: bool = False


@value
class Fault:
    """Fault injection; percentages are parts per million."""

    delay: float | None = None
    delay_ppm: int = 0
    abort_status: int | None = None
    abort_grpc: int | None = None
    abort_ppm: int = 0
    source: Source | None = None


@value
class Mirror:
    """A copy of the request; `ppm` is parts per million."""

    cluster: str
    ppm: int = 1_000_000
    host_suffix: bool = False
    """Whether `-shadow` is appended to the host (Istio before 1.28)."""


@value
class Cors:
    """CORS policy; None is unset, durations are seconds."""

    origins: tuple[StringMatch, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: float | None = None
    credentials: bool | None = None
    forward_unmatched_preflights: bool = True


@value
class Route:
    """One Envoy route. Exactly one of destinations, redirect, direct_response is set."""

    name: str
    match: RouteMatch
    source: Source | None
    """The field that made it: `spec.http[0]`; None for the default route of a service."""
    destinations: tuple[Destination, ...] = ()
    redirect: Redirect | None = None
    direct_response: DirectResponse | None = None
    rewrite: Rewrite | None = None
    timeout: float = 0.0
    """Seconds; 0 is none, Istio's default."""
    retries: RetryPolicy | None = None
    fault: Fault | None = None
    mirrors: tuple[Mirror, ...] = ()
    cors: Cors | None = None
    request: HeaderOps = HeaderOps()
    response: HeaderOps = HeaderOps()
    hash_keys: tuple[HashKey, ...] = ()
    decorator: str = ""


@value
class VirtualHost:
    """Routes for a set of domains. `require_tls` answers 301 to https for everything."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    require_tls: bool = False
    include_attempt_count: bool = True
    source: Source | None = None


@value
class RouteTable:
    """One RDS resource. Istio always sets ignore_port_in_host_matching."""

    name: str
    hosts: tuple[VirtualHost, ...]


@value
class TcpRoute:
    """Where a TCP connection goes; `source` None is the service's own default."""

    destinations: tuple[Destination, ...]
    sni_hosts: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    source: Source | None = None
