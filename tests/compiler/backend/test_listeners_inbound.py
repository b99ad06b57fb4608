"""virtualInbound: the chain matrix, the inspectors' ports, mTLS contexts, embedded routes."""

import pytest
from envoy.extensions.filters.network.tcp_proxy.v3 import tcp_proxy_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2

from lateen.compiler.backend import names
from lateen.compiler.backend.listeners import inbound as listeners_inbound, outbound
from lateen.compiler.ir import telemetry, workload

Protocol = workload.Protocol
PLAIN = ["http/1.1", "h2c"]
MTLS_HTTP = ["istio-http/1.0", "istio-http/1.1", "istio-h2"]
MTLS_TCP = ["istio-peer-exchange", "istio"]
ALL = ["istio", "istio-peer-exchange", *MTLS_HTTP]

# (transport, offered ALPN, ends as HTTP, terminates mTLS), in the order Envoy is given them.
MATRIX = {
    ("HTTP", "DISABLE"): [("raw_buffer", [], True, False)],
    ("HTTP", "PERMISSIVE"): [("tls", ALL, True, True), ("raw_buffer", [], True, False)],
    ("HTTP", "STRICT"): [("tls", [], True, True)],
    ("TCP", "DISABLE"): [("raw_buffer", [], False, False)],
    ("TCP", "PERMISSIVE"): [
        ("tls", ALL, False, True),
        ("tls", [], False, False),
        ("raw_buffer", [], False, False),
    ],
    ("TCP", "STRICT"): [("tls", [], False, True)],
    ("AUTO", "DISABLE"): [("raw_buffer", PLAIN, True, False), ("raw_buffer", [], False, False)],
    ("AUTO", "PERMISSIVE"): [
        ("tls", MTLS_HTTP, True, True),
        ("raw_buffer", PLAIN, True, False),
        ("tls", MTLS_TCP, False, True),
        ("raw_buffer", [], False, False),
        ("tls", [], False, False),
    ],
    ("AUTO", "STRICT"): [("tls", MTLS_HTTP, True, True), ("tls", [], False, True)],
}
FAMILIES = {
    "HTTP": ("HTTP", "HTTP2", "GRPC", "GRPC_WEB"),
    "TCP": ("TCP", "TLS", "HTTPS", "MONGO", "REDIS", "MYSQL"),
    "AUTO": ("AUTO",),
}
CASES = [
    pytest.param(protocol, mode, chains, id=f"{protocol}-{mode}")
    for (family, mode), chains in MATRIX.items()
    for protocol in FAMILIES[family]
]


def render(mesh, inbound):
    return listeners_inbound.virtual_inbound(inbound, mesh.node(), mesh.SETTINGS)


def chains_of(listener, port):
    return [
        chain
        for chain in listener.filter_chains
        if chain.filter_chain_match.destination_port.value == port
    ]


def shape(mesh, chain):
    match = chain.filter_chain_match
    return (
        match.transport_protocol,
        list(match.application_protocols),
        mesh.manager(chain) is not None,
        chain.HasField("transport_socket"),
    )


@pytest.mark.parametrize(("protocol", "mode", "expected"), CASES)
def test_the_chains_of_a_port(mesh, protocol, mode, expected):
    listener = render(mesh, mesh.inbound((80, Protocol[protocol], mode), value="DISABLE"))
    chains = chains_of(listener, 80)
    assert [shape(mesh, chain) for chain in chains] == expected
    assert {chain.name for chain in chains} == {"0.0.0.0_80"}


def test_order_and_names_of_the_rest(mesh):
    inbound = mesh.inbound(
        (443, Protocol.HTTPS, "STRICT"), (80, Protocol.HTTP, "STRICT"), value="PERMISSIVE"
    )
    listener = render(mesh, inbound)
    names = [chain.name for chain in listener.filter_chains]
    assert names[0] == "virtualInbound-blackhole"
    assert names[1:6] == [
        "virtualInbound-catchall-http",
        "virtualInbound-catchall-http",
        "virtualInbound",
        "virtualInbound",
        "virtualInbound",
    ]
    assert names[6:] == ["0.0.0.0_80", "0.0.0.0_443"]
    assert listener.filter_chains[0].filter_chain_match.destination_port.value == 15006


def test_a_port_no_service_targets_has_its_own_passthrough_set(mesh):
    inbound = mesh.inbound(value="DISABLE", port_modes=[(9000, "STRICT")])
    chains = chains_of(render(mesh, inbound), 9000)
    assert [shape(mesh, c) for c in chains] == MATRIX["AUTO", "STRICT"]
    proxy = mesh.unpack(chains[1].filters[0].typed_config, tcp_proxy_pb2.TcpProxy)
    assert proxy.cluster == "InboundPassthroughCluster"


@pytest.mark.parametrize(
    ("inbound", "tls", "http"),
    [
        pytest.param(
            {"value": "PERMISSIVE", "ports": [(80, "HTTP", "DISABLE"), (81, "AUTO", "STRICT")]},
            ("skip", {80, 15006}),
            ("skip", {80, 81, 15006}),
            id="the catch-all needs both",
        ),
        pytest.param(
            {"value": "DISABLE", "ports": [(80, "HTTP", "STRICT"), (81, "TCP", "DISABLE")]},
            ("only", {80}),
            ("skip", {80, 81, 15006}),
            id="one port needs TLS",
        ),
        pytest.param(
            {"value": "DISABLE", "ports": [(80, "HTTP", "DISABLE")]},
            None,
            ("skip", {80, 15006}),
            id="nobody needs TLS",
        ),
        pytest.param(
            {"value": "STRICT", "ports": [(80, "AUTO", "PERMISSIVE")]},
            ("skip", {15006}),
            ("only", {80}),
            id="one port needs HTTP",
        ),
    ],
)
def test_inspectors_run_only_where_something_depends_on_them(mesh, inbound, tls, http):
    ports = [(number, Protocol[p], mode) for number, p, mode in inbound["ports"]]
    listener = render(mesh, mesh.inbound(*ports, value=inbound["value"]))
    found = {f.name.rpartition(".")[2]: f for f in listener.listener_filters}
    assert next(iter(found)) == "original_dst"
    for name, expected in (("tls_inspector", tls), ("http_inspector", http)):
        assert (name in found) == (expected is not None)
        if expected is not None:
            assert disabled(found[name].filter_disabled) == expected


def disabled(predicate):
    """("skip", ports) when off for the ports, ("only", ports) when on for them alone."""
    if predicate.WhichOneof("rule") == "not_match":
        return "only", disabled(predicate.not_match)[1]
    rules = predicate.or_match.rules or [predicate]
    return "skip", {rule.destination_port_range.start for rule in rules}


@pytest.mark.parametrize(
    ("protocol", "alpn"),
    [("HTTP", ["h2", "http/1.1"]), ("TCP", ["istio-peer-exchange", "h2", "http/1.1"])],
)
def test_the_servers_side_of_mtls(mesh, protocol, alpn):
    listener = render(mesh, mesh.inbound((80, Protocol[protocol], "STRICT")))
    (chain,) = chains_of(listener, 80)
    context = mesh.unpack(chain.transport_socket.typed_config, tls_pb2.DownstreamTlsContext)
    assert context.require_client_certificate.value
    common = context.common_tls_context
    assert list(common.alpn_protocols) == alpn
    assert (
        common.tls_params.tls_minimum_protocol_version,
        common.tls_params.tls_maximum_protocol_version,
    ) == (3, 4)
    assert len(common.tls_params.cipher_suites) == 6
    default = common.combined_validation_context.default_validation_context
    (matcher,) = default.match_typed_subject_alt_names
    assert matcher.matcher.prefix == "spiffe://cluster.local/"
    assert mesh.secrets_of(listener) == {"default", "ROOTCA"}


def test_what_an_http_chain_does(mesh):
    listener = render(mesh, mesh.inbound((80, Protocol.HTTP, "STRICT")))
    (chain,) = chains_of(listener, 80)
    manager = mesh.manager(chain)
    assert manager.server_name == "istio-envoy"
    assert manager.stat_prefix == "inbound_0.0.0.0_80;"
    assert not manager.use_remote_address.value
    config = manager.route_config
    assert config.name == "inbound|80||"
    (host,) = config.virtual_hosts
    assert (host.name, list(host.domains)) == ("inbound|http|8080", ["*"])
    (route,) = host.routes
    assert route.name == "default"
    assert route.decorator.operation == f"{mesh.HOST}:8080/*"
    assert route.route.cluster == "inbound|80||"
    assert route.route.retry_policy.retry_on == "reset-before-request"
    names = [f.name for f in manager.http_filters]
    assert names[0] == "istio.metadata_exchange"
    assert names[-3:] == [
        "envoy.filters.http.fault",
        "envoy.filters.http.cors",
        "envoy.filters.http.router",
    ]
    fields = chain.metadata.filter_metadata["lateen"].fields
    assert fields["source"].string_value == str(mesh.SVC)
    assert fields["mode"].string_value == str(mesh.PA)
    assert fields["mtls"].string_value == "STRICT"


def test_grpc_ports_are_not_retried_inbound(mesh):
    listener = render(mesh, mesh.inbound((80, Protocol.GRPC, "STRICT")))
    manager = mesh.manager(chains_of(listener, 80)[0])
    assert not manager.route_config.virtual_hosts[0].routes[0].route.HasField("retry_policy")


def test_a_refused_handshake_leaves_a_trace_on_the_listener(mesh):
    listener = render(mesh, mesh.inbound(value="STRICT"))
    text, stream = listener.access_log
    assert list(text.filter.response_flag_filter.flags) == ["NR"]
    no_route, failed = stream.filter.or_filter.filters
    assert list(no_route.response_flag_filter.flags) == ["NR"]
    assert failed.extension_filter.name == "envoy.access_loggers.extension_filters.cel"


def test_the_capture_rules_ports_are_istios(mesh):
    """Pods of images that know Istio, and capture rules, name these numbers."""
    made = outbound.virtual_outbound(mesh.SETTINGS, telemetry.Signals())
    assert made.address.socket_address.port_value == 15001
    hole, rest = made.filter_chains
    assert hole.filter_chain_match.destination_port.value == 15001
    assert not rest.filter_chain_match.HasField("destination_port")
    assert made.use_original_dst.value
    assert names.INBOUND_PORT == 15006
