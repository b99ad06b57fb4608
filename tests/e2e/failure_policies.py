"""Policies that bring failures about, as YAML to apply."""

GATEWAY = "istio-ingressgateway.istio-system.svc.cluster.local"
BARE = """\
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: bare, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: bare, protocol: HTTPS}
    hosts: [bare.example]
    tls: {mode: SIMPLE, credentialName: nowhere}
"""


def strict(app: str = "server") -> str:
    return (
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n"
        f"metadata: {{name: {app}}}\n"
        f"spec: {{selector: {{matchLabels: {{app: {app}}}}}, mtls: {{mode: STRICT}}}}\n---\n"
    )


def access(rules: str, action: str = "ALLOW") -> str:
    return (
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\n"
        "metadata: {name: callers}\n"
        f"spec:\n  selector: {{matchLabels: {{app: server}}}}\n  action: {action}\n"
        f"  rules:\n  - {rules}\n---\n"
    )


def known(account: str) -> str:
    return access(f"from: [{{source: {{principals: [cluster.local/ns/default/sa/{account}]}}}}]")


def rule(app: str, tls: str = "", *, host: str = "", subsets: str = "") -> str:
    policy = f"\n  trafficPolicy: {{tls: {tls}}}" if tls else ""
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        f"metadata: {{name: {app}, namespace: {'istio-system' if host else 'default'}}}\n"
        f"spec:\n  host: {host or f'{app}.default.svc.cluster.local'}{policy}{subsets}\n---\n"
    )


def pool(app: str, settings: str) -> str:
    return (
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n"
        f"metadata: {{name: {app}}}\n"
        f"spec: {{host: {app}, trafficPolicy: {{connectionPool: {settings}}}}}\n---\n"
    )


def back_in(name: str, more: str) -> str:
    """The gateway as a client of its own TLS server `name`."""
    return rule("back", f"{{sni: {name}, subjectAltNames: [{name}], {more}}}", host=GATEWAY)


def limited() -> str:
    """Return a limit that is reached by the first request."""
    always = "{numerator: 100, denominator: HUNDRED}"
    return (
        "apiVersion: networking.istio.io/v1alpha3\nkind: EnvoyFilter\n"
        "metadata: {name: limit}\n"
        "spec:\n  workloadSelector: {labels: {app: server}}\n  configPatches:\n"
        "  - applyTo: HTTP_FILTER\n"
        "    match: {context: SIDECAR_INBOUND}\n"
        "    patch:\n      operation: INSERT_FIRST\n      value:\n"
        "        name: envoy.filters.http.local_ratelimit\n        typed_config:\n"
        '          "@type": type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.'
        "LocalRateLimit\n"
        "          stat_prefix: limit\n"
        "          token_bucket: {max_tokens: 1, tokens_per_fill: 1, fill_interval: 3600s}\n"
        f"          filter_enabled: {{default_value: {always}}}\n"
        f"          filter_enforced: {{default_value: {always}}}\n---\n"
    )
