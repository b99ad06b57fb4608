"""Random rules around the law's workloads: a seed gives a mesh, always the same."""

import json
from collections.abc import Iterable
from random import Random
from typing import Any

from tests.law import further, seldom, tokens

Json = dict[str, Any]

HOSTS = (
    "alpha",
    "bare",
    "beta.other.svc.cluster.local",
    "alpha.default.svc.cluster.local",
    "empty",
)
PORTS = {
    "alpha": (80, 443, 9000, 8080, 81),
    "alpha.default.svc.cluster.local": (80, 443, 9000, 8080),
    "bare": (80, 443, 8443, 9000),
    "beta.other.svc.cluster.local": (80, 8000),
    "empty": (80,),
}
MODES = ("STRICT", "PERMISSIVE", "DISABLE")
TLS = ("DISABLE", "SIMPLE", "ISTIO_MUTUAL")
PATHS = ("/", "/a", "/a/b", "/ab", "/api", "/status/503", "/x")
EXTERNAL = ("shop.example", "api.shop.example", "mail.example")


def mesh(random: Random, themes: Iterable[seldom.Theme] = ()) -> list[Json]:
    """Return the objects of a mesh, few of each kind, and those of its themes."""
    made = [each for theme in themes for each in theme.rules(random)]
    made += _several(random, 2, authentication)
    made += _several(random, 3, destination)
    made += _several(random, 2, routes)
    made += _several(random, 2, authorization)
    made += _several(random, 1, verification)
    if random.random() < 0.7:
        made += gateway(random)
    made += further.of_mesh(random)
    named: dict[tuple[str, str, str], Json] = {}
    for each in made:
        meta = each["metadata"]
        named[each["kind"], meta["namespace"], meta["name"]] = each
    return list(named.values())


def text(objects: list[Json]) -> str:
    """Return objects as one text of manifests."""
    return "\n---\n".join(json.dumps(each) for each in objects)


def _several(random: Random, most: int, make: Any) -> list[Json]:
    return [make(random, number) for number in range(random.randint(0, most))]


def _object(kind: str, name: str, namespace: str, spec: Json) -> Json:
    group = "security" if kind.endswith(("Authentication", "Policy")) else "networking"
    return {
        "apiVersion": f"{group}.istio.io/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def authentication(random: Random, number: int) -> Json:
    """A PeerAuthentication of the mesh, a namespace or a workload, that with port levels."""
    spec: Json = {"mtls": {"mode": random.choice(MODES)}}
    level = random.choice(("mesh", "namespace", "workload", "workload", "port"))
    if level == "mesh":
        return _object("PeerAuthentication", "default", "istio-system", spec)
    if level == "namespace":
        where = random.choice(("default", "other"))
        return _object("PeerAuthentication", "default", where, spec)
    app, where = random.choice((("alpha", "default"), ("beta", "other")))
    spec["selector"] = {"matchLabels": {"app": app}}
    if level == "port":
        port = str(random.choice((80, 443, 9000, 8080)))
        spec["portLevelMtls"] = {port: {"mode": random.choice(MODES)}}
    return _object("PeerAuthentication", f"of-{app}-{number}", where, spec)


def _tls(random: Random) -> Json:
    mode = random.choice(TLS)
    tls: Json = {"mode": mode}
    if mode == "SIMPLE" and random.random() < 0.5:
        tls["insecureSkipVerify"] = True
    if mode != "DISABLE" and random.random() < 0.15:
        tls["sni"] = "named.example"
    if mode == "ISTIO_MUTUAL" and random.random() < 0.2:
        tls["subjectAltNames"] = [
            f"spiffe://cluster.local/ns/default/sa/{random.choice(('default', 'x'))}"
        ]
    return tls


def _policy(random: Random) -> Json:
    policy: Json = {}
    if random.random() < 0.7:
        policy["tls"] = _tls(random)
    if random.random() < 0.2:
        policy["loadBalancer"] = {"simple": random.choice(("PASSTHROUGH", "ROUND_ROBIN", "RANDOM"))}
    if random.random() < 0.2:
        policy["connectionPool"] = {
            "http": {"h2UpgradePolicy": random.choice(("UPGRADE", "DO_NOT_UPGRADE"))}
        }
    if not policy:
        policy["connectionPool"] = {"tcp": {"connectTimeout": "3s"}}
    return further.policy(random, policy)


def destination(random: Random, number: int) -> Json:
    """A DestinationRule, for a host or many, with subsets of the two versions or none."""
    host = random.choice((*HOSTS, "*.local", "*.default.svc.cluster.local"))
    spec: Json = {"host": host, "trafficPolicy": _policy(random)}
    if random.random() < 0.2:
        ports = [{"port": {"number": random.choice((80, 443, 9000))}, "tls": _tls(random)}]
        spec["trafficPolicy"]["portLevelSettings"] = ports
    if host.startswith("alpha"):
        spec["subsets"] = [
            {"name": v, "labels": {"version": v}} for v in ("v1", "v2") if random.random() < 0.8
        ]
        for subset in spec["subsets"]:
            if random.random() < 0.3:
                subset["trafficPolicy"] = _policy(random)
    where = random.choice(("default", "default", "other", "istio-system"))
    return _object("DestinationRule", f"rule-{number}", where, spec)


def _match(random: Random) -> Json:
    match: Json = {}
    if random.random() < 0.8:
        how = random.choice(("exact", "prefix", "prefix", "regex"))
        value = random.choice(PATHS)
        match["uri"] = {how: value + ".*" if how == "regex" else value}
        if how != "regex" and random.random() < 0.2:
            match["ignoreUriCase"] = True
    if random.random() < 0.2:
        match["method"] = {"exact": random.choice(("GET", "POST"))}
    if random.random() < 0.25:
        match["headers"] = {"x-tier": {random.choice(("exact", "prefix")): "gold"}}
    if random.random() < 0.15:
        match["withoutHeaders"] = {"x-tier": {"exact": "gold"}}
    if random.random() < 0.1:
        match["queryParams"] = {"v": {"exact": "2"}}
    if random.random() < 0.1:
        match["authority"] = {"prefix": "alpha"}
    return match


def _destination(random: Random) -> Json:
    host = random.choice(HOSTS)
    target: Json = {"host": host, "port": {"number": random.choice(PORTS[host])}}
    if host.startswith("alpha") and random.random() < 0.5:
        target["subset"] = random.choice(("v1", "v2", "v2", "v3"))
    return {"destination": target}


def _route(random: Random) -> Json:
    route: Json = {}
    if random.random() < 0.85:
        route["match"] = [_match(random) for _ in range(random.randint(1, 2))]
    kind = random.random()
    if kind < 0.08:
        route["directResponse"] = {"status": random.choice((200, 418, 503))}
        return route
    if kind < 0.16:
        route["redirect"] = {"uri": "/elsewhere", "redirectCode": random.choice((301, 302, 308))}
        return route
    route["route"] = [_destination(random)]
    if random.random() < 0.25:
        route["route"].append(_destination(random))
        weight = random.choice((0, 30, 50, 100))
        route["route"][0]["weight"], route["route"][1]["weight"] = weight, 100 - weight
    if random.random() < 0.2:
        route["rewrite"] = {"uri": random.choice(("/", "/status/404", "/status/503"))}
    if random.random() < 0.1:
        route["rewrite"] = {"authority": random.choice(EXTERNAL)}
    if random.random() < 0.15:
        percent = random.choice((0, 50, 100))
        route["fault"] = {"abort": {"percentage": {"value": percent}, "httpStatus": 599 - percent}}
    if random.random() < 0.2:
        route["retries"] = {
            "attempts": random.choice((1, 2)),
            "retryOn": random.choice(("5xx", "reset", "connect-failure,retriable-status-codes")),
        }
    if random.random() < 0.15:
        route["headers"] = {"request": {"set": {"x-tier": "gold"}}}
    return further.embellished(random, route)


def routes(random: Random, number: int) -> Json:
    """A VirtualService for sidecars."""
    host = random.choice(HOSTS)
    spec = {"hosts": [host], "http": [_route(random) for _ in range(random.randint(1, 4))]}
    where = "other" if host.startswith("beta") else "default"
    return _object("VirtualService", f"inside-{number}", where, spec)


def gateway(random: Random) -> list[Json]:
    """A Gateway, and VirtualServices for its hosts."""
    servers: list[Json] = [
        {
            "port": {"number": 80, "name": "http", "protocol": "HTTP"},
            "hosts": random.choice((["*"], ["*.example"], ["shop.example", "mail.example"])),
        }
    ]
    if random.random() < 0.2:
        servers[0]["tls"] = {"httpsRedirect": True}
    if random.random() < 0.5:
        servers.append(
            {
                "port": {"number": 443, "name": "tls", "protocol": "TLS"},
                "hosts": ["shop.example", "*.shop.example"],
                "tls": {"mode": "PASSTHROUGH"},
            }
        )
    if random.random() < 0.5:
        servers.append(
            {
                "port": {"number": 443, "name": "https", "protocol": "HTTPS"},
                "hosts": ["mail.example"],
                "tls": {
                    "mode": random.choice(("SIMPLE", "SIMPLE", "MUTUAL")),
                    "credentialName": random.choice(("good", "good", "missing")),
                },
            }
        )
    spec = {"selector": {"istio": "ingressgateway"}, "servers": servers}
    made = [_object("Gateway", "edge", "default", spec)]
    for number in range(random.randint(1, 2)):
        hosts = random.choice(
            (["*"], ["shop.example"], ["*.example"], ["mail.example", "*.shop.example"])
        )
        own: Json = {
            "hosts": hosts,
            "gateways": ["edge"],
            "http": [_route(random) for _ in range(random.randint(1, 4))],
        }
        if "*" not in hosts and random.random() < 0.6:
            target = {
                "destination": {"host": random.choice(("alpha", "bare")), "port": {"number": 443}}
            }
            own["tls"] = [{"match": [{"port": 443, "sniHosts": [hosts[-1]]}], "route": [target]}]
        made.append(_object("VirtualService", f"outside-{number}", "default", own))
    return made


def verification(random: Random, number: int) -> Json:
    """A RequestAuthentication of the mesh, a workload or the gateway."""
    rules = []
    for issuer in random.sample(tokens.ISSUERS, random.randint(1, 2)):
        rule: Json = {"issuer": issuer, "jwks": tokens.key_set(issuer)}
        if random.random() < 0.3:
            rule["audiences"] = [random.choice(tokens.AUDIENCES)]
        if random.random() < 0.3:
            rule["fromHeaders"] = [{"name": tokens.HEADER}]
        if random.random() < 0.2:
            rule["forwardOriginalToken"] = True
        rules.append(rule)
    app, where = random.choice(
        (
            ("", "istio-system"),
            ("alpha", "default"),
            ("beta", "other"),
            ("istio-ingressgateway", "istio-system"),
        )
    )
    spec: Json = {"jwtRules": rules}
    if app:
        spec["selector"] = {"matchLabels": {"app": app}}
    return _object("RequestAuthentication", f"tokens-{number}", where, spec)


def _source(random: Random) -> Json:
    return {
        "source": random.choice(
            (
                {"principals": ["cluster.local/ns/default/sa/caller"]},
                {"principals": ["*/sa/default"]},
                {"notPrincipals": ["cluster.local/ns/default/sa/caller"]},
                {"namespaces": ["default"]},
                {"namespaces": ["istio-system"]},
                {"notNamespaces": ["default"]},
                {"ipBlocks": ["10.244.0.0/16"]},
                {"notIpBlocks": ["10.0.0.0/8"]},
                {"ipBlocks": ["192.0.2.0/24"]},
                {"remoteIpBlocks": ["10.244.0.0/16"]},
                {"principals": ["*"]},
                {"requestPrincipals": ["*"]},
                {"requestPrincipals": ["issuer-a/*", "*/bob"]},
                {"notRequestPrincipals": ["issuer-b/alice"]},
            )
        )
    }


def _operation(random: Random) -> Json:
    return {
        "operation": random.choice(
            (
                {"paths": ["/a*", "/status/*"]},
                {"paths": ["*"], "methods": ["GET"]},
                {"notPaths": ["/a"]},
                {"methods": ["POST", "GET"]},
                {"ports": ["80", "443"]},
                {"notPorts": ["9000"]},
                {"hosts": ["alpha*", "*.example"]},
                {"notMethods": ["GET"]},
            )
        )
    }


def authorization(random: Random, number: int) -> Json:
    """An AuthorizationPolicy of the mesh, a namespace, a workload or the gateway."""
    rules = []
    for _ in range(random.randint(0, 2)):
        rule: Json = {}
        if random.random() < 0.6:
            rule["from"] = [_source(random) for _ in range(random.randint(1, 2))]
        if random.random() < 0.6:
            rule["to"] = [_operation(random) for _ in range(random.randint(1, 2))]
        if random.random() < 0.15:
            rule["when"] = [{"key": "request.headers[x-tier]", "values": ["gold"]}]
        elif random.random() < 0.15:
            claim = random.choice(("claims[groups]", "claims[scope]", "audiences"))
            rule["when"] = [{"key": f"request.auth.{claim}", "values": ["admin", "web"]}]
        rules.append(rule)
    spec: Json = {"action": random.choice(("ALLOW", "ALLOW", "DENY")), "rules": rules}
    app, where = random.choice(
        (
            ("", "default"),
            ("alpha", "default"),
            ("beta", "other"),
            ("alpha", "default"),
            ("istio-ingressgateway", "istio-system"),
        )
    )
    if app:
        spec["selector"] = {"matchLabels": {"app": app}}
    if not rules:
        spec["action"] = "ALLOW"  # DENY without rules is refused
        del spec["rules"]
    return _object("AuthorizationPolicy", f"who-{number}", where, spec)
