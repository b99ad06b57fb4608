"""Objects and requests as the law's generators make them."""

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

Json = dict[str, Any]
BETA = "beta.other.svc.cluster.local"


class Theme(NamedTuple):
    """Rules by chance, and requests to them by chance."""

    rules: Callable[[Random], list[Json]]
    request: Callable[[Random], Json]


def made(kind: str, name: str, namespace: str, spec: Json) -> Json:
    """Return an object of one of Istio's kinds."""
    policy = kind.endswith(("Authentication", "Policy"))
    group = "security.istio.io/v1" if policy else "networking.istio.io/v1"
    if kind == "EnvoyFilter":
        group = "networking.istio.io/v1alpha3"
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": group, "kind": kind, "metadata": meta, "spec": spec}


def request(url: str, origin: str = "deploy/client", **more: Any) -> Json:
    """Return the body of a request to a lab, for `curl` and `explain` alike."""
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
