"""GatewayClasses, and what is deployed for Gateways: names, labels, ports, overlays."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.base.jsonvalue import Json
from lateen.controllers.engine import actions, cache
from lateen.controllers.gatewayapi import classes, deployed, gateways, statuses
from lateen.controllers.injection import injector

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SETTINGS = injector.InjectionSettings()
API = "gateway.networking.k8s.io/v1"
HERE = {"type": "Hostname", "value": "web.infra.svc.cluster.local"}


def gateway(name: str = "g", *, annotations: Json | None = None, **spec: Any) -> Json:
    usual = {"gatewayClassName": "istio", "listeners": [_listener("http", 80, "HTTP")]}
    meta = {"name": name, "namespace": "infra", "uid": f"uid-{name}", "generation": 2}
    meta |= {"resourceVersion": "1", "annotations": annotations or {}}
    return {"apiVersion": API, "kind": "Gateway", "metadata": meta, "spec": {**usual, **spec}}


def _listener(name: str, port: int, protocol: str) -> Json:
    return {"name": name, "port": port, "protocol": protocol}


def config(name: str, data: Json, namespace: str = "infra", **labels: str) -> Json:
    meta = {"name": name, "namespace": namespace, "uid": name, "labels": labels}
    return {"kind": "ConfigMap", "metadata": {**meta, "resourceVersion": "1"}, "data": data}


def known(**objects: list[Json]) -> cache.Cache:
    found = cache.Cache()
    names = {"gateways": gateways.RESOURCE, "classes": classes.RESOURCE}
    names |= {"slices": "endpointslices.discovery.k8s.io", "deployments": "deployments.apps"}
    for key, given in objects.items():
        for each in given:
            found.put(names.get(key, key), each)
    return found


def deploy(one: Json, view: cache.Cache | None = None) -> dict[str, Json]:
    view = view or known(gateways=[one])
    done = gateways.Deployer(SETTINGS).reconcile(("infra", one["metadata"]["name"]), view, NOW)
    creations = [each for each in done.actions if isinstance(each, actions.Create)]
    return {each.resource: dict(each.body) for each in creations}


def test_names_and_labels_are_istios() -> None:
    made = deploy(gateway())
    assert {name: body["metadata"]["name"] for name, body in made.items()} == {
        "serviceaccounts": "g-istio",
        "deployments.apps": "g-istio",
        "services": "g-istio",
    }
    for body in made.values():
        assert body["metadata"]["labels"] == {
            "gateway.networking.k8s.io/gateway-name": "g",
            "gateway.networking.k8s.io/gateway-class-name": "istio",
            "gateway.istio.io/managed": "istio.io-gateway-controller",
        }
        (owner,) = body["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"]) == ("Gateway", "g", "uid-g")
    template = made["deployments.apps"]["spec"]["template"]
    assert template["metadata"]["labels"]["service.istio.io/canonical-name"] == "g-istio"
    assert template["metadata"]["labels"]["sidecar.istio.io/inject"] == "false"
    selector = {"gateway.networking.k8s.io/gateway-name": "g"}
    assert made["deployments.apps"]["spec"]["selector"] == {"matchLabels": selector}
    assert made["services"]["spec"]["selector"] == selector


def test_a_name_override_does_not_rename_the_account() -> None:
    made = deploy(gateway(annotations={"gateway.istio.io/name-override": "front"}))
    names = {name: body["metadata"]["name"] for name, body in made.items()}
    assert names["deployments.apps"] == names["services"] == "front"
    assert names["serviceaccounts"] == "g-istio"
    assert "gateway.istio.io/name-override" not in made["services"]["metadata"]["annotations"]


def test_ports_are_one_for_each_number() -> None:
    listeners = [
        _listener("a.b", 80, "HTTP"),
        _listener("again", 80, "HTTP"),
        _listener("a-b", 443, "HTTPS"),
        _listener("x" * 70, 9000, "TCP"),
    ]
    found = [(one["name"], one["port"], one["appProtocol"]) for one in deployed.ports(listeners)]
    assert found == [
        ("status-port", 15021, "tcp"),
        ("a-b", 80, "http"),
        ("a-b-443", 443, "https"),
        ("x" * 63, 9000, "tcp"),
    ]


@pytest.mark.parametrize(
    ("asked", "managed"),
    [
        ([], True),
        ([{"type": "IPAddress", "value": "10.0.0.1"}], True),
        ([{"value": ""}], True),
        ([{"type": "Hostname", "value": "a"}], False),
        ([{"value": "10.0.0.1"}, {"value": "10.0.0.2"}], False),
    ],
)
def test_which_gateways_are_deployed_for(asked: list[Json], managed: bool) -> None:
    assert bool(deploy(gateway(addresses=asked))) is managed


def test_infrastructure_takes_the_place_of_the_gateways_own() -> None:
    given = {"labels": {"a": "1", "gateway.networking.k8s.io/x": "no"}}
    made = deploy(gateway(annotations={"note": "own"}, infrastructure=given))["services"]
    assert made["metadata"]["labels"]["a"] == "1"
    assert "gateway.networking.k8s.io/x" not in made["metadata"]["labels"]
    assert made["metadata"]["annotations"]["note"] == "own"


def test_an_unknown_class_is_left_alone() -> None:
    assert deploy(gateway(gatewayClassName="other")) == {}
    assert deploy(gateway(gatewayClassName="istio-remote")) == {}


def test_a_class_of_the_users_own() -> None:
    body = {"metadata": {"name": "my", "uid": "my", "resourceVersion": "1", "generation": 1}}
    body["spec"] = {"controllerName": "istio.io/gateway-controller"}
    one = gateway(gatewayClassName="my")
    assert (
        deploy(one, known(gateways=[one], classes=[body]))["services"]["metadata"]["name"] == "g-my"
    )
    (done,) = classes.reconcile(("", "my"), known(classes=[body]), NOW).actions
    assert isinstance(done, actions.SetStatus)
    (said,) = done.body["status"]["conditions"]
    assert (said["type"], said["status"], said["observedGeneration"]) == ("Accepted", "True", 1)
    again = {**body, "status": done.body["status"]}
    assert classes.reconcile(("", "my"), known(classes=[again]), NOW).actions == ()


def test_the_built_in_classes_come_back() -> None:
    (made,) = classes.reconcile(("", "istio"), known(), NOW).actions
    assert isinstance(made, actions.Create)
    assert made.body["spec"]["controllerName"] == "istio.io/gateway-controller"
    assert classes.reconcile(("", "mine"), known(), NOW).actions == ()


def test_overlays_of_the_class_and_of_the_gateway() -> None:
    patch = "spec: {template: {spec: {terminationGracePeriodSeconds: 7}}}"
    of_class = config("defaults", {"deployment": "spec: {replicas: 3}"}, "istio-system")
    of_class["metadata"]["labels"] = {"gateway.istio.io/defaults-for-class": "istio"}
    ref = {"group": "", "kind": "ConfigMap", "name": "own"}
    one = gateway(infrastructure={"parametersRef": ref})
    view = known(gateways=[one], configmaps=[of_class, config("own", {"deployment": patch})])
    spec = deploy(one, view)["deployments.apps"]["spec"]
    assert spec["replicas"] == 3
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 7
    assert spec["template"]["spec"]["containers"][0]["name"] == "istio-proxy"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"service": "metadata: {name: x}"}, "illegal metadata change"),
        ({"pod": "{}"}, "unknown overlay 'pod'"),
        ({"service": "- 1"}, "no object"),
        ({"service": "{"}, "service: "),
    ],
)
def test_overlays_that_cannot_be_used(data: Json, said: str) -> None:
    one = gateway(infrastructure={"parametersRef": {"kind": "ConfigMap", "name": "own"}})
    view = known(gateways=[one], configmaps=[config("own", data)])
    (note,) = gateways.Deployer(SETTINGS).reconcile(("infra", "g"), view, NOW).actions
    assert isinstance(note, actions.Note)
    assert said in note.message


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ({"group": "x", "kind": "Y", "name": "z"}, "Unsupported parametersRef group/kind x/Y"),
        (
            {"group": "", "kind": "ConfigMap", "name": "z"},
            "parametersRef ConfigMap infra/z does not exist",
        ),
        ({}, ""),
    ],
)
def test_parameters_that_are_not_there(ref: Json, said: str) -> None:
    one = gateway(infrastructure={"parametersRef": ref})
    assert gateways.parameters_problem(one, known()) == said


def status(one: Json, **objects: list[Json]) -> Json:
    """Return a Gateway's status as it is written; its conditions by type."""
    view = known(gateways=[one], **objects)
    (done,) = statuses.written(view, "cluster.local", NOW)
    assert isinstance(done, actions.SetStatus)
    found = dict(done.body["status"])
    return {**found, "conditions": {each["type"]: each for each in found["conditions"]}}


def service(name: str, *ports: int) -> Json:
    meta = {"name": name, "namespace": "infra", "uid": name, "resourceVersion": "1"}
    given = [{"name": f"p{port}", "port": port} for port in ports]
    spec = {"type": "ClusterIP", "clusterIP": "10.96.0.7", "ports": given}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec}


@pytest.mark.parametrize(
    ("asked", "accepted", "programmed"),
    [
        ([{"type": "x/y", "value": "v"}, HERE], "UnsupportedAddress", "Programmed"),
        ([{"type": "x/y", "value": "v"}], "UnsupportedAddress", "UnsupportedAddress"),
        ([{"type": "Hostname", "value": "gone"}, HERE], "Accepted", "AddressNotUsable"),
        ([HERE], "Accepted", "Programmed"),
        ([{"type": "Hostname", "value": "other"}], "Accepted", "AddressNotUsable"),
    ],
)
def test_addresses_that_are_asked_for(asked: list[Json], accepted: str, programmed: str) -> None:
    found = status(gateway(addresses=asked), services=[service("web", 80), service("other", 81)])
    assert found["conditions"]["Accepted"]["reason"] == accepted
    assert found["conditions"]["Programmed"]["reason"] == programmed


def test_what_a_gateway_says_of_clients_and_of_its_own_certificate() -> None:
    authority = {"group": "", "kind": "ConfigMap", "name": "ca"}
    checks = {"caCertificateRefs": [authority], "mode": "AllowInsecureFallback"}
    own = {"clientCertificateRef": {"group": "", "kind": "Secret", "name": "gone"}}
    tls = {"frontend": {"default": {"validation": checks}}, "backend": own}
    found = status(gateway(tls=tls), services=[service("g-istio", 80)])["conditions"]
    assert found["InsecureFrontendValidationMode"]["reason"] == "ConfigurationChanged"
    assert found["ResolvedRefs"]["reason"] == "InvalidClientCertificateRef"
    assert found["Accepted"]["status"] == "True"
    before = {"conditions": list(found.values())}
    again = status({**gateway(), "status": before}, services=[service("g-istio", 80)])
    assert "InsecureFrontendValidationMode" not in again["conditions"]


def test_what_changed_is_patched_and_what_is_not_ours_is_not() -> None:
    one = gateway()
    service = deploy(one)["services"]
    service["metadata"] |= {"uid": "s", "resourceVersion": "1"}
    service["metadata"]["labels"] = {**service["metadata"]["labels"], "old": "label"}
    changed = gateway(listeners=[_listener("http", 8080, "HTTP")])
    view = known(gateways=[changed], services=[service])
    done = gateways.Deployer(SETTINGS).reconcile(("infra", "g"), view, NOW).actions
    (patch,) = [each for each in done if isinstance(each, actions.Patch)]
    assert [port["port"] for port in patch.patch["spec"]["ports"]] == [15021, 8080]
    assert patch.patch["metadata"]["labels"]["old"] is None
    foreign = {**service, "metadata": {**service["metadata"], "labels": {}}}
    view = known(gateways=[changed], services=[foreign])
    done = gateways.Deployer(SETTINGS).reconcile(("infra", "g"), view, NOW).actions
    assert not any(isinstance(each, actions.Patch) for each in done)
