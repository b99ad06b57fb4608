"""From API objects to rules and names."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lateen.apiserver.serving.local import LocalClient
from lateen.apiserver.writing import verbs
from lateen.base.clock import SystemClock
from lateen.base.tasks import TaskGroup
from lateen.model import wellknown
from lateen.node import servicefeed
from lateen.node.dns import zone as dnszone
from lateen.node.net import netlink
from lateen.store.memory import MemoryStore
from tests import first_namespaces

pytestmark = pytest.mark.netns

SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "web", "namespace": "default", "uid": "1"},
    "spec": {"clusterIP": "10.96.0.20", "ports": [{"name": "http", "port": 80}]},
}


def _slice(name: str, owner: str, *ips: str) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "namespace": "default",
            "labels": {wellknown.SERVICE_NAME: owner},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": [ip]} for ip in ips],
    }


async def untold(_: Mapping[str, int]) -> None:
    """Take what the server would be told."""


def test_changes_reach_kernel_and_names(lab: Any, fetch: Callable[..., str]) -> None:
    ips = []
    for name in ("one", "two"):
        pod, ip = lab.pod(name)
        lab.namespaces.serve(pod, 8080, lambda *_, name=name: name)
        ips.append(ip)
    zone = dnszone.Zone()
    feed = servicefeed.ServiceFeed(lab.net, zone, untold)

    async def live() -> None:
        before = _slice("web-1", "web", ips[0])
        feed.service_changed(None, SERVICE)
        feed.slice_changed(None, before)
        feed.ready()
        assert fetch(lab.root, "10.96.0.20", 80) == "one"
        after = _slice("web-1", "web", ips[1])
        feed.slice_changed(before, after)
        await asyncio.sleep(0)
        assert fetch(lab.root, "10.96.0.20", 80) == "two"
        assert zone.lookup("web.default.svc.cluster.local", "A").exists
        moved = _slice("web-1", "other", ips[1])
        feed.slice_changed(after, moved)
        await asyncio.sleep(0)
        with pytest.raises(ConnectionRefusedError):
            fetch(lab.root, "10.96.0.20", 80)
        feed.service_changed(SERVICE, None)
        assert not zone.lookup("web.default.svc.cluster.local", "A").exists

    netlink.inside(lab.root, lambda: asyncio.run(live()))


def test_the_server_hears_of_a_change_once_the_kernel_has_it(
    lab: Any, fetch: Callable[..., str]
) -> None:
    """And again after a failure: who waits would wait for ever."""
    pod, ip = lab.pod("one")
    lab.namespaces.serve(pod, 8080, lambda *_: "one")
    clock = SystemClock()
    api = verbs.Api(MemoryStore(), clock)
    first_namespaces.ensure(api)
    client = LocalClient(api)
    heard: asyncio.Queue[Mapping[str, int]] = asyncio.Queue()
    failures = [ConnectionResetError("the plane is started again")]

    async def tell(reached: Mapping[str, int]) -> None:
        if failures:
            raise failures.pop()
        heard.put_nowait(reached)

    async def hears() -> Mapping[str, int]:
        wanted, reached = api.store.revision, {}
        async with asyncio.timeout(5):
            while not reached or max(reached.values()) < wanted:
                reached = await heard.get()
        return reached

    async def live() -> None:
        feed = servicefeed.ServiceFeed(lab.net, dnszone.Zone(), tell)
        async with TaskGroup("test") as tasks:
            tasks.start(feed.run(client, clock), "feed")
            assert set(await hears()) == {"services", "endpointslices.discovery.k8s.io"}
            await client.create("services", "default", SERVICE)
            await client.create(
                "endpointslices.discovery.k8s.io", "default", _slice("web-1", "web", ip)
            )
            await hears()
            assert fetch(lab.root, "10.96.0.20", 80) == "one"
            await client.delete("services", "default", "web")
            await hears()
            with pytest.raises(ConnectionRefusedError):
                fetch(lab.root, "10.96.0.20", 80)

    netlink.inside(lab.root, lambda: asyncio.run(live()))


def test_pods_have_names_while_they_have_addresses(lab: Any) -> None:
    zone = dnszone.Zone()
    feed = servicefeed.ServiceFeed(lab.net, zone, untold)
    bare = {"metadata": {"name": "a", "namespace": "default"}}
    running = {**bare, "status": {"podIP": "10.244.0.9"}}
    feed.pod_changed(None, bare)
    feed.pod_changed(bare, running)
    assert zone.lookup("10-244-0-9.default.pod.cluster.local", "A").exists
    feed.pod_changed(running, None)
    assert not zone.lookup("10-244-0-9.default.pod.cluster.local", "A").exists
