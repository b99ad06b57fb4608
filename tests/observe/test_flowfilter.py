"""Filters of lines: by both ends, TLS, status and port; alternatives, all of them, and none."""

from typing import Any

import pytest

from lateen.observe.ends import End, Places, short_identity
from lateen.observe.packets.flowfilter import Condition, FlowFilter, Subject

Json = dict[str, Any]


def pod(name: str, ip: str, *, proxy: bool = True, **labels: str) -> Json:
    namespace, _, own = name.partition("/")
    containers = [{"name": "app"}, *([{"name": "istio-proxy"}] if proxy else [])]
    return {
        "metadata": {"namespace": namespace, "name": own, "labels": labels},
        "spec": {"containers": containers, "serviceAccountName": own},
        "status": {"podIP": ip, "hostIP": "10.244.0.1", "phase": "Running"},
    }


def service(name: str, ip: str, balancer: str = "", **selector: str) -> Json:
    namespace, _, own = name.partition("/")
    ingress = {"loadBalancer": {"ingress": [{"ip": balancer}]}} if balancer else {}
    return {
        "metadata": {"namespace": namespace, "name": own},
        "spec": {"clusterIP": ip, "selector": selector},
        "status": ingress,
    }


PLACES = Places(
    [
        pod("default/web-1", "10.244.0.2", app="web", tier="front"),
        pod("shop/db-1", "10.244.0.3", app="db"),
        pod("default/bare", "10.244.0.4", proxy=False),
    ],
    [
        service("shop/database", "10.96.0.7", app="db"),
        service("default/web", "10.96.0.8", "172.30.0.1", app="web"),
        service("default/other", "None", app="other"),
    ],
)


def subject(**changes: Any) -> Subject:
    given = {
        "source": PLACES.named("default/web-1"),
        "target": PLACES.named("shop/db-1"),
        "tls": "mtls",
        "status": 503,
        "ports": frozenset({40000, 5432}),
        "leg": "wire",
    }
    return Subject(**{**given, **changes})


KEPT = (
    [],
    [("from-pod", "web")],
    [("from-pod", "default/web-1")],
    [("to-pod", "db")],
    [("from-pod", "other"), ("from-pod", "web")],
    [("from-service", "web")],
    [("to-service", "database")],
    [("to-service", "shop/database")],
    [("to-service", "database.shop")],
    [("to-service", "database.shop.svc.cluster.local")],
    [("from-label", "app=web,tier in (front)")],
    [("from-label", "!canary")],
    [("from-namespace", "default")],
    [("to-namespace", "shop")],
    [("namespace", "shop")],
    [("from-identity", "default/web-1")],
    [("to-identity", "spiffe://cluster.local/ns/shop/sa/db-1")],
    [("tls", "mtls")],
    [("tls", "none"), ("tls", "mtls")],
    [("http-status", "503")],
    [("http-status", "5+")],
    [("http-status", "50+")],
    [("http-status", "5xx")],
    [("port", "5432")],
    [("leg", "wire")],
    [("leg", "all")],
    [("not", "tls", "none")],
    [("not", "from-pod", "db"), ("to-pod", "db")],
)
LEFT_OUT = (
    [("from-pod", "db")],
    [("to-pod", "web")],
    [("from-pod", "web"), ("to-pod", "web")],
    [("from-service", "database")],
    [("to-service", "default/database")],
    [("to-service", "other")],
    [("from-label", "app=db")],
    [("to-label", "tier")],
    [("from-namespace", "shop")],
    [("namespace", "istio-system")],
    [("from-identity", "shop/db-1")],
    [("tls", "none")],
    [("http-status", "4+")],
    [("http-status", "500")],
    [("port", "80")],
    [("leg", "app")],
    [("not", "tls", "mtls")],
    [("not", "from-pod", "web")],
    [("from-pod", "web"), ("not", "to-namespace", "shop")],
    [("not", "http-status", "5+")],
    [("not", "port", "5432")],
)


def made(given: list[tuple[str, ...]]) -> FlowFilter:
    return FlowFilter(Condition(each[-2], each[-1], each[0] == "not") for each in given)


@pytest.mark.parametrize("given", KEPT, ids=str)
def test_what_is_wanted_is_kept(given: list[tuple[str, ...]]) -> None:
    assert made(given).keeps(subject())


@pytest.mark.parametrize("given", LEFT_OUT, ids=str)
def test_what_is_not_wanted_is_left_out(given: list[tuple[str, ...]]) -> None:
    assert not made(given).keeps(subject())


WRONG = {
    ("tls", "yes"): "--tls yes: use mtls, tls, none",
    ("leg", "eth0"): "--leg eth0: use wire, app, all",
    ("port", "http"): "--port http: use a number from 1 to 65535",
    ("port", "70000"): "--port 70000: use a number from 1 to 65535",
    ("http-status", "abc"): "--http-status abc: use a status or its beginning: 503, 50+, 5+",
    ("http-status", "5"): "--http-status 5: use a status or its beginning: 503, 50+, 5+",
    ("http-status", "+"): "--http-status +: use a status or its beginning: 503, 50+, 5+",
    ("http-status", "²03"): "--http-status ²03: use a status or its beginning: 503, 50+, 5+",
    ("from-label", "a=b=c"): "label a=b=c: unable to parse requirement: found 'a=b=c'",
}


@pytest.mark.parametrize("given", WRONG, ids=str)
def test_a_wrong_value_is_told_with_what_is_right(given: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"use|parse") as told:
        made([given])
    assert str(told.value) == WRONG[given]


def test_the_proxys_own_ports_are_shown_when_asked_for() -> None:
    health = subject(ports=frozenset({40000, 15021}))
    assert not made([]).keeps(health)
    assert made([("port", "15021")]).keeps(health)


def test_only_ports_and_legs_can_choose_packets() -> None:
    assert made([("port", "80"), ("leg", "app")]).lines_only == []
    assert made([("not", "port", "80")]).lines_only == ["port"]
    assert made([("tls", "none")]).lines_only == ["tls"]


def test_places_name_addresses() -> None:
    assert PLACES.names == {
        "10.244.0.1": "host",
        "10.244.0.2": "default/web-1",
        "10.244.0.3": "shop/db-1",
        "10.244.0.4": "default/bare",
        "10.96.0.7": "shop/database",
        "10.96.0.8": "default/web",
        "172.30.0.1": "default/web",
    }
    assert PLACES.named("default/bare").identity == ""
    assert PLACES.named("10.9.9.9") == End("10.9.9.9")


def test_a_name_that_is_no_spiffe_id_is_left_as_it_is() -> None:
    assert short_identity("spiffe://td/ns/a/sa/b") == "a/b"
    assert short_identity("spiffe://td/other") == "spiffe://td/other"
    assert short_identity("CN=client") == "CN=client"
