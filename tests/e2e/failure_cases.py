"""The failure classes: what brings each about, and what must be said of it.

Each case is a policy applied to the workloads in `failures/`, and one request.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tests.e2e import tokens
from tests.e2e.failure_policies import (
    BARE,
    access,
    back_in,
    known,
    limited,
    pool,
    rule,
    strict,
)

OLD, NEW = "1.17", "1.32"


@dataclass(frozen=True)
class Case:
    """`failed` is the name of the leg that must be marked; `proof` words that must be in the
    reasons given there. `logs` are status, flags and details that the two proxies between the pods
    must log, `peer` whom the server's proxy must know the client to be. `busy` is a URL that is
    being asked for meanwhile. `remedies` is how many changes must be offered at least, each of
    which brings about `wished`; `untried` that they are hints, since nobody can foretell it.
    `foretold`: whether `explain` tells it, too. `mesh` is the folder of the lab. `old` is what is
    otherwise on Istio 1.17; None if nothing is."""

    title: str
    code: str
    url: str
    policies: str = ""
    arguments: tuple[str, ...] = ()
    failed: str = ""
    proof: str = ""
    logs: tuple[str, ...] = ()
    peer: str = ""
    busy: str = ""
    remedies: int = 0
    untried: bool = False
    wished: str = "ok"
    foretold: bool = True
    mesh: str = "failures"
    old: Mapping[str, str] | None = None

    def on(self, version: str) -> "Case":
        """Return the case as it is on a version."""
        return replace(self, **self.old) if version == OLD and self.old else self

    @property
    def authorizes(self) -> bool:
        """Whether the case is about an AuthorizationPolicy."""
        return "AuthorizationPolicy" in self.policies


FROM_CLIENT = ("--from", "deploy/client")
FROM_NAKED = ("--from", "deploy/naked")
SHOP = ("-H", "Host: shop.example")
GATE = "http://istio-ingressgateway"
NO_RULE = "rbac_access_denied_matched_policy[none]"
SIDECARS, EDGE = "sidecar -> sidecar", "gateway -> gateway"

CASES = (
    Case("mutual TLS on both sides", "ok", "http://server/", strict(), FROM_CLIENT),
    Case(
        "a proxy sends plaintext to a STRICT server",
        "plaintext-to-strict",
        "http://server/",
        strict() + rule("server", "{mode: DISABLE}"),
        FROM_CLIENT,
        SIDECARS,
        "filter_chain_not_found",
        remedies=2,
    ),
    Case(
        "an application without a proxy sends plaintext to a STRICT server",
        "plaintext-to-strict",
        "http://server/",
        strict(),
        FROM_NAKED,
        "app -> sidecar",
        "filter_chain_not_found",
        remedies=2,
    ),
    Case(
        "TLS without a client certificate to a STRICT server",
        "no-mesh-certificate",
        "http://server/",
        strict() + rule("server", "{mode: SIMPLE, insecureSkipVerify: true}"),
        FROM_CLIENT,
        SIDECARS,
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        remedies=1,
    ),
    Case(
        "mutual TLS to an application that speaks plaintext",
        "tls-to-plaintext",
        "http://plain/",
        rule("plain", "{mode: ISTIO_MUTUAL}"),
        FROM_CLIENT,
        "sidecar -> app",
        "WRONG_VERSION_NUMBER",
        remedies=2,
    ),
    Case(
        "the client does not know the root of the server's certificate",
        "server-certificate-untrusted",
        "http://plain:8443/",
        rule("plain", "{mode: SIMPLE}"),
        FROM_CLIENT,
        "sidecar -> app",
        "CERTIFICATE_VERIFY_FAILED",
        old={"code": "ok", "failed": "", "proof": "", "remedies": 0},
        remedies=1,
    ),
    Case(
        "the client does not know the root of a sidecar's certificate",
        "server-certificate-untrusted",
        "http://server/",
        strict() + rule("server", "{mode: SIMPLE}"),
        FROM_CLIENT,
        SIDECARS,
        "UNKNOWN_CA",
        old={"code": "no-mesh-certificate", "proof": "PEER_DID_NOT_RETURN_A_CERTIFICATE"},
        remedies=1,
    ),
    Case(
        "the server's identity is not the one wanted",
        "san-mismatch",
        "http://server/",
        strict()
        + rule("server", "{mode: ISTIO_MUTUAL, subjectAltNames: [spiffe://else/ns/x/sa/y]}"),
        FROM_CLIENT,
        SIDECARS,
        "SAN matcher",
        remedies=1,
    ),
    Case(
        "the server's certificate has expired",
        "server-certificate-expired",
        f"{GATE}/tls/",
        back_in("expired.example", "mode: SIMPLE, credentialName: root"),
        SHOP,
        EDGE,
        "expired",
    ),
    Case(
        "the server does not trust the client's certificate",
        "client-certificate-untrusted",
        f"{GATE}/tls/",
        back_in("mutual.example", "mode: MUTUAL, credentialName: client-other"),
        SHOP,
        EDGE,
        "CERTIFICATE_VERIFY_FAILED",
    ),
    Case(
        "the client's certificate has expired",
        "client-certificate-expired",
        f"{GATE}/tls/",
        back_in("mutual.example", "mode: MUTUAL, credentialName: client-expired"),
        SHOP,
        EDGE,
        "expired",
    ),
    Case(
        "a gateway asks for a client certificate and gets none",
        "no-client-certificate",
        f"{GATE}/tls/",
        back_in("mutual.example", "mode: SIMPLE, credentialName: root"),
        SHOP,
        EDGE,
        "PEER_DID_NOT_RETURN_A_CERTIFICATE",
        remedies=1,
    ),
    Case(
        "the application's TLS inside mutual TLS, on a port that expects HTTP",
        "double-tls",
        "https://z-opaque:8080/",
        strict(),
        (*FROM_CLIENT, "-k"),
        SIDECARS,
        "codec_error",
    ),
    Case(
        "https on a gateway's plain HTTP port",
        "tls-to-http-port",
        "https://istio-ingressgateway:80/",
        "",
        ("-k",),
        "client -> gateway",
        "codec_error",
    ),
    Case(
        "a route to a subset that is not defined",
        "no-such-destination",
        f"{GATE}/no-subset",
        "",
        SHOP,
        "gateway -> nowhere",
        "NC",
        remedies=1,
    ),
    Case(
        "a route to a port that the Service does not have",
        "no-such-destination",
        f"{GATE}/no-port",
        "",
        SHOP,
        "gateway -> nowhere",
        "NC",
        remedies=1,
    ),
    Case(
        "a subset that no pod belongs to",
        "no-healthy-endpoints",
        f"{GATE}/empty",
        rule("server", subsets="\n  subsets: [{name: empty, labels: {version: none}}]"),
        SHOP,
        "gateway -> nowhere",
        "UH",
        remedies=1,
    ),
    Case(
        "nothing listens on the port, behind a sidecar",
        "connection-refused",
        "http://server:81/",
        "",
        FROM_CLIENT,
        "sidecar -> app",
        "Connection",
        old={},
    ),
    Case(
        "nothing listens on the port, without a sidecar",
        "connection-refused",
        "http://plain:81/",
        "",
        FROM_CLIENT,
        "sidecar -> app",
        "Connection",
    ),
    Case(
        "nothing listens on the gateway's port",
        "connection-refused",
        "https://istio-ingressgateway:8443/",
        failed="client -> service",
    ),
    Case(
        "no way leads to an address",
        "unreachable",
        "http://10.9.9.9/",
        "",
        FROM_CLIENT,
        "sidecar -> outside",
        "Network is unreachable",
    ),
    Case(
        "an application does not accept connections",
        "connect-timeout",
        "http://odd/",
        pool("odd", "{tcp: {connectTimeout: 0.2s}}"),
        FROM_CLIENT,
        "sidecar -> app",
        "timeout",
    ),
    Case(
        "an application closes the connection instead of answering",
        "connection-terminated",
        "http://odd:81/",
        "",
        FROM_CLIENT,
        "sidecar -> app",
        "connection_termination",
    ),
    Case(
        "a server that waits for something else does not answer a proxy's TLS",
        "tls-unanswered",
        "http://odd:82/",
        rule("odd", "{mode: SIMPLE}, connectionPool: {tcp: {connectTimeout: 0.2s}}"),
        FROM_CLIENT,
        "sidecar -> app",
        "timeout",
        untried=True,
        foretold=False,
    ),
    Case(
        "plaintext HTTP is sent to a port that serves TLS",
        "plaintext-to-tls",
        f"{GATE}/https",
        "",
        SHOP,
        remedies=1,
    ),
    Case(
        "an application of HTTP/1 on a port that is declared as gRPC",
        "upstream-protocol",
        "http://plain:84/",
        "",
        FROM_CLIENT,
        "sidecar -> app",
        "UPE",
        remedies=1,
    ),
    Case(
        "the mesh lets nothing out that it does not know",
        "blocked",
        "http://1.2.3.4/",
        "",
        FROM_CLIENT,
        mesh="failures_closed",
    ),
    Case(
        "a connection pool's limit is reached",
        "overflow",
        "http://slow/",
        pool("slow", "{http: {http2MaxRequests: 1}}"),
        FROM_CLIENT,
        SIDECARS,
        "UO",
        busy="http://slow/delay/3",
        untried=True,
    ),
    Case(
        "a host that no virtual host is for",
        "no-route",
        f"{GATE}/",
        "",
        ("-H", "Host: nobody.example"),
        "gateway -> nowhere",
        "route_not_found",
    ),
    Case(
        "a TLS name that no server of the gateway has",
        "no-matching-server",
        "https://wrong.example/",
        "",
        ("-k",),
        "client -> gateway",
        "filter_chain_not_found",
    ),
    Case(
        "the gateway's server names a Secret that is not there",
        "no-server-certificate",
        "https://bare.example/",
        BARE,
        ("-k",),
        "client -> gateway",
        "Secret is not supplied by SDS",
    ),
    Case(
        "TLS without a name",
        "no-matching-server",
        "https://GATEWAY/",
        "",
        ("-k",),
        "client -> gateway",
        "filter_chain_not_found",
    ),
    Case(
        "HTTP/1.0",
        "http-1.0",
        f"{GATE}/server",
        "",
        (*SHOP, "--http1.0"),
        "client -> gateway",
        "low_version",
    ),
    Case(
        "a message that HTTP does not allow",
        "not-http",
        f"{GATE}/server",
        "",
        (*SHOP, "-H", "Content-Length: 5", "-H", "Transfer-Encoding: chunked"),
        "client -> gateway",
        "content_length_and_chunked_not_allowed",
    ),
    Case(
        "a path that the proxy does not take",
        "proxy-error",
        f"{GATE}/server%00",
        "",
        SHOP,
        "gateway -> nowhere",
        "path_normalization_failed",
    ),
    Case(
        "the client does not accept the gateway's certificate",
        "client-tls",
        "https://good.example/",
        failed="client -> gateway",
        proof="client alert unknown_ca",
    ),
    Case(
        "the client does not wait for the answer",
        "client-left",
        "http://slow/delay/3",
        "",
        (*FROM_CLIENT, "-m", "0.3"),
        "app -> sidecar",
        "",
    ),
    Case(
        "a route's timeout passes",
        "upstream-timeout",
        f"{GATE}/delay/1",
        "",
        SHOP,
        "gateway -> sidecar",
        "UT",
        remedies=1,
    ),
    Case(
        "the time of one attempt passes",
        "per-try-timeout",
        f"{GATE}/tries",
        "",
        SHOP,
        "gateway -> sidecar",
        "UT",
        remedies=1,
    ),
    Case(
        "an EnvoyFilter's limit of requests is reached",
        "rate-limited",
        "http://server/",
        limited(),
        FROM_CLIENT,
        "sidecar -> app",
        "local_rate_limited",
        foretold=False,
    ),
    Case(
        "a fault is injected",
        "fault-injected",
        f"{GATE}/fault",
        "",
        SHOP,
        "gateway -> nowhere",
        "FI",
        remedies=1,
    ),
    Case("a route answers by itself", "direct-response", f"{GATE}/fixed", "", SHOP),
    Case(
        "the application answers with an error", "application-status", f"{GATE}/server/no", "", SHOP
    ),
    Case(
        "a rule allows the client's identity",
        "ok",
        "http://server/",
        known("default"),
        FROM_CLIENT,
        logs=("200 - via_upstream", "200 - via_upstream"),
        peer="spiffe://cluster.local/ns/default/sa/default",
    ),
    Case(
        "a rule allows an identity, and the client's proxy sends plaintext",
        "rbac-no-identity",
        "http://server/",
        known("default") + rule("server", "{mode: DISABLE}"),
        FROM_CLIENT,
        SIDECARS,
        NO_RULE,
        logs=("403 - via_upstream", f"403 - {NO_RULE}"),
        remedies=1,
    ),
    Case(
        "a rule allows an identity, and the client has no proxy",
        "rbac-no-identity",
        "http://server/",
        known("default"),
        FROM_NAKED,
        "app -> sidecar",
        NO_RULE,
        remedies=1,
    ),
    Case(
        "rules allow other identities than the client's",
        "rbac-not-allowed",
        "http://server/",
        known("other"),
        FROM_CLIENT,
        SIDECARS,
        NO_RULE,
        logs=("403 - via_upstream", f"403 - {NO_RULE}"),
        peer="spiffe://cluster.local/ns/default/sa/default",
        remedies=1,
    ),
    Case(
        "a DENY rule matches",
        "rbac-denied",
        "http://server/private/x",
        access("to: [{operation: {paths: [/private/*]}}]", "DENY"),
        FROM_CLIENT,
        SIDECARS,
        "rbac_access_denied_matched_policy[ns[default]-policy[callers]-rule[0]]",
        remedies=1,
        wished="application-status",
    ),
    Case(
        "a rule asks for a token, and the request has none",
        "rbac-no-token",
        "http://server/",
        access('from: [{source: {requestPrincipals: ["*"]}}]') + tokens.policy(),
        FROM_CLIENT,
        SIDECARS,
        NO_RULE,
    ),
    *(
        Case(
            title,
            code,
            "http://server/",
            tokens.policy(),
            (*FROM_CLIENT, *tokens.header(text)),
            SIDECARS,
            f"jwt_authn_access_denied{{{details}}}",
        )
        for title, code, text, details in (
            ("a token has ended", "jwt-expired", tokens.made(exp=1), "Jwt_is_expired"),
            (
                "a token is of an issuer that nobody named",
                "jwt-unknown-issuer",
                tokens.made(iss="other"),
                "Jwt_issuer_is_not_configured",
            ),
            (
                "a token is meant for others",
                "jwt-audience",
                tokens.made(aud="other"),
                "Audiences_in_Jwt_are_not_allowed",
            ),
            (
                "a token's signature is not its issuer's",
                "jwt-unverified",
                tokens.made()[:-8] + "AAAAAAAA",
                "Jwt_verification_fails",
            ),
            (
                "what is sent as a token is none",
                "jwt-malformed",
                "token",
                "Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections",
            ),
        )
    ),
    Case(
        "rules do not allow a TCP connection",
        "rbac-not-allowed",
        "https://raw:9443/",
        known("other"),
        (*FROM_CLIENT, "-k"),
        SIDECARS,
        NO_RULE,
        logs=("None - ", f"None - {NO_RULE}"),
        peer="spiffe://cluster.local/ns/default/sa/default",
        remedies=1,
    ),
)
