"""Where a URL leads from the host, and which pod `--from` means."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from lateen.app.reach.podstreams import ShimLink
from lateen.app.requests import targets
from lateen.model import snapshot
from lateen.model.client import ApiError

Json = dict[str, Any]


def service(name: str, namespace: str, address: str, balancer: str = "", **spec: Any) -> Json:
    ingress = [{"ip": balancer}] if balancer else []
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": address, "ports": [{"port": 80}, {"port": 443}], **spec},
        "status": {"loadBalancer": {"ingress": ingress}},
    }


def pod(name: str, owner: str, address: str = "10.244.0.9") -> Json:
    owners = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": "u"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "uid": name, "ownerReferences": owners},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
        "status": {"podIP": address} if address else {},
    }


SNAPSHOT = snapshot.of_bodies(
    [
        service("web", "default", "10.96.0.7"),
        service("headless", "default", "None"),
        service(
            "istio-ingressgateway",
            "istio-system",
            "10.96.0.8",
            "172.29.0.1",
            selector={"istio": "ingressgateway"},
        ),
        pod("web-1-a", "web-1"),
        pod("web-two-2-b", "web-two-2", "10.244.0.10"),
        pod("late-3-c", "late-3", ""),
    ]
)


def lead(url: str, *, gateway: bool = False, **resolve: str) -> targets.UrlTarget:
    forwards = {("istio-system", "istio-ingressgateway", 80): 8080}
    resolver = targets.Resolver(ShimLink(Path("/nowhere")), SNAPSHOT, forwards)
    found = resolver.target(url, targets.Origin(), gateway=gateway, resolve=resolve)
    return asyncio.run(found)


@pytest.mark.parametrize(
    ("url", "address", "port"),
    [
        ("http://10.1.2.3:81/x", "10.1.2.3", 81),
        ("web/", "10.96.0.7", 80),
        ("http://web.default", "10.96.0.7", 80),
        ("https://web.default.svc.cluster.local/", "10.96.0.7", 443),
        ("http://istio-ingressgateway/", "172.29.0.1", 80),
        ("https://shop.example/", "172.29.0.1", 443),
        ("http://127.0.0.1:8080/a", "172.29.0.1", 80),
    ],
)
def test_a_url_leads_somewhere_from_the_host(url: str, address: str, port: int) -> None:
    found = lead(url)
    assert (found.address, found.port) == (address, port)


@pytest.mark.parametrize(
    ("url", "note"),
    [
        ("http://web/", ""),
        ("http://istio-ingressgateway/", ""),
        ("http://webb/", "no Service is called webb (is it web?): the ingress gateway was asked"),
        ("http://nothing.like.it/", "no Service is called nothing.like.it: the ingress gateway"),
    ],
)
def test_a_name_that_nobody_has_is_not_sent_to_the_gateway_silently(url: str, note: str) -> None:
    assert lead(url).note.startswith(note)
    assert bool(lead(url).note) == bool(note)


def test_a_given_address_comes_first() -> None:
    assert lead("http://web/", **{"web:80": "10.9.9.9"}).address == "10.9.9.9"


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("ftp://web/", 400),
        ("http:///x", 400),
        ("http://web:99999/", 400),
        ("http://[web/", 400),
        ("http://headless/", 404),
        ("http://shop.example:81/", 404),
        ("http://127.0.0.1:9/", 404),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str, status: int) -> None:
    with pytest.raises(ApiError) as caught:
        lead(url)
    assert caught.value.code == status


@pytest.mark.parametrize("named", ["web-1-a", "pod/web-1-a", "deploy/web", "deployment/web"])
def test_an_origin_is_a_pod_by_its_own_or_its_deployments_name(named: str) -> None:
    assert targets.origin(SNAPSHOT, named, "default").pod == "default/web-1-a"


@pytest.mark.parametrize("named", ["deploy/none", "deploy/late", "web-1-z", "job/web"])
def test_an_origin_that_does_not_run_is_refused(named: str) -> None:
    with pytest.raises(ApiError):
        targets.origin(SNAPSHOT, named, "default")


def test_the_host_is_an_origin() -> None:
    assert targets.origin(SNAPSHOT, "", "default").pod == ""
    assert targets.origin(SNAPSHOT, "host", "default").pod == ""
