"""Clusters: discovery, TLS per endpoint or for all, policies, names and metadata."""

import msgspec
import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2

from lateen.compiler.backend.clusters import clusters
from lateen.compiler.ir import policy, proxy, workload

SIDECAR, ROUTER = proxy.ProxyKind.SIDECAR, proxy.ProxyKind.ROUTER
Mode, Protocol, Resolution = policy.TlsMode, workload.Protocol, workload.Resolution
ROOTS = "/etc/ssl/certs/ca-certificates.crt"
Type = cluster_pb2.Cluster


def render(mesh, source, kind=SIDECAR):
    return clusters.outbound(source, mesh.SETTINGS, kind, ROOTS)


def upstream_tls(mesh, socket):
    return mesh.unpack(socket.typed_config, tls_pb2.UpstreamTlsContext)


def http_options(mesh, cluster):
    packed = cluster.typed_extension_protocol_options[
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    ]
    return mesh.unpack(packed, http_protocol_options_pb2.HttpProtocolOptions)


def test_a_plain_service_has_istios_names_and_defaults(mesh):
    made = render(mesh, mesh.cluster(subset="v1"))
    assert made.name == "outbound|8080|v1|helloworld.default.svc.cluster.local"
    assert made.alt_stat_name == made.name + ";"
    assert made.type == Type.EDS
    assert made.eds_cluster_config.service_name == made.name
    assert made.connect_timeout.seconds == 10
    assert made.lb_policy == Type.LEAST_REQUEST
    threshold = made.circuit_breakers.thresholds[0]
    limits = ("max_connections", "max_pending_requests", "max_requests", "max_retries")
    assert {getattr(threshold, name).value for name in limits} == {4294967295}


def test_metadata_says_which_service_rule_and_field_made_it(mesh):
    simple = policy.ClientTls(mode=Mode.SIMPLE, source=mesh.DR)
    made = render(mesh, mesh.cluster(subset="v1", tls=simple))
    istio = made.metadata.filter_metadata["istio"].fields
    assert istio["subset"].string_value == "v1"
    assert istio["alpn_override"].string_value == "false"
    assert istio["config"].string_value == (
        "/apis/networking.istio.io/v1/namespaces/default/destination-rule/rule"
    )
    service = istio["services"].list_value.values[0].struct_value.fields
    assert service["host"].string_value == mesh.HOST
    ours = made.metadata.filter_metadata["lateen"].fields
    assert ours["source"].string_value == str(mesh.SVC)
    assert ours["tls"].string_value == str(mesh.DR)
    assert set(clusters.outbound_sources(mesh.cluster(tls=simple))) == {mesh.SVC, mesh.DR}


def test_automatic_mtls_lets_each_endpoint_choose(mesh):
    made = render(mesh, mesh.cluster(subset="mtls"))
    istio, disabled = made.transport_socket_matches
    assert (istio.name, disabled.name) == ("tlsMode-istio", "tlsMode-disabled")
    assert istio.match.fields["tlsMode"].string_value == "istio"
    assert not disabled.match.fields
    assert disabled.transport_socket.name == "envoy.transport_sockets.raw_buffer"
    context = upstream_tls(mesh, istio.transport_socket)
    assert context.sni == f"outbound_.8080_.mtls_.{mesh.HOST}"
    common = context.common_tls_context
    assert list(common.alpn_protocols) == ["istio-peer-exchange", "istio"]
    assert common.tls_params.tls_minimum_protocol_version == 3
    assert common.tls_params.tls_maximum_protocol_version == 4
    default = common.combined_validation_context.default_validation_context
    assert [m.matcher.exact for m in default.match_typed_subject_alt_names] == [mesh.ID]


@pytest.mark.parametrize(
    ("tls", "auto", "matches", "socket"),
    [
        pytest.param(None, True, 2, "", id="automatic"),
        pytest.param(None, False, 0, "", id="not automatic"),
        pytest.param("DISABLE", True, 0, "", id="DISABLE is plaintext to every endpoint"),
        pytest.param("SIMPLE", True, 0, "tls", id="SIMPLE is TLS to every endpoint"),
        pytest.param("ISTIO_MUTUAL", False, 0, "tls", id="ISTIO_MUTUAL to every endpoint"),
    ],
)
def test_an_explicit_mode_overrides_automatic_mtls(mesh, tls, auto, matches, socket):
    client = policy.ClientTls(mode=Mode(tls), source=mesh.DR) if tls else None
    made = render(mesh, mesh.cluster(tls=client, auto_mtls=auto))
    assert len(made.transport_socket_matches) == matches
    assert made.transport_socket.name.rpartition(".")[2] == socket


@pytest.mark.parametrize(
    ("resolution", "kind", "expected", "balancing"),
    [
        (Resolution.EDS, SIDECAR, Type.EDS, Type.LEAST_REQUEST),
        (Resolution.PASSTHROUGH, SIDECAR, Type.ORIGINAL_DST, Type.CLUSTER_PROVIDED),
        (Resolution.PASSTHROUGH, ROUTER, Type.EDS, Type.LEAST_REQUEST),
        (Resolution.DNS, SIDECAR, Type.STRICT_DNS, Type.LEAST_REQUEST),
    ],
)
def test_how_endpoints_are_found(mesh, resolution, kind, expected, balancing):
    source = mesh.cluster(service_changes={"resolution": resolution})
    made = render(mesh, source, kind)
    assert (made.type, made.lb_policy) == (expected, balancing)
    assert made.HasField("eds_cluster_config") == (expected == Type.EDS)
    assert clusters.uses_eds(source, kind) == (expected == Type.EDS)


def test_a_headless_service_is_all_mtls_or_none(mesh):
    source = mesh.cluster(service_changes={"resolution": Resolution.PASSTHROUGH})
    made = render(mesh, source)
    assert not made.transport_socket_matches
    assert made.transport_socket.name == "envoy.transport_sockets.tls"


def test_simple_verifies_by_system_roots_and_host(mesh):
    client = policy.ClientTls(
        mode=Mode.SIMPLE, source=mesh.DR, auto_sni=True, auto_san=True, ca=policy.SYSTEM_ROOTS
    )
    made = render(mesh, mesh.cluster(Protocol.HTTPS, 8443, tls=client))
    context = upstream_tls(mesh, made.transport_socket)
    assert context.sni == ""
    assert context.common_tls_context.validation_context.trusted_ca.filename == ROOTS
    assert not context.common_tls_context.alpn_protocols
    upstream = http_options(mesh, made).upstream_http_protocol_options
    assert (upstream.auto_sni, upstream.auto_san_validation) == (True, True)


@pytest.mark.parametrize("skip", [True, False])
def test_simple_without_ca_or_with_skip_verifies_nothing(mesh, skip):
    ca = policy.SYSTEM_ROOTS if skip else ""
    client = policy.ClientTls(mode=Mode.SIMPLE, source=mesh.DR, ca=ca, insecure_skip_verify=skip)
    context = upstream_tls(mesh, render(mesh, mesh.cluster(tls=client)).transport_socket)
    assert context.common_tls_context.WhichOneof("validation_context_type") is None


def test_mutual_presents_its_own_certificate_and_names_its_ca(mesh):
    client = policy.ClientTls(
        mode=Mode.MUTUAL,
        source=mesh.DR,
        sni="backend.example.com",
        sans=("backend.example.com", "spiffe://other/ns/a/sa/b"),
        ca="kubernetes://cred-cacert",
        certificate="kubernetes://cred",
    )
    made = render(mesh, mesh.cluster(Protocol.HTTP2, 8443, tls=client))
    assert mesh.secrets_of(made) == {"kubernetes://cred", "kubernetes://cred-cacert"}
    context = upstream_tls(mesh, made.transport_socket)
    assert context.sni == "backend.example.com"
    common = context.common_tls_context
    assert list(common.alpn_protocols) == ["h2"]
    default = common.combined_validation_context.default_validation_context
    names = {m.matcher.exact for m in default.match_typed_subject_alt_names}
    assert names == set(client.sans)


@pytest.mark.parametrize(
    ("protocol", "pool", "expected"),
    [
        (Protocol.HTTP, None, None),
        (Protocol.GRPC, None, "http2"),
        (Protocol.AUTO, None, "either"),
        (Protocol.HTTP, policy.ConnectionPool(h2_upgrade="UPGRADE"), "http2"),
        (Protocol.AUTO, policy.ConnectionPool(h2_upgrade="UPGRADE"), "either"),
        (Protocol.TCP, policy.ConnectionPool(h2_upgrade="UPGRADE"), None),
        (Protocol.HTTP, policy.ConnectionPool(use_client_protocol=True), "either"),
        (Protocol.GRPC, policy.ConnectionPool(use_client_protocol=True), "either"),
        (Protocol.HTTP, policy.ConnectionPool(http_idle_timeout=5), "http1"),
    ],
)
def test_which_http_version_the_upstream_is_spoken_to_in(mesh, protocol, pool, expected):
    made = render(mesh, mesh.cluster(protocol, connection_pool=pool))
    if expected is None:
        assert not made.typed_extension_protocol_options
        return
    options = http_options(mesh, made)
    chosen = options.WhichOneof("upstream_protocol_options")
    if expected == "either":
        assert chosen == "use_downstream_protocol_config"
    else:
        config = options.explicit_http_config.WhichOneof("protocol_config")
        wanted = "http2_protocol_options" if expected == "http2" else "http_protocol_options"
        assert config == wanted


@pytest.mark.parametrize(
    ("protocol", "pool", "offered"),
    [
        (Protocol.HTTP, None, []),
        (Protocol.HTTP2, None, ["h2"]),
        (Protocol.HTTP, policy.ConnectionPool(h2_upgrade="UPGRADE"), ["h2"]),
        (Protocol.HTTP2, policy.ConnectionPool(use_client_protocol=True), []),
    ],
)
def test_what_is_spoken_is_what_the_handshake_offers(mesh, protocol, pool, offered):
    """With user TLS there is no override by request: the context alone says it."""
    simple = policy.ClientTls(mode=policy.TlsMode.SIMPLE, source=mesh.DR)
    made = render(mesh, mesh.cluster(protocol, tls=simple, connection_pool=pool))
    common = upstream_tls(mesh, made.transport_socket).common_tls_context
    assert list(common.alpn_protocols) == offered
    istio = policy.ClientTls(mode=policy.TlsMode.ISTIO_MUTUAL, source=mesh.DR)
    made = render(mesh, mesh.cluster(protocol, tls=istio, connection_pool=pool))
    common = upstream_tls(mesh, made.transport_socket).common_tls_context
    assert list(common.alpn_protocols) == ["istio-peer-exchange", "istio", *offered]


def test_a_connection_pool_sets_the_limits_it_names(mesh):
    pool = policy.ConnectionPool(
        max_connections=7, connect_timeout=0.25, http1_max_pending=3, keepalive=(4, 30.0, 5.0)
    )
    made = render(mesh, mesh.cluster(connection_pool=pool))
    (threshold,) = made.circuit_breakers.thresholds
    assert threshold.max_connections.value == 7
    assert threshold.max_pending_requests.value == 3
    assert threshold.max_requests.value == 4294967295
    assert made.connect_timeout.nanos == 250_000_000
    keepalive = made.upstream_connection_options.tcp_keepalive
    assert (keepalive.keepalive_probes.value, keepalive.keepalive_time.value) == (4, 30)


def test_outlier_detection_and_balancing(mesh):
    made = render(
        mesh,
        mesh.cluster(
            outlier_detection=policy.OutlierDetection(consecutive_5xx=3, interval=1.5),
            load_balancer=policy.LoadBalancer(policy="RING_HASH", minimum_ring_size=2048),
        ),
    )
    out = made.outlier_detection
    assert out.consecutive_5xx.value == 3
    assert out.enforcing_consecutive_5xx.value == 100
    assert out.enforcing_success_rate.value == 0
    assert out.interval.nanos == 500_000_000
    assert made.common_lb_config.healthy_panic_threshold.value == 0
    assert made.lb_policy == Type.RING_HASH
    assert made.ring_hash_lb_config.minimum_ring_size.value == 2048


def test_inbound_keeps_the_destination_and_marks_its_connections(mesh):
    (port,) = mesh.inbound((80, Protocol.HTTP, "STRICT")).ports
    made = clusters.inbound(port, mesh.SETTINGS)
    assert made.name == "inbound|80||"
    assert made.type == Type.ORIGINAL_DST
    bind = made.upstream_bind_config
    assert bind.source_address.address == "127.0.0.6"
    (option,) = bind.socket_options
    assert (option.level, option.name, option.int_value) == (1, 36, 1337)
    assert made.metadata.filter_metadata["lateen"].fields["source"].string_value == str(mesh.SVC)


def test_an_upgrade_of_clients_does_not_reach_the_application(mesh):
    """Of the service's own rule the limits act inbound; h2UpgradePolicy is not among them."""
    (port,) = mesh.inbound((80, Protocol.HTTP, "STRICT")).ports
    pool = policy.ConnectionPool(h2_upgrade="UPGRADE", max_connections=7, http_idle_timeout=3)
    made = clusters.inbound(msgspec.structs.replace(port, connection_pool=pool), mesh.SETTINGS)
    assert made.circuit_breakers.thresholds[0].max_connections.value == 7
    options = http_options(mesh, made)
    assert options.common_http_protocol_options.idle_timeout.seconds == 3
    assert not options.explicit_http_config.HasField("http2_protocol_options")


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [(Resolution.DNS, Type.STRICT_DNS), (Resolution.DNS_ROUND_ROBIN, Type.LOGICAL_DNS)],
)
def test_names_are_resolved_by_the_proxy_from_what_the_cluster_holds(mesh, resolution, expected):
    source = mesh.cluster(service_changes={"resolution": resolution, "entry": True})
    outside = workload.Endpoint(address="api.example.com", port=443, weight=2)
    held = proxy.ClusterEndpoints(cluster=source.name, endpoints=(outside,), mtls=(False,))
    made = render(mesh, msgspec.structs.replace(source, inline=held))
    assert made.type == expected
    (group,) = made.load_assignment.endpoints
    (endpoint,) = group.lb_endpoints
    address = endpoint.endpoint.address.socket_address
    assert (address.address, address.port_value) == ("api.example.com", 443)
    assert made.load_assignment.cluster_name == source.name


@pytest.mark.parametrize(("entry", "override"), [(True, 80), (False, 0)])
def test_a_target_port_of_an_entry_takes_the_place_of_the_one_that_was_dialled(
    mesh, entry, override
):
    changes = {"resolution": Resolution.PASSTHROUGH, "entry": entry}
    made = render(mesh, mesh.cluster(service_changes=changes))
    assert made.type == Type.ORIGINAL_DST
    assert made.original_dst_lb_config.upstream_port_override.value == override


@pytest.mark.parametrize(
    ("keepalive", "written"),
    [
        ((3, 7200.0, 75.0), (3, 7200, 75)),
        ((None, 10.0, None), (0, 10, 0)),
        ((9, None, 1.5), (9, 0, 1)),
        ((None, None, None), (0, 0, 0)),
    ],
)
def test_keepalive_writes_what_the_rule_sets(mesh, keepalive, written):
    pool = policy.ConnectionPool(keepalive=keepalive)
    made = render(mesh, mesh.cluster(connection_pool=pool))
    found = made.upstream_connection_options.tcp_keepalive
    names = ("keepalive_probes", "keepalive_time", "keepalive_interval")
    assert tuple(getattr(found, name).value for name in names) == written
    assert [found.HasField(name) for name in names] == [one is not None for one in keepalive]
    assert made.upstream_connection_options.HasField("tcp_keepalive")


@pytest.mark.parametrize(("count", "share"), [(5, 100), (1, 100), (0, 0)])
def test_a_count_of_zero_turns_an_ejection_off(mesh, count, share):
    detection = policy.OutlierDetection(
        consecutive_5xx=count,
        consecutive_gateway_errors=count,
        split_local_origin_errors=True,
        consecutive_local_origin_failures=count,
    )
    made = render(mesh, mesh.cluster(outlier_detection=detection))
    out = made.outlier_detection
    for name in ("5xx", "gateway_failure", "local_origin_failure"):
        assert getattr(out, f"consecutive_{name}").value == count
        assert getattr(out, f"enforcing_consecutive_{name}").value == share
    assert out.HasField("enforcing_success_rate")
    assert out.enforcing_success_rate.value == 0
