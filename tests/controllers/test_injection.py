"""Who gets a sidecar, and what it looks like."""

import copy
import json
from typing import Any

import pytest
import yaml

from lateen.controllers.injection import injector, sidecar
from lateen.controllers.network import ingress

Json = dict[str, Any]
PROXY = sidecar.PROXY
ON = injector.InjectionSettings()
OFF = injector.InjectionSettings(inject_unlabelled=False)


def namespace(name: str = "default", **labels: str) -> Json:
    return {"metadata": {"name": name, "labels": labels}}


def pod(*containers: Json, labels: Json | None = None, notes: Json | None = None) -> Json:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "web", "labels": labels or {}, "annotations": notes or {}},
        "spec": {"containers": list(containers) or [{"name": "app", "image": "nginx"}]},
    }


YES, NO = {"sidecar.istio.io/inject": "true"}, {"sidecar.istio.io/inject": "false"}
ENABLED, DISABLED = {"istio-injection": "enabled"}, {"istio-injection": "disabled"}
REV, OTHER = {"istio.io/rev": "default"}, {"istio.io/rev": "canary"}

DECISIONS: list[tuple[str, Json, Json, injector.InjectionSettings, bool]] = [
    ("unlabelled namespace, setting on", namespace(), pod(), ON, True),
    ("unlabelled namespace, setting off", namespace(), pod(), OFF, False),
    ("pod asks, setting off", namespace(), pod(labels=YES), OFF, True),
    ("pod refuses by label", namespace(**ENABLED), pod(labels=NO), ON, False),
    ("pod refuses by annotation", namespace(**ENABLED), pod(notes=NO), ON, False),
    ("label beats annotation", namespace(**ENABLED), pod(labels=YES, notes=NO), ON, True),
    ("namespace enabled", namespace(**ENABLED), pod(), OFF, True),
    ("namespace disabled", namespace(**DISABLED), pod(), ON, False),
    ("namespace disabled, pod asks", namespace(**DISABLED), pod(labels=YES), ON, False),
    ("namespace of our revision", namespace(**REV), pod(), OFF, True),
    ("namespace of another revision", namespace(**OTHER), pod(), ON, False),
    ("injection label beats revision", namespace(**ENABLED, **OTHER), pod(), OFF, True),
    ("pod of our revision", namespace(), pod(labels=REV), OFF, True),
    ("pod of another revision", namespace(), pod(labels=OTHER), ON, False),
    ("istio-system, unlabelled", namespace("istio-system"), pod(), ON, False),
    ("istio-system, pod asks", namespace("istio-system"), pod(labels=YES), ON, True),
    ("odd word is no", namespace(**ENABLED), pod(labels={injector.INJECT: "perhaps"}), ON, False),
    *((f"{n} is ignored", namespace(n, **ENABLED), pod(labels=YES), ON, False)
      for n in injector.IGNORED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("space", "given", "settings", "expected"),
    [row[1:] for row in DECISIONS],
    ids=[row[0] for row in DECISIONS],
)
def test_who_is_injected(
    space: Json, given: Json, settings: injector.InjectionSettings, expected: bool
) -> None:
    before = copy.deepcopy(given)
    result = injector.inject(given, space, settings)
    assert given == before
    assert (len(result["spec"]["containers"]) == 2) is expected
    if not expected:
        assert result == given


def test_the_host_network_is_never_captured() -> None:
    given = pod(labels=YES)
    given["spec"]["hostNetwork"] = True
    assert injector.inject(given, namespace(**ENABLED), ON) == given


def test_injecting_again_changes_nothing() -> None:
    once = injector.inject(pod(), namespace(), ON)
    assert injector.inject(once, namespace(), ON) == once


def test_the_sidecar_is_istios() -> None:
    mesh = sidecar.InjectedMesh(istio_version="1.17.2")
    given = pod(labels={"app": "helloworld", "version": "v2"})
    result = injector.inject(given, namespace(), injector.InjectionSettings(mesh=mesh))
    app, proxy = result["spec"]["containers"]
    assert app["name"] == "app"
    assert proxy["image"] == "docker.io/istio/proxyv2:1.17.2"
    assert proxy["args"][:2] == ["proxy", "sidecar"]
    assert proxy["securityContext"]["runAsUser"] == 1337
    assert proxy["ports"] == [
        {"containerPort": 15090, "name": "http-envoy-prom", "protocol": "TCP"}
    ]
    assert proxy["readinessProbe"]["httpGet"] == {
        "path": "/healthz/ready",
        "port": 15021,
        "scheme": "HTTP",
    }
    labels = result["metadata"]["labels"]
    assert labels["security.istio.io/tlsMode"] == "istio"
    assert labels["service.istio.io/canonical-name"] == "helloworld"
    assert labels["service.istio.io/canonical-revision"] == "v2"
    notes = result["metadata"]["annotations"]
    status = json.loads(notes["sidecar.istio.io/status"])
    assert status["containers"] == ["istio-proxy"]
    assert status["initContainers"] is None
    assert status["volumes"] == [one["name"] for one in result["spec"]["volumes"]]
    mounted = {one["name"] for one in proxy["volumeMounts"]}
    assert mounted == set(status["volumes"])
    assert notes["kubectl.kubernetes.io/default-container"] == "app"


PROBES: list[tuple[str, Json, str, Json | None]] = [
    (
        "http",
        {"httpGet": {"path": "/ok", "port": "web", "scheme": "HTTPS"}, "timeoutSeconds": 4},
        "livenessProbe",
        {"httpGet": {"path": "/ok", "port": 8080, "scheme": "HTTPS"}, "timeoutSeconds": 4},
    ),
    (
        "tcp",
        {"tcpSocket": {"port": 3306}, "periodSeconds": 5},
        "readinessProbe",
        {"tcpSocket": {"port": 3306}, "timeoutSeconds": 1},
    ),
    (
        "grpc",
        {"grpc": {"port": 9000, "service": "x"}},
        "startupProbe",
        {"grpc": {"port": 9000, "service": "x"}, "timeoutSeconds": 1},
    ),
    ("exec", {"exec": {"command": ["true"]}}, "livenessProbe", None),
    ("agent's own", {"httpGet": {"path": "/x", "port": 15020}}, "livenessProbe", None),
]


@pytest.mark.parametrize(
    ("probe", "field", "meant"), [row[1:] for row in PROBES], ids=[row[0] for row in PROBES]
)
def test_probes_are_turned_towards_the_agent(probe: Json, field: str, meant: Json | None) -> None:
    app = {"name": "app", "image": "x", field: probe}
    app["ports"] = [{"name": "web", "containerPort": 8080}]
    result = injector.inject(pod(app), namespace(), ON)
    app, proxy = result["spec"]["containers"]
    told = {one["name"]: one.get("value") for one in proxy["env"]}.get("ISTIO_KUBE_APP_PROBERS")
    if meant is None:
        assert app[field] == probe
        assert told is None
        return
    word = {"livenessProbe": "livez", "readinessProbe": "readyz", "startupProbe": "startupz"}[field]
    path = f"/app-health/app/{word}"
    assert app[field]["httpGet"] == {"path": path, "port": 15020, "scheme": "HTTP"}
    assert not {"tcpSocket", "grpc"} & set(app[field])
    assert app[field].get("periodSeconds") == probe.get("periodSeconds")
    assert json.loads(told or "") == {path: meant}


def test_probes_stay_when_the_pod_says_so() -> None:
    probe = {"httpGet": {"path": "/", "port": 80}}
    notes = {"sidecar.istio.io/rewriteAppHTTPProbers": "false"}
    given = pod({"name": "app", "image": "x", "livenessProbe": probe}, notes=notes)
    result = injector.inject(given, namespace(), ON)
    assert result["spec"]["containers"][0]["livenessProbe"] == probe


@pytest.mark.parametrize(
    ("config", "mesh_wide", "first"),
    [
        ({"holdApplicationUntilProxyStarts": True}, False, True),
        ({"holdApplicationUntilProxyStarts": False}, True, False),
        ({"concurrency": 1}, True, True),
        (None, False, False),
    ],
)
def test_the_proxy_comes_first_when_it_holds_the_app(
    config: Json | None, mesh_wide: bool, first: bool
) -> None:
    notes = {"proxy.istio.io/config": yaml.safe_dump(config)} if config else {}
    settings = injector.InjectionSettings(hold_application=mesh_wide)
    result = injector.inject(pod(notes=notes), namespace(), settings)
    assert (result["spec"]["containers"][0]["name"] == "istio-proxy") is first


def test_the_pods_part_of_the_proxys_configuration_is_in_its_environment() -> None:
    notes = {"proxy.istio.io/config": "terminationDrainDuration: 1m5s\nconcurrency: 2\n"}
    (*_, proxy) = injector.inject(pod(notes=notes), namespace(), ON)["spec"]["containers"]
    (config,) = [one["value"] for one in proxy["env"] if one["name"] == "PROXY_CONFIG"]
    assert json.loads(config) == {"terminationDrainDuration": "1m5s", "concurrency": 2}


def test_a_users_own_proxy_container_is_laid_over_the_template() -> None:
    own = {
        "name": "istio-proxy",
        "image": "auto",
        "env": [{"name": "TRUST_DOMAIN", "value": "other"}, {"name": "NEW", "value": "1"}],
        "resources": {"limits": {"cpu": "4"}},
    }
    result = injector.inject(pod({"name": "app", "image": "x"}, own), namespace(), ON)
    (_, proxy) = result["spec"]["containers"]
    assert proxy["image"] == ON.mesh.image
    values = [(one["name"], one.get("value")) for one in proxy["env"]]
    assert values.count(("TRUST_DOMAIN", "other")) == 1
    assert ("TRUST_DOMAIN", "cluster.local") not in values
    assert ("NEW", "1") in values
    assert proxy["resources"]["limits"] == {"cpu": "4"}


@pytest.mark.parametrize(
    ("setting", "version", "word", "native"),
    [
        (False, "1.28.0", "", False),
        (None, "1.26.4", "", False),
        (None, "1.27.0", "", True),
        (True, "1.17.2", "", True),
        (None, "1.28.0", "false", False),
        (False, "1.28.0", "true", True),
    ],
)
def test_native_sidecars(setting: bool | None, version: str, word: str, native: bool) -> None:
    mesh = sidecar.InjectedMesh(istio_version=version)
    settings = injector.InjectionSettings(mesh=mesh, native_sidecars=setting)
    given = pod(notes={"sidecar.istio.io/nativeSidecar": word} if word else {})
    given["spec"]["initContainers"] = [{"name": "setup", "image": "x"}]
    spec = injector.inject(given, namespace(), settings)["spec"]
    (proxy,) = [c for c in spec["containers"] + spec["initContainers"] if c["name"] == PROXY]
    assert ("preStop" in proxy.get("lifecycle", {})) is native
    inits = [(one["name"], one.get("restartPolicy")) for one in spec["initContainers"]]
    names = [one["name"] for one in spec["containers"]]
    if native:
        assert inits == [("istio-proxy", "Always"), ("setup", None)]
        assert names == ["app"]
    else:
        assert inits == [("setup", None)]
        assert names == ["app", "istio-proxy"]


@pytest.mark.parametrize(("restart", "native"), [("Always", False), ("Never", True)])
def test_by_version_only_pods_that_end_get_a_native_sidecar(restart: str, native: bool) -> None:
    settings = injector.InjectionSettings(
        mesh=sidecar.InjectedMesh(istio_version="1.30.0"), native_sidecars=None
    )
    given = pod()
    given["spec"]["restartPolicy"] = restart
    spec = injector.inject(given, namespace(), settings)["spec"]
    assert bool(spec.get("initContainers")) is native
    (proxy,) = [
        c for c in [*spec["containers"], *spec.get("initContainers", ())] if c["name"] == PROXY
    ]
    assert "drain" in proxy["lifecycle"]["preStop"]["exec"]["command"], (
        "it outlasts the application"
    )


def test_a_gateway_pod_gets_a_router() -> None:
    given = pod(
        {"name": "istio-proxy", "image": "auto"},
        labels=YES,
        notes={"inject.istio.io/templates": "gateway"},
    )
    result = injector.inject(given, namespace(), OFF)
    (proxy,) = result["spec"]["containers"]
    assert proxy["args"][1] == "router"
    assert "security.istio.io/tlsMode" not in result["metadata"]["labels"]


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        (
            {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-abc"},
            {"pod-template-hash": "abc"},
            ("deployments/web", "web"),
        ),
        (
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db"},
            {},
            ("statefulsets/db", "db"),
        ),
        (
            {"apiVersion": "batch/v1", "kind": "Job", "name": "tick-29000000"},
            {},
            ("cronjobs/tick", "tick"),
        ),
        ({"apiVersion": "batch/v1", "kind": "Job", "name": "once"}, {}, ("jobs/once", "once")),
        (None, {}, ("pods/web", "web")),
    ],
)
def test_the_workload_is_found_by_its_owner(
    owner: Json | None, labels: Json, expected: tuple[str, str]
) -> None:
    given = pod(labels=labels)
    if owner is not None:
        given["metadata"]["ownerReferences"] = [{**owner, "controller": True}]
    path, name = sidecar.workload_of(given)
    assert path.startswith("kubernetes://apis/")
    assert path.endswith(f"/namespaces/default/{expected[0]}")
    assert name == expected[1]


def test_the_gateways_own_objects_fit_together() -> None:
    objects = dict(ingress.istio_system(ON))
    deployment, service = objects["deployments.apps"], objects["services"]
    template = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= (
        template["metadata"]["labels"].items()
    )
    assert template["spec"]["serviceAccountName"] == objects["serviceaccounts"]["metadata"]["name"]
    ports = {one["containerPort"] for one in template["spec"]["containers"][0]["ports"]}
    assert {one["targetPort"] for one in service["spec"]["ports"]} <= ports
    owner = [
        one.get("value")
        for one in template["spec"]["containers"][0]["env"]
        if one["name"] == "ISTIO_META_OWNER"
    ]
    assert owner == [
        "kubernetes://apis/apps/v1/namespaces/istio-system/deployments/istio-ingressgateway"
    ]
