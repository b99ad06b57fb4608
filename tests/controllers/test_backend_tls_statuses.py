"""Statuses of BackendTLSPolicies: by target, and by Gateway whose routes lead there."""

from datetime import UTC, datetime, timedelta

import yaml

from lateen.base.jsonvalue import Json
from lateen.compiler.frontend.gatewayapi import objects as gateway_objects
from lateen.controllers.engine import actions, cache
from lateen.controllers.gatewayapi import teller

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICIES = "backendtlspolicies.gateway.networking.k8s.io"
OBJECTS = """
kind: services
metadata: {name: web, namespace: default}
spec: {ports: [{name: https, port: 443}]}
---
kind: configmaps
metadata: {name: ca, namespace: default}
data: {ca.crt: "-----BEGIN CERTIFICATE-----"}
---
kind: gateways.gateway.networking.k8s.io
metadata: {name: g, namespace: default}
spec: {gatewayClassName: istio, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
kind: httproutes.gateway.networking.k8s.io
metadata: {name: r, namespace: default}
spec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: web, port: 443}]}]}
---
kind: backendtlspolicies.gateway.networking.k8s.io
metadata: {name: p, namespace: default, generation: 3}
spec:
  targetRefs: [{group: "", kind: Service, name: web}]
  validation:
    hostname: a.example.com
    caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]
"""


def known(status: Json | None = None, *, authority: bool = True) -> cache.Cache:
    found = cache.Cache()
    for each in yaml.safe_load_all(OBJECTS):
        resource = each.pop("kind")
        each["metadata"] |= {"uid": each["metadata"]["name"], "resourceVersion": "1"}
        if resource == POLICIES and status is not None:
            each["status"] = status
        if authority or resource != "configmaps":
            found.put(resource, each)
    return found


def written(view: cache.Cache, now: datetime = NOW) -> list[Json]:
    done = teller.Teller("cluster.local").reconcile(("gateway-api",), view, now)
    return [
        dict(each.body)["status"]
        for each in done.actions
        if isinstance(each, actions.SetStatus) and each.resource == POLICIES
    ]


def test_the_target_and_the_gateway_that_leads_there_are_told() -> None:
    (status,) = written(known())
    assert [(one["ancestorRef"]["kind"], one["controllerName"]) for one in status["ancestors"]] == [
        ("Service", "istio.io/mesh-controller"),
        ("Gateway", "istio.io/gateway-controller"),
    ]
    for one in status["ancestors"]:
        told = {each["type"]: (each["status"], each["reason"]) for each in one["conditions"]}
        assert told == {"Accepted": ("True", "Accepted"), "ResolvedRefs": ("True", "ResolvedRefs")}
        assert {each["observedGeneration"] for each in one["conditions"]} == {3}
    assert written(known(status), NOW + timedelta(hours=1)) == []


def test_a_ca_that_goes_is_told_and_those_of_other_controllers_stay() -> None:
    (status,) = written(known())
    foreign = {"ancestorRef": {"name": "x"}, "controllerName": "example.com/c", "conditions": []}
    before = {"ancestors": [foreign, *status["ancestors"]]}
    (after,) = written(known(before, authority=False), NOW + timedelta(hours=1))
    assert after["ancestors"][0] == foreign
    for one in after["ancestors"][1:]:
        told = {each["type"]: each["reason"] for each in one["conditions"]}
        assert told == {
            "Accepted": "NoValidCACertificate",
            "ResolvedRefs": "InvalidCACertificateRef",
        }


def test_all_that_the_translation_reads_is_watched() -> None:
    assert set(teller.WATCHED) == set(gateway_objects.READ)
