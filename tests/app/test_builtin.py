"""What an installer is told of a control plane that is built in."""

import json
from typing import Any

import pytest

from lateen.apiserver.access.auth import ADMIN
from lateen.apiserver.writing.admission import Review
from lateen.app.admission import builtin
from lateen.controllers.cluster import istiod
from lateen.controllers.injection.injector import InjectionSettings
from lateen.controllers.injection.sidecar import InjectedMesh
from lateen.model.schema import kinds

SETTINGS = InjectionSettings(mesh=InjectedMesh(istio_version="1.32.0"))


def told(kind: str, body: dict[str, Any]) -> tuple[str, ...]:
    info = kinds.find("apps/v1" if kind == "Deployment" else "v1", kind)
    assert info is not None
    review = Review(verb="create", info=info, namespace=None, object=body, old=None, user=ADMIN)
    (check,) = builtin.checks(SETTINGS)
    return check(review).warnings


def deployment(image: str, *env: str, app: str = "istiod") -> dict[str, Any]:
    container = {"name": "discovery", "image": image, "env": [{"name": each} for each in env]}
    labels = {"app": app, "istio": "pilot"}
    return {
        "metadata": {"name": app, "namespace": "istio-system"},
        "spec": {"template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}},
    }


def test_what_the_lab_makes_itself_is_not_warned_of() -> None:
    for resource, body in istiod.objects(SETTINGS):
        if resource in ("deployments.apps", "configmaps"):
            assert told(body["kind"], body) == ()


def test_what_the_chart_always_sets_is_not_warned_of() -> None:
    assert told("Deployment", deployment("docker.io/istio/pilot:1.32.4", "REVISION")) == ()


def test_variables_without_effect_are_named() -> None:
    (words,) = told("Deployment", deployment("pilot:latest", "PILOT_B", "ENABLE_A", "POD_NAME"))
    assert "ENABLE_A, PILOT_B have no effect" in words


@pytest.mark.parametrize("image", ["localhost:5000/istio/pilot:1.30.0-distroless", "pilot:1.30.1"])
def test_another_release_is_named_with_its_setting(image: str) -> None:
    (words,) = told("Deployment", deployment(image))
    assert "1.32, not 1.30" in words
    assert "lateen up --istio 1.30" in words


def test_another_deployment_of_the_namespace_is_none_of_ours() -> None:
    assert told("Deployment", deployment("pilot:1.1.0", "PILOT_A", app="web")) == ()


def values(name: str, **said: Any) -> dict[str, Any]:
    meta = {"name": name, "namespace": "istio-system"}
    return {"metadata": meta, "data": {"values": json.dumps(said)}}


def test_values_that_inject_otherwise_are_named() -> None:
    proxy = {"excludeOutboundPorts": "3306", "logLevel": "warning"}
    hook = {"enableNamespacesByDefault": False}
    given = {"global": {"proxy": proxy}, "sidecarInjectorWebhook": hook}
    first, second = told("ConfigMap", values("istio-sidecar-injector-canary", **given))
    assert "traffic.sidecar.istio.io/excludeOutboundPorts" in first
    assert "injectUnlabelled: false" in second
    assert told("ConfigMap", values("other", **given)) == ()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"global": 3}'])
def test_values_of_no_sense_are_let_be(text: str) -> None:
    body = {"metadata": {"name": "istio-sidecar-injector", "namespace": "istio-system"}}
    assert told("ConfigMap", {**body, "data": {"values": text}}) == ()
