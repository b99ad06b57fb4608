"""Further rules for the law's meshes: what applications reach beyond Services, what proxies see,
routes for bytes, what routes say beside their destination."""

from random import Random
from typing import Any

Json = dict[str, Any]
OUTER = ("outer.example", "inner.example")
"""Hosts that only ServiceEntries know."""


def of_mesh(random: Random) -> list[Json]:
    """Return objects of the further kinds, few of each, and none of most in most meshes."""
    made: list[Json] = []
    for share, make in (
        (0.3, entry),
        (0.25, sidecar),
        (0.25, bytes_route),
        (0.15, telemetry),
        (0.2, delegated),
        (0.15, custom),
    ):
        if random.random() < share:
            made += make(random)
    return made


def embellished(random: Random, route: Json) -> Json:
    """Return a route with what decides nothing of its destination, or a little."""
    if "route" not in route:
        return route
    if random.random() < 0.1:
        route["mirror"] = {"host": "beta.other.svc.cluster.local", "port": {"number": 80}}
        route["mirrorPercentage"] = {"value": random.choice((0.0, 100.0))}
    if random.random() < 0.1:
        route["corsPolicy"] = {
            "allowOrigins": [{"exact": "https://web.example"}],
            "allowMethods": ["GET", "POST"],
            "allowHeaders": ["x-tier"],
            "maxAge": "1h",
        }
    if random.random() < 0.1:
        route["timeout"] = random.choice(("5s", "30s"))
    if random.random() < 0.1:
        kept = route.setdefault("headers", {})
        kept["response"] = {"set": {"x-seen": "yes"}, "remove": ["server"]}
        kept.setdefault("request", {})["remove"] = ["x-tier"]
    if random.random() < 0.08:
        route["fault"] = {"delay": {"percentage": {"value": 100}, "fixedDelay": "0.02s"}}
    if random.random() < 0.08 and "rewrite" not in route:
        route["rewrite"] = {"uriRegexRewrite": {"match": "^/a(.*)$", "rewrite": "/status/404"}}
    for match in route.get("match", ()):
        _further_match(random, match)
    return route


def _further_match(random: Random, match: Json) -> None:
    if random.random() < 0.08:
        match["sourceLabels"] = {"app": random.choice(("client", "beta"))}
    if random.random() < 0.08:
        match["port"] = random.choice((80, 8080))
    if random.random() < 0.05:
        match["scheme"] = {"exact": random.choice(("http", "https"))}
    if random.random() < 0.05:
        match["sourceNamespace"] = random.choice(("default", "other"))
    if random.random() < 0.05:
        match["headers"] = {"x-tier": {"regex": "go.*"}}


def policy(random: Random, made: Json) -> Json:
    """Return a traffic policy with settings that change no way of a lone request, or its TLS."""
    if random.random() < 0.1:
        made["outlierDetection"] = {"consecutive5xxErrors": 50, "interval": "60s"}
    if random.random() < 0.08:
        made["loadBalancer"] = {"consistentHash": {"httpHeaderName": "x-tier"}}
    if random.random() < 0.08:
        pool = made.setdefault("connectionPool", {})
        pool["tcp"] = {"maxConnections": 100, "connectTimeout": "2s"}
        pool.setdefault("http", {})["idleTimeout"] = "30s"
    if random.random() < 0.04:
        made.setdefault("connectionPool", {}).setdefault("http", {})["maxRetries"] = 3
    return made


def _object(kind: str, name: str, namespace: str, spec: Json) -> Json:
    group = {"Telemetry": "telemetry"}.get(kind, "networking")
    return {
        "apiVersion": f"{group}.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def entry(random: Random) -> list[Json]:
    """A ServiceEntry, whose endpoints are pods or a name of the mesh."""
    host = random.choice(OUTER)
    ports = [
        {"number": 80, "name": "http", "protocol": "HTTP"},
        {"number": 443, "name": "tls", "protocol": random.choice(("TLS", "HTTPS"))},
        {"number": 9000, "name": "tcp", "protocol": "TCP"},
    ]
    spec: Json = {
        "hosts": [host],
        "location": random.choice(("MESH_EXTERNAL", "MESH_INTERNAL")),
        "ports": random.sample(ports, random.randint(1, 3)),
    }
    how = random.choice(("pods", "name", "none"))
    if how == "pods":
        spec["resolution"] = "STATIC"
        spec["workloadSelector"] = {"labels": {"app": random.choice(("alpha", "bare"))}}
    elif how == "name":
        spec["resolution"] = "DNS"
        spec["endpoints"] = [{"address": "bare.default.svc.cluster.local"}]
    else:
        spec["resolution"] = "NONE"
    if random.random() < 0.3:
        spec["exportTo"] = [random.choice((".", "*"))]
    return [_object("ServiceEntry", "outer", "default", spec)]


def sidecar(random: Random) -> list[Json]:
    """What the proxies of a workload, or of a namespace, see."""
    hosts = random.choice(
        (
            ["./*", "istio-system/*"],
            ["*/*"],
            ["./alpha.default.svc.cluster.local"],
            ["other/*"],
            ["*/beta.other.svc.cluster.local", "./bare.default.svc.cluster.local"],
        )
    )
    spec: Json = {"egress": [{"hosts": hosts}]}
    if random.random() < 0.5:
        spec["outboundTrafficPolicy"] = {"mode": random.choice(("REGISTRY_ONLY", "ALLOW_ANY"))}
    if random.random() < 0.4:
        spec["workloadSelector"] = {"labels": {"app": "client"}}
    return [_object("Sidecar", "seen", "default", spec)]


def custom(random: Random) -> list[Json]:
    """A policy whose provider the mesh does not define: what its rules match is refused."""
    operation = random.choice(({"paths": ["/a*"]}, {"methods": ["POST"]}, {"ports": ["9000"]}))
    spec: Json = {
        "action": "CUSTOM",
        "provider": {"name": "nobody"},
        "selector": {"matchLabels": {"app": random.choice(("alpha", "istio-ingressgateway"))}},
        "rules": [{"to": [{"operation": operation}]}],
    }
    gateway = spec["selector"]["matchLabels"]["app"] != "alpha"
    where = "istio-system" if gateway else "default"
    return [_object("AuthorizationPolicy", "asked", where, spec)]


def bytes_route(random: Random) -> list[Json]:
    """A VirtualService for TCP, or for TLS by its name."""
    subset = random.choice(("", "v1", "v3"))
    target: Json = {"host": "alpha", "port": {"number": 9000}}
    if subset:
        target["subset"] = subset
    spec: Json = {"hosts": ["alpha"]}
    if random.random() < 0.6:
        spec["tcp"] = [
            {
                "match": [{"port": random.choice((9000, 9001))}],
                "route": [
                    {"destination": target, "weight": 100},
                    {"destination": {"host": "bare", "port": {"number": 9000}}, "weight": 0},
                ],
            }
        ]
    else:
        names = random.choice((["alpha"], ["alpha.default"], ["*.default.svc.cluster.local"]))
        spec["hosts"] = names
        spec["tls"] = [
            {
                "match": [{"port": 443, "sniHosts": names}],
                "route": [{"destination": {"host": "bare", "port": {"number": 443}}}],
            }
        ]
    return [_object("VirtualService", "bytes", "default", spec)]


def telemetry(random: Random) -> list[Json]:
    """What is logged and traced decides nothing."""
    spec: Json = {"accessLogging": [{"disabled": random.random() < 0.5}]}
    if random.random() < 0.5:
        spec["tracing"] = [{"disableSpanReporting": True}]
    where = random.choice(("istio-system", "default"))
    return [_object("Telemetry", "told", where, spec)]


def delegated(random: Random) -> list[Json]:
    """A VirtualService that leaves its routes to another."""
    part = {
        "http": [
            {
                "match": [{"uri": {"prefix": "/a/b"}}],
                "route": [{"destination": {"host": "bare", "port": {"number": 80}}}],
            },
            {"route": [{"destination": {"host": "alpha", "port": {"number": 80}}}]},
        ]
    }
    root = {
        "hosts": [random.choice(("beta.other.svc.cluster.local", "shop.example"))],
        "http": [
            {
                "match": [{"uri": {"prefix": random.choice(("/a", "/"))}}],
                "delegate": {"name": "part", "namespace": "default"},
            }
        ],
    }
    if root["hosts"] == ["shop.example"]:
        root["gateways"] = ["default/edge"]
    return [
        _object("VirtualService", "part", "default", part),
        _object("VirtualService", "whole", "default", root),
    ]
