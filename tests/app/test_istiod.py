"""What istiod's endpoints answer."""

import json
from datetime import UTC, datetime

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from envoy.service.status.v3 import csds_pb2

from lateen.app.istiod import debug, discovery, facts as plane, scopes, sync_status
from lateen.compiler.output import Resource, ResourceType
from lateen.xds.status import ProxyStatus, SyncState, TypeStatus

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER = Resource(ResourceType.CLUSTER, "c", b"\x0a\x01c")


def status(proxy: str, state: SyncState, *, connected: bool = True) -> ProxyStatus:
    types = {kind: TypeStatus(state, 2, 1, 1, settled_at=NOW) for kind in ResourceType}
    return ProxyStatus(proxy, connected, NOW, types)


FACTS = plane.Facts(
    version="1.32.0",
    revision="default",
    pod="istiod-x",
    statuses=(
        status("default/web", SyncState.SYNCED),
        status("shop/api", SyncState.NACK),
        status("shop/gone", SyncState.SYNCED, connected=False),
    ),
    kinds={"default/web": "sidecar", "shop/api": "gateway"},
    configs={"default/web": {ResourceType.CLUSTER: {"c": CLUSTER}}},
    objects={
        "services": ({"metadata": {"name": "a", "namespace": "default"}, "spec": {}},),
        "virtualservices.networking.istio.io": ({"metadata": {"name": "v"}},),
    },
)


def asked(kind: str, *names: str) -> discovery_pb2.DiscoveryResponse:
    request = discovery_pb2.DiscoveryRequest(type_url=kind, resource_names=names)
    return discovery.respond(FACTS, request)


def test_connected_proxies_are_told_with_their_state() -> None:
    first, second = sync_status.client_configs(FACTS)
    assert first.node.id == "web.default"
    assert {one.config_status for one in first.generic_xds_configs} == {csds_pb2.SYNCED}
    assert {one.config_status for one in second.generic_xds_configs} == {csds_pb2.ERROR}
    assert [row["proxy_type"] for row in sync_status.as_json(FACTS)] == ["sidecar", "router"]


@pytest.mark.parametrize("path", ["/version", "//version"])
def test_the_version_splits_at_dashes(path: str) -> None:
    assert debug.answer(FACTS, path).body.split(b"-")[0] == b"1.32.0"


def test_every_path_that_is_listed_answers() -> None:
    for name in debug.answer(FACTS, "/debug").body.decode().split():
        found = debug.answer(FACTS, f"/debug/{name}?proxyID=web.default")
        assert found.status == 200, name
        json.loads(found.body)


def test_what_is_not_there_is_said() -> None:
    assert debug.answer(FACTS, "/debug/krtz").status == 404
    assert b"no proxy 'x.y'" in debug.answer(FACTS, "/debug/config_dump?proxyID=x.y").body


def test_a_dump_holds_the_bytes_that_were_sent() -> None:
    dumped = asked("istio.io/debug/config_dump", "web.default").resources
    assert CLUSTER.body in dumped[0].value
    (unknown,) = asked("istio.io/debug/config_dump", "no.one").resources
    assert b"Proxy not connected to this Pilot instance" in unknown.value


def test_any_page_is_had_by_discovery() -> None:
    (page,) = asked("istio.io/debug", "syncz").resources
    assert [row["proxy"] for row in json.loads(page.value)] == ["web.default", "api.shop"]


def test_a_namespace_sees_its_own_proxies() -> None:
    own = plane.of_namespace(FACTS, "shop")
    assert [each.proxy for each in own.connected] == ["shop/api"]
    assert not own.configs
    assert not own.objects


def test_a_scope_that_is_not_there_is_refused() -> None:
    with pytest.raises(scopes.ScopeError, match="no scope 'root'"):
        scopes.put("root", b'{"output_level": "debug"}')
    with pytest.raises(scopes.ScopeError, match="no level 'loud'"):
        scopes.put("xds", b'{"output_level": "loud"}')
