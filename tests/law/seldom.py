"""What seldom comes about by chance: rules that bring one class of failures about, and the requests
that meet them. A mesh has few of them, beside its random rules."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

from tests.law import tokens

Json = dict[str, Any]
GATEWAY = "istio-ingressgateway.istio-system.svc.cluster.local"
_BETA = "beta.other.svc.cluster.local"
_SECURED = ("mutual.example", "expired.example", "good.example")


class Theme(NamedTuple):
    """Rules by chance, and requests to them by chance."""

    rules: Callable[[Random], list[Json]]
    request: Callable[[Random], Json]


def of_mesh(random: Random) -> tuple[Theme, ...]:
    """Return the themes of a mesh: none of most meshes, else two."""
    return tuple(random.sample(THEMES, 2)) if random.random() < 0.5 else ()


def _object(kind: str, name: str, namespace: str, spec: Json) -> Json:
    policy = kind.endswith(("Authentication", "Policy"))
    group = "security.istio.io/v1" if policy else "networking.istio.io/v1"
    if kind == "EnvoyFilter":
        group = "networking.istio.io/v1alpha3"
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec}


def _request(url: str, origin: str = "deploy/client", **more: Any) -> Json:
    return {
        "url": url,
        "from": origin,
        "namespace": "default",
        "method": "GET",
        "headers": [],
        "http": "1.1",
        "insecure": True,
        "timeout": 5.0,
        **more,
    }


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
        _object("Gateway", "back", "istio-system", spec),
        _object(
            "VirtualService",
            "back-in",
            "istio-system",
            {"hosts": ["back.example"], "gateways": ["back"], "http": again},
        ),
        _object(
            "VirtualService",
            "back-on",
            "default",
            {
                "hosts": list(_SECURED),
                "gateways": ["istio-system/back"],
                "http": [{"route": [to_bare]}],
            },
        ),
        _object(
            "DestinationRule",
            "back",
            "istio-system",
            {"host": GATEWAY, "trafficPolicy": {"tls": tls}},
        ),
    ]


def _to_certificates(random: Random) -> Json:
    if random.random() < 0.6:
        host = [["Host", "back.example"]]
        return _request("http://istio-ingressgateway/a", "", headers=host)
    url = f"https://{random.choice(_SECURED)}/a"
    return _request(url, "", insecure=random.random() < 0.7)


def _slow(random: Random) -> list[Json]:
    """Less time than the application takes."""
    target = [{"destination": {"host": _BETA, "port": {"number": 80}}}]
    tried = {"attempts": 1, "perTryTimeout": "0.2s", "retryOn": "5xx"}
    bounded: Json = {"timeout": "0.3s"} if random.random() < 0.5 else {"retries": tried}
    return [
        _object(
            "VirtualService",
            "slow",
            "other",
            {"hosts": [_BETA], "http": [{"route": target, **bounded}]},
        )
    ]


def _to_slow(random: Random) -> Json:
    return _request(f"http://{_BETA}{random.choice(('/delay/1', '/status/200'))}")


_ON = ("5xx", "gateway-error", "reset", "retriable-4xx", "connect-failure", "503", "5xx,409")


def _tried_again(random: Random) -> list[Json]:
    """Retries of every sort, of what is dead and of what answers with errors."""
    made = []
    for number, (host, port) in enumerate((("bare", 81), (_BETA, 80))):
        target = [{"destination": {"host": host, "port": {"number": port}}}]
        retries = {"attempts": 1, "retryOn": random.choice(_ON)}
        place = "other" if host == _BETA else "default"
        rules = {"hosts": [host], "http": [{"route": target, "retries": retries}]}
        made.append(_object("VirtualService", f"again-{number}", place, rules))
    return made


def _to_tried_again(random: Random) -> Json:
    if random.random() < 0.3:
        return _request("http://bare:81/")
    return _request(f"http://{_BETA}/status/{random.choice((409, 500, 502, 503, 504))}")


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
    return [_object("AuthorizationPolicy", "addresses", "default", spec)]


def _to_alpha(random: Random) -> Json:
    origin = random.choice(("deploy/client", "deploy/naked"))
    return _request(f"http://alpha:{random.choice((80, 8080))}/", origin)


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
    return [_object("EnvoyFilter", "patched", "default", spec)]


def _tokens(random: Random) -> list[Json]:
    """Tokens are looked at, and some must be there."""
    rules = [
        {"issuer": issuer, "jwks": tokens.key_set(issuer), "audiences": [tokens.AUDIENCES[0]]}
        for issuer in tokens.ISSUERS
    ]
    chosen = {"selector": {"matchLabels": {"app": "alpha"}}}
    made = [_object("RequestAuthentication", "seen", "default", {**chosen, "jwtRules": rules})]
    if random.random() < 0.6:
        wanted = random.choice(({"requestPrincipals": ["*"]}, {"requestPrincipals": ["*/bob"]}))
        spec = {**chosen, "action": "ALLOW", "rules": [{"from": [{"source": wanted}]}]}
        made.append(_object("AuthorizationPolicy", "with-token", "default", spec))
    return made


def _with_token(random: Random) -> Json:
    headers = [["Authorization", f"Bearer {tokens.token(random)}"]]
    asked = _to_alpha(random)
    return {**asked, "headers": headers if random.random() < 0.85 else []}


def _other_names(random: Random) -> list[Json]:
    """Certificates for other names than are asked for, and TLS twice."""
    host, port = random.choice((("alpha", 80), ("alpha", 443), (_BETA, 80), ("bare", 80)))
    tls: Json = {"mode": "ISTIO_MUTUAL", "subjectAltNames": ["spiffe://cluster.local/ns/x/sa/y"]}
    if random.random() < 0.5:
        tls = {"mode": "SIMPLE"}
    block = [{"port": {"number": port}, "tls": tls}]
    spec = {"host": host, "trafficPolicy": {"portLevelSettings": block}}
    return [_object("DestinationRule", "names", "default", spec)]


def _to_names(random: Random) -> Json:
    url = random.choice(
        ("http://alpha/", "https://alpha/", "http://alpha:443/", f"http://{_BETA}/", "http://bare/")
    )
    return _request(url)


def _nothing(_random: Random) -> list[Json]:
    return []


def _odd(random: Random) -> Json:
    """Requests that no proxy takes, and addresses that nobody has."""
    both = [["Content-Length", "5"], ["Transfer-Encoding", "chunked"]]
    return random.choice(
        (
            _request("http://10.9.9.9/"),
            _request("http://10.9.9.9/", "deploy/naked"),
            _request("http://alpha/", headers=both),
            _request("http://istio-ingressgateway/", "", headers=both),
            _request("http://mail.example:443/", ""),
            _request("http://bare:81/", "deploy/naked"),
            _request("http://bare:443/"),
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
)
