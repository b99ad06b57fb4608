"""Istio's annotations: on the wrong kind, unknown, deprecated, with a value that says nothing.
Pure.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import fieldpath
from lateen.model.schema.objectmeta import ObjectMeta
from lateen.model.snapshot import Snapshot

_POD = frozenset({"Pod"})
_POD_OR_SPACE = frozenset({"Pod", "Namespace"})
_SERVICE = frozenset({"Service"})
_ANY = frozenset({"Any"})
KNOWN: Mapping[str, frozenset[str]] = {
    "alpha.istio.io/canonical-serviceaccounts": _SERVICE,
    "alpha.istio.io/kubernetes-serviceaccounts": _SERVICE,
    "galley.istio.io/analyze-suppress": _ANY,
    "inject.istio.io/templates": _POD,
    "install.operator.istio.io/chart-owner": _ANY,
    "install.operator.istio.io/owner-generation": _ANY,
    "install.operator.istio.io/version": _ANY,
    "internal.istio.io/parents": _ANY,
    "ambient.istio.io/redirection": _POD,
    "istio.io/dry-run": frozenset({"AuthorizationPolicy"}),
    "istio.io/rev": _POD_OR_SPACE,
    "networking.istio.io/address-type": frozenset({"Gateway"}),
    "networking.istio.io/exportTo": _SERVICE,
    "networking.istio.io/service-type": frozenset({"Gateway"}),
    "networking.istio.io/traffic-distribution": frozenset({"Service", "Namespace", "ServiceEntry"}),
    "prometheus.istio.io/merge-metrics": _POD,
    "proxy.istio.io/config": _POD,
    "proxy.istio.io/overrides": _POD,
    "readiness.status.sidecar.istio.io/applicationPorts": _POD,
    "readiness.status.sidecar.istio.io/failureThreshold": _POD,
    "readiness.status.sidecar.istio.io/initialDelaySeconds": _POD,
    "readiness.status.sidecar.istio.io/periodSeconds": _POD,
    "status.sidecar.istio.io/port": _POD,
    "topology.istio.io/controlPlaneClusters": frozenset({"Namespace"}),
    "traffic.istio.io/nodeSelector": _SERVICE,
    **{
        f"sidecar.istio.io/{name}": _POD
        for name in (
            "agentLogLevel",
            "bootstrapOverride",
            "componentLogLevel",
            "controlPlaneAuthPolicy",
            "discoveryAddress",
            "enableCoreDump",
            "extraStatTags",
            "inject",
            "interceptionMode",
            "logLevel",
            "nativeSidecar",
            "proxyCPU",
            "proxyCPULimit",
            "proxyImage",
            "proxyImageType",
            "proxyMemory",
            "proxyMemoryLimit",
            "rewriteAppHTTPProbers",
            "statsCompression",
            "statsHistogramBuckets",
            "statsInclusionPrefixes",
            "statsInclusionRegexps",
            "statsInclusionSuffixes",
            "status",
            "userVolume",
            "userVolumeMount",
        )
    },
    **{
        f"traffic.sidecar.istio.io/{name}": _POD
        for name in (
            "excludeInboundPorts",
            "excludeInterfaces",
            "excludeOutboundIPRanges",
            "excludeOutboundPorts",
            "includeInboundPorts",
            "includeOutboundIPRanges",
            "includeOutboundPorts",
            "kubevirtInterfaces",
        )
    },
}
"""Istio's annotations, and the kinds on which they mean something; a pod's are a template's too."""
DEPRECATED: Mapping[str, str] = {
    "sidecar.istio.io/controlPlaneAuthPolicy": "it has no effect any more",
    "sidecar.istio.io/discoveryAddress": "use proxy.istio.io/config: discoveryAddress",
    "sidecar.istio.io/enableCoreDump": "it has no effect any more",
}
MAKERS = (
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "replicasets.apps",
    "jobs.batch",
)
"""What pods are made from: people write annotations on it, and on its template."""
_ON_THE_OBJECT = {
    "pods": "Pod",
    "services": "Service",
    "namespaces": "Namespace",
    "gateways.networking.istio.io": "Gateway",
    "virtualservices.networking.istio.io": "VirtualService",
    "destinationrules.networking.istio.io": "DestinationRule",
    "serviceentries.networking.istio.io": "ServiceEntry",
    "authorizationpolicies.security.istio.io": "AuthorizationPolicy",
    "peerauthentications.security.istio.io": "PeerAuthentication",
}
_BOOLEANS = frozenset(
    {"sidecar.istio.io/inject", "sidecar.istio.io/rewriteAppHTTPProbers", "istio.io/dry-run"}
)
_TRUTHS = frozenset({"1", "0", "t", "f", "true", "false", "y", "n", "yes", "no", "on", "off"})


def findings(snapshot: Snapshot, makers: Iterable[Mapping[str, Any]]) -> Iterator[Diagnostic]:
    """Yield what is said of annotations, by Istio's analyzer of annotations of all kinds. `makers`
    are the objects that pods are made from, as JSON."""
    for resource, kind in _ON_THE_OBJECT.items():
        for obj in snapshot.of(resource).values():
            if not obj.metadata.owner_references:
                yield from _of(_ref(kind, obj.metadata), kind, obj.metadata.annotations, "")
    for body in makers:
        metadata, kind = body["metadata"], str(body["kind"])
        if metadata.get("ownerReferences"):
            continue
        ref = ObjectRef(kind, str(metadata["namespace"]), str(metadata["name"]))
        yield from _of(ref, kind, metadata.get("annotations") or {}, "")
        template = body.get("spec", {}).get("template", {}).get("metadata") or {}
        yield from _of(ref, "Pod", template.get("annotations") or {}, "spec.template.")


def _ref(kind: str, metadata: ObjectMeta) -> ObjectRef:
    return ObjectRef(kind, metadata.namespace, metadata.name)


def _of(ref: ObjectRef, kind: str, notes: Mapping[str, str], at: str) -> Iterator[Diagnostic]:
    for name in sorted(notes):
        if not _istios(name):
            continue
        source = Source(ref, fieldpath.join(f"{at}metadata.annotations", name))
        meant = KNOWN.get(name)
        if meant is None:
            yield make("IST0108", source, annotation=name)
        elif meant != _ANY and kind not in meant:
            yield make("IST0107", source, annotation=name, kind=ref.kind)
        elif problem := _problem(name, notes[name]):
            yield make("IST0125", source, annotation=name, problem=problem)
        if name in DEPRECATED:
            yield make("IST0135", source, annotation=name, extra=DEPRECATED[name])


def _istios(name: str) -> bool:
    domain, slash, _ = name.partition("/")
    return bool(slash) and (domain == "istio.io" or domain.endswith(".istio.io"))


def _problem(name: str, value: str) -> str:
    """Return what is wrong with a value, or nothing."""
    if name in _BOOLEANS and value.lower() not in _TRUTHS:
        return f"{value!r} is neither true nor false"
    if name.endswith("boundPorts"):
        for word in filter(None, (part.strip() for part in value.split(","))):
            if word != "*" and not (word.isdigit() and 0 < int(word) < 65536):
                return f"{word!r} is no port"
    return ""


def suppressed(obj: Any) -> frozenset[str]:
    """Return the codes that an object's own annotation silences; `*` is every code."""
    text = obj.metadata.annotations.get("galley.istio.io/analyze-suppress", "")
    return frozenset(word.strip() for word in text.split(",") if word.strip())
