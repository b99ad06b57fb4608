"""EnvoyFilter's patches on routes, listener filters and packed messages."""

from typing import Any

import pytest
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.route.v3 import route_components_pb2, route_pb2
from google.protobuf import any_pb2, duration_pb2, wrappers_pb2

from lateen.compiler.backend import pack
from lateen.compiler.backend.patches import merge, placeholders
from lateen.compiler.output import ResourceType
from tests.compiler.backend.test_patches import listener, of, patch

HOST = "web.default.svc.cluster.local:80"
NEW = {"name": "new", "direct_response": {"status": 204}, "match": {"path": "/n"}}


def names(operation: str, value: Any, *before: dict[str, Any], **route: str) -> list[str]:
    """The names of a host's routes after `before` were added and then one operation done."""
    match = {"vhost": {"name": HOST} | ({"route": route} if route else {})}
    added = [
        patch("HTTP_ROUTE", "ADD", each, routeConfiguration={"vhost": {"name": HOST}})
        for each in before
    ]
    found = of(*added, patch("HTTP_ROUTE", operation, value, routeConfiguration=match))
    table = route_pb2.RouteConfiguration.FromString(found.of(ResourceType.ROUTE)["80"].body)
    (host,) = [each for each in table.virtual_hosts if each.name == HOST]
    return [f"{each.name}{'+' * bool(each.response_headers_to_remove)}" for each in host.routes]


def made(name: str) -> dict[str, Any]:
    return {"name": name, "match": {"path": f"/{name}"}, "direct_response": {"status": 200}}


@pytest.mark.parametrize(
    ("operation", "anchor", "expected"),
    [
        ("ADD", {}, ["default", "a", "b", "new"]),
        ("ADD", {"name": "a"}, ["default", "a", "b", "new"]),
        ("INSERT_AFTER", {}, ["default", "a", "b", "new"]),
        ("INSERT_AFTER", {"name": "a"}, ["default", "a", "new", "b"]),
        ("INSERT_BEFORE", {}, ["new", "default", "a", "b"]),
        ("INSERT_BEFORE", {"name": "b"}, ["default", "a", "new", "b"]),
        ("INSERT_FIRST", {}, ["new", "default", "a", "b"]),
        ("INSERT_FIRST", {"name": "b"}, ["new", "default", "a", "b"]),
        ("INSERT_FIRST", {"name": "none"}, ["default", "a", "b"]),
        ("INSERT_AFTER", {"action": "ROUTE"}, ["default", "new", "a", "b"]),
        ("REMOVE", {"name": "a"}, ["default", "b"]),
        ("REMOVE", {"action": "DIRECT_RESPONSE"}, ["default"]),
        ("REPLACE", {"name": "a"}, ["default", "a", "b"]),
    ],
)
def test_where_a_route_goes(operation: str, anchor: dict[str, str], expected: list[str]) -> None:
    value = None if operation == "REMOVE" else NEW
    assert names(operation, value, made("a"), made("b"), **anchor) == expected


@pytest.mark.parametrize("operation", ["MERGE", "MERGE_AND_REPLACE_LIST"])
def test_which_route_is_merged(operation: str) -> None:
    change = {"response_headers_to_remove": ["x"]}
    assert names(operation, change, made("a"), name="a") == ["default", "a+"]
    assert names(operation, change, made("a"), action="ROUTE") == ["default+", "a"]


def test_a_listener_filter_is_merged_by_name() -> None:
    inspector = (
        "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
    )
    change = {"typed_config": {"@type": inspector, "enable_ja3_fingerprinting": True}}
    whole = {"name": "virtualInbound"}

    def after(*, named: bool) -> tuple[bool, bool]:
        asked = {"listenerFilter": "envoy.filters.listener.tls_inspector"} if named else {}
        found = of(patch("LISTENER_FILTER", "MERGE", change, listener={**whole, **asked}))
        filters = listener(found, "virtualInbound").listener_filters
        (one,) = [each for each in filters if each.name.endswith("tls_inspector")]
        return b"\x0a" in one.typed_config.value, bool(found.applied)

    assert after(named=False) == (False, False)
    assert after(named=True) == (True, True)


def test_what_cannot_be_read_is_not_merged() -> None:
    unknown = any_pb2.Any(type_url="type.googleapis.com/stats.PluginConfig", value=b"\x0a\x00")
    before = any_pb2.Any()
    before.CopyFrom(unknown)
    assert merge.merge_packed(unknown, pack.any_of(wrappers_pb2.BoolValue(value=True))) is False
    assert unknown == before


def test_a_packed_message_is_merged_as_the_targets_type() -> None:
    target = pack.any_of(duration_pb2.Duration(seconds=1, nanos=2))
    assert merge.merge_packed(target, pack.any_of(duration_pb2.Duration(seconds=3))) is True
    found = duration_pb2.Duration()
    assert target.Unpack(found)
    assert (found.seconds, found.nanos) == (3, 2)


def test_lists_append_or_are_replaced_and_times_are_taken_whole() -> None:
    for replaced, expected in ((False, ["a", "b"]), (True, ["b"])):
        target = route_components_pb2.Route(response_headers_to_remove=["a"])
        target.route.timeout.nanos = 5
        change = route_components_pb2.Route(response_headers_to_remove=["b"])
        change.route.timeout.seconds = 1
        merge.merge(target, change, replace_lists=replaced)
        assert list(target.response_headers_to_remove) == expected
        assert (target.route.timeout.seconds, target.route.timeout.nanos) == (1, 0)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ([], []),
        (["envoy.filters.network.ratelimit"], ["envoy.filters.network.ratelimit"]),
        (
            ["x", "envoy.filters.network.tcp_proxy"],
            [
                "istio.metadata_exchange",
                "x",
                "istio.stats",
                "envoy.filters.network.tcp_proxy",
            ],
        ),
    ],
)
def test_where_istios_own_filters_would_stand(filters: list[str], expected: list[str]) -> None:
    chain = listener_components_pb2.FilterChain()
    for name in filters:
        chain.filters.add(name=name)
    placeholders.put_network(chain)
    assert [each.name for each in chain.filters] == expected
    placeholders.take_network(chain)
    assert [each.name for each in chain.filters] == filters
