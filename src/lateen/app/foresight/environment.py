"""The facts around the proxies of a snapshot: who is where, which names and addresses lead where,
what is captured, what applications speak."""

from collections.abc import Iterable, Mapping, Sequence

from lateen.app.foresight import external
from lateen.compiler.frontend.graph import pods as proxies
from lateen.compiler.frontend.registry import workloads
from lateen.compiler.ir.proxy import MeshSettings, ProxyKind
from lateen.controllers.cluster import istiod
from lateen.model import entryaddresses, wellknown
from lateen.model.identity import spiffe_id
from lateen.model.kube import discovery
from lateen.model.kube.core import objects
from lateen.model.meta import ObjectRef, Source
from lateen.model.snapshot import Snapshot
from lateen.node.container import sidecar
from lateen.node.dns import zone
from lateen.node.net import services
from lateen.node.net.podnetwork import CaptureOptions
from lateen.predict.values.facts import CaptureRules, NetworkFacts, PodFacts, ServiceAddress

_ENTRIES = "serviceentries.networking.istio.io"
_SERVICE_LABEL = wellknown.SERVICE_NAME
_DOMAIN = wellknown.CLUSTER_DOMAIN
_SEARCH = (f"{{namespace}}.svc.{_DOMAIN}", f"svc.{_DOMAIN}", _DOMAIN)
POD_NETWORK, SERVICE_NETWORK = "10.244.0.0/16", "10.96.0.0/12"
NODE_IP, DNS_IP = "10.244.0.1", "10.96.0.10"


def network(
    snapshot: Snapshot, settings: MeshSettings, images: Mapping[str, Sequence[str]]
) -> NetworkFacts:
    """Return the facts of a snapshot; `images` are the user's own stand-ins."""
    slices = _slices(snapshot)
    node = services.NodeAddresses(ip=NODE_IP, port_addresses=(NODE_IP,), own=(DNS_IP,))
    fronts: dict[tuple[str, int], ServiceAddress] = {}
    for key, service in sorted(snapshot.services.items()):
        name = f"{key[0]}/{key[1]}"
        source = Source(ObjectRef("Service", *key))
        for each in services.frontends(service, slices.get(key, ()), node):
            if each.protocol == "tcp":
                fronts.setdefault(
                    (each.address, each.port), ServiceAddress(name, each.endpoints, source)
                )
    pods = (
        _pod(pod, settings, images)
        for (space, _), pod in snapshot.pods.items()
        if not istiod.is_plane(space, pod.metadata.labels)
    )
    return NetworkFacts(
        pods={pod.address: pod for pod in pods if pod.address},
        fronts=fronts,
        names=Resolver(snapshot, slices),
        routed=(POD_NETWORK, SERVICE_NETWORK),
        node=NODE_IP,
        system_roots=external.roots(snapshot),
    )


def _slices(
    snapshot: Snapshot,
) -> dict[tuple[str, str], tuple[discovery.EndpointSlice, ...]]:
    found: dict[tuple[str, str], tuple[discovery.EndpointSlice, ...]] = {}
    for (namespace, _), each in sorted(snapshot.endpoint_slices.items()):
        key = (namespace, each.metadata.labels.get(_SERVICE_LABEL, ""))
        found[key] = (*found.get(key, ()), each)
    return found


def _pod(pod: objects.Pod, settings: MeshSettings, images: Mapping[str, Sequence[str]]) -> PodFacts:
    meta = pod.metadata
    kind = proxies.kind_of(pod)
    role = "" if kind is None else "gateway" if kind is ProxyKind.ROUTER else "sidecar"
    account = pod.spec.service_account_name or "default"
    options = sidecar.capture_options(meta.annotations) if role == "sidecar" else None
    return PodFacts(
        name=f"{meta.namespace}/{meta.name}",
        address="" if meta.deletion_timestamp else pod.status.pod_ip,
        workload=f"{meta.namespace}/{_workload(pod)}",
        proxy=role,
        identity=spiffe_id(settings.trust_domain, meta.namespace, account) if role else "",
        capture=None if options is None else _capture(options),
        speeches={} if role == "gateway" else external.speeches(pod, images),
    )


def _workload(pod: objects.Pod) -> str:
    owner = next((o for o in pod.metadata.owner_references if o.controller), None)
    if owner is None:
        return pod.metadata.name
    return owner.name.rpartition("-")[0] if owner.kind == "ReplicaSet" else owner.name


def _capture(options: CaptureOptions) -> CaptureRules | None:
    if options.mode == "NONE":
        return None
    return CaptureRules(
        inbound=options.include_inbound_ports,
        not_inbound=options.exclude_inbound_ports,
        outbound_ports=options.include_outbound_ports,
        not_outbound_ports=options.exclude_outbound_ports,
        outbound_ranges=options.include_outbound_ranges,
        not_outbound_ranges=options.exclude_outbound_ranges,
    )


class Resolver:
    """The lab's name server as a client sees it: along its search path, from a pod; outside, by the
    names of Services and by what the ingress gateway serves."""

    def __init__(
        self,
        snapshot: Snapshot,
        slices: Mapping[tuple[str, str], Iterable[discovery.EndpointSlice]],
    ) -> None:
        self._zone = zone.Zone()
        for key, service in snapshot.services.items():
            self._zone.set_service(service, slices.get(key, ()))
        for (namespace, name), pod in snapshot.pods.items():
            self._zone.set_pod(namespace, name, pod.status.pod_ip)
            if workloads.resolves(pod, allocation_asked=False):
                self._zone.set_client(pod.status.pod_ip, namespace)
        for key, entry in snapshot.of(_ENTRIES).items():
            hosts = {
                host: zone.MeshHost(found, tuple(entry.spec.export_to))
                for host, found in entryaddresses.names(entry)
            }
            self._zone.set_entry(*key, hosts)
        for host, address in external.names(snapshot):
            self._zone.add_external(host, address)

    def addresses(self, name: str, namespace: str, client: str = "") -> tuple[str, ...]:
        """Return the addresses of a name, as the application of a pod of that address is told
        them; without one, as proxies are."""
        searched = [f"{name}.{s.format(namespace=namespace)}" for s in _SEARCH]
        absolute = name.removesuffix(".")
        every = [absolute] if name.endswith(".") or not namespace else [*searched, absolute]
        if name.count(".") >= 5:
            every = [absolute, *every]
        for each in every:
            found = self._zone.lookup(each, "A", client).answers
            given = tuple(record.value for record in found if record.type == "A")
            if given:
                return given
        return ()
