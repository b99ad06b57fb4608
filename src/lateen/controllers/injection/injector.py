"""Sidecar injection on pod creation, decided as Istio decides it. Pure.

Namespace labels choose first, as the selectors of Istio's webhooks do; then the pod's label, then
its annotation. A namespace that carries neither label is injected if the lab's setting says so.
"""

import json
from collections.abc import Mapping

import msgspec

from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.engine import fields
from lateen.controllers.injection import app_probes, proxyconfig, scraping, sidecar, webhooks

IGNORED = webhooks.UNINJECTED
"""Namespaces that are never injected, whatever their labels."""
INJECT = "sidecar.istio.io/inject"
STATUS = "sidecar.istio.io/status"
REVISION = "istio.io/rev"
NAMESPACE_LABEL = "istio-injection"
_TEMPLATES = "inject.istio.io/templates"
_HOLD = "holdApplicationUntilProxyStarts"
_KEEP_PROBES = "sidecar.istio.io/rewriteAppHTTPProbers"
_NATIVE = "sidecar.istio.io/nativeSidecar"
_YES = ("y", "yes", "true", "on")


class InjectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a lab injects."""

    mesh: sidecar.InjectedMesh = msgspec.field(default_factory=sidecar.InjectedMesh)
    inject_unlabelled: bool = True
    """Whether a namespace without an injection label gets sidecars."""
    hold_application: bool = False
    """holdApplicationUntilProxyStarts for the whole mesh."""
    native_sidecars: bool | None = False
    """Whether the proxy is an init container that stays, so that it starts before the app's own
    init containers and ends after a Job. None decides by Istio's version, since 1.27 it is, but
    only for pods that tell the difference: those that end, and those with init containers. The
    rest start half a second sooner with the proxy beside the app.
    A pod's annotation sidecar.istio.io/nativeSidecar comes first."""
    tags: tuple[str, ...] = ()
    """Other names of the revision (`istio.io/rev`)."""
    default_config: Json = {}
    """`defaultConfig` of the mesh: of every proxy, where nothing nearer says otherwise."""
    proxy_configs: tuple[Json, ...] = ()
    """The ProxyConfigs that there are."""
    merge_metrics: bool = True
    """`enablePrometheusMerge` of the mesh: Prometheus finds all of a pod's metrics at one port."""
    system_namespace: str = "istio-system"
    """Istio's own; without a label it is not injected, whatever the setting says."""


def wanted(pod: JsonView, namespace: JsonView, settings: InjectionSettings) -> bool:
    """Tell whether a pod gets a proxy."""
    if fields.name(namespace) in IGNORED or fields.spec(pod).get("hostNetwork"):
        return False
    if STATUS in fields.annotations(pod):
        return False
    label, revision = fields.labels(pod).get(INJECT, ""), fields.labels(pod).get(REVISION, "")
    if not _selected(namespace, label, revision, settings):
        return False
    word = label or fields.annotations(pod).get(INJECT, "")
    return word.lower() in _YES if word else True


def _selected(namespace: JsonView, label: str, revision: str, settings: InjectionSettings) -> bool:
    """Tell whether a webhook would be asked: by the namespace's label, else by the pod's."""
    if label.lower() == "false":
        return False
    space = fields.labels(namespace)
    ours = (settings.mesh.revision, *settings.tags)
    usual = webhooks.DEFAULT in ours
    if NAMESPACE_LABEL in space:
        return usual and space[NAMESPACE_LABEL] == "enabled"
    if REVISION in space:
        return space[REVISION] in ours
    if revision:
        return revision in ours
    own = fields.name(namespace) == settings.system_namespace
    return (usual and label == "true") or (settings.inject_unlabelled and not own)


def inject(pod: JsonView, namespace: JsonView, settings: InjectionSettings) -> Json:
    """Return the pod as it is to be stored: with a proxy, if it is to have one.

    `namespace` is the Namespace object. Injecting twice changes nothing: the annotation
    sidecar.istio.io/status says that it was done.
    """
    result: Json = clone(pod)
    if not wanted(pod, namespace, settings):
        return result
    result["metadata"].setdefault("namespace", fields.name(namespace))
    role = "router" if fields.annotations(pod).get(_TEMPLATES) == "gateway" else "sidecar"
    spec = result.setdefault("spec", {})
    own = [one for one in spec.get("containers") or () if one.get("name") == sidecar.PROXY]
    apps = [one for one in spec.get("containers") or () if one.get("name") != sidecar.PROXY]
    probers = ""
    if fields.annotations(pod).get(_KEEP_PROBES, "true").lower() in _YES:
        apps, probers = app_probes.rewritten(apps)
    space, root = fields.name(namespace), settings.system_namespace
    config = proxyconfig.effective(
        pod, space, settings.proxy_configs, settings.default_config, root
    )
    proxy = sidecar.container(result, settings.mesh, role=role, probers=probers, config=config)
    if scraping.merges(pod, usual=settings.merge_metrics):
        proxy["env"] += scraping.variable(pod)
        result["metadata"].setdefault("annotations", {}).update(scraping.AGENT)
    if own:
        proxy = sidecar.merged(proxy, own[0])
    native = role == "sidecar" and _native(pod, settings)
    if role == "sidecar" and _outlasts(pod, settings):
        proxy.setdefault("lifecycle", {}).setdefault("preStop", sidecar.drain_hook())
    if native:
        proxy["restartPolicy"] = "Always"
        spec["containers"] = apps
        spec["initContainers"] = [proxy, *(spec.get("initContainers") or ())]
    elif config.get(_HOLD, settings.hold_application):
        wait = {"exec": {"command": ["pilot-agent", "wait"]}}
        proxy["lifecycle"] = {**(proxy.get("lifecycle") or {}), "postStart": wait}
        spec["containers"] = [proxy, *apps]
    else:
        spec["containers"] = [*apps, proxy]
    _add_volumes(spec, sidecar.user_volumes(pod))
    _mark(result, settings, role, native)
    return result


def _asked_native(pod: JsonView, settings: InjectionSettings) -> bool | None:
    """Tell what the pod or the lab asks for; None where the version decides."""
    word = fields.annotations(pod).get(_NATIVE, "")
    return word.lower() in _YES if word else settings.native_sidecars


def _native(pod: JsonView, settings: InjectionSettings) -> bool:
    """Tell whether the proxy stands among the init containers. By version only where a pod's start
    or completion depends on it: in its place among the containers it delays no start."""
    asked = _asked_native(pod, settings)
    spec = fields.spec(pod)
    tells = spec.get("restartPolicy", "Always") != "Always" or bool(spec.get("initContainers"))
    return tells and _native_by_version(settings) if asked is None else asked


def _outlasts(pod: JsonView, settings: InjectionSettings) -> bool:
    """Tell whether the proxy ends after the application, as native sidecars do."""
    asked = _asked_native(pod, settings)
    return _native_by_version(settings) if asked is None else asked


def _native_by_version(settings: InjectionSettings) -> bool:
    numbers = [int(one) for one in settings.mesh.istio_version.split(".")[:2] if one.isdigit()]
    return numbers >= [1, 27]


def _add_volumes(spec: Json, more: list[Json]) -> None:
    present = {one.get("name") for one in spec.get("volumes") or ()}
    fresh = [one for one in (*sidecar.volumes(), *more) if one["name"] not in present]
    spec["volumes"] = [*fresh, *(spec.get("volumes") or ())]


def canonical(labels: Mapping[str, str], workload: str) -> tuple[str, str]:
    """Return the canonical service name and revision that Istio derives from a pod's labels."""
    name = next(
        (
            labels[key]
            for key in ("service.istio.io/canonical-name", "app.kubernetes.io/name", "app")
            if labels.get(key)
        ),
        workload,
    )
    keys = ("service.istio.io/canonical-revision", "app.kubernetes.io/version", "version")
    return name, next((labels[key] for key in keys if labels.get(key)), "latest")


def _mark(pod: Json, settings: InjectionSettings, role: str, native: bool) -> None:
    """Set the labels and annotations that tell of the injection."""
    meta = pod["metadata"]
    labels, notes = meta.setdefault("labels", {}), meta.setdefault("annotations", {})
    _, workload = sidecar.workload_of(pod)
    name, revision = canonical(labels, workload)
    labels["service.istio.io/canonical-name"] = name
    labels["service.istio.io/canonical-revision"] = revision
    if role == "sidecar":
        labels["security.istio.io/tlsMode"] = "istio"
    apps = sidecar.app_containers(pod)
    if apps:
        for key in ("default-container", "default-logs-container"):
            notes.setdefault(f"kubectl.kubernetes.io/{key}", apps[0])
    notes[REVISION] = settings.mesh.revision
    status = {
        "initContainers": [sidecar.PROXY] if native else None,
        "containers": None if native else [sidecar.PROXY],
        "volumes": [one["name"] for one in sidecar.volumes()],
        "imagePullSecrets": None,
        "revision": settings.mesh.revision,
    }
    notes[STATUS] = json.dumps(status, separators=(",", ":"))
