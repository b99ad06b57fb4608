"""What a route of the Gateway API does to requests besides sending them on. Pure."""

from typing import Annotated

from lateen.model.gatewayapi.references import BackendObjectReference, LocalReference
from lateen.model.schema.marks import KubeStruct, doc

FILTERS = (
    "RequestHeaderModifier",
    "ResponseHeaderModifier",
    "RequestMirror",
    "RequestRedirect",
    "URLRewrite",
    "ExtensionRef",
    "CORS",
    "ExternalAuth",
)
PATH_CHANGES = ("ReplaceFullPath", "ReplacePrefixMatch")


class HTTPHeader(KubeStruct, frozen=True, kw_only=True):
    """A header and its value."""

    name: Annotated[str, doc("Name, in any case.", required=True)] = ""
    value: Annotated[str, doc("Value.", required=True)] = ""


class HTTPHeaderFilter(KubeStruct, frozen=True, kw_only=True):
    """Changes of headers."""

    set: Annotated[tuple[HTTPHeader, ...], doc("Overwrite or add.", keys=("name",))] = ()
    add: Annotated[tuple[HTTPHeader, ...], doc("Append.", keys=("name",))] = ()
    remove: Annotated[tuple[str, ...], doc("Remove.", unique=True)] = ()


class HTTPPathModifier(KubeStruct, frozen=True, kw_only=True):
    """A change of the path."""

    type: Annotated[str, doc("How it is changed.", required=True, enum=PATH_CHANGES)] = ""
    replace_full_path: Annotated[str | None, doc("The new path.")] = None
    replace_prefix_match: Annotated[str | None, doc("In the place of the matched prefix.")] = None


class Fraction(KubeStruct, frozen=True, kw_only=True):
    """A share."""

    numerator: Annotated[int, doc("Of the denominator.", required=True)] = 0
    denominator: Annotated[int, doc("The whole.")] = 100


class HTTPRequestMirrorFilter(KubeStruct, frozen=True, kw_only=True):
    """Sends a copy elsewhere, and drops the answer."""

    backend_ref: Annotated[BackendObjectReference, doc("Where to.", required=True)] = (
        BackendObjectReference()
    )
    percent: Annotated[int | None, doc("Share of the requests.")] = None
    fraction: Annotated[Fraction | None, doc("Share of the requests.")] = None


class HTTPRequestRedirectFilter(KubeStruct, frozen=True, kw_only=True):
    """Answers with a redirect."""

    scheme: Annotated[str, doc("New scheme.", enum=("http", "https"))] = ""
    hostname: Annotated[str, doc("New host.")] = ""
    path: Annotated[HTTPPathModifier | None, doc("New path.")] = None
    port: Annotated[int | None, doc("New port.")] = None
    status_code: Annotated[int, doc("Status.")] = 302


class HTTPURLRewriteFilter(KubeStruct, frozen=True, kw_only=True):
    """Changes host or path of the request."""

    hostname: Annotated[str, doc("New Host header.")] = ""
    path: Annotated[HTTPPathModifier | None, doc("New path.")] = None


class HTTPCORSFilter(KubeStruct, frozen=True, kw_only=True):
    """Cross-origin resource sharing."""

    allow_origins: Annotated[tuple[str, ...], doc("Origins allowed.", unique=True)] = ()
    allow_credentials: Annotated[bool | None, doc("Whether credentials may be sent.")] = None
    allow_methods: Annotated[tuple[str, ...], doc("Methods allowed.", unique=True)] = ()
    allow_headers: Annotated[tuple[str, ...], doc("Request headers allowed.", unique=True)] = ()
    expose_headers: Annotated[
        tuple[str, ...], doc("Response headers a page may read.", unique=True)
    ] = ()
    max_age: Annotated[int, doc("Seconds that a preflight's answer holds.")] = 5


class ForwardBody(KubeStruct, frozen=True, kw_only=True):
    """How much of a body an external authorizer is given."""

    max_size: Annotated[int, doc("Bytes.")] = 0


class GRPCAuthConfig(KubeStruct, frozen=True, kw_only=True):
    """An external authorizer that speaks gRPC."""

    allowed_headers: Annotated[tuple[str, ...], doc("Headers it is given.", unique=True)] = ()


class HTTPAuthConfig(KubeStruct, frozen=True, kw_only=True):
    """An external authorizer that speaks HTTP."""

    path: Annotated[str, doc("Path before that of the request.")] = ""
    allowed_headers: Annotated[tuple[str, ...], doc("Headers it is given.", unique=True)] = ()
    allowed_response_headers: Annotated[
        tuple[str, ...], doc("Headers that are taken over.", unique=True)
    ] = ()


class HTTPExternalAuthFilter(KubeStruct, frozen=True, kw_only=True):
    """Asks another server (experimental)."""

    protocol: Annotated[str, doc("Which it speaks.", required=True, enum=("HTTP", "GRPC"))] = ""
    backend_ref: Annotated[BackendObjectReference, doc("The server.", required=True)] = (
        BackendObjectReference()
    )
    grpc: Annotated[GRPCAuthConfig | None, doc("How it is asked.")] = None
    http: Annotated[HTTPAuthConfig | None, doc("How it is asked.")] = None
    forward_body: Annotated[ForwardBody | None, doc("How much of the body it is given.")] = None


class HTTPRouteFilter(KubeStruct, frozen=True, kw_only=True):
    """One thing that is done to requests; also to those of a GRPCRoute."""

    type: Annotated[str, doc("Which.", required=True, enum=FILTERS)] = ""
    request_header_modifier: Annotated[HTTPHeaderFilter | None, doc("Request headers.")] = None
    response_header_modifier: Annotated[HTTPHeaderFilter | None, doc("Response headers.")] = None
    request_mirror: Annotated[HTTPRequestMirrorFilter | None, doc("A copy.")] = None
    request_redirect: Annotated[HTTPRequestRedirectFilter | None, doc("A redirect.")] = None
    url_rewrite: Annotated[HTTPURLRewriteFilter | None, doc("Another host or path.")] = None
    cors: Annotated[HTTPCORSFilter | None, doc("Cross-origin rules.")] = None
    external_auth: Annotated[HTTPExternalAuthFilter | None, doc("Another server is asked.")] = None
    extension_ref: Annotated[LocalReference | None, doc("What only a controller knows.")] = None
