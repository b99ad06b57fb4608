"""What Envoy is told where Istio's control plane was compared with this one: one test a finding."""

import msgspec
import pytest
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from lateen.compiler.backend import render
from lateen.compiler.backend.clusters import clusters
from lateen.compiler.backend.routes import tables as routes
from lateen.compiler.ir import policy, proxy, routing, workload
from lateen.compiler.output import ResourceType
from lateen.model.meta import ObjectRef

Protocol = workload.Protocol
SIDECAR = proxy.ProxyKind.SIDECAR
LISTENER = ResourceType.LISTENER
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def http_options(mesh, cluster):
    packed = cluster.typed_extension_protocol_options[OPTIONS]
    return mesh.unpack(packed, http_protocol_options_pb2.HttpProtocolOptions)


def test_the_budget_of_retries_stands_on_inbound_clusters_too(mesh):
    (port,) = mesh.inbound((80, Protocol.HTTP, "STRICT")).ports
    budget = policy.RetryBudget(percent=30, least=4, source=mesh.DR)
    port = msgspec.structs.replace(port, retry_budget=budget, rule=mesh.DR.ref)
    made = clusters.inbound(port, mesh.SETTINGS)
    (threshold,) = made.circuit_breakers.thresholds
    assert threshold.retry_budget.budget_percent.value == 30
    assert threshold.retry_budget.min_retry_concurrency.value == 4
    istio = made.metadata.filter_metadata["istio"].fields
    assert istio["config"].string_value.endswith("/destination-rule/rule")
    ours = made.metadata.filter_metadata["lateen"].fields
    assert ours["retryBudget"].string_value == str(mesh.DR)


def test_connections_of_passed_through_requests_end_after_five_idle_minutes(mesh):
    for made in (clusters.passthrough(mesh.SETTINGS), clusters.inbound_passthrough(mesh.SETTINGS)):
        assert http_options(mesh, made).common_http_protocol_options.idle_timeout.seconds == 300


def test_the_meshs_connect_timeout_is_that_of_every_fixed_cluster(mesh):
    settings = msgspec.structs.replace(mesh.SETTINGS, connect_timeout=3.0)
    for make in (clusters.black_hole, clusters.passthrough, clusters.inbound_passthrough):
        assert make(settings).connect_timeout.seconds == 3


def test_a_header_set_to_nothing_is_not_sent(mesh):
    edits = routing.HeaderOps(set=(("x-empty", ""),))
    host = mesh.table("80", mesh.route("outbound|80||a", request=edits)).hosts[0]
    (option,) = routes.virtual_host(host, {}).routes[0].request_headers_to_add
    assert option.header.key == "x-empty"
    assert option.keep_empty_value is False


@pytest.mark.parametrize("bind", ["10.96.0.20", "0.0.0.0"])
def test_tls_to_a_name_that_no_rule_has_passes_through(mesh, bind):
    named = routing.TcpRoute(
        destinations=(routing.Destination(cluster="a"),), sni_hosts=("a.example",)
    )
    view = mesh.sidecar()
    listener = proxy.TcpListener(bind=bind, port=443, routes=(named,), source=mesh.SVC)
    outbound = msgspec.structs.replace(view.outbound, tcp=(listener,))
    made = render.Renderer().render(msgspec.structs.replace(view, outbound=outbound))
    parsed = mesh.parse(made.of(LISTENER)[f"{bind}_443"])
    assert parsed.default_filter_chain.name == "PassthroughFilterChain"
    assert len(parsed.filter_chains) == 1


def gateway(mesh, protocol, **chain):
    served = proxy.GatewayChain(sni=(), source=mesh.GATEWAY, protocol=protocol, **chain)
    listener = proxy.GatewayListener(bind="0.0.0.0", port=9000, chains=(served,))
    tables = (mesh.table("http.9000", mesh.route(mesh.cluster().name)),)
    made = render.Renderer().render(mesh.router(listener, tables=tables))
    return mesh.parse(made.of(LISTENER)["0.0.0.0_9000"])


@pytest.mark.parametrize(("protocol", "web"), [(Protocol.GRPC_WEB, True), (Protocol.HTTP, False)])
def test_a_gateway_reads_grpc_web_where_its_server_says_so(mesh, protocol, web):
    parsed = gateway(mesh, protocol, route_table="http.9000")
    manager = mesh.unpack(
        parsed.filter_chains[0].filters[-1].typed_config,
        http_connection_manager_pb2.HttpConnectionManager,
    )
    assert ("envoy.filters.http.grpc_web" in [f.name for f in manager.http_filters]) is web


ROUTE = routing.TcpRoute(destinations=(routing.Destination(cluster="outbound|9000||a"),))


@pytest.mark.parametrize("protocol", [Protocol.MONGO, Protocol.TCP])
def test_mongo_is_read_where_it_is_spoken(mesh, protocol):
    reader = ["envoy.filters.network.mongo_proxy"] if protocol is Protocol.MONGO else []
    wanted = [*reader, "envoy.filters.network.tcp_proxy"]
    parsed = gateway(mesh, protocol, tcp=(ROUTE,))
    assert [f.name for f in parsed.filter_chains[0].filters] == wanted
    view = mesh.sidecar()
    listener = proxy.TcpListener(
        bind="10.96.0.20",
        port=27017,
        routes=(ROUTE,),
        source=mesh.SVC,
        mongo=protocol is Protocol.MONGO,
    )
    outbound = msgspec.structs.replace(view.outbound, tcp=(listener,))
    made = render.Renderer().render(msgspec.structs.replace(view, outbound=outbound))
    parsed = mesh.parse(made.of(LISTENER)["10.96.0.20_27017"])
    assert [f.name for f in parsed.filter_chains[0].filters] == wanted


def test_a_handshake_of_an_outbound_chain_may_take_15_seconds(mesh):
    made = render.Renderer().render(mesh.sidecar())
    for name, resource in made.of(LISTENER).items():
        for chain in mesh.chains(mesh.parse(resource)):
            limited = chain.HasField("transport_socket_connect_timeout")
            own = not name.startswith("virtual") and chain.name != "PassthroughFilterChain"
            assert limited is own, (name, chain.name)
            assert not own or chain.transport_socket_connect_timeout.seconds == 15
    (chain,) = gateway(mesh, Protocol.TCP, tcp=(ROUTE,)).filter_chains
    assert chain.transport_socket_connect_timeout.seconds == 15


@pytest.mark.parametrize(
    ("protocol", "pool", "streams"),
    [
        (Protocol.HTTP2, {}, 10),
        (Protocol.HTTP, {"h2_upgrade": "UPGRADE"}, 10),
        (Protocol.HTTP, {"use_client_protocol": True}, 0),
        (Protocol.AUTO, {}, 0),
    ],
)
def test_streams_are_limited_where_http2_is_spoken_always(mesh, protocol, pool, streams):
    limits = policy.ConnectionPool(max_concurrent_streams=10, **pool)
    source = mesh.cluster(protocol, connection_pool=limits)
    options = http_options(mesh, clusters.outbound(source, mesh.SETTINGS, SIDECAR, ""))
    both = options.use_downstream_protocol_config.http2_protocol_options
    explicit = options.explicit_http_config.http2_protocol_options
    assert explicit.max_concurrent_streams.value == streams
    assert not both.HasField("max_concurrent_streams")


@pytest.mark.parametrize("protocol", [Protocol.HTTP, Protocol.TCP, Protocol.HTTPS])
def test_sni_follows_the_host_in_the_configuration_of_every_protocol(mesh, protocol):
    simple = policy.ClientTls(mode=policy.TlsMode.SIMPLE, source=mesh.DR, auto_sni=True)
    source = mesh.cluster(protocol, tls=simple)
    options = http_options(mesh, clusters.outbound(source, mesh.SETTINGS, SIDECAR, ""))
    assert options.upstream_http_protocol_options.auto_sni


def test_a_route_names_its_virtual_service_the_root_of_delegates(mesh):
    root = ObjectRef("VirtualService", "team", "root")
    own = mesh.route("outbound|80||a")
    sources = (own, msgspec.structs.replace(own, root=root))
    sources += (msgspec.structs.replace(own, source=None),)
    host = mesh.table("80", *sources).hosts[0]
    found = [
        route.metadata.filter_metadata["istio"].fields["config"].string_value
        if "istio" in route.metadata.filter_metadata
        else ""
        for route in routes.virtual_host(host, {}).routes
    ]
    base = "/apis/networking.istio.io/v1/namespaces"
    assert found == [
        f"{base}/default/virtual-service/routes",
        f"{base}/team/virtual-service/root",
        "",
    ]


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("127.0.0.1:8080", ("127.0.0.1", 8080)),
        ("[::1]:81", ("::1", 81)),
        (":82", ("127.0.0.1", 82)),
    ],
)
def test_an_ingress_listener_leads_to_where_its_sidecar_says(mesh, endpoint, address):
    (port,) = mesh.inbound((80, Protocol.HTTP, "STRICT")).ports
    made = clusters.inbound(msgspec.structs.replace(port, endpoint=endpoint), mesh.SETTINGS)
    (group,) = made.load_assignment.endpoints
    found = group.lb_endpoints[0].endpoint.address.socket_address
    assert (found.address, found.port_value) == address
    assert not made.HasField("upstream_bind_config")
    pipe = clusters.inbound(msgspec.structs.replace(port, endpoint="unix:///s"), mesh.SETTINGS)
    assert pipe.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.pipe.path == "/s"


@pytest.mark.parametrize(
    ("said", "cluster"),
    [
        (None, "PassthroughCluster"),
        (proxy.Elsewhere(cluster=""), "BlackHoleCluster"),
        (proxy.Elsewhere(cluster="outbound|1||out"), "outbound|1||out"),
    ],
)
def test_unknown_traffic_goes_where_a_sidecar_says(mesh, said, cluster):
    view = mesh.sidecar()
    http = tuple(msgspec.structs.replace(one, elsewhere=said) for one in view.outbound.http)
    outbound = msgspec.structs.replace(view.outbound, elsewhere=said, http=http)
    made = render.Renderer().render(msgspec.structs.replace(view, outbound=outbound)).of(LISTENER)
    first = mesh.parse(made["virtualOutbound"]).filter_chains[-1]
    shared = mesh.parse(made["0.0.0.0_8080"]).default_filter_chain
    for chain in (first, shared):
        assert mesh.unpack(chain.filters[-1].typed_config, TcpProxy).cluster == cluster
