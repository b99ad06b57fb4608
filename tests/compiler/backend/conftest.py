"""A small mesh in IR values, and the law that every rendering must keep."""

from types import SimpleNamespace

import msgspec
import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

from lateen.compiler.ir import policy, proxy, routing, workload
from lateen.compiler.output import ResourceType
from lateen.model.meta import ObjectRef, Source

HOST = "helloworld.default.svc.cluster.local"
ID = "spiffe://cluster.local/ns/default/sa/default"
SETTINGS = proxy.MeshSettings(features=proxy.Features(version="1.32"))
SVC = Source(ObjectRef("Service", "default", "helloworld"), "spec.ports[0]")
PA = Source(ObjectRef("PeerAuthentication", "default", "strict"), "spec.mtls.mode")
DR = Source(ObjectRef("DestinationRule", "default", "rule"), "spec.trafficPolicy.tls")
VS = Source(ObjectRef("VirtualService", "default", "routes"), "spec.http[0]")
GATEWAY = Source(ObjectRef("Gateway", "default", "gateway"), "spec.servers[0]")

PARSERS = {
    ResourceType.CLUSTER: cluster_pb2.Cluster,
    ResourceType.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    ResourceType.LISTENER: listener_pb2.Listener,
    ResourceType.ROUTE: route_pb2.RouteConfiguration,
}


def service(protocol=workload.Protocol.HTTP, port=8080, target=80, **changes):
    """The service, with one port."""
    known = {
        "hostname": HOST,
        "name": "helloworld",
        "namespace": "default",
        "resolution": workload.Resolution.EDS,
        "vips": ("10.96.0.20",),
        "source": SVC,
    }
    entry = workload.Port(number=port, name="p", protocol=protocol, target=target, source=SVC)
    return workload.Service(**{**known, "ports": (entry,), **changes})


def cluster(
    protocol=workload.Protocol.HTTP,
    port=8080,
    subset="",
    tls=None,
    auto_mtls=True,
    sans=(ID,),
    service_changes=None,
    **blocks,
):
    """An outbound cluster of the service."""
    rule = DR if tls or blocks else None
    return proxy.OutboundCluster(
        service=service(protocol, port, **(service_changes or {})),
        port=port,
        protocol=protocol,
        subset=subset,
        policy=policy.TrafficPolicy(tls=tls, rule=rule, **blocks),
        auto_mtls=auto_mtls,
        sans=sans,
        source=SVC,
    )


def endpoints(source, *, mtls=True, address="10.244.0.20", port=80):
    """One endpoint for a cluster."""
    endpoint = workload.Endpoint(
        address=address,
        port=port,
        identity=ID,
        sidecar=True,
        mode_source=PA,
        workload="helloworld",
        namespace="default",
        pod="helloworld-1",
        canonical_name="helloworld",
    )
    return proxy.ClusterEndpoints(cluster=source.name, endpoints=(endpoint,), mtls=(mtls,))


def route(*clusters, name="default", **fields):
    """A route to clusters, each with weight 100."""
    return routing.Route(
        name=name,
        match=fields.pop("match", routing.RouteMatch()),
        source=fields.pop("source", VS),
        destinations=tuple(routing.Destination(cluster=c) for c in clusters),
        **fields,
    )


def table(name, *routes, domains=("*",)):
    """A route table with one virtual host."""
    host = routing.VirtualHost(name=f"{HOST}:{name}", domains=domains, routes=routes)
    return routing.RouteTable(name=name, hosts=(host,))


def node(kind=proxy.ProxyKind.SIDECAR, pod="a", ip="10.244.0.10"):
    """A proxy's node."""
    return proxy.Node(
        kind=kind, pod=pod, namespace="default", ip=ip, identity=ID, peer_metadata="Q2c="
    )


def mode(value):
    """A resolved mode with its source."""
    return workload.Mode(mode=workload.MtlsMode(value), source=PA)


def inbound(*ports, value="PERMISSIVE", port_modes=()):
    """An inbound side; `ports` are (number, protocol, mode)."""
    entries = tuple(
        proxy.InboundPort(
            port=number,
            protocol=protocol,
            mode=mode(wanted),
            service=service(protocol),
            service_port=8080,
            source=SVC,
        )
        for number, protocol, wanted in ports
    )
    extra = tuple(proxy.PortMode(port=p, mode=mode(m)) for p, m in port_modes)
    return proxy.Inbound(mode=mode(value), ports=entries, port_modes=extra)


def sidecar(value="PERMISSIVE", protocol=workload.Protocol.HTTP, **changes):
    """A sidecar's whole view: HTTP, TCP, sniffed and TLS ports out, one port in."""
    P = workload.Protocol
    http, http2 = cluster(), cluster(P.HTTP2, 8081)
    auto, tcp = cluster(P.AUTO, 8082), cluster(P.TCP, 8083)
    every = (http, http2, auto, tcp)
    plain = tuple(
        routing.TcpRoute(destinations=(routing.Destination(cluster=c.name),)) for c in every
    )
    outbound = proxy.Outbound(
        clusters=every,
        endpoints=tuple(map(endpoints, every)),
        http=(
            proxy.HttpListener(port=8080, route_table="8080"),
            proxy.HttpListener(port=8081, route_table="8081"),
        ),
        tcp=(
            proxy.TcpListener(
                bind="10.96.0.20",
                port=8082,
                routes=(plain[2],),
                source=SVC,
                sniffed=True,
                route_table=f"{HOST}:8082",
            ),
            proxy.TcpListener(bind="10.96.0.20", port=8083, routes=(plain[3],), source=SVC),
        ),
        tables=(
            table("8080", route(http.name)),
            table("8081", route(http2.name)),
            table(f"{HOST}:8082", route(auto.name)),
        ),
    )
    view = proxy.ProxyView(
        node=node(),
        settings=SETTINGS,
        outbound=outbound,
        inbound=inbound((80, protocol, value), value=value),
    )
    return msgspec.structs.replace(view, **changes)


def router(*listeners, tables=(), clusters=()):
    """A gateway's whole view."""
    known = clusters or (cluster(),)
    config = proxy.GatewayConfig(
        listeners=listeners,
        tables=tables,
        clusters=known,
        endpoints=tuple(map(endpoints, known)),
    )
    return proxy.ProxyView(
        node=node(proxy.ProxyKind.ROUTER, "gw"), settings=SETTINGS, gateway=config
    )


def parse(resource):
    """A rendered resource as a message."""
    return PARSERS[resource.type].FromString(resource.body)


def unpack(packed, kind):
    """What an Any holds."""
    out = kind()
    assert packed.Unpack(out), packed.type_url
    return out


def chains(listener):
    """All chains of a listener."""
    extra = [listener.default_filter_chain] if listener.HasField("default_filter_chain") else []
    return [*listener.filter_chains, *extra]


def manager(chain):
    """The connection manager a chain ends in, or None."""
    last = chain.filters[-1]
    if not last.name.endswith("http_connection_manager"):
        return None
    return unpack(last.typed_config, http_connection_manager_pb2.HttpConnectionManager)


def secrets_of(message):
    """Names of all secrets a serialized message refers to, found by parsing its sockets."""
    found = set()
    sockets = (
        [c.transport_socket for c in chains(message)]
        if hasattr(message, "filter_chains")
        else [
            message.transport_socket,
            *(m.transport_socket for m in message.transport_socket_matches),
        ]
    )
    for socket in sockets:
        if not socket.name.endswith("tls"):
            continue
        kind = (
            tls_pb2.DownstreamTlsContext
            if socket.typed_config.type_url.endswith("DownstreamTlsContext")
            else tls_pb2.UpstreamTlsContext
        )
        common = unpack(socket.typed_config, kind).common_tls_context
        found.update(s.name for s in common.tls_certificate_sds_secret_configs)
        combined = common.combined_validation_context
        if combined.validation_context_sds_secret_config.name:
            found.add(combined.validation_context_sds_secret_config.name)
    return found


def dangling(resources):
    """Names that something refers to and nobody has: must be empty for every rendering."""
    missing = set()
    ends, tables = resources.of(ResourceType.ENDPOINT), resources.of(ResourceType.ROUTE)
    for resource in resources.of(ResourceType.CLUSTER).values():
        message = parse(resource)
        wanted = message.eds_cluster_config.service_name
        if wanted and wanted not in ends:
            missing.add(("endpoints", wanted))
        missing |= {("secret", s) for s in secrets_of(message) - {"default", "ROOTCA"}}
    for resource in resources.of(ResourceType.LISTENER).values():
        for chain in chains(parse(resource)):
            http = manager(chain)
            wanted = http.rds.route_config_name if http is not None else ""
            if wanted and wanted not in tables:
                missing.add(("table", wanted))
    eds = {
        parse(c).eds_cluster_config.service_name
        for c in resources.of(ResourceType.CLUSTER).values()
    }
    missing |= {("unused endpoints", name) for name in set(ends) - eds}
    return missing


@pytest.fixture(scope="session")
def mesh():
    """Builders of IR values and readers of what was rendered."""
    return SimpleNamespace(
        **{
            name: value
            for name, value in globals().items()
            if not name.startswith("_") and name not in ("pytest", "dataclasses")
        }
    )
