"""Random requests to the law's workloads: a seed gives requests, always the same."""

from collections.abc import Sequence
from random import Random
from typing import Any

from tests.law import seldom, tokens
from tests.law.further import OUTER
from tests.law.meshes import EXTERNAL, PATHS

Json = dict[str, Any]

_FROM = (
    ("", "default"),
    ("deploy/client", "default"),
    ("deploy/client", "default"),
    ("deploy/naked", "default"),
    ("deploy/beta", "other"),
)
_INSIDE = (
    ("alpha", (80, 80, 443, 9000, 8080, 81, 82)),
    ("alpha.default.svc.cluster.local", (80, 443, 9000)),
    ("alpha-v2.default", (7080, 7443)),
    ("bare.default", (80, 443, 8443, 9000)),
    ("beta.other", (80, 8000)),
    ("beta-pods.other.svc.cluster.local", (80,)),
    ("empty.default", (80,)),
)
_SECURE = frozenset({443, 8443, 7443})


def _method(random: Random, headers: list[list[str]]) -> str:
    if any(name == "access-control-request-method" for name, _ in headers):
        return "OPTIONS"
    return random.choice(("GET", "GET", "GET", "POST", "DELETE"))


def flow(random: Random, themes: Sequence[seldom.Theme] = ()) -> Json:
    """Return the body of a request to a lab, for `curl` and `explain` alike; half of them are of
    the mesh's themes, if it has some."""
    if themes and random.random() < 0.5:
        return random.choice(themes).request(random)
    origin, namespace = random.choice(_FROM)
    headers = []
    if origin:
        host, ports = random.choice(_INSIDE)
        port = random.choice(ports)
        secure = port in _SECURE if random.random() < 0.85 else random.random() < 0.5
    else:
        host = random.choice((*EXTERNAL, "istio-ingressgateway", "other.test"))
        secure = random.random() < 0.35
        port = 443 if secure else 80
    if random.random() < 0.1:
        named = (*EXTERNAL, *OUTER, "alpha", "alpha:80", "ALPHA")
        headers.append(["Host", random.choice(named)])
    if random.random() < 0.25:
        headers.append(["x-tier", random.choice(("gold", "golden", "iron"))])
    if random.random() < 0.2:
        name, prefix = random.choice((("Authorization", "Bearer "), (tokens.HEADER, "")))
        headers.append([name, prefix + tokens.token(random)])
    path = random.choice(PATHS)
    if random.random() < 0.15:
        path = random.choice(
            ("/a/../b", "//a", "/A", "/a%2Fb", "/a?v=2", "/%61", "/api/v1", "/a;b")
        )
    version = random.choices(("1.1", "2", "1.0"), (85, 10, 5))[0]
    if random.random() < 0.06:
        version = "2"
        headers += [["content-type", "application/grpc"], ["te", "trailers"]]
    elif random.random() < 0.06:
        headers += [["origin", random.choice(("https://web.example", "https://no.example"))]]
        if random.random() < 0.5:
            headers.append(["access-control-request-method", random.choice(("GET", "PUT"))])
    if version == "1.0":
        headers = [pair for pair in headers if pair[0] != "Host"]
    return {
        "url": f"{'https' if secure else 'http'}://{host}:{port}{path}",
        "from": origin,
        "namespace": namespace,
        "method": _method(random, headers),
        "headers": headers,
        "http": version,
        "insecure": random.random() < 0.9,
        "timeout": 5.0,
    }
