"""What the ConfigMap `istio` says of proxies reaches the pods that are injected after it."""

from typing import Any

from lateen.app.admission.proxies import ProxyDefaults, applied
from lateen.controllers.injection import injector, sidecar
from lateen.model.istio import meshconfig
from lateen.store.api import Key
from lateen.store.memory import MemoryStore

BASE = injector.InjectionSettings(mesh=sidecar.InjectedMesh(), inject_unlabelled=True)
USUAL = meshconfig.written(log="/dev/stdout", encoding="TEXT", allow_any=True)
KEY = Key("configmaps", "istio-system", "istio")
MESH = """\
trustDomain: here.example
defaultConfig:
  proxyStatsMatcher: {inclusionRegexps: [".*retry.*"]}
"""
POD: dict[str, Any] = {
    "metadata": {"name": "a", "namespace": "default", "annotations": {}},
    "spec": {"containers": [{"name": "app", "image": "nginx"}]},
}


def config_map(text: str) -> dict[str, Any]:
    return {"metadata": {"name": "istio", "namespace": "istio-system"}, "data": {"mesh": text}}


def proxy(settings: injector.InjectionSettings, **annotations: str) -> dict[str, Any]:
    metadata = {**POD["metadata"], "annotations": annotations}
    made = injector.inject({**POD, "metadata": metadata}, {"metadata": {"name": "d"}}, settings)
    spec = made["spec"]
    every = [*spec["containers"], *spec.get("initContainers", ())]
    return next(one for one in every if one["name"] == "istio-proxy")


def environment(container: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row.get("value", "") for row in container["env"]}


def test_changes_of_the_config_map_are_seen_and_its_end_too() -> None:
    store = MemoryStore()
    defaults = ProxyDefaults(store, BASE, USUAL)
    assert defaults.settings() == BASE
    store.create(KEY, config_map(USUAL))
    assert defaults.settings() == BASE
    store.update(KEY, config_map(MESH))
    changed = defaults.settings()
    assert changed.mesh.trust_domain == "here.example"
    assert defaults.settings() == changed
    store.delete(KEY)
    assert defaults.settings().mesh == BASE.mesh


def test_the_usual_configuration_says_what_the_lab_does() -> None:
    assert applied(BASE, USUAL) == BASE
    found = meshconfig.parse(USUAL)
    assert (found.unknown, found.problems) == ((), ())


def test_statistics_of_the_mesh_give_way_to_the_pods_own() -> None:
    settings = applied(BASE, MESH)
    own = environment(proxy(settings))
    assert '"inclusionRegexps":[".*retry.*"]' in own["PROXY_CONFIG"]
    assert own["TRUST_DOMAIN"] == "here.example"
    note = {"proxy.istio.io/config": "proxyStatsMatcher: {inclusionPrefixes: [mine]}"}
    text = environment(proxy(settings, **note))["PROXY_CONFIG"]
    assert "mine" in text
    assert "retry" not in text


def test_log_levels_of_annotations_are_arguments() -> None:
    notes = {
        "sidecar.istio.io/logLevel": "info",
        "sidecar.istio.io/componentLogLevel": "rbac:debug",
    }
    args = proxy(BASE, **notes)["args"]
    assert "--proxyLogLevel=info" in args
    assert "--proxyComponentLogLevel=rbac:debug" in args
    assert "--proxyComponentLogLevel=misc:error" in proxy(BASE)["args"]
