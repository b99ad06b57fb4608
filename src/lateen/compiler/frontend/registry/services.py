"""Kubernetes Services as services of the mesh. Pure."""

from collections.abc import Mapping

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import protocols, workloads
from lateen.compiler.ir.proxy import Features, MeshSettings
from lateen.compiler.ir.workload import Port, Protocol, Resolution, Service
from lateen.model.identity import spiffe_id
from lateen.model.kube.core import service as core_service
from lateen.model.meta import Source

EXPORT_ANNOTATION = "networking.istio.io/exportTo"
ACCOUNT_ANNOTATION = "alpha.istio.io/kubernetes-serviceaccounts"
DISTRIBUTION_ANNOTATION = "networking.istio.io/traffic-distribution"
CANONICAL_ACCOUNT_ANNOTATION = "alpha.istio.io/canonical-serviceaccounts"

_NODE_ORDER = (
    "topology.istio.io/network",
    *workloads.TOPOLOGY,
    workloads.NODE_LABEL,
)
_ORDERS = {
    "preferclose": _NODE_ORDER[:3],
    "prefersamezone": _NODE_ORDER[:3],
    "prefersamenode": _NODE_ORDER,
}


def hostname(namespace: str, name: str, domain: str) -> str:
    """Return a Service's fully qualified name."""
    return f"{name}.{namespace}.svc.{domain}"


def translate(obj: core_service.Service, settings: MeshSettings) -> Service:
    """Return the host that a Service declares; UDP and SCTP ports are kept as UDP."""
    meta, spec = obj.metadata, obj.spec
    host = hostname(meta.namespace, meta.name, settings.domain)
    source = precedence.source("Service", obj)
    ports = tuple([_port(p, i, source) for i, p in enumerate(spec.ports)])
    return Service(
        hostname=host,
        name=meta.name,
        namespace=meta.namespace,
        resolution=_resolution(spec, settings),
        vips=_addresses(spec),
        ports=ports,
        source=source,
        created=meta.creation_timestamp or "",
        external=spec.type == "ExternalName",
        external_name=spec.external_name.rstrip(".") if spec.type == "ExternalName" else "",
        selector=tuple(sorted(spec.selector.items())),
        export_to=_words(meta.annotations, EXPORT_ANNOTATION) or settings.service_export_to,
        near=nearness(spec.traffic_distribution or "", meta.annotations, settings.features),
        node_local=_node_local(obj, settings.features),
        identities=_annotated_identities(obj, settings.trust_domain) if meta.annotations else (),
    )


def nearness(written: str, annotations: Mapping[str, str], features: Features) -> tuple[str, ...]:
    """Return the labels by which a service's endpoints are near: as its `trafficDistribution` says,
    else its annotation, whose value may be in any case. An unknown word says nothing."""
    word = (written or annotations.get(DISTRIBUTION_ANNOTATION, "")).lower()
    if not word or not features.traffic_distribution:
        return ()
    if word == "preferclose" and not features.close_is_zone:
        return _NODE_ORDER[:-1]
    return _ORDERS.get(word, ())


def asked_of_clients(near: tuple[str, ...], *, node_local: bool = False) -> list[str]:
    """Return the labels of clients on which it depends which endpoints of a service they get."""
    found = near + ((workloads.NODE_LABEL,) if node_local else ())
    return [*found, *workloads.LOCALITY_LABELS] if found else []


def asked_by(obj: core_service.Service | None, features: Features) -> list[str]:
    """Return those labels for a Kubernetes Service."""
    if obj is None:
        return []
    near = nearness(obj.spec.traffic_distribution or "", obj.metadata.annotations, features)
    return asked_of_clients(near, node_local=_node_local(obj, features))


def _node_local(obj: core_service.Service, features: Features) -> bool:
    return obj.spec.internal_traffic_policy == "Local" and features.node_local_services


def visible(service: Service, namespace: str) -> bool:
    """Whether sidecars of `namespace` may know the service (annotation `exportTo`)."""
    wanted = service.export_to
    return not wanted or precedence.exported(wanted, service.namespace, namespace)


def _annotated_identities(obj: core_service.Service, trust_domain: str) -> tuple[str, ...]:
    notes, namespace = obj.metadata.annotations, obj.metadata.namespace
    accounts = _words(notes, ACCOUNT_ANNOTATION)
    own = tuple(spiffe_id(trust_domain, namespace, account) for account in accounts)
    return own + _words(notes, CANONICAL_ACCOUNT_ANNOTATION)


def _words(annotations: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Return the words of an annotation that lists some between commas."""
    written = annotations.get(name)
    if not written:
        return ()
    return tuple(word for part in written.split(",") if (word := part.strip()))


def _port(port: core_service.ServicePort, index: int, source: Source) -> Port:
    transport = port.protocol or "TCP"
    protocol = (
        protocols.select(port.port, port.name, port.app_protocol or "", transport)
        if transport == "TCP"
        else Protocol.UDP
    )
    return Port(
        number=port.port,
        name=port.name,
        protocol=protocol,
        target=port.target_port or port.port,
        source=Source(source.ref, f"spec.ports[{index}]"),
    )


def _resolution(spec: core_service.ServiceSpec, settings: MeshSettings) -> Resolution:
    if spec.type == "ExternalName":
        alias = settings.features.external_name_alias
        return Resolution.ALIAS if alias else Resolution.DNS
    return Resolution.PASSTHROUGH if spec.cluster_ip == "None" else Resolution.EDS


def _addresses(spec: core_service.ServiceSpec) -> tuple[str, ...]:
    if spec.type == "ExternalName":
        return ()
    found = spec.cluster_ips or (spec.cluster_ip,)
    return tuple([address for address in found if address and address != "None"])
