"""Manifests that nobody wrote, for cases about VirtualServices alone.

The Gateways that they are bound to, and one for those that only sidecars follow, so that a client
outside can ask for all of them. Pure.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from lateen.app.foresight.rehearsal import Item
from lateen.base.jsonvalue import Json

_NETWORKING = "networking.istio.io/v1"
_INSIDE = "lateen-cases"


def completed(items: Sequence[Item]) -> list[Item]:
    """Return the manifests with what is missing. A VirtualService without a gateway is bound to one
    that is made for it; the Services of destinations need not be there."""
    there = {_key(each.body) for each in items if each.body.get("kind") == "Gateway"}
    made: dict[tuple[str, str], Json] = {}
    result = []
    for each in items:
        if each.body.get("kind") != "VirtualService":
            result.append(each)
            continue
        body = _bound(each.body)
        result.append(Item(body, each.locate))
        namespace = _key(each.body)[0]
        for written in body["spec"]["gateways"]:
            home, _, name = written.rpartition("/")
            key = home or namespace, name
            if key not in there and written != "mesh":
                made[key] = _gateway(*key)
    return [*result, *(Item(body) for body in made.values())]


def _key(body: Mapping[str, Any]) -> tuple[str, str]:
    metadata = body.get("metadata") or {}
    return str(metadata.get("namespace") or "default"), str(metadata.get("name"))


def _bound(body: Mapping[str, Any]) -> Json:
    """Return a VirtualService that some gateway follows."""
    spec = dict(body.get("spec") or {})
    named = [one for one in spec.get("gateways") or () if one != "mesh"]
    spec["gateways"] = named or [_INSIDE]
    return {**body, "spec": spec}


def _gateway(namespace: str, name: str) -> Json:
    server = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
    return {
        "apiVersion": _NETWORKING,
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"istio": "ingressgateway"}, "servers": [server]},
    }
