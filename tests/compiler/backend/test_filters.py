"""HTTP filters and access logs: order, peer metadata, ALPN, what evidence asks for."""

import ipaddress
import json

import pytest
from envoy.extensions.access_loggers.file.v3 import file_pb2
from envoy.extensions.access_loggers.grpc.v3 import als_pb2
from envoy.extensions.common.matching.v3 import extension_matcher_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from google.protobuf import json_format

from lateen.compiler.backend import http_filters
from lateen.compiler.backend.listeners import access_logs, network_filters
from lateen.compiler.ir import telemetry


def test_order_of_a_clients_side(mesh):
    assert [f.name for f in http_filters.outbound(mesh.node())] == [
        "istio.metadata_exchange",
        "envoy.filters.http.grpc_stats",
        "istio.alpn",
        "envoy.filters.http.fault",
        "envoy.filters.http.cors",
        "envoy.filters.http.router",
    ]


@pytest.mark.parametrize("web", [True, False])
def test_grpc_web_only_on_its_ports(mesh, web):
    names = [f.name for f in http_filters.inbound(mesh.node(), grpc_web=web)]
    assert ("envoy.filters.http.grpc_web" in names) == web
    assert names[-1] == "envoy.filters.http.router"


def test_a_client_tells_who_it_is_and_hides_what_the_server_answers(mesh):
    config = http_filters.outbound(mesh.node())[0].typed_config
    mutations = mesh.unpack(config, header_mutation_pb2.HeaderMutation).mutations
    told = {m.append.header.key: m.append.header.value for m in mutations.request_mutations}
    assert told == {"x-envoy-peer-metadata": "Q2c=", "x-envoy-peer-metadata-id": mesh.node().id}
    assert {m.remove for m in mutations.response_mutations} == set(told)


def test_a_server_keeps_it_from_the_application(mesh):
    config = http_filters.inbound(mesh.node(), grpc_web=False)[0].typed_config
    wrapped = mesh.unpack(config, extension_matcher_pb2.ExtensionWithMatcher)
    inner = mesh.unpack(
        wrapped.extension_config.typed_config, header_mutation_pb2.HeaderMutation
    ).mutations
    removed = {m.remove for m in inner.request_mutations}
    assert removed == {"x-envoy-peer-metadata", "x-envoy-peer-metadata-id"}
    assert {m.append.header.key for m in inner.response_mutations} == removed


def test_the_text_log_is_istios_line_and_ends_it(mesh):
    text, stream = access_logs.http((telemetry.LogFile(),))
    config = mesh.unpack(text.typed_config, file_pb2.FileAccessLog)
    assert config.path == "/dev/stdout"
    line = config.log_format.text_format_source.inline_string
    assert line.startswith('[%START_TIME%] "%REQ(:METHOD)%')
    assert line.endswith("%ROUTE_NAME%\n")
    common = mesh.unpack(stream.typed_config, als_pb2.HttpGrpcAccessLogConfig).common_config
    assert common.grpc_service.envoy_grpc.cluster_name == "xds-grpc"
    tags = {tag.tag for tag in common.custom_tags}
    assert {"connection_id", "filter_chain", "upstream_tls_version", "source"} <= tags
    kinds = {
        t.tag: t.metadata.kind.WhichOneof("kind")
        for t in common.custom_tags
        if t.metadata.ByteSize()
    }
    assert kinds == {"source": "route", "cluster_source": "cluster"}


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ((), None),
        ((telemetry.LogFile(text="%PROTOCOL%"),), "%PROTOCOL%\n"),
        ((telemetry.LogFile(fields="{}"),), "json"),
    ],
)
def test_a_proxy_chooses_its_log_files(mesh, files, expected):
    logs = access_logs.tcp(files)
    assert logs[-1].name == "envoy.access_loggers.tcp_grpc"
    if expected is None:
        assert len(logs) == 1
        return
    layout = mesh.unpack(logs[0].typed_config, file_pb2.FileAccessLog).log_format
    if expected == "json":
        keys = json.loads(json_format.MessageToJson(layout.json_format))
        assert keys["upstream_transport_failure_reason"] == "%UPSTREAM_TRANSPORT_FAILURE_REASON%"
    else:
        assert layout.text_format_source.inline_string == expected


def test_the_ranges_of_private_networks_are_those_of_the_standards():
    """RFC 1918, RFC 4193 and the loopbacks, as Python knows them."""
    for prefix, length in network_filters.PRIVATE_RANGES:
        network = ipaddress.ip_network(f"{prefix}/{length}")
        assert network.is_private or network.is_loopback
        wider = network.supernet()
        assert not (wider.is_private or wider.is_loopback) or prefix in ("::1", "fd00::")
    assert len(network_filters.PRIVATE_RANGES) == 6
