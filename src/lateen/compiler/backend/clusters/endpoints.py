"""Endpoints (EDS): the path that changes most often, so it is short. Pure."""

from envoy.config.endpoint.v3 import endpoint_components_pb2, endpoint_pb2

from lateen.compiler.backend import names
from lateen.compiler.ir.proxy import ClusterEndpoints
from lateen.compiler.ir.workload import Endpoint
from lateen.model.meta import Source

_MAX_WEIGHT = 4294967295
"""The largest uint32, which Envoy's weights are."""

TRANSPORT_METADATA = "envoy.transport_socket_match"


def assignment(source: ClusterEndpoints, cluster_id: str) -> endpoint_pb2.ClusterLoadAssignment:
    """Return one cluster's endpoints, grouped by priority and locality; a group weighs what its
    endpoints weigh together unless its locality has a share of its own.

    `tlsMode: istio` on an endpoint is what makes an automatic-mTLS cluster use TLS to it.
    """
    out = endpoint_pb2.ClusterLoadAssignment(cluster_name=source.cluster)
    groups: dict[tuple[int, str], endpoint_components_pb2.LocalityLbEndpoints] = {}
    shares = dict(source.shares)
    ranks = source.priorities or (0,) * len(source.endpoints)
    for endpoint, mtls, rank in zip(source.endpoints, source.mtls, ranks, strict=True):
        key = (rank, endpoint.locality)
        group = groups.get(key)
        if group is None:
            group = groups[key] = out.endpoints.add(priority=rank)
            _locality(group, endpoint.locality)
        if endpoint.locality in shares:
            group.load_balancing_weight.value = shares[endpoint.locality]
        else:
            weight = group.load_balancing_weight.value + endpoint.weight
            group.load_balancing_weight.value = min(weight, _MAX_WEIGHT)
        _endpoint(group.lb_endpoints.add(), endpoint, mtls, cluster_id)
    return out


def _locality(out: endpoint_components_pb2.LocalityLbEndpoints, locality: str) -> None:
    region, _, rest = locality.partition("/")
    zone, _, sub_zone = rest.partition("/")
    out.locality.SetInParent()
    if region:
        out.locality.region = region
        out.locality.zone = zone
        out.locality.sub_zone = sub_zone


def _endpoint(
    out: endpoint_components_pb2.LbEndpoint, source: Endpoint, mtls: bool, cluster_id: str
) -> None:
    address = out.endpoint.address.socket_address
    address.address = source.address
    address.port_value = source.port
    out.load_balancing_weight.value = source.weight
    if not (mtls or source.sidecar or source.workload or source.pod or source.mode_source):
        return
    metadata = out.metadata.filter_metadata
    if mtls:
        metadata[TRANSPORT_METADATA].fields["tlsMode"].string_value = "istio"
    elif source.sidecar:
        # It could speak mutual TLS and is not to. Envoy takes an endpoint of another name for
        # another one, and lets go of the connections that it holds to the old: without that a
        # changed mode would count for new connections alone. Where there is no name, Envoy's logs
        # have the address (`%UPSTREAM_HOST_NAME%`), so nobody who reads them sees a difference.
        out.endpoint.hostname = f"{source.address}:{source.port}"
    if source.workload:
        workload = (
            source.workload,
            source.namespace,
            source.canonical_name,
            source.canonical_revision,
            cluster_id,
        )
        metadata[names.ISTIO_METADATA].fields["workload"].string_value = ";".join(workload)
    if source.pod or source.mode_source is not None:
        fields = metadata[names.SOURCE_METADATA].fields
        fields["pod"].string_value = f"{source.namespace}/{source.pod}"
        if source.mode_source is not None:
            fields["mode"].string_value = str(source.mode_source)


def sources(source: ClusterEndpoints) -> list[Source | None]:
    """Return the PeerAuthentication fields that decided the endpoints' modes."""
    return [endpoint.mode_source for endpoint in source.endpoints]
