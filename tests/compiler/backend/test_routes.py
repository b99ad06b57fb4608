"""Routes: every match and action of a VirtualService, in Envoy's words."""

import msgspec
import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.fault.v3 import fault_pb2
from envoy.extensions.filters.http.set_filter_state.v3 import set_filter_state_pb2
from google.protobuf import json_format

from lateen.compiler.backend.routes import tables
from lateen.compiler.ir import policy, proxy, routing, workload

SIDECAR, ROUTER = proxy.ProxyKind.SIDECAR, proxy.ProxyKind.ROUTER
Protocol = workload.Protocol
Match = routing.StringMatch


def render(mesh, *sources, alpn=None):
    host = routing.VirtualHost(name="h:80", domains=("*",), routes=sources)
    return tables.virtual_host(host, alpn or {}).routes


def one(mesh, alpn=None, **fields):
    (made,) = render(mesh, mesh.route("outbound|80||a", **fields), alpn=alpn)
    return made


def as_dict(message):
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (None, {"prefix": "/"}),
        (Match(kind="exact", value="/a"), {"path": "/a"}),
        (Match(kind="prefix", value="/api"), {"prefix": "/api"}),
        (Match(kind="regex", value="/a.*"), {"safe_regex": {"regex": "/a.*"}}),
        (
            Match(kind="exact", value="/a", ignore_case=True),
            {"path": "/a", "case_sensitive": False},
        ),
    ],
)
def test_path(mesh, path, expected):
    assert as_dict(one(mesh, match=routing.RouteMatch(path=path)).match) == expected


@pytest.mark.parametrize(
    ("match", "invert", "expected"),
    [
        (Match(kind="exact", value="v"), False, {"string_match": {"exact": "v"}}),
        (Match(kind="prefix", value="v"), False, {"string_match": {"prefix": "v"}}),
        (Match(kind="present"), False, {"present_match": True}),
        (Match(kind="regex", value="*"), False, {"present_match": True}),
        (Match(kind="present"), True, {"present_match": True, "invert_match": True}),
        (
            Match(kind="exact", value="v"),
            True,
            {
                "string_match": {"exact": "v"},
                "invert_match": True,
                "treat_missing_header_as_empty": True,
            },
        ),
    ],
)
def test_header(mesh, match, invert, expected):
    header = routing.HeaderMatch(name="x-user", match=match, invert=invert)
    made = one(mesh, match=routing.RouteMatch(headers=(header,)))
    assert as_dict(made.match.headers[0]) == {"name": "x-user", **expected}


def test_before_1_22_a_missing_header_is_not_one_that_differs(mesh):
    match = Match(kind="exact", value="v")
    header = routing.HeaderMatch(name="x-user", match=match, invert=True, empty_if_missing=False)
    made = one(mesh, match=routing.RouteMatch(headers=(header,)))
    assert not made.match.headers[0].treat_missing_header_as_empty


def test_query(mesh):
    query = (("a", Match(kind="present")), ("b", Match(kind="regex", value="[0-9]+")))
    made = one(mesh, match=routing.RouteMatch(query=query))
    assert [as_dict(q) for q in made.match.query_parameters] == [
        {"name": "a", "present_match": True},
        {"name": "b", "string_match": {"safe_regex": {"regex": "[0-9]+"}}},
    ]


def test_forwarding_defaults(mesh):
    made = one(mesh, name="http-mTLS", decorator="h:80/*", retries=routing.RetryPolicy())
    assert made.name == "http-mTLS"
    assert made.decorator.operation == "h:80/*"
    assert made.route.cluster == "outbound|80||a"
    assert made.route.HasField("timeout")
    assert made.route.timeout.seconds == 0
    retry = made.route.retry_policy
    assert retry.num_retries.value == 2
    assert retry.host_selection_retry_max_attempts == 5
    assert retry.retry_host_predicate[0].name == "envoy.retry_host_predicates.previous_hosts"
    assert not retry.retriable_status_codes
    assert made.metadata.filter_metadata["lateen"].fields["source"].string_value == str(mesh.VS)


def test_retries_off_and_timeouts(mesh):
    made = one(mesh, retries=routing.RetryPolicy(attempts=0), timeout=1.5)
    assert not made.route.HasField("retry_policy")
    assert made.route.timeout.nanos == 500_000_000
    assert made.route.max_grpc_timeout.seconds == 1
    assert not made.route.HasField("max_stream_duration")
    assert one(mesh, timeout=0).route.max_stream_duration.HasField("grpc_timeout_header_max")


def test_rewrite(mesh):
    made = one(mesh, rewrite=routing.Rewrite(uri="/", authority="other"))
    assert (made.route.prefix_rewrite, made.route.host_rewrite_literal) == ("/", "other")
    made = one(mesh, rewrite=routing.Rewrite(regex="/a(.*)", substitution="/b\\1"))
    assert made.route.regex_rewrite.pattern.regex == "/a(.*)"


def test_weights_drop_what_gets_nothing(mesh):
    source = mesh.route("outbound|80|v1|a", "outbound|80|v2|a", "outbound|80|v3|a")
    shares = (
        routing.Destination(cluster=d.cluster, weight=w)
        for d, w in zip(source.destinations, (80, 20, 0), strict=True)
    )
    (made,) = render(mesh, msgspec.structs.replace(source, destinations=tuple(shares)))
    weighted = made.route.weighted_clusters.clusters
    assert [(c.name, c.weight.value) for c in weighted] == [
        ("outbound|80|v1|a", 80),
        ("outbound|80|v2|a", 20),
    ]


def test_a_destinations_own_headers(mesh):
    destination = routing.Destination(
        cluster="outbound|80||a", request=routing.HeaderOps(set=(("x-a", "1"),), remove=("x-b",))
    )
    source = msgspec.structs.replace(mesh.route("outbound|80||a"), destinations=(destination,))
    (made,) = render(mesh, source)
    (weight,) = made.route.weighted_clusters.clusters
    assert weight.request_headers_to_add[0].header.key == "x-a"
    assert list(weight.request_headers_to_remove) == ["x-b"]


def test_headers_are_set_before_they_are_added_in_order_of_name(mesh):
    edits = routing.HeaderOps(set=(("b", "1"), ("a", "2")), add=(("c", "3"),), remove=("d",))
    made = one(mesh, request=edits, response=edits)
    for options in (made.request_headers_to_add, made.response_headers_to_add):
        assert [(o.header.key, o.append_action) for o in options] == [("a", 2), ("b", 2), ("c", 0)]
    assert list(made.request_headers_to_remove) == ["d"]


@pytest.mark.parametrize(
    ("redirect", "expected"),
    [
        (routing.Redirect(uri="/x"), {"path_redirect": "/x"}),
        (
            routing.Redirect(prefix="/x", code=308),
            {"prefix_rewrite": "/x", "response_code": "PERMANENT_REDIRECT"},
        ),
        (
            routing.Redirect(authority="b", scheme="https", port=8443),
            {"host_redirect": "b", "scheme_redirect": "https", "port_redirect": 8443},
        ),
    ],
)
def test_redirect(mesh, redirect, expected):
    (made,) = render(mesh, mesh.route(redirect=redirect))
    assert as_dict(made.redirect) == expected


def test_direct_response(mesh):
    answer = routing.DirectResponse(status=418, body=b"tea")
    (made,) = render(mesh, mesh.route(direct_response=answer))
    assert (made.direct_response.status, made.direct_response.body.inline_bytes) == (418, b"tea")


def test_fault_and_cors_are_configured_by_route(mesh):
    fault = routing.Fault(
        delay=0.5,
        delay_ppm=100_000,
        abort_status=500,
        abort_ppm=1_000_000,
        source=mesh.VS.at("fault"),
    )
    cors = routing.Cors(
        origins=(Match(kind="exact", value="https://a"),),
        methods=("GET", "PUT"),
        max_age=60,
        credentials=True,
    )
    made = one(mesh, fault=fault, cors=cors)
    config = made.typed_per_filter_config
    found = mesh.unpack(config["envoy.filters.http.fault"], fault_pb2.HTTPFault)
    assert (found.delay.fixed_delay.nanos, found.delay.percentage.numerator) == (
        500_000_000,
        100_000,
    )
    assert (found.abort.http_status, found.abort.percentage.numerator) == (500, 1_000_000)
    policy_ = mesh.unpack(config["envoy.filters.http.cors"], cors_pb2.CorsPolicy)
    assert (policy_.allow_methods, policy_.max_age) == ("GET,PUT", "60")
    assert policy_.allow_credentials.value
    assert made.metadata.filter_metadata["lateen"].fields["fault"].string_value.endswith("fault")


def test_mirrors_and_hashing(mesh):
    mirrors = (
        routing.Mirror(cluster="outbound|80|v2|a", ppm=500_000),
        routing.Mirror(cluster="outbound|80|v3|a", ppm=0),
    )
    keys = (
        policy.HashKey(kind="header", name="x-user"),
        policy.HashKey(kind="cookie", name="c", ttl=60.0),
        policy.HashKey(kind="source_ip"),
    )
    made = one(mesh, mirrors=mirrors, hash_keys=keys).route
    (mirror,) = made.request_mirror_policies
    assert mirror.runtime_fraction.default_value.numerator == 500_000
    assert mirror.disable_shadow_host_suffix_append
    kinds = [h.WhichOneof("policy_specifier") for h in made.hash_policy]
    assert kinds == ["header", "cookie", "connection_properties"]


SIMPLE = policy.TlsMode.SIMPLE


@pytest.mark.parametrize(
    ("protocol", "fields", "kind", "expected"),
    [
        (Protocol.HTTP, {}, SIDECAR, tables.Alpn.HTTP1),
        (Protocol.GRPC, {}, SIDECAR, tables.Alpn.HTTP2),
        (Protocol.AUTO, {}, SIDECAR, tables.Alpn.EITHER),
        (Protocol.AUTO, {}, ROUTER, tables.Alpn.HTTP1),
        (Protocol.HTTPS, {"tls": (SIMPLE, False)}, ROUTER, tables.Alpn.OFF),
        (Protocol.HTTPS, {"tls": (SIMPLE, True)}, ROUTER, tables.Alpn.HTTP1),
        (Protocol.HTTP, {"tls": (policy.TlsMode.ISTIO_MUTUAL, False)}, ROUTER, tables.Alpn.HTTP1),
    ],
)
def test_which_alpn_requests_to_a_cluster_offer(mesh, protocol, fields, kind, expected):
    tls = None
    if "tls" in fields:
        mode, override = fields["tls"]
        tls = policy.ClientTls(mode=mode, source=mesh.DR, alpn_override=override)
    assert tables.alpn_of(mesh.cluster(protocol, tls=tls), kind) is expected


def test_a_route_says_what_the_alpn_filter_does_only_where_it_differs(mesh):
    name = "outbound|80||a"
    assert not one(mesh).typed_per_filter_config
    off = one(mesh, alpn={name: tables.Alpn.OFF}).typed_per_filter_config["istio.alpn"]
    assert mesh.unpack(off, route_components_pb2.FilterConfig).disabled
    http2 = one(mesh, alpn={name: tables.Alpn.HTTP2}).typed_per_filter_config["istio.alpn"]
    config = mesh.unpack(http2, set_filter_state_pb2.Config)
    text = config.on_request_headers[0].format_string.text_format_source.inline_string
    assert text == "istio-h2,istio,h2"


def test_a_table_joined_from_parts_is_the_table(mesh):
    hosts = [
        routing.VirtualHost(name=f"h{i}:80", domains=(f"h{i}",), routes=(mesh.route("c"),))
        for i in range(3)
    ]
    made = [tables.virtual_host(host, {}) for host in hosts]
    body = tables.table_bytes("80", [m.SerializeToString() for m in made])
    table = route_pb2.RouteConfiguration.FromString(body)
    assert table.name == "80"
    assert list(table.virtual_hosts) == made
    assert table.ignore_port_in_host_matching
    assert not table.validate_clusters.value
    assert table.HasField("validate_clusters")
    assert table.max_direct_response_body_size_bytes.value == 1_048_576


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (301, "MOVED_PERMANENTLY"),
        (302, "FOUND"),
        (303, "SEE_OTHER"),
        (307, "TEMPORARY_REDIRECT"),
        (308, "PERMANENT_REDIRECT"),
    ],
)
def test_every_redirect_code_has_envoys_name(mesh, code, name):
    made = one(mesh, redirect=routing.Redirect(code=code, uri="/x"))
    codes = route_components_pb2.RedirectAction.RedirectResponseCode
    assert codes.Name(made.redirect.response_code) == name
