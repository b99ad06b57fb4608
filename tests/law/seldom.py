"""What seldom comes about by chance: rules that bring one class of failures about, and the requests
that meet them. A mesh has few of them, beside its random rules."""

from random import Random

from tests.law import hindered, tokens
from tests.law.objects import BETA, Json, Theme, made, request

GATEWAY = "istio-ingressgateway.istio-system.svc.cluster.local"
_SECURED = ("mutual.example", "expired.example", "good.example")


def of_mesh(random: Random) -> tuple[Theme, ...]:
    """Return the themes of a mesh: none of some meshes, else a few."""
    return tuple(random.sample(THEMES, 3)) if random.random() < 0.75 else ()


def _certificates(random: Random) -> list[Json]:
    """The gateway as a client of its own TLS servers, good ones and bad ones."""
    servers = [
        {
            "port": {"number": 443, "name": name, "protocol": "HTTPS"},
            "hosts": [f"{name}.example"],
            "tls": {"mode": "MUTUAL" if name == "mutual" else "SIMPLE", "credentialName": name},
        }
        for name in ("mutual", "expired", "good")
    ]
    plain = {"port": {"number": 80, "name": "back", "protocol": "HTTP"}, "hosts": ["back.example"]}
    spec = {"selector": {"istio": "ingressgateway"}, "servers": [plain, *servers]}
    to_bare = {"destination": {"host": "bare", "port": {"number": 80}}}
    back = {"destination": {"host": GATEWAY, "port": {"number": 443}}}
    name = random.choice(_SECURED)
    secret = random.choice(("root", "client-other", "client-expired"))
    tls = {
        "mode": "SIMPLE" if secret == "root" else "MUTUAL",
        "credentialName": secret,
        "sni": name,
        "subjectAltNames": [name if random.random() < 0.8 else "other.example"],
    }
    again = [{"route": [back], "rewrite": {"authority": name}}]
    return [
        made("Gateway", "back", "istio-system", spec),
        made(
            "VirtualService",
            "back-in",
            "istio-system",
            {"hosts": ["back.example"], "gateways": ["back"], "http": again},
        ),
        made(
            "VirtualService",
            "back-on",
            "default",
            {
                "hosts": list(_SECURED),
                "gateways": ["istio-system/back"],
                "http": [{"route": [to_bare]}],
            },
        ),
        made(
            "DestinationRule",
            "back",
            "istio-system",
            {"host": GATEWAY, "trafficPolicy": {"tls": tls}},
        ),
    ]


def _to_certificates(random: Random) -> Json:
    if random.random() < 0.6:
        host = [["Host", "back.example"]]
        return request("http://istio-ingressgateway/a", "", headers=host)
    url = f"https://{random.choice(_SECURED)}/a"
    return request(url, "", insecure=random.random() < 0.7)


def _slow(random: Random) -> list[Json]:
    """Less time than the application takes."""
    target = [{"destination": {"host": BETA, "port": {"number": 80}}}]
    tried = {"attempts": 1, "perTryTimeout": "0.2s", "retryOn": "5xx"}
    bounded: Json = {"timeout": "0.3s"} if random.random() < 0.5 else {"retries": tried}
    return [
        made(
            "VirtualService",
            "slow",
            "other",
            {"hosts": [BETA], "http": [{"route": target, **bounded}]},
        )
    ]


def _to_slow(random: Random) -> Json:
    return request(f"http://{BETA}{random.choice(('/delay/1', '/status/200'))}")


_ON = ("5xx", "gateway-error", "reset", "retriable-4xx", "connect-failure", "503", "5xx,409")


def _tried_again(random: Random) -> list[Json]:
    """Retries of every sort, of what is dead and of what answers with errors."""
    found = []
    for number, (host, port) in enumerate((("bare", 81), (BETA, 80))):
        target = [{"destination": {"host": host, "port": {"number": port}}}]
        retries = {"attempts": 1, "retryOn": random.choice(_ON)}
        place = "other" if host == BETA else "default"
        rules = {"hosts": [host], "http": [{"route": target, "retries": retries}]}
        found.append(made("VirtualService", f"again-{number}", place, rules))
    return found


def _to_tried_again(random: Random) -> Json:
    if random.random() < 0.3:
        return request("http://bare:81/")
    return request(f"http://{BETA}/status/{random.choice((409, 500, 502, 503, 504))}")


def _by_address(random: Random) -> list[Json]:
    """Policies that look at addresses alone."""
    blocks = [random.choice(("192.0.2.0/24", "10.244.0.0/16"))]
    field = random.choice(("ipBlocks", "notIpBlocks", "remoteIpBlocks"))
    rule = {"from": [{"source": {field: blocks}}]}
    spec = {
        "selector": {"matchLabels": {"app": "alpha"}},
        "action": random.choice(("ALLOW", "DENY")),
        "rules": [rule],
    }
    return [made("AuthorizationPolicy", "addresses", "default", spec)]


def _to_alpha(random: Random) -> Json:
    origin = random.choice(("deploy/client", "deploy/naked"))
    return request(f"http://alpha:{random.choice((80, 8080))}/", origin)


def _patched(random: Random) -> list[Json]:
    """Filters that EnvoyFilters bring, and settings that they change."""
    fault = {
        "name": "envoy.filters.http.fault",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
            "abort": {"http_status": 418, "percentage": {"numerator": 100}},
        },
    }
    filters = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "SIDECAR_INBOUND"},
        "patch": {"operation": "INSERT_FIRST", "value": fault},
    }
    answer = {
        "applyTo": "HTTP_ROUTE",
        "match": {"context": "SIDECAR_INBOUND"},
        "patch": {
            "operation": "MERGE",
            "value": {"response_headers_to_add": [{"header": {"key": "x-by", "value": "patch"}}]},
        },
    }
    spec = {
        "workloadSelector": {"labels": {"app": "alpha"}},
        "configPatches": [random.choice((filters, answer))],
    }
    return [made("EnvoyFilter", "patched", "default", spec)]


def _tokens(random: Random) -> list[Json]:
    """Tokens are looked at, and some must be there."""
    rules = [
        {"issuer": issuer, "jwks": tokens.key_set(issuer), "audiences": [tokens.AUDIENCES[0]]}
        for issuer in tokens.ISSUERS
    ]
    chosen = {"selector": {"matchLabels": {"app": "alpha"}}}
    found = [made("RequestAuthentication", "seen", "default", {**chosen, "jwtRules": rules})]
    if random.random() < 0.6:
        wanted = random.choice(({"requestPrincipals": ["*"]}, {"requestPrincipals": ["*/bob"]}))
        spec = {**chosen, "action": "ALLOW", "rules": [{"from": [{"source": wanted}]}]}
        found.append(made("AuthorizationPolicy", "with-token", "default", spec))
    return found


def _with_token(random: Random) -> Json:
    headers = [["Authorization", f"Bearer {tokens.token(random)}"]]
    asked = _to_alpha(random)
    return {**asked, "headers": headers if random.random() < 0.85 else []}


def _other_names(random: Random) -> list[Json]:
    """Certificates for other names than are asked for, and TLS twice."""
    host, port = random.choice((("alpha", 80), ("alpha", 443), (BETA, 80), ("bare", 80)))
    tls: Json = {"mode": "ISTIO_MUTUAL", "subjectAltNames": ["spiffe://cluster.local/ns/x/sa/y"]}
    if random.random() < 0.5:
        tls = {"mode": "SIMPLE"}
    block = [{"port": {"number": port}, "tls": tls}]
    spec = {"host": host, "trafficPolicy": {"portLevelSettings": block}}
    return [made("DestinationRule", "names", "default", spec)]


def _to_names(random: Random) -> Json:
    url = random.choice(
        ("http://alpha/", "https://alpha/", "http://alpha:443/", f"http://{BETA}/", "http://bare/")
    )
    return request(url)


def _nothing(_random: Random) -> list[Json]:
    return []


def _odd(random: Random) -> Json:
    """Requests that no proxy takes, and addresses that nobody has."""
    both = [["Content-Length", "5"], ["Transfer-Encoding", "chunked"]]
    return random.choice(
        (
            request("http://10.9.9.9/"),
            request("http://10.9.9.9/", "deploy/naked"),
            request("http://alpha/", headers=both),
            request("http://istio-ingressgateway/", "", headers=both),
            request("http://mail.example:443/", ""),
            request("http://bare:81/", "deploy/naked"),
            request("http://bare:443/"),
        )
    )


THEMES = (
    Theme(_certificates, _to_certificates),
    Theme(_slow, _to_slow),
    Theme(_tried_again, _to_tried_again),
    Theme(_by_address, _to_alpha),
    Theme(_patched, _to_alpha),
    Theme(_tokens, _with_token),
    Theme(_other_names, _to_names),
    Theme(_nothing, _odd),
    *hindered.THEMES,
)
