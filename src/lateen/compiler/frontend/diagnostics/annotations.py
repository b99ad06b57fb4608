"""Istio's annotations of pods that have no effect here. Pure.

Asked when the state of a mesh is shown, as for selectors that select nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.compiler.frontend.registry import workloads
from lateen.model import entryaddresses
from lateen.model.kube.core import pod as core_pod
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import fieldpath
from lateen.model.snapshot import Snapshot
from lateen.model.validation import syntax

_DOMAIN = "istio.io"
_MODE = "sidecar.istio.io/interceptionMode"
_CONFIG = "proxy.istio.io/config"
_READ = frozenset(
    {
        _CONFIG,
        _MODE,
        "istio.io/rev",
        "inject.istio.io/templates",
        "sidecar.istio.io/inject",
        "sidecar.istio.io/status",
        "sidecar.istio.io/rewriteAppHTTPProbers",
        "sidecar.istio.io/nativeSidecar",
        "sidecar.istio.io/logLevel",
        "sidecar.istio.io/agentLogLevel",
        "sidecar.istio.io/proxyImage",
        "sidecar.istio.io/proxyImageType",
        "sidecar.istio.io/proxyCPU",
        "sidecar.istio.io/proxyMemory",
        "sidecar.istio.io/proxyCPULimit",
        "sidecar.istio.io/proxyMemoryLimit",
        "sidecar.istio.io/userVolume",
        "sidecar.istio.io/userVolumeMount",
        "sidecar.istio.io/componentLogLevel",
        "sidecar.istio.io/statsInclusionPrefixes",
        "sidecar.istio.io/statsInclusionSuffixes",
        "sidecar.istio.io/statsInclusionRegexps",
        "traffic.sidecar.istio.io/includeInboundPorts",
        "traffic.sidecar.istio.io/excludeInboundPorts",
        "traffic.sidecar.istio.io/includeOutboundPorts",
        "traffic.sidecar.istio.io/excludeOutboundPorts",
        "traffic.sidecar.istio.io/includeOutboundIPRanges",
        "traffic.sidecar.istio.io/excludeOutboundIPRanges",
        "traffic.sidecar.istio.io/excludeInterfaces",
    }
)
_HOLD, _DRAIN = "holdApplicationUntilProxyStarts", "terminationDrainDuration"
_STATS = "proxyStatsMatcher"
_ACTED_ON = frozenset({_HOLD, _DRAIN, _STATS, "concurrency", "image", "proxyMetadata"})
_RESOLVING = (entryaddresses.CAPTURE, entryaddresses.ALLOCATE)
_META = "ISTIO_META_"
"""Begins the variables that tell the control plane something of a proxy."""


def findings(snapshot: Snapshot) -> tuple[Diagnostic, ...]:
    """Return a finding for every such annotation, once for all pods of a workload."""
    found: dict[Diagnostic, None] = {}
    for pod in snapshot.pods.values():
        if workloads.proxy_container(pod) is not None:
            found.update(dict.fromkeys(_of(pod)))
    return tuple(found)


def _of(pod: core_pod.Pod) -> Iterator[Diagnostic]:
    notes = pod.metadata.annotations
    for name in sorted(notes):
        domain, slash, _ = name.partition("/")
        if slash and (domain == _DOMAIN or domain.endswith(f".{_DOMAIN}")) and name not in _READ:
            yield _ignored(pod, name, f"annotation {name}")
    if notes.get(_MODE, "REDIRECT").upper() == "TPROXY":
        yield _ignored(pod, _MODE, "interception mode TPROXY: traffic is redirected instead")
    for path in _unread(notes.get(_CONFIG, "")):
        yield _ignored(pod, _CONFIG, f"{path} of the proxy's configuration")


def _unread(text: str) -> Iterator[str]:
    """Return the fields of a proxy's own configuration that nothing here reads."""
    if not text:
        return
    import yaml

    try:
        config: Any = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        yield "all of it, which is not YAML,"
        return
    for key, value in config.items() if isinstance(config, Mapping) else ():
        if key == "proxyMetadata" and isinstance(value, Mapping):
            for name in map(str, value):  # any other is a variable, which is there
                if name.startswith(_META) and name not in _RESOLVING:
                    yield fieldpath.join("proxyMetadata", name)
        elif key == _DRAIN and syntax.duration(str(value), zero=True):
            yield f"{key}, which is no duration,"
        elif key not in _ACTED_ON:
            yield str(key)


def _ignored(pod: core_pod.Pod, name: str, what: str) -> Diagnostic:
    _, owner, kind = workloads.owner(pod)
    path = "metadata.annotations" if kind == "Pod" else "spec.template.metadata.annotations"
    source = Source(ObjectRef(kind, pod.metadata.namespace, owner), fieldpath.join(path, name))
    return make("LTN0043", source, what=what)
