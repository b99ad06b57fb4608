"""Pods as workloads: identity, labels, owner, and what they tell their peers. Pure."""

import base64
import re
from collections.abc import Mapping

from lateen.compiler.frontend.registry import downward_labels
from lateen.compiler.ir import telemetry
from lateen.compiler.ir.proxy import Features, MeshSettings, Node, ProxyKind
from lateen.compiler.ir.value import Value
from lateen.compiler.ir.workload import Endpoint, Labels, Mode
from lateen.model import entryaddresses, wellknown
from lateen.model.identity import spiffe_id
from lateen.model.kube.core import container as core_container, pod as core_pod
from lateen.model.meta import ObjectRef

PROXY_CONTAINER = wellknown.PROXY
TLS_MODE_LABEL = "security.istio.io/tlsMode"
NAME_LABEL = "service.istio.io/canonical-name"
REVISION_LABEL = "service.istio.io/canonical-revision"
LOCALITY_LABEL = "istio-locality"
TOPOLOGY_LABEL = "topology.istio.io/locality"
LOCALITY_LABELS = (LOCALITY_LABEL, TOPOLOGY_LABEL)
TOPOLOGY = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.istio.io/subzone",
)
"""Labels that a client or endpoint has by its locality."""
NODE_LABEL = "kubernetes.io/hostname"
"""What Istio says of a workload's node, as if it were a label of the workload."""
TEMPLATES_ANNOTATION = "inject.istio.io/templates"

_CRON_JOB = re.compile(r"(?P<name>.+)-\d{8,10}")


class Workload(Value, frozen=True, kw_only=True):
    """What endpoints and policies need to know of a pod."""

    pod: str
    namespace: str
    address: str
    labels: Labels
    identity: str
    sidecar: bool
    workload: str
    locality: str
    node: str
    canonical_name: str
    canonical_revision: str


def translate(pod: core_pod.Pod, settings: MeshSettings) -> Workload:
    """Return the workload that a pod is."""
    labels = pod.metadata.labels
    name = owner(pod)[1]
    return Workload(
        pod=pod.metadata.name,
        namespace=pod.metadata.namespace,
        address=pod.status.pod_ip,
        labels=tuple(sorted(labels.items())),
        identity=identity(pod, settings),
        sidecar=labels.get(TLS_MODE_LABEL) == "istio",
        workload=name,
        locality=locality(labels, settings.features),
        node=pod.spec.node_name,
        canonical_name=canonical_name(labels, name),
        canonical_revision=canonical_revision(labels, ""),
    )


def endpoint(workload: Workload, address: str, port: int, mode: Mode) -> Endpoint:
    """Return a pod as an endpoint at an address; `mode` is what it accepts on the port."""
    return Endpoint(
        address=address,
        port=port,
        labels=workload.labels,
        identity=workload.identity,
        sidecar=workload.sidecar,
        mode=mode.mode,
        mode_source=mode.source,
        workload=workload.workload,
        namespace=workload.namespace,
        pod=workload.pod,
        locality=workload.locality,
        node=workload.node,
        canonical_name=workload.canonical_name,
        canonical_revision=workload.canonical_revision,
    )


def locality(labels: Mapping[str, str], features: Features) -> str:
    """Return where a workload with these labels is, as `region/zone/subzone`; empty: unknown.

    Dots stand for slashes, which no label's value may have.
    """
    newer = labels.get(TOPOLOGY_LABEL, "") if features.topology_locality_label else ""
    return (newer or labels.get(LOCALITY_LABEL, "")).replace(".", "/")


def identity(pod: core_pod.Pod, settings: MeshSettings) -> str:
    """Return the pod's SPIFFE id."""
    account = pod.spec.service_account_name or pod.spec.service_account or "default"
    return spiffe_id(settings.trust_domain, pod.metadata.namespace, account)


def proxy_kind(pod: core_pod.Pod) -> ProxyKind | None:
    """Return what proxy the pod runs, if it runs one: Istio asks for `proxy router` in the
    container's arguments or, for an injected gateway, by the template annotation."""
    container = proxy_container(pod)
    if container is None:
        return None
    templates = pod.metadata.annotations.get(TEMPLATES_ANNOTATION, "")
    if "router" in container.args or "gateway" in templates.split(","):
        return ProxyKind.ROUTER
    return ProxyKind.SIDECAR


def proxy_container(pod: core_pod.Pod) -> core_container.Container | None:
    """Return the proxy's container: an ordinary one, or an init container that keeps running."""
    for container in pod.spec.containers:
        if container.name == PROXY_CONTAINER:
            return container
    for container in pod.spec.init_containers:
        if container.name == PROXY_CONTAINER and container.restart_policy == "Always":
            return container
    return None


def resolves(pod: core_pod.Pod, *, allocation_asked: bool) -> bool:
    """Whether the pod's proxy answers the pod's DNS with the addresses that hosts were given."""
    container = proxy_container(pod)
    if container is None:
        return False
    said = ((each.name, each.value) for each in container.env)
    return entryaddresses.captures(said, allocation_asked=allocation_asked)


def ready(pod: core_pod.Pod) -> bool:
    """Whether the pod is ready to be sent requests."""
    if pod.metadata.deletion_timestamp is not None:
        return False
    return any(c.type == wellknown.READY and c.status == "True" for c in pod.status.conditions)


def finished(pod: core_pod.Pod) -> bool:
    """Whether the pod has ended for good."""
    return pod.status.phase in wellknown.ENDED


def node(
    pod: core_pod.Pod,
    kind: ProxyKind,
    settings: MeshSettings,
    reports: telemetry.Telemetry = telemetry.DEFAULT,
) -> Node:
    """Return who the pod's proxy is, and what it reports."""
    return Node(
        kind=kind,
        pod=pod.metadata.name,
        namespace=pod.metadata.namespace,
        ip=pod.status.pod_ip,
        identity=identity(pod, settings),
        labels=tuple(sorted(pod.metadata.labels.items())),
        workload=owner(pod)[1],
        peer_metadata=peer_metadata(pod, kind, settings),
        telemetry=reports,
    )


def reference(pod: core_pod.Pod) -> ObjectRef:
    """Return the pod's reference."""
    return ObjectRef("Pod", pod.metadata.namespace, pod.metadata.name)


def container_port(pod: core_pod.Pod, target: int | str) -> int | None:
    """Resolve a targetPort: a number, or the name of a container port."""
    if isinstance(target, int):
        return target
    if target.isascii() and target.isdigit():
        return int(target)
    for container in pod.spec.containers + pod.spec.init_containers:
        for port in container.ports:
            if port.name == target and (port.protocol or "TCP") == "TCP":
                return port.container_port
    return None


def owner(pod: core_pod.Pod) -> tuple[str, str, str]:
    """Return (API version, name, kind) of what made the pod.

    A ReplicaSet named after its template hash stands for its Deployment, and a Job named after
    its minute for its CronJob, as on Istio.
    """
    meta = pod.metadata
    controller = next((o for o in meta.owner_references if o.controller), None)
    if controller is None:
        return "v1", meta.name, "Pod"
    digest = meta.labels.get("pod-template-hash", "")
    if controller.kind == "ReplicaSet" and digest and controller.name.endswith(f"-{digest}"):
        return "apps/v1", controller.name[: -len(digest) - 1], "Deployment"
    scheduled = _CRON_JOB.fullmatch(controller.name)
    if controller.kind == "Job" and scheduled:
        return "batch/v1", scheduled["name"], "CronJob"
    return controller.api_version, controller.name, controller.kind


def peer_metadata(pod: core_pod.Pod, kind: ProxyKind, settings: MeshSettings) -> str:
    """Return what the proxy tells its peers of itself: a base64 Struct, as Istio's header."""
    meta = pod.metadata
    version, name, owner_kind = owner(pod)
    labels = {k: v for k, v in meta.labels.items() if k != "pod-template-hash"}
    labels.setdefault(NAME_LABEL, canonical_name(meta.labels, name))
    labels.setdefault(REVISION_LABEL, canonical_revision(meta.labels, "latest"))
    apps = "" if kind is ProxyKind.ROUTER else ",".join(_app_containers(pod))
    fields: dict[str, downward_labels.Value] = {
        "APP_CONTAINERS": apps,
        "CLUSTER_ID": settings.cluster_id,
        "INSTANCE_IPS": pod.status.pod_ip,
        "ISTIO_VERSION": settings.features.version,
        "LABELS": labels,
        "MESH_ID": settings.mesh_id,
        "NAME": meta.name,
        "NAMESPACE": meta.namespace,
        "OWNER": f"kubernetes://apis/{version}/namespaces/{meta.namespace}"
        f"/{owner_kind.lower()}s/{name}",
        "PLATFORM_METADATA": {},
        "WORKLOAD_NAME": name,
    }
    return base64.b64encode(downward_labels.encode(fields)).decode("ascii")


def _app_containers(pod: core_pod.Pod) -> tuple[str, ...]:
    return tuple(c.name for c in pod.spec.containers if c.name != PROXY_CONTAINER)


def canonical_name(labels: Mapping[str, str], workload: str) -> str:
    """Return what a workload is called in telemetry: by its labels, else by its own name."""
    found = labels.get(NAME_LABEL) or labels.get("app.kubernetes.io/name") or labels.get("app")
    return found or workload


def canonical_revision(labels: Mapping[str, str], otherwise: str) -> str:
    """Return a workload's revision in telemetry: by its labels, else `otherwise`."""
    found = labels.get(REVISION_LABEL) or labels.get("app.kubernetes.io/version")
    return found or labels.get("version") or otherwise
