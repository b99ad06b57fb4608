"""Statuses of Gateways and routes: what is written, and that it is written once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from lateen.base.jsonvalue import Json
from lateen.controllers.engine import actions, cache
from lateen.controllers.gatewayapi import teller

NOW = datetime(2026, 1, 1, tzinfo=UTC)
API = "gateway.networking.k8s.io/v1"
GATEWAYS = "gateways.gateway.networking.k8s.io"
ROUTES = "httproutes.gateway.networking.k8s.io"


def obj(kind: str, name: str, spec: Json, status: Json | None = None, version: str = "1") -> Json:
    meta = {"name": name, "namespace": "infra", "uid": name, "generation": 3}
    meta |= {"resourceVersion": version}
    api = "v1" if kind == "Service" else API
    return {"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec, "status": status or {}}


def mesh(class_name: str = "istio") -> cache.Cache:
    found = cache.Cache()
    listener = {"name": "http", "port": 80, "protocol": "HTTP"}
    spec: Json = {"gatewayClassName": class_name, "listeners": [listener]}
    found.put(GATEWAYS, obj("Gateway", "g", spec))
    held = {"loadBalancer": {"ingress": [{"ip": "192.168.1.51"}]}}
    ports: Json = {"type": "LoadBalancer", "ports": [{"name": "http", "port": 80}]}
    found.put("services", obj("Service", "g-istio", ports, held))
    found.put(ROUTES, route())
    return found


def route(status: Json | None = None, version: str = "1") -> Json:
    rules = [{"backendRefs": [{"name": "gone", "port": 80}]}]
    return obj("HTTPRoute", "r", {"parentRefs": [{"name": "g"}], "rules": rules}, status, version)


def said(known: cache.Cache, now: datetime = NOW) -> dict[str, Json]:
    done = teller.Teller("cluster.local").reconcile(("gateway-api",), known, now)
    return {
        each.resource: dict(each.body["status"])
        for each in done.actions
        if isinstance(each, actions.SetStatus)
    }


def conditions(told: list[Json]) -> dict[str, Any]:
    return {each["type"]: (each["status"], each["reason"]) for each in told}


def test_what_is_said_of_a_gateway_and_a_route() -> None:
    told = said(mesh())
    assert told[GATEWAYS]["addresses"] == [{"type": "IPAddress", "value": "192.168.1.51"}]
    assert conditions(told[GATEWAYS]["conditions"])["Programmed"] == ("True", "Programmed")
    assert told[GATEWAYS]["listeners"][0]["attachedRoutes"] == 1
    (parent,) = told[ROUTES]["parents"]
    assert conditions(parent["conditions"]) == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("False", "BackendNotFound"),
    }
    assert {each["observedGeneration"] for each in parent["conditions"]} == {3}


def test_what_was_said_is_not_said_again_in_whatever_order_it_is_kept() -> None:
    known = mesh()
    told = said(known)
    (parent,) = told[ROUTES]["parents"]
    ref = dict(reversed(parent["parentRef"].items()))
    known.put(ROUTES, route({"parents": [{**parent, "parentRef": ref}]}, "2"))
    assert ROUTES not in said(known, NOW + timedelta(hours=1))


def test_what_others_look_after_is_left_alone() -> None:
    assert said(mesh("nginx")) == {}
