"""HTTPRoute, GRPCRoute, TLSRoute, TCPRoute and UDPRoute of the Gateway API. Pure."""

from typing import Annotated

from lateen.model.gatewayapi.filters import HTTPRouteFilter
from lateen.model.gatewayapi.references import (
    BackendObjectReference,
    ParentReference,
    RouteStatus,
)
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject

_TEXT_MATCHES = ("Exact", "RegularExpression")


class HTTPPathMatch(KubeStruct, frozen=True, kw_only=True):
    """How a path must look."""

    type: Annotated[
        str, doc("How it is compared.", enum=("Exact", "PathPrefix", "RegularExpression"))
    ] = "PathPrefix"
    value: Annotated[str, doc("With what.")] = "/"


class NamedValueMatch(KubeStruct, frozen=True, kw_only=True):
    """How a header or a query parameter must look."""

    type: Annotated[str, doc("How it is compared.", enum=_TEXT_MATCHES)] = "Exact"
    name: Annotated[str, doc("Its name.", required=True)] = ""
    value: Annotated[str, doc("With what.", required=True)] = ""


class HTTPRouteMatch(KubeStruct, frozen=True, kw_only=True):
    """Conditions on a request, all of which must hold."""

    path: Annotated[HTTPPathMatch, doc("The path.")] = HTTPPathMatch()
    headers: Annotated[tuple[NamedValueMatch, ...], doc("Headers.", keys=("name",))] = ()
    query_params: Annotated[
        tuple[NamedValueMatch, ...], doc("Query parameters.", keys=("name",))
    ] = ()
    method: Annotated[str, doc("The method.")] = ""


class BackendRef(BackendObjectReference, frozen=True, kw_only=True):
    """A backend and its share."""

    weight: Annotated[int, doc("Share.")] = 1


class HTTPBackendRef(BackendRef, frozen=True, kw_only=True):
    """A backend, its share, and what is done to requests to it."""

    filters: Annotated[tuple[HTTPRouteFilter, ...], doc("What is done.", atomic=True)] = ()


class HTTPRouteTimeouts(KubeStruct, frozen=True, kw_only=True):
    """How long is waited."""

    request: Annotated[str, doc("For the whole; `0s` is for ever.")] = ""
    backend_request: Annotated[str, doc("For one try.")] = ""


class HTTPRouteRetry(KubeStruct, frozen=True, kw_only=True):
    """Whether a failed request is sent again (experimental)."""

    codes: Annotated[tuple[int, ...], doc("Statuses after which it is.", atomic=True)] = ()
    attempts: Annotated[int | None, doc("How often.")] = None
    backoff: Annotated[str, doc("Least time between tries.")] = ""


class CookieConfig(KubeStruct, frozen=True, kw_only=True):
    """The cookie that holds a session."""

    lifetime_type: Annotated[str, doc("How long it lives.", enum=("Permanent", "Session"))] = (
        "Session"
    )


class SessionPersistence(KubeStruct, frozen=True, kw_only=True):
    """Whether a client keeps its endpoint (experimental)."""

    session_name: Annotated[str, doc("Name of the cookie or header.")] = ""
    absolute_timeout: Annotated[str, doc("How long at most.")] = ""
    idle_timeout: Annotated[str, doc("How long without a request.")] = ""
    type: Annotated[str, doc("By what.", enum=("Cookie", "Header"))] = "Cookie"
    cookie_config: Annotated[CookieConfig | None, doc("The cookie.")] = None


class HTTPRouteRule(KubeStruct, frozen=True, kw_only=True):
    """Conditions, and what is done with a request that meets them."""

    name: Annotated[str, doc("Name, unique in the route.")] = ""
    matches: Annotated[tuple[HTTPRouteMatch, ...], doc("One must hold.", atomic=True)] = (
        HTTPRouteMatch(),
    )
    filters: Annotated[tuple[HTTPRouteFilter, ...], doc("What is done.", atomic=True)] = ()
    backend_refs: Annotated[tuple[HTTPBackendRef, ...], doc("Where to.", atomic=True)] = ()
    timeouts: Annotated[HTTPRouteTimeouts | None, doc("How long is waited.")] = None
    retry: Annotated[HTTPRouteRetry | None, doc("Whether to try again.")] = None
    session_persistence: Annotated[SessionPersistence | None, doc("Who is kept where.")] = None


class CommonRouteSpec(KubeStruct, frozen=True, kw_only=True):
    """What every kind of route has."""

    parent_refs: Annotated[tuple[ParentReference, ...], doc("Where it attaches.", atomic=True)] = ()
    use_default_gateways: Annotated[
        str, doc("Whether it attaches to Gateways by itself (experimental).")
    ] = ""


class HTTPRouteSpec(CommonRouteSpec, frozen=True, kw_only=True):
    """Where HTTP requests go."""

    hostnames: Annotated[
        tuple[str, ...], doc("Hosts; none: those of the listener.", atomic=True)
    ] = ()
    rules: Annotated[tuple[HTTPRouteRule, ...], doc("The rules.", atomic=True)] = (HTTPRouteRule(),)


class HTTPRoute(KubeObject, frozen=True, kw_only=True):
    """Decides where HTTP requests go."""

    spec: Annotated[HTTPRouteSpec, doc("Where to.", required=True)] = HTTPRouteSpec()
    status: Annotated[RouteStatus, doc("Observed state.")] = RouteStatus()


class GRPCMethodMatch(KubeStruct, frozen=True, kw_only=True):
    """Which service and method must be called."""

    type: Annotated[str, doc("How they are compared.", enum=_TEXT_MATCHES)] = "Exact"
    service: Annotated[str, doc("The service.")] = ""
    method: Annotated[str, doc("The method.")] = ""


class GRPCRouteMatch(KubeStruct, frozen=True, kw_only=True):
    """Conditions on a call, all of which must hold."""

    method: Annotated[GRPCMethodMatch | None, doc("Service and method.")] = None
    headers: Annotated[tuple[NamedValueMatch, ...], doc("Headers.", keys=("name",))] = ()


class GRPCRouteRule(KubeStruct, frozen=True, kw_only=True):
    """Conditions, and what is done with a call that meets them."""

    name: Annotated[str, doc("Name, unique in the route.")] = ""
    matches: Annotated[tuple[GRPCRouteMatch, ...], doc("One must hold.", atomic=True)] = ()
    filters: Annotated[tuple[HTTPRouteFilter, ...], doc("What is done.", atomic=True)] = ()
    backend_refs: Annotated[tuple[HTTPBackendRef, ...], doc("Where to.", atomic=True)] = ()
    session_persistence: Annotated[SessionPersistence | None, doc("Who is kept where.")] = None


class GRPCRouteSpec(CommonRouteSpec, frozen=True, kw_only=True):
    """Where gRPC calls go."""

    hostnames: Annotated[
        tuple[str, ...], doc("Hosts; none: those of the listener.", atomic=True)
    ] = ()
    rules: Annotated[tuple[GRPCRouteRule, ...], doc("The rules.", atomic=True)] = ()


class GRPCRoute(KubeObject, frozen=True, kw_only=True):
    """Decides where gRPC calls go."""

    spec: Annotated[GRPCRouteSpec, doc("Where to.")] = GRPCRouteSpec()
    status: Annotated[RouteStatus, doc("Observed state.")] = RouteStatus()


class L4RouteRule(KubeStruct, frozen=True, kw_only=True):
    """Where connections go."""

    name: Annotated[str, doc("Name.")] = ""
    backend_refs: Annotated[
        tuple[BackendRef, ...], doc("Where to.", required=True, atomic=True)
    ] = ()


class L4RouteSpec(CommonRouteSpec, frozen=True, kw_only=True):
    """Where connections go."""

    rules: Annotated[tuple[L4RouteRule, ...], doc("The rule.", required=True, atomic=True)] = ()


class TLSRouteSpec(CommonRouteSpec, frozen=True, kw_only=True):
    """Where TLS connections go, by server name."""

    hostnames: Annotated[
        tuple[str, ...], doc("Server names that are asked for.", required=True, atomic=True)
    ] = ()
    rules: Annotated[tuple[L4RouteRule, ...], doc("The rule.", required=True, atomic=True)] = ()


class TLSRoute(KubeObject, frozen=True, kw_only=True):
    """Decides where TLS connections go."""

    spec: Annotated[TLSRouteSpec, doc("Where to.", required=True)] = TLSRouteSpec()
    status: Annotated[RouteStatus, doc("Observed state.")] = RouteStatus()


class TCPRoute(KubeObject, frozen=True, kw_only=True):
    """Decides where TCP connections go."""

    spec: Annotated[L4RouteSpec, doc("Where to.", required=True)] = L4RouteSpec()
    status: Annotated[RouteStatus, doc("Observed state.")] = RouteStatus()


class UDPRoute(KubeObject, frozen=True, kw_only=True):
    """Decides where UDP packets go."""

    spec: Annotated[L4RouteSpec, doc("Where to.", required=True)] = L4RouteSpec()
    status: Annotated[RouteStatus, doc("Observed state.")] = RouteStatus()
