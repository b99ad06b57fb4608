"""Manifests alone as a running cluster would hold them: pods of Deployments, addresses, endpoint
slices. For compiling a folder without a lab. Pure.

What a cluster has anyway (pods, slices, addresses already given) is kept. Addresses follow from
names' order only, so the same manifests always give the same snapshot.
"""

import hashlib
from collections.abc import Iterable, Iterator

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import endpoints, workloads
from lateen.model import entryaddresses
from lateen.model.istio.networking_entry import EntryAddress
from lateen.model.kube import discovery
from lateen.model.kube.apps import workloads as apps
from lateen.model.kube.core import container, pod as core_pod, service as core_service
from lateen.model.schema import objectmeta
from lateen.model.snapshot import Change, Snapshot

_INJECT = "sidecar.istio.io/inject"
_HASH = "pod-template-hash"
_ENTRIES = "serviceentries.networking.istio.io"
_SLICES = "endpointslices.discovery.k8s.io"
_PROXY = container.Container(name=workloads.PROXY_CONTAINER, args=("proxy", "sidecar"))

Key = tuple[str, str]


def complete(snapshot: Snapshot, *, root_namespace: str = "istio-system") -> Snapshot:
    """Return the snapshot with pods for every Deployment, a sidecar in each unless its label or
    its namespace's says no, addresses for pods and Services, and EndpointSlices. Pods are ready."""
    pods = dict(snapshot.pods)
    for pod in _pods_of_deployments(snapshot, root_namespace):
        pods.setdefault((pod.metadata.namespace, pod.metadata.name), pod)
    numbered = enumerate(sorted(pods), start=2)
    pods = {key: _addressed(pods[key], f"10.244.{n // 256}.{n % 256}") for n, key in numbered}
    services = {
        key: _with_address(snapshot.services[key], f"10.96.{n // 256}.{n % 256}")
        for n, key in enumerate(sorted(snapshot.services), start=20)
    }
    known = {
        (s.metadata.namespace, s.metadata.labels.get(endpoints.SERVICE_LABEL, ""))
        for s in snapshot.endpoint_slices.values()
    }
    slices = [
        _slice(service, pods.values())
        for key, service in services.items()
        if service.spec.selector and key not in known
    ]
    changes = [Change("pods", *key, pod) for key, pod in pods.items()]
    changes += [Change("services", *key, service) for key, service in services.items()]
    changes += _entries_with_addresses(snapshot)
    changes += [Change(_SLICES, s.metadata.namespace, s.metadata.name, s) for s in slices]
    return snapshot.with_changes(changes)


def _entries_with_addresses(snapshot: Snapshot) -> list[Change]:
    known = snapshot.of(_ENTRIES)
    found = entryaddresses.allocate(sorted(known.values(), key=precedence.age))
    changes = []
    for key, hosts in found.items():
        given = tuple(EntryAddress(value=value, host=host) for host, value in hosts.items())
        obj = known[key]
        if given != obj.status.addresses:
            status = msgspec.structs.replace(obj.status, addresses=given)
            changes.append(Change(_ENTRIES, *key, msgspec.structs.replace(obj, status=status)))
    return changes


def _pods_of_deployments(snapshot: Snapshot, root_namespace: str) -> Iterator[core_pod.Pod]:
    for (namespace, name), obj in sorted(snapshot.of("deployments.apps").items()):
        deployment: apps.Deployment = obj
        digest = hashlib.blake2b(f"{namespace}/{name}".encode(), digest_size=5).hexdigest()
        replicas = deployment.spec.replicas
        for number in range(1 if replicas is None else replicas):
            yield _pod(snapshot, deployment, f"{name}-{digest}", digest, number, root_namespace)


def _pod(
    snapshot: Snapshot,
    deployment: apps.Deployment,
    owner: str,
    digest: str,
    number: int,
    root_namespace: str,
) -> core_pod.Pod:
    template, namespace = deployment.spec.template, deployment.metadata.namespace
    labels = {**template.metadata.labels, _HASH: digest}
    spec = template.spec
    if _injected(snapshot, namespace, labels, root_namespace):
        labels[workloads.TLS_MODE_LABEL] = "istio"
        if all(c.name != workloads.PROXY_CONTAINER for c in spec.containers):
            spec = msgspec.structs.replace(spec, containers=(*spec.containers, _PROXY))
    meta = objectmeta.ObjectMeta(
        name=f"{owner}-{number}",
        namespace=namespace,
        labels=labels,
        annotations=template.metadata.annotations,
        creation_timestamp=deployment.metadata.creation_timestamp,
        owner_references=(
            objectmeta.OwnerReference(
                api_version="apps/v1", kind="ReplicaSet", name=owner, controller=True
            ),
        ),
    )
    return core_pod.Pod(
        api_version="v1",
        kind="Pod",
        metadata=meta,
        spec=spec,
        status=core_pod.PodStatus(phase="Running"),
    )


def _injected(
    snapshot: Snapshot, namespace: str, labels: dict[str, str], root_namespace: str
) -> bool:
    written = labels.get(_INJECT)
    if written is not None:
        return written == "true"
    found = snapshot.namespaces.get(("", namespace))
    chosen = found.metadata.labels.get("istio-injection") if found is not None else None
    return chosen == "enabled" if chosen is not None else namespace != root_namespace


def _addressed(pod: core_pod.Pod, address: str) -> core_pod.Pod:
    if pod.status.pod_ip:
        return pod
    return msgspec.structs.replace(pod, status=msgspec.structs.replace(pod.status, pod_ip=address))


def _with_address(service: core_service.Service, address: str) -> core_service.Service:
    spec = service.spec
    if spec.cluster_ip or spec.type == "ExternalName":
        return service
    given = msgspec.structs.replace(spec, cluster_ip=address, cluster_ips=(address,))
    return msgspec.structs.replace(service, spec=given)


def _slice(service: core_service.Service, pods: Iterable[core_pod.Pod]) -> discovery.EndpointSlice:
    namespace, name = service.metadata.namespace, service.metadata.name
    members = [
        pod
        for pod in pods
        if pod.metadata.namespace == namespace
        and service.spec.selector.items() <= pod.metadata.labels.items()
    ]
    return discovery.EndpointSlice(
        api_version="discovery.k8s.io/v1",
        kind="EndpointSlice",
        metadata=objectmeta.ObjectMeta(
            name=f"{name}-0",
            namespace=namespace,
            labels={endpoints.SERVICE_LABEL: name},
        ),
        address_type="IPv4",
        endpoints=tuple(
            discovery.Endpoint(
                addresses=(pod.status.pod_ip,),
                conditions=discovery.EndpointConditions(ready=True),
                target_ref=objectmeta.ObjectReference(
                    kind="Pod", namespace=namespace, name=pod.metadata.name
                ),
            )
            for pod in members
        ),
        ports=_slice_ports(service, members),
    )


def _slice_ports(
    service: core_service.Service, members: list[core_pod.Pod]
) -> tuple[discovery.EndpointPort, ...]:
    found = []
    for port in service.spec.ports:
        target = port.target_port or port.port
        number = target if isinstance(target, int) else None
        if number is None and members:
            number = workloads.container_port(members[0], target)
        found.append(
            discovery.EndpointPort(
                name=port.name or None, port=number, protocol=port.protocol or "TCP"
            )
        )
    return tuple(found)
