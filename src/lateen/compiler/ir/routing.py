"""Virtual hosts, routes, matches and actions. Pure."""

from lateen.compiler.ir.policy import HashKey
from lateen.compiler.ir.value import Kept, Value
from lateen.model.meta import ObjectRef, Source


class StringMatch(Value, frozen=True, kw_only=True):
    """`kind` is exact, prefix, regex or present, or of a path `segments`: a prefix of whole
    segments. A regex means a full RE2 match."""

    kind: str
    value: str = ""
    ignore_case: bool = False


class HeaderMatch(Value, frozen=True, kw_only=True):
    """A condition on one header (or `:method`, `:authority`, `:scheme`)."""

    name: str
    match: StringMatch
    invert: bool = False
    empty_if_missing: bool = True
    """With `invert`: whether a missing header is compared as an empty one, and not left alone."""


class ClaimMatch(Value, frozen=True, kw_only=True):
    """A condition on a verified token's claim, named from the outside in: a text that fits, or a
    list with such a text in it."""

    claims: tuple[str, ...]
    match: StringMatch
    invert: bool = False


class RouteMatch(Value, frozen=True, kw_only=True):
    """All conditions must hold. `path` None matches every path (prefix `/`)."""

    path: StringMatch | None = None
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[tuple[str, StringMatch], ...] = ()
    claims: tuple[ClaimMatch, ...] = ()
    source: Source | None = None


class HeaderOps(Value, frozen=True, kw_only=True):
    """Header edits in Envoy's order of meaning: set overwrites, add appends, remove removes."""

    set: tuple[tuple[str, str], ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()


class Destination(Value, frozen=True, kw_only=True):
    """One weighted cluster; the route says what one that does not exist answers."""

    cluster: str
    weight: int = 100
    request: HeaderOps = HeaderOps()
    response: HeaderOps = HeaderOps()
    host_rewrite: str = ""
    """Host set by this destination's own `headers.request`, if any."""
    source: Source | None = None


class Redirect(Value, frozen=True, kw_only=True):
    """VirtualService `redirect`; empty string and None are unset."""

    uri: str = ""
    prefix: str = ""
    authority: str = ""
    scheme: str = ""
    port: int | None = None
    code: int = 301


class DirectResponse(Value, frozen=True, kw_only=True):
    """VirtualService `directResponse`."""

    status: int
    body: bytes | None = None


class Rewrite(Value, frozen=True, kw_only=True):
    """Path and host rewrite. `uri` replaces the prefix (prefix match) or the whole path."""

    uri: str = ""
    authority: str = ""
    regex: str = ""
    substitution: str = ""


class RetryPolicy(Value, frozen=True, kw_only=True):
    """Retries; `attempts` 0 is off. Durations are seconds."""

    attempts: int = 2
    retry_on: str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes"
    status_codes: tuple[int, ...] = ()
    per_try_timeout: float | None = None
    backoff: float | None = None
    avoid_previous_hosts: bool = True
    remote_localities: bool = False


class Fault(Value, frozen=True, kw_only=True):
    """Fault injection; percentages are parts per million."""

    delay: float | None = None
    delay_ppm: int = 0
    abort_status: int | None = None
    abort_grpc: int | None = None
    abort_ppm: int = 0
    source: Source | None = None


class Mirror(Value, frozen=True, kw_only=True):
    """A copy of the request; `ppm` is parts per million."""

    cluster: str
    ppm: int = 1_000_000
    host_suffix: bool = False
    """Whether `-shadow` is appended to the host (Istio before 1.28)."""


class Cors(Value, frozen=True, kw_only=True):
    """CORS policy; None is unset, durations are seconds."""

    origins: tuple[StringMatch, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    max_age: float | None = None
    credentials: bool | None = None
    forward_unmatched_preflights: bool = True


class Route(Value, frozen=True, kw_only=True):
    """One Envoy route. Exactly one of destinations, redirect, direct_response is set."""

    name: str
    match: RouteMatch
    source: Source | None
    """The field that made it: `spec.http[0]`; None for the default route of a service."""
    root: ObjectRef | None = None
    """The VirtualService that delegates to the source's, if another."""
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
    stat_prefix: str = ""
    missing_status: int = 503
    """What is answered where the cluster does not exist (flag NC): 503, or 500."""


class VirtualHost(Kept, frozen=True, kw_only=True):
    """Routes for a set of domains. `require_tls` answers 301 to https for everything."""

    name: str
    domains: tuple[str, ...]
    routes: tuple[Route, ...]
    require_tls: bool = False
    source: Source | None = None


class RouteTable(Value, frozen=True, kw_only=True):
    """One RDS resource."""

    name: str
    hosts: tuple[VirtualHost, ...]


class Tunnel(Value, frozen=True, kw_only=True):
    """DestinationRule `tunnel`: bytes travel inside an HTTP request to `host:port`."""

    host: str
    port: int
    post: bool = False
    """By POST rather than CONNECT."""


class TcpPolicy(Value, frozen=True, kw_only=True):
    """How a TCP proxy treats its connections. Durations are seconds; None is Envoy's default."""

    idle_timeout: float | None = None
    max_duration: float | None = None
    by_source: bool = False
    """Whether the endpoint is chosen by the client's address."""
    tunnel: Tunnel | None = None
    source: Source | None = None
    """The policy that says so."""


DEFAULT_TCP = TcpPolicy()


class TcpRoute(Value, frozen=True, kw_only=True):
    """Where a TCP connection goes; `source` None is the service's own default."""

    destinations: tuple[Destination, ...]
    sni_hosts: tuple[str, ...] = ()
    cidrs: tuple[str, ...] = ()
    resolves: tuple[str, int] | None = None
    """The wildcard within which server names are resolved, and the port that is dialled there."""
    source: Source | None = None
    conduct: TcpPolicy = DEFAULT_TCP
