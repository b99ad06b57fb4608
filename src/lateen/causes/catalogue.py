"""Every failure class, each in one place. Pure.

The order counts: the first row that fits what Envoy said is the cause, so the more telling words
come first. `EVERY` is made of the rows; a class is added here and nowhere else.
"""

from lateen.causes.cause import Category, Cause, Mark

_LOGS = "see its log: `lateen logs POD`"

OK = Cause(code="ok", category=Category.NONE, words="")
PLAINTEXT_TO_STRICT = Cause(
    code="plaintext-to-strict",
    category=Category.TLS,
    words="the server accepts mutual TLS only, and was sent plaintext",
    hints=(
        "give the client mutual TLS (a sidecar, ISTIO_MUTUAL), or let the server accept plaintext",
    ),
    marks=Mark.TLS,
)
NO_MESH_CERTIFICATE = Cause(
    code="no-mesh-certificate",
    category=Category.TLS,
    words="the server asked for a client certificate of the mesh, and the client sent none",
    hints=(
        "if the application speaks plaintext on that port, let the client's proxy use the mesh's "
        "own mutual TLS; if it serves TLS itself, let the server's sidecar pass that through",
    ),
    marks=Mark.TLS,
    client_says=("HANDSHAKE_FAILURE",),
    server_says=("PEER_DID_NOT_RETURN_A_CERTIFICATE",),
)
NO_CLIENT_CERTIFICATE = Cause(
    code="no-client-certificate",
    category=Category.TLS,
    words="the gateway's server asks for a client certificate, and the client sent none",
    hints=("send a certificate that the gateway's CA has signed",),
    marks=Mark.TLS,
)
CLIENT_CERTIFICATE_EXPIRED = Cause(
    code="client-certificate-expired",
    category=Category.TLS,
    words="the client's certificate has expired",
    hints=("renew it; the mesh renews its own at half their life",),
    marks=Mark.TLS,
    server_says=("certificate_has_expired", "certificate has expired"),
)
CLIENT_CERTIFICATE_UNTRUSTED = Cause(
    code="client-certificate-untrusted",
    category=Category.TLS,
    words="the server does not trust the client's certificate: it is signed by another root",
    hints=("give both sides the same root, or the server the client's CA",),
    marks=Mark.TLS,
    client_says=("ALERT_UNKNOWN_CA",),
    server_says=("CERTIFICATE_VERIFY_FAILED",),
)
SAN_MISMATCH = Cause(
    code="san-mismatch",
    category=Category.TLS,
    words="the server's certificate is for another name or identity than the client wants",
    hints=("let the client want the name that the certificate is for, or the server have it",),
    marks=Mark.TLS | Mark.CLIENTS_TLS,
    client_says=("SAN_matcher", "SAN matcher", "verify SAN"),
    server_says=("ALERT_CERTIFICATE_UNKNOWN",),
)
SERVER_CERTIFICATE_EXPIRED = Cause(
    code="server-certificate-expired",
    category=Category.TLS,
    words="the server's certificate has expired",
    hints=("renew the server's certificate",),
    marks=Mark.TLS | Mark.CLIENTS_TLS,
    client_says=("certificate_has_expired", "certificate has expired"),
    server_says=("ALERT_CERTIFICATE_EXPIRED",),
)
SERVER_CERTIFICATE_UNTRUSTED = Cause(
    code="server-certificate-untrusted",
    category=Category.TLS,
    words="the client does not trust the server's certificate: it is signed by a root it does not "
    "know",
    hints=("let the client know the root that signed the server's certificate",),
    marks=Mark.TLS | Mark.CLIENTS_TLS,
    client_says=("CERTIFICATE_VERIFY_FAILED",),
    server_says=("ALERT_UNKNOWN_CA",),
)
TLS_TO_PLAINTEXT = Cause(
    code="tls-to-plaintext",
    category=Category.TLS,
    words="the client opened TLS, and the server speaks plaintext",
    hints=("let the client send plaintext, or the server take TLS on that port",),
    marks=Mark.TLS,
    client_says=("WRONG_VERSION_NUMBER",),
)
PLAINTEXT_TO_TLS = Cause(
    code="plaintext-to-tls",
    category=Category.TLS,
    words="the application serves TLS on that port, and was sent plaintext HTTP",
    hints=("send TLS to that port, or send it to the port where the application serves HTTP",),
    marks=Mark.TLS,
)
CONNECTION_REFUSED = Cause(
    code="connection-refused",
    category=Category.CONNECTION,
    words="nothing listens at that address",
    hints=(
        "compare the Service's targetPort with the port and address the application listens on",
    ),
    client_says=("Connection_refused", "Connection refused"),
)
UNREACHABLE = Cause(
    code="unreachable",
    category=Category.CONNECTION,
    words="no way leads to that address",
    hints=("see whether a pod or a Service has it: `lateen get pods,services -A -o wide`",),
    client_says=("No_route_to_host", "No route to host", "is_unreachable", "is unreachable"),
)
CONNECT_TIMEOUT = Cause(
    code="connect-timeout",
    category=Category.CONNECTION,
    words="the server did not accept the connection in time",
    hints=(
        "see whether the pod runs and takes connections: `lateen get pods -A`",
        "if it is only slow to accept, raise connectionPool.tcp.connectTimeout in a "
        "DestinationRule",
    ),
    marks=Mark.POOL,
    client_says=("connection_timeout",),
)
BLOCKED = Cause(
    code="blocked",
    category=Category.ROUTING,
    words="the mesh lets nothing out to destinations that it does not know "
    "(outboundTrafficPolicy REGISTRY_ONLY)",
    hints=(
        "make the host known (a ServiceEntry, or a Service), or set outboundTrafficPolicy mode "
        "ALLOW_ANY in the mesh config or the client's Sidecar",
    ),
)
NO_SUCH_DESTINATION = Cause(
    code="no-such-destination",
    category=Category.ROUTING,
    words="the route leads to a destination that does not exist",
    hints=("correct host, port or subset in the route",),
    flags=("NC",),
)
NO_HEALTHY_ENDPOINTS = Cause(
    code="no-healthy-endpoints",
    category=Category.ROUTING,
    words="the destination has no healthy endpoint",
    hints=(
        "compare the Service's selector with the pods' labels",
        "see whether the pods are ready: `lateen get pods -A`",
    ),
    flags=("UH",),
)
NO_ROUTE = Cause(
    code="no-route",
    category=Category.ROUTING,
    words="no route matches this host and path",
    hints=("compare the request's host and path with the VirtualService's hosts and matches",),
    flags=("NR",),
)
NO_MATCHING_SERVER = Cause(
    code="no-matching-server",
    category=Category.ROUTING,
    words="the listener has no server for this TLS name (or for a client that sent none)",
    hints=("ask for a host of the Gateway's TLS servers by name: SNI is what is looked at",),
)
RBAC_DENIED = Cause(
    code="rbac-denied",
    category=Category.AUTHORIZATION,
    words="an authorization rule refuses it",
    hints=("if it is to be allowed, narrow that rule: what refuses comes before what allows",),
)
RBAC_NOT_ALLOWED = Cause(
    code="rbac-not-allowed",
    category=Category.AUTHORIZATION,
    words="authorization policies apply here, and none of their rules allows it",
    hints=("if it is to be allowed, compare client, port, method and path with the rules",),
)
RBAC_NO_IDENTITY = Cause(
    code="rbac-no-identity",
    category=Category.AUTHORIZATION,
    words="rules that allow ask who the client is, and without mutual TLS nobody is known",
    hints=(
        "let the client use mutual TLS, or allow it by something else than its identity, such as "
        "ipBlocks",
    ),
    marks=Mark.TLS,
)
RBAC_NO_TOKEN = Cause(
    code="rbac-no-token",
    category=Category.AUTHORIZATION,
    words="rules that allow ask for a verified token, and the request has none such",
    hints=(
        "send a token (`lateen curl --jwt TOKEN`) that a RequestAuthentication of that workload "
        "verifies, with the claims that the rules name",
    ),
)
JWT_EXPIRED = Cause(
    code="jwt-expired",
    category=Category.AUTHORIZATION,
    words="the token is not valid at this time",
    hints=("get a new token; the command `token` makes those of the lab's own issuer",),
    server_details=(
        "jwt_authn_access_denied{Jwt_is_expired",
        "jwt_authn_access_denied{Jwt_not_yet_valid",
    ),
)
JWT_UNKNOWN_ISSUER = Cause(
    code="jwt-unknown-issuer",
    category=Category.AUTHORIZATION,
    words="no RequestAuthentication of the workload knows the token's issuer",
    hints=("compare the claim `iss` with `jwtRules[].issuer`, to the letter",),
    server_details=("jwt_authn_access_denied{Jwt_issuer_is_not_configured",),
)
JWT_AUDIENCE = Cause(
    code="jwt-audience",
    category=Category.AUTHORIZATION,
    words="the token is meant for another audience",
    hints=("compare the claim `aud` with `jwtRules[].audiences`",),
    server_details=("jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed",),
)
JWT_UNVERIFIED = Cause(
    code="jwt-unverified",
    category=Category.AUTHORIZATION,
    words="no key of the issuer verifies the token's signature",
    hints=(
        "see whether the proxy has the issuer's keys: `lateen status` tells of those that could "
        "not be fetched",
    ),
    server_details=(
        "jwt_authn_access_denied{Jwt_verification_fails",
        "jwt_authn_access_denied{Jwks_doesn't_have_key",
        "jwt_authn_access_denied{Jwks_remote_fetch_is_failed",
    ),
)
JWT_MALFORMED = Cause(
    code="jwt-malformed",
    category=Category.AUTHORIZATION,
    words="what stands where the token is looked for is no token that can be read",
    hints=("send three parts of base64url with dots between, after `Bearer ` in Authorization",),
    server_details=("jwt_authn_access_denied{",),
)
EXT_AUTHZ_DENIED = Cause(
    code="ext-authz-denied",
    category=Category.AUTHORIZATION,
    words="the external authorizer that a CUSTOM policy asks refuses it",
    hints=("see why in the authorizer's own log: `lateen logs POD`",),
    server_details=("ext_authz_denied",),
)
EXT_AUTHZ_UNREACHABLE = Cause(
    code="ext-authz-unreachable",
    category=Category.AUTHORIZATION,
    words="the external authorizer that a CUSTOM policy asks gave no decision, and the provider "
    "does not fail open",
    hints=(
        "see whether it runs, listens on the provider's port and takes what the proxy sends: "
        "`lateen get pods -A`",
        "compare `service` and `port` of the provider in the mesh configuration with the Service",
    ),
    server_details=("ext_authz_error",),
)
DOUBLE_TLS = Cause(
    code="double-tls",
    category=Category.TLS,
    words="the application's own TLS arrived inside mutual TLS where HTTP was expected",
    hints=(
        "send plain HTTP and let the mesh encrypt; or, if the application serves TLS on that port, "
        "name the port https (or tls) on the Service",
    ),
    marks=Mark.TLS,
)
TLS_TO_HTTP_PORT = Cause(
    code="tls-to-http-port",
    category=Category.PROTOCOL,
    words="TLS arrived on a port that serves plain HTTP",
    hints=("use http://, or make it an HTTPS server or port",),
)
PLAINTEXT_TO_TLS_PORT = Cause(
    code="plaintext-to-tls-port",
    category=Category.PROTOCOL,
    words="plaintext arrived on a port where the proxy takes TLS only",
    hints=("use https://, or ask a port that is declared as HTTP",),
    server_says=("HTTP_REQUEST", "HTTPS_PROXY_REQUEST"),
)
HTTP_1_0 = Cause(
    code="http-1.0",
    category=Category.PROTOCOL,
    words="the client spoke HTTP/1.0, which proxies refuse",
    hints=("use HTTP/1.1 (nginx: proxy_http_version 1.1)",),
)
NOT_HTTP = Cause(
    code="not-http",
    category=Category.PROTOCOL,
    words="what arrived is not HTTP as the proxy takes it",
    hints=("correct what the proxy's log names; if it is no HTTP, name the Service's port tcp",),
)
UPSTREAM_PROTOCOL = Cause(
    code="upstream-protocol",
    category=Category.PROTOCOL,
    words="what the server answered is not in the protocol that its port is declared with",
    hints=(
        "name the Service's port (or its appProtocol) after what the application speaks: http for "
        "HTTP/1, http2 or grpc for HTTP/2, tcp for anything else",
    ),
    flags=("UPE",),
)
OVERFLOW = Cause(
    code="overflow",
    category=Category.LIMIT,
    words="the connection pool's limit was reached",
    hints=("raise connectionPool in the DestinationRule",),
    marks=Mark.POOL,
    flags=("UO",),
)
RATE_LIMITED = Cause(
    code="rate-limited",
    category=Category.LIMIT,
    words="a limit of requests in a time was reached, which an EnvoyFilter brought in",
    hints=("wait until the limit's bucket is filled again, or raise it in the EnvoyFilter",),
    flags=("RL",),
)
FAULT_INJECTED = Cause(
    code="fault-injected",
    category=Category.ANSWER,
    words="a fault was injected, as the VirtualService asks",
    flags=("FI", "DI"),
)
PER_TRY_TIMEOUT = Cause(
    code="per-try-timeout",
    category=Category.LIMIT,
    words="the server did not answer within the time of one attempt (retries.perTryTimeout)",
    hints=("see why the application is slow",),
    client_says=("per_try_timeout",),
)
UPSTREAM_TIMEOUT = Cause(
    code="upstream-timeout",
    category=Category.LIMIT,
    words="the server did not answer within the route's timeout",
    hints=("see why the application is slow",),
    flags=("UT",),
)
CONNECTION_TERMINATED = Cause(
    code="connection-terminated",
    category=Category.CONNECTION,
    words="the server ended the connection before it answered, and nothing says why",
    hints=("see the server's own log: `lateen logs POD`",),
    marks=Mark.TLS,
    flags=("UC", "UF", "UR"),
)
CLIENT_LEFT = Cause(
    code="client-left",
    category=Category.LIMIT,
    words="the client gave up before the answer came",
    hints=("wait longer (`-m SECONDS`), or see why the application is slow",),
    flags=("DC", "DR"),
)
NO_SERVER_CERTIFICATE = Cause(
    code="no-server-certificate",
    category=Category.TLS,
    words="the gateway has no certificate to show: the Secret that its server names is not there",
    hints=(
        "put the Secret that credentialName names into the namespace of the gateway's pods, with "
        "tls.crt and tls.key",
    ),
    server_says=("Secret is not supplied by SDS",),
)
CLIENT_TLS = Cause(
    code="client-tls",
    category=Category.TLS,
    words="the client itself could not finish its TLS handshake",
    hints=("use http:// where the port is not TLS",),
)
TLS_UNANSWERED = Cause(
    code="tls-unanswered",
    category=Category.TLS,
    words="the server took the connection and did not answer the TLS handshake",
    hints=("use http:// if the port is not TLS: a server that waits for something else is silent",),
    marks=Mark.TLS,
)
APPLICATION_STATUS = Cause(
    code="application-status",
    category=Category.ANSWER,
    words="the application itself answered so",
    hints=(_LOGS,),
    marks=Mark.MEANT,
)
DIRECT_RESPONSE = Cause(
    code="direct-response",
    category=Category.ANSWER,
    words="the route answers by itself, as the VirtualService asks",
    marks=Mark.MEANT,
)
PROXY_ERROR = Cause(
    code="proxy-error",
    category=Category.PROTOCOL,
    words="a proxy refused the request itself",
    hints=("its log names the rule of HTTP or of its configuration that was broken",),
)

EVERY: tuple[Cause, ...] = tuple(row for row in list(globals().values()) if isinstance(row, Cause))
"""All classes, in the order in which they are looked for."""

BY_CODE = {cause.code: cause for cause in EVERY}


def by_client(said: str) -> Cause | None:
    """Return the class that a client's proxy names in what it says of its connection."""
    return next((c for c in EVERY if any(word in said for word in c.client_says)), None)


def by_server(said: str) -> Cause | None:
    """Return the class that a server's proxy names in why a handshake failed."""
    return next((c for c in EVERY if any(word in said for word in c.server_says)), None)


def by_details(said: str) -> Cause | None:
    """Return the class that a server's proxy names in the details of its own answer."""
    return next((c for c in EVERY if any(said.startswith(d) for d in c.server_details)), None)


def by_flags(flags: frozenset[str]) -> Cause | None:
    """Return the class that a proxy's response flags name (Envoy's `%RESPONSE_FLAGS%`)."""
    return next((c for c in EVERY if flags.intersection(c.flags)), None)
