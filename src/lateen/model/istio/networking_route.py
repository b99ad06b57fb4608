"""Istio's VirtualService. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.istio.types import (
    Duration,
    IstioStatus,
    Percent,
    PortSelector,
    ProtoObject,
    StringMatch,
)
from lateen.model.schema.marks import ProtoStruct, doc


class Destination(ProtoStruct, frozen=True, kw_only=True):
    """Where requests go: a service of the registry, perhaps a subset and a port of it."""

    host: Annotated[
        str, doc("Host in the registry; a name without a dot means this namespace.", required=True)
    ] = ""
    subset: Annotated[str, doc("Subset named in a DestinationRule for the host.")] = ""
    port: Annotated[PortSelector | None, doc("Port; needed when the service has several.")] = None


class HeaderOperations(ProtoStruct, frozen=True, kw_only=True):
    """Changes to headers; `set` comes first, then `add`, then `remove`."""

    set: Annotated[dict[str, str], doc("Overwrite or add.")] = field(default_factory=dict)
    add: Annotated[dict[str, str], doc("Append.")] = field(default_factory=dict)
    remove: Annotated[tuple[str, ...], doc("Remove.")] = ()


class Headers(ProtoStruct, frozen=True, kw_only=True):
    """Changes to request and response headers."""

    request: Annotated[HeaderOperations | None, doc("On the way in.")] = None
    response: Annotated[HeaderOperations | None, doc("On the way back.")] = None


class HTTPRouteDestination(ProtoStruct, frozen=True, kw_only=True):
    """A destination and its share."""

    destination: Annotated[Destination | None, doc("Where to.", required=True)] = None
    weight: Annotated[int, doc("Share of the requests.")] = 0
    headers: Annotated[Headers | None, doc("Header changes for this destination.")] = None


class HTTPMatchRequest(ProtoStruct, frozen=True, kw_only=True):
    """Conditions on a request, all of which must hold."""

    name: Annotated[str, doc("Added to the route's name.")] = ""
    uri: Annotated[StringMatch | None, doc("Path, without the query.")] = None
    scheme: Annotated[StringMatch | None, doc("http or https.")] = None
    method: Annotated[StringMatch | None, doc("Method.")] = None
    authority: Annotated[StringMatch | None, doc("Host header.")] = None
    headers: Annotated[
        dict[str, StringMatch], doc("Headers, lower case; an empty condition asks for presence.")
    ] = field(default_factory=dict)
    port: Annotated[int, doc("Port the request came to.")] = 0
    source_labels: Annotated[dict[str, str], doc("Labels of the calling pod.")] = field(
        default_factory=dict
    )
    gateways: Annotated[tuple[str, ...], doc("Only on these gateways.")] = ()
    query_params: Annotated[dict[str, StringMatch], doc("Query parameters.")] = field(
        default_factory=dict
    )
    ignore_uri_case: Annotated[bool, doc("Compare exact and prefix paths without case.")] = False
    without_headers: Annotated[dict[str, StringMatch], doc("Headers that must not match.")] = field(
        default_factory=dict
    )
    source_namespace: Annotated[str, doc("Namespace of the calling pod.")] = ""
    stat_prefix: Annotated[str, doc("Prefix of this route's statistics.")] = ""


class HTTPRedirect(ProtoStruct, frozen=True, kw_only=True):
    """Answers with a redirect."""

    uri: Annotated[str, doc("New path.")] = ""
    prefix_rewrite: Annotated[str, doc("New beginning of the path.")] = ""
    authority: Annotated[str, doc("New host.")] = ""
    port: Annotated[int | None, doc("New port.")] = None
    derive_port: Annotated[
        str | None,
        doc("Port by rule.", enum=("FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT")),
    ] = None
    scheme: Annotated[str, doc("New scheme.")] = ""
    redirect_code: Annotated[int, doc("Status; default 301.")] = 0


class HTTPBody(ProtoStruct, frozen=True, kw_only=True):
    """A body to answer with."""

    string: Annotated[str | None, doc("As text.")] = None
    bytes: Annotated[str | None, doc("As base64.", form="byte")] = None


class HTTPDirectResponse(ProtoStruct, frozen=True, kw_only=True):
    """Answers by itself."""

    status: Annotated[int, doc("Status.", required=True)] = 0
    body: Annotated[HTTPBody | None, doc("Body.")] = None


class Delegate(ProtoStruct, frozen=True, kw_only=True):
    """Another VirtualService that holds the routes."""

    name: Annotated[str, doc("Its name.")] = ""
    namespace: Annotated[str, doc("Its namespace; default this one.")] = ""


class RegexRewrite(ProtoStruct, frozen=True, kw_only=True):
    """Rewrites the path by an expression."""

    match: Annotated[str, doc("RE2 expression.")] = ""
    rewrite: Annotated[str, doc(r"Replacement; `\1` is the first group.")] = ""


class HTTPRewrite(ProtoStruct, frozen=True, kw_only=True):
    """Changes path or host before the request goes on."""

    uri: Annotated[str, doc("New path, or new beginning where the match is a prefix.")] = ""
    authority: Annotated[str, doc("New Host header.")] = ""
    uri_regex_rewrite: Annotated[RegexRewrite | None, doc("Rewrite by an expression.")] = None


class HTTPRetry(ProtoStruct, frozen=True, kw_only=True):
    """Whether a failed request is sent again."""

    attempts: Annotated[int, doc("Retries; 0 switches them off.")] = 0
    per_try_timeout: Annotated[Duration, doc("Time for one try.")] = ""
    retry_on: Annotated[str, doc("Conditions, separated by commas.")] = ""
    retry_remote_localities: Annotated[bool | None, doc("Whether far endpoints are tried.")] = None
    retry_ignore_previous_hosts: Annotated[
        bool | None, doc("Whether an endpoint may be tried twice.")
    ] = None
    backoff: Annotated[Duration, doc("Least time between tries.")] = ""


class CorsPolicy(ProtoStruct, frozen=True, kw_only=True):
    """Cross-origin resource sharing."""

    allow_origin: Annotated[tuple[str, ...], doc("Deprecated: use allowOrigins.")] = ()
    allow_origins: Annotated[tuple[StringMatch, ...], doc("Origins allowed.")] = ()
    allow_methods: Annotated[tuple[str, ...], doc("Methods allowed.")] = ()
    allow_headers: Annotated[tuple[str, ...], doc("Request headers allowed.")] = ()
    expose_headers: Annotated[tuple[str, ...], doc("Response headers a page may read.")] = ()
    max_age: Annotated[Duration, doc("How long a preflight answer holds.")] = ""
    allow_credentials: Annotated[bool | None, doc("Whether credentials may be sent.")] = None
    unmatched_preflights: Annotated[
        str,
        doc(
            "What becomes of preflights from other origins.",
            enum=("UNSPECIFIED", "FORWARD", "IGNORE"),
        ),
    ] = "UNSPECIFIED"


class FaultDelay(ProtoStruct, frozen=True, kw_only=True):
    """Holds requests back."""

    percent: Annotated[int, doc("Deprecated: use percentage.")] = 0
    fixed_delay: Annotated[Duration, doc("For this long.")] = ""
    exponential_delay: Annotated[Duration, doc("Not supported.", compiled=False)] = ""
    percentage: Annotated[Percent | None, doc("Share of the requests.")] = None


class FaultAbort(ProtoStruct, frozen=True, kw_only=True):
    """Answers requests with an error."""

    http_status: Annotated[int | None, doc("Status.")] = None
    grpc_status: Annotated[str | None, doc("gRPC status by name.")] = None
    http2_error: Annotated[str | None, doc("Not supported.", compiled=False)] = None
    percentage: Annotated[Percent | None, doc("Share of the requests.")] = None


class HTTPFaultInjection(ProtoStruct, frozen=True, kw_only=True):
    """Faults put in on purpose, in the caller's proxy."""

    delay: Annotated[FaultDelay | None, doc("Hold requests back.")] = None
    abort: Annotated[FaultAbort | None, doc("Answer with an error.")] = None


class HTTPMirrorPolicy(ProtoStruct, frozen=True, kw_only=True):
    """Sends a copy of requests elsewhere and drops the answer."""

    destination: Annotated[Destination | None, doc("Where to.", required=True)] = None
    percentage: Annotated[Percent | None, doc("Share of the requests.")] = None


class HTTPRoute(ProtoStruct, frozen=True, kw_only=True):
    """Conditions, and what is done with a request that meets them."""

    name: Annotated[str, doc("Name, shown in access logs.", inherited=False)] = ""
    match: Annotated[
        tuple[HTTPMatchRequest, ...], doc("One of these must hold.", inherited=False)
    ] = ()
    route: Annotated[tuple[HTTPRouteDestination, ...], doc("Where to.", inherited=False)] = ()
    redirect: Annotated[HTTPRedirect | None, doc("Answer with a redirect.", inherited=False)] = None
    direct_response: Annotated[HTTPDirectResponse | None, doc("Answer at once.")] = None
    delegate: Annotated[
        Delegate | None, doc("Leave it to another VirtualService.", inherited=False)
    ] = None
    rewrite: Annotated[HTTPRewrite | None, doc("Change path or host first.")] = None
    timeout: Annotated[Duration, doc("Time for the whole request; default none.")] = ""
    retries: Annotated[HTTPRetry | None, doc("Whether to try again.")] = None
    fault: Annotated[HTTPFaultInjection | None, doc("Faults on purpose.")] = None
    mirror: Annotated[Destination | None, doc("Send a copy there.")] = None
    mirrors: Annotated[tuple[HTTPMirrorPolicy, ...], doc("Send copies there.")] = ()
    mirror_percent: Annotated[int | None, doc("Deprecated: use mirrorPercentage.")] = None
    mirror_percentage: Annotated[Percent | None, doc("Share that is copied.")] = None
    cors_policy: Annotated[CorsPolicy | None, doc("Cross-origin rules.")] = None
    headers: Annotated[Headers | None, doc("Header changes.")] = None


class L4MatchAttributes(ProtoStruct, frozen=True, kw_only=True):
    """Conditions on a TCP connection."""

    destination_subnets: Annotated[tuple[str, ...], doc("Addresses it goes to.")] = ()
    port: Annotated[int, doc("Port it goes to.")] = 0
    source_subnet: Annotated[str, doc("Not supported.", compiled=False)] = ""
    source_labels: Annotated[dict[str, str], doc("Labels of the calling pod.")] = field(
        default_factory=dict
    )
    gateways: Annotated[tuple[str, ...], doc("Only on these gateways.")] = ()
    source_namespace: Annotated[str, doc("Namespace of the calling pod.")] = ""


class TLSMatchAttributes(ProtoStruct, frozen=True, kw_only=True):
    """Conditions on a TLS connection that is not ended here."""

    sni_hosts: Annotated[tuple[str, ...], doc("Server names asked for.", required=True)] = ()
    destination_subnets: Annotated[tuple[str, ...], doc("Addresses it goes to.")] = ()
    port: Annotated[int, doc("Port it goes to.")] = 0
    source_labels: Annotated[dict[str, str], doc("Labels of the calling pod.")] = field(
        default_factory=dict
    )
    gateways: Annotated[tuple[str, ...], doc("Only on these gateways.")] = ()
    source_namespace: Annotated[str, doc("Namespace of the calling pod.")] = ""


class RouteDestination(ProtoStruct, frozen=True, kw_only=True):
    """A destination of connections and its share."""

    destination: Annotated[Destination | None, doc("Where to.", required=True)] = None
    weight: Annotated[int, doc("Share of the connections.")] = 0


class TLSRoute(ProtoStruct, frozen=True, kw_only=True):
    """Where TLS connections go, by server name."""

    match: Annotated[tuple[TLSMatchAttributes, ...], doc("One must hold.", required=True)] = ()
    route: Annotated[tuple[RouteDestination, ...], doc("Where to.")] = ()


class TCPRoute(ProtoStruct, frozen=True, kw_only=True):
    """Where TCP connections go."""

    match: Annotated[tuple[L4MatchAttributes, ...], doc("One must hold.")] = ()
    route: Annotated[tuple[RouteDestination, ...], doc("Where to.")] = ()


class VirtualServiceSpec(ProtoStruct, frozen=True, kw_only=True):
    """For which hosts, on which gateways, which routes."""

    hosts: Annotated[tuple[str, ...], doc("Hosts asked for; empty in a delegate.")] = ()
    gateways: Annotated[
        tuple[str, ...], doc("Gateways; `mesh` (the default) means all sidecars.")
    ] = ()
    http: Annotated[tuple[HTTPRoute, ...], doc("Routes for HTTP, first match wins.")] = ()
    tls: Annotated[tuple[TLSRoute, ...], doc("Routes for TLS passed through.")] = ()
    tcp: Annotated[tuple[TCPRoute, ...], doc("Routes for TCP.")] = ()
    export_to: Annotated[
        tuple[str, ...], doc("Namespaces that see it: `*` (default), `.`, names.")
    ] = ()


class VirtualService(ProtoObject, frozen=True, kw_only=True):
    """Decides where requests to a host go."""

    spec: Annotated[VirtualServiceSpec, doc("The routes.")] = VirtualServiceSpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()
