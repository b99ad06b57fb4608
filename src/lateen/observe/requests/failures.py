"""Failure classes: what a journey's logs say went wrong, by flags and reasons, never by bodies.

Pure. A class that looks the same to the client is told apart by what the other side logged: under
TLS 1.3 a server that refuses a client's certificate and one that refuses plaintext both look like
`503 UC connection_termination` from the client's proxy.
"""

from typing import NamedTuple

from lateen.observe.requests import hops
from lateen.observe.requests.journey import Journey, Leg


class Cause(NamedTuple):
    """A failure class: its stable code, what happened in words, and what can be done."""

    code: str
    words: str
    remedies: tuple[str, ...] = ()


OK = Cause("ok", "")

_PLAIN_TO_STRICT = Cause(
    "plaintext-to-strict",
    "the server accepts mutual TLS only, and was sent plaintext",
    (
        "let the client's proxy use mutual TLS: give it a sidecar, or remove the DestinationRule "
        "that sets its TLS mode",
        "or let the server accept plaintext: PeerAuthentication mode PERMISSIVE",
    ),
)
_PLAIN_TLS_TO_STRICT = Cause(
    "no-mesh-certificate",
    "the server asked for a client certificate of the mesh, and the client sent none",
    (
        "set TLS mode ISTIO_MUTUAL (or none at all) in the DestinationRule of this port",
        "or let the server accept other clients: PeerAuthentication mode PERMISSIVE or DISABLE",
    ),
)
_NO_CLIENT_CERTIFICATE = Cause(
    "no-client-certificate",
    "the gateway's server asks for a client certificate, and the client sent none",
    ("send one (DestinationRule mode MUTUAL), or set the server's TLS mode to SIMPLE",),
)
_CLIENT_UNTRUSTED = Cause(
    "client-certificate-untrusted",
    "the server does not trust the client's certificate: it is signed by another root",
    ("give both sides the same mesh root, or the server the client's CA",),
)
_CLIENT_EXPIRED = Cause(
    "client-certificate-expired",
    "the client's certificate has expired",
    ("renew it; the mesh renews its own at half their life",),
)
_SERVER_UNTRUSTED = Cause(
    "server-certificate-untrusted",
    "the client does not trust the server's certificate: it is signed by a root it does not know",
    (
        "name the CA in the DestinationRule (caCertificates or credentialName)",
        "or set insecureSkipVerify: true, if the server need not be known",
    ),
)
_SAN_MISMATCH = Cause(
    "san-mismatch",
    "the server's certificate is for another name or identity than the client wants",
    ("correct subjectAltNames in the DestinationRule, or the server's ServiceAccount",),
)
_SERVER_EXPIRED = Cause(
    "server-certificate-expired",
    "the server's certificate has expired",
    ("renew the server's certificate",),
)
_TLS_TO_PLAIN = Cause(
    "tls-to-plaintext",
    "the client opened TLS, and the server speaks plaintext",
    (
        "give the server a sidecar, or set TLS mode DISABLE in the DestinationRule of this host",
        "or let the application serve TLS on that port",
    ),
)
_REFUSED = Cause(
    "connection-refused",
    "nothing listens at that address",
    (
        "compare the Service's targetPort with the port the application listens on",
        "on a gateway: see that a Gateway has a server on that port",
    ),
)
_TIMEOUT = Cause(
    "connect-timeout",
    "the server did not accept the connection in time",
    (
        "see whether the pod is running and takes connections: `lateen get pods -A`",
        "or raise connectTimeout in the DestinationRule's connectionPool.tcp",
    ),
)
_NO_CLUSTER = Cause(
    "no-such-destination",
    "the route leads to a destination that does not exist",
    ("define the subset in a DestinationRule, or correct host, port or subset in the route",),
)
_NO_ENDPOINTS = Cause(
    "no-healthy-endpoints",
    "the destination has no healthy endpoint",
    (
        "compare the Service's selector and the subset's labels with the pods' labels",
        "see whether the pods are ready: `lateen get pods -A`",
    ),
)
_NO_ROUTE = Cause(
    "no-route",
    "no route matches this host and path",
    ("compare the request's host and path with the VirtualService's hosts and matches",),
)
_NO_CHAIN = Cause(
    "no-matching-server",
    "the listener has no server for this TLS name (or for a client that sent none)",
    ("ask for a host of the Gateway's TLS servers by name: SNI is what is looked at",),
)
DENIED = Cause(
    "rbac-denied",
    "an authorization rule refuses it",
    ("narrow that rule, or remove it; rules that refuse come before those that allow",),
)
NOT_ALLOWED = Cause(
    "rbac-not-allowed",
    "authorization policies apply here, and none of their rules allows it",
    ("compare client, port, method and path with the rules; add one that allows it",),
)
NO_IDENTITY = Cause(
    "rbac-no-identity",
    "rules that allow ask who the client is, and without mutual TLS nobody is known",
    (
        "let the client's proxy use mutual TLS: give it a sidecar, or remove the DestinationRule "
        "that sets its TLS mode",
        "or allow it by something else than its identity, such as ipBlocks",
    ),
)
_DOUBLE_TLS = Cause(
    "double-tls",
    "the application's own TLS arrived inside mutual TLS where HTTP was expected",
    ("name the port https (or tls) on the Service, or send plain HTTP and let the mesh encrypt",),
)
_TLS_TO_HTTP = Cause(
    "tls-to-http-port",
    "TLS arrived on a port that serves plain HTTP",
    ("use http://, or make it an HTTPS server or port",),
)
_NOT_HTTP = Cause(
    "not-http",
    "what arrived is not HTTP as the proxy takes it",
    ("correct what the proxy's log names; if it is no HTTP, name the Service's port tcp",),
)
_OLD_HTTP = Cause(
    "http-1.0",
    "the client spoke HTTP/1.0, which proxies refuse",
    ("use HTTP/1.1 (nginx: proxy_http_version 1.1)",),
)
_RESET = Cause(
    "connection-terminated",
    "the server ended the connection before it answered, and nothing says why",
    ("see the server's own log: `lateen logs POD`",),
)
_SLOW = Cause(
    "upstream-timeout",
    "the server did not answer within the route's timeout",
    ("raise the VirtualService's timeout, or see why the application is slow",),
)
_OVERFLOW = Cause(
    "overflow",
    "the connection pool's limit was reached",
    ("raise connectionPool in the DestinationRule",),
)
_FAULT = Cause("fault-injected", "a fault was injected, as the VirtualService asks", ())
_CLIENT_LEFT = Cause("client-left", "the client gave up before the answer came", ())
_APPLICATION = Cause(
    "application-status",
    "the application itself answered so",
    ("see its log: `lateen logs POD`",),
)
_PROXY = Cause(
    "proxy-error",
    "a proxy refused the request itself",
    ("its log names the rule of HTTP or of its configuration that was broken",),
)
_DIRECT = Cause("direct-response", "the route answers by itself, as the VirtualService asks", ())
_CLIENT_TLS = Cause(
    "client-tls",
    "the client itself could not finish its TLS handshake",
    ("use -k to accept any certificate, or http:// where the port is not TLS",),
)
_UNREACHED = Cause(
    "unreachable",
    "no way leads to that address",
    ("see whether a pod or a Service has it: `lateen get pods,services -A -o wide`",),
)

EVERY = (
    OK,
    _PLAIN_TO_STRICT,
    _PLAIN_TLS_TO_STRICT,
    _NO_CLIENT_CERTIFICATE,
    _CLIENT_UNTRUSTED,
    _CLIENT_EXPIRED,
    _SERVER_UNTRUSTED,
    _SAN_MISMATCH,
    _SERVER_EXPIRED,
    _TLS_TO_PLAIN,
    _REFUSED,
    _TIMEOUT,
    _NO_CLUSTER,
    _NO_ENDPOINTS,
    _NO_ROUTE,
    _NO_CHAIN,
    DENIED,
    NOT_ALLOWED,
    NO_IDENTITY,
    _DOUBLE_TLS,
    _TLS_TO_HTTP,
    _NOT_HTTP,
    _OLD_HTTP,
    _RESET,
    _SLOW,
    _OVERFLOW,
    _FAULT,
    _CLIENT_LEFT,
    _APPLICATION,
    _PROXY,
    _DIRECT,
    _CLIENT_TLS,
    _UNREACHED,
)
"""All classes; codes are stable."""

_SERVER_REASONS = (
    ("PEER_DID_NOT_RETURN_A_CERTIFICATE", _PLAIN_TLS_TO_STRICT),
    ("ALERT_UNKNOWN_CA", _SERVER_UNTRUSTED),
    ("ALERT_CERTIFICATE_EXPIRED", _SERVER_EXPIRED),
    ("ALERT_CERTIFICATE_UNKNOWN", _SAN_MISMATCH),
    ("certificate_has_expired", _CLIENT_EXPIRED),
    ("certificate has expired", _CLIENT_EXPIRED),
    ("CERTIFICATE_VERIFY_FAILED", _CLIENT_UNTRUSTED),
)
_CLIENTS_OWN = (_SERVER_UNTRUSTED, _SERVER_EXPIRED, _SAN_MISMATCH)
"""What the client did not accept: if that is who asked, no DestinationRule is to blame."""
_CLIENT_REASONS = (
    ("WRONG_VERSION_NUMBER", _TLS_TO_PLAIN),
    ("SAN_matcher", _SAN_MISMATCH),
    ("SAN matcher", _SAN_MISMATCH),
    ("verify SAN", _SAN_MISMATCH),
    ("certificate_has_expired", _SERVER_EXPIRED),
    ("certificate has expired", _SERVER_EXPIRED),
    ("CERTIFICATE_VERIFY_FAILED", _SERVER_UNTRUSTED),
    ("HANDSHAKE_FAILURE", _PLAIN_TLS_TO_STRICT),
    ("ALERT_UNKNOWN_CA", _CLIENT_UNTRUSTED),
    ("Connection_refused", _REFUSED),
    ("Connection refused", _REFUSED),
    ("No_route_to_host", _UNREACHED),
    ("No route to host", _UNREACHED),
    ("is_unreachable", _UNREACHED),
    ("is unreachable", _UNREACHED),
    ("connection_timeout", _TIMEOUT),
)
_FLAGS = (
    ("NC", _NO_CLUSTER),
    ("UH", _NO_ENDPOINTS),
    ("NR", _NO_ROUTE),
    ("UO", _OVERFLOW),
    ("FI", _FAULT),
    ("DI", _FAULT),
    ("UT", _SLOW),
    ("UC", _RESET),
    ("UF", _RESET),
    ("UR", _RESET),
    ("DC", _CLIENT_LEFT),
)


def of(journey: Journey, status: int | None, error: str) -> tuple[Cause, Leg | None]:
    """Return the failure class and the leg it was found on; OK and None for success."""
    marked = next((leg for leg in journey.legs if leg.failed), None)
    if marked is not None:
        cause = _of_leg(marked)
        if cause is not None:
            return cause, marked
    if error:
        return _of_client(journey, error), marked or (journey.legs[0] if journey.legs else None)
    if status is not None and status >= 400:
        return _of_status(journey), journey.legs[-1] if journey.legs else None
    return OK, None


def _of_leg(leg: Leg) -> Cause | None:
    server, client = leg.server_entry, leg.client_entry
    if server is not None and hops.refused(server):
        found = _of_server(leg)
        if found is not None:
            return found
    if client is None:
        return None
    made = client.entry
    details = made.http.details if made.http is not None else ""
    text = f"{made.upstream_failure} {details}"
    for word, cause in _CLIENT_REASONS:
        if word in text:
            return cause
    flags = set(made.flags.split(","))
    for flag, cause in _FLAGS:
        if flag in flags:
            return cause
    return _PROXY if not leg.sent else None


def _of_server(leg: Leg) -> Cause | None:
    """What the server's side says of a leg that it refused."""
    assert leg.server_entry is not None
    made = leg.server_entry.entry
    rule = hops.refusing_rule(leg.server_entry)
    if rule:
        return NOT_ALLOWED if rule == hops.NO_RULE else DENIED
    reason = hops.handshake_failure(leg.server_entry)
    for word, cause in _SERVER_REASONS:
        if word in reason:
            if cause in _CLIENTS_OWN and _is_clients_own(leg):
                return _CLIENT_TLS
            at_gateway = cause is _PLAIN_TLS_TO_STRICT and leg.server.role == "gateway"
            return _NO_CLIENT_CERTIFICATE if at_gateway else cause
    details = made.http.details if made.http is not None else ""
    if "low_version" in details:
        return _OLD_HTTP
    if "DPE" in made.flags:
        return _of_garbage(leg)
    if "NR" in made.flags or made.termination == "filter_chain_not_found":
        sni = made.downstream.sni
        secure = leg.tls in ("tls", "mtls") or bool(sni)
        return _NO_CHAIN if secure or leg.server.role == "gateway" else _PLAIN_TO_STRICT
    return None


def _is_clients_own(leg: Leg) -> bool:
    """Whether the TLS of a leg was begun by who asked, and not by a proxy."""
    made = leg.client_entry.entry if leg.client_entry is not None else None
    return leg.carried == "tls" and (made is None or not made.upstream.version)


def _of_garbage(leg: Leg) -> Cause:
    """Bytes that are no HTTP: TLS inside TLS of a proxy, TLS alone, or something else."""
    assert leg.server_entry is not None
    if leg.carried != "tls":
        return _NOT_HTTP
    return _DOUBLE_TLS if leg.server_entry.entry.downstream.version else _TLS_TO_HTTP


def _of_client(journey: Journey, error: str) -> Cause:
    if "TLS" in error or "SSL" in error or "certificate" in error:
        return _CLIENT_TLS
    if error == "connection refused":
        return _REFUSED
    sent = bool(journey.legs) and journey.legs[0].sent
    if not sent and error.startswith(("no answer", "no connection")):
        return _TIMEOUT
    if error.startswith("no answer"):
        return _CLIENT_LEFT
    if sent:
        return _RESET
    return _UNREACHED


def _of_status(journey: Journey) -> Cause:
    """An error that no proxy marked as its own: the application's, or a route's."""
    entries = [e for leg in journey.legs for e in (leg.client_entry, leg.server_entry) if e]
    if any(hops.chosen(entry) for entry in entries):
        return _DIRECT
    return _APPLICATION
