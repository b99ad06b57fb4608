"""More that seldom comes about by chance: authorizers, clients without patience, protocols that do
not fit, breakers that let nothing through, and scripts of which nothing can be said."""

from random import Random
from typing import Any

from tests.law.objects import BETA, Json, Theme, made, request

LUA = "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"


def _authorizers(random: Random) -> list[Json]:
    """An authorizer is asked about some requests; one is there, one is nowhere."""
    rule = random.choice(
        (
            {"to": [{"operation": {"paths": ["/a*", "/"]}}]},
            {"to": [{"operation": {"methods": ["GET"]}}]},
            {"from": [{"source": {"principals": ["*"]}}]},
        )
    )
    spec = {
        "selector": {"matchLabels": {"app": "alpha"}},
        "action": "CUSTOM",
        "provider": {"name": random.choice(("checker", "checker", "nobody"))},
        "rules": [rule],
    }
    return [made("AuthorizationPolicy", "asked", "default", spec)]


def _to_authorized(random: Random) -> Json:
    headers = [["x-ext-authz", random.choice(("allow", "allow", "no"))]]
    origin = random.choice(("deploy/client", "deploy/client", "deploy/naked"))
    path = random.choice(("/", "/a", "/x"))
    return request(
        f"http://alpha:{random.choice((80, 8080))}{path}",
        origin,
        headers=headers if random.random() < 0.7 else [],
        method=random.choice(("GET", "GET", "POST")),
    )


def _patience(random: Random) -> list[Json]:
    """Some routes end a request before its client does."""
    target = [{"destination": {"host": BETA, "port": {"number": 80}}}]
    rules = [] if random.random() < 0.5 else [{"route": target, "timeout": "0.2s"}]
    pool = {"http": {"h2UpgradePolicy": random.choice(("UPGRADE", "DO_NOT_UPGRADE"))}}
    spec = {"host": BETA, "trafficPolicy": {"connectionPool": pool}}
    found = [made("DestinationRule", "streams", "other", spec)]
    if rules:
        found.append(made("VirtualService", "hurried", "other", {"hosts": [BETA], "http": rules}))
    return found


def _impatient(random: Random) -> Json:
    """A client that leaves before the application answers, which takes a second."""
    return request(f"http://{BETA}/delay/1", timeout=0.6)


def _answered(random: Random) -> list[Json]:
    """Routes that answer by themselves, or send elsewhere."""
    rules: list[Json] = [
        {
            "match": [{"uri": {"exact": "/a"}}],
            "directResponse": {"status": random.choice((200, 403, 503)), "body": {"string": "no"}},
        },
        {
            "match": [{"uri": {"prefix": "/api"}}],
            "redirect": {
                "uri": "/b",
                "authority": random.choice(("alpha", "mail.example")),
                "redirectCode": random.choice((301, 302, 303, 307, 308)),
            },
        },
        {"route": [{"destination": {"host": "bare", "port": {"number": 80}}}]},
    ]
    return [made("VirtualService", "answers", "default", {"hosts": ["bare"], "http": rules})]


def _to_answered(random: Random) -> Json:
    return request(f"http://bare{random.choice(('/a', '/a', '/api/v1', '/x'))}")


def _protocols(random: Random) -> list[Json]:
    """HTTP/2 to applications that speak HTTP/1 alone, in plaintext or in TLS."""
    host = random.choice(("bare", "alpha"))
    policy: Json = {"connectionPool": {"http": {"h2UpgradePolicy": "UPGRADE"}}}
    if random.random() < 0.4:
        policy["tls"] = {"mode": random.choice(("DISABLE", "SIMPLE"))}
    spec = {"host": host, "trafficPolicy": policy}
    return [made("DestinationRule", "upgraded", "default", spec)]


def _to_protocols(random: Random) -> Json:
    host = random.choice(("bare", "bare", "alpha"))
    port = random.choice((80, 84, 84, 8443) if host == "bare" else (80, 8080))
    return request(f"http://{host}:{port}/")


def _breakers(random: Random) -> list[Json]:
    """A circuit breaker that would be open from the beginning, were it not for the one before."""
    limit = random.choice(("max_requests", "max_connections"))
    cluster = {
        "applyTo": "CLUSTER",
        "match": {
            "context": "SIDECAR_OUTBOUND",
            "cluster": {"service": "bare.default.svc.cluster.local"},
        },
        "patch": {
            "operation": "MERGE",
            "value": {"circuit_breakers": {"thresholds": [{limit: 0}]}},
        },
    }
    return [made("EnvoyFilter", "open", "default", {"configPatches": [cluster]})]


def _to_breakers(random: Random) -> Json:
    return request(f"http://bare:{random.choice((80, 81, 8443))}/")


def _script(random: Random) -> list[Json]:
    """A script, which does nothing: but who says so?"""
    code = "function envoy_on_request(handle) end"
    lua = {
        "name": "script",
        "typed_config": {"@type": LUA, "default_source_code": {"inline_string": code}},
    }
    patch = {
        "applyTo": "HTTP_FILTER",
        "match": {"context": "SIDECAR_INBOUND"},
        "patch": {"operation": "INSERT_FIRST", "value": lua},
    }
    spec = {"workloadSelector": {"labels": {"app": "beta"}}, "configPatches": [patch]}
    return [made("EnvoyFilter", "scripted", "other", spec)]


def _to_script(random: Random) -> Json:
    return request(f"http://{BETA}{random.choice(('/', '/status/200'))}")


def scripted(objects: list[Json]) -> bool:
    """Whether a mesh has a filter of which nothing can be said."""
    return any(LUA in str(each["spec"]) for each in objects)


def _outer_tls(random: Random) -> list[Json]:
    """TLS of the proxy's own around what is TLS already, and none around what should be."""
    mode: dict[str, Any] = {"mode": random.choice(("SIMPLE", "ISTIO_MUTUAL", "DISABLE"))}
    block = [{"port": {"number": 443}, "tls": mode}]
    host = random.choice(("bare", "alpha"))
    spec = {"host": host, "trafficPolicy": {"portLevelSettings": block}}
    return [made("DestinationRule", "outer", "default", spec)]


def _to_outer_tls(random: Random) -> Json:
    host = random.choice(("bare", "alpha"))
    scheme = random.choice(("https", "https", "http"))
    return request(f"{scheme}://{host}:443/", random.choice(("deploy/client", "deploy/naked")))


THEMES = (
    Theme(_authorizers, _to_authorized),
    Theme(_patience, _impatient),
    Theme(_answered, _to_answered),
    Theme(_protocols, _to_protocols),
    Theme(_breakers, _to_breakers),
    Theme(_script, _to_script),
    Theme(_outer_tls, _to_outer_tls),
)
