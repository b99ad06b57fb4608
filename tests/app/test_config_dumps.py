"""Requests explained on what proxies really have: dumps of istiod's making, and spoilt ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lateen.app.api import config_dumps
from lateen.app.api.config_dumps import ConfigDump
from lateen.app.foresight import offline
from lateen.app.foresight.classes import drift
from lateen.app.foresight.rehearsal import Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.base.jsonvalue import Json
from lateen.model.labapi.explain import ExplainRequest

ISTIOD = Path(__file__).parent / "istiod_walkthrough"
"""The objects of a cluster, and for each of its proxies what istiod 1.32 sends it."""
OBJECTS: list[Json] = json.loads((ISTIOD / "cluster.json").read_text(encoding="utf-8"))["items"]
SETTINGS = LabSettings(lab="files", istio="1.32", user=0)
GATEWAY = "gateway.istio-system.json"
MTLS = "helloworld-mtls-9447215c-0.default.json"
TO_MTLS = "outbound|8080|mtls|helloworld.default.svc.cluster.local"


def text(name: str) -> str:
    return (ISTIOD / name).read_text(encoding="utf-8")


def changed(name: str, change: Callable[[Json], None]) -> ConfigDump:
    """Return a dump of istiod's with something of it changed by hand."""
    body = json.loads(text(name))
    change(body)
    return config_dumps.read(json.dumps(body), name)


def part(body: Json, kind: str) -> Json:
    found: Json = next(each for each in body["configs"] if each["@type"].endswith(kind))
    return found


def clusters(body: Json) -> dict[str, Json]:
    rows = part(body, "ClustersConfigDump")["dynamic_active_clusters"]
    return {row["cluster"]["name"]: row["cluster"] for row in rows}


@pytest.fixture(scope="module")
def dumps() -> list[ConfigDump]:
    names = sorted(each.name for each in ISTIOD.glob("*.*.json"))
    return [config_dumps.read(text(name), name) for name in names]


def explained(path: str, dumps: list[ConfigDump]) -> Json:
    asked = msgspec.convert({"url": f"http://istio-ingressgateway{path}"}, ExplainRequest)
    told = offline.explain([], SETTINGS, asked, None, OBJECTS, dumps)
    (branch,) = told["branches"]
    found: Json = branch["outcome"]
    return found


def drifted(*dumps: ConfigDump) -> Json:
    return drift.document(Rehearsal([], SETTINGS, OBJECTS), SETTINGS, dumps)


@pytest.mark.parametrize("path", ["/http-mTLS", "/https-mTLS", "/http-no-mTLS", "/nowhere"])
def test_what_istiod_sends_does_what_we_compile(path: str, dumps: list[ConfigDump]) -> None:
    """The way, TLS, SNI and ALPN of every leg: Istio's private filters have their part in it."""
    real, mine = explained(path, dumps), explained(path, [])
    for field in ("status", "code", "destination", "cluster"):
        assert real.get(field) == mine.get(field)
    wires = [
        [(leg["tls"], leg["sni"], leg["alpn"]) for leg in each["legs"]] for each in (real, mine)
    ]
    assert wires[0] == wires[1]


def test_all_requests_fare_alike(dumps: list[ConfigDump]) -> None:
    found = drifted(*dumps)
    assert found["changes"] == []
    assert found["open"] == []
    assert {each["in"] for each in found["onesided"]} == {"proxy"}  # a gateway's way to itself


def test_objects_are_named_by_istios_metadata(dumps: list[ConfigDump]) -> None:
    steps = explained("/https-mTLS", dumps)["steps"]
    named = {step["kind"]: step["sources"][0]["text"] for step in steps if step["sources"]}
    assert named["route"] == "VirtualService/default/helloworld-vs"
    assert named["client's TLS"].startswith("DestinationRule/default/helloworld")


def test_a_proxy_that_has_another_tls_drifts() -> None:
    """Its cluster was changed by hand: it sends plaintext, and is kept out."""

    def plain(body: Json) -> None:
        del clusters(body)[TO_MTLS]["transport_socket_matches"]

    found = drifted(changed(GATEWAY, plain))
    assert [(each["kind"], each["to"]) for each in found["changes"]] == [
        ("more-secure", "istio-system/gateway *:80")
    ]


def test_what_one_side_has_alone_is_listed() -> None:
    def without(body: Json) -> None:
        part(body, "ListenersConfigDump")["dynamic_listeners"].clear()

    onesided = drifted(changed(GATEWAY, without))["onesided"]
    assert {"kind": "listener", "name": "0.0.0.0_8080", "in": "compiled"}.items() <= next(
        each.items() for each in onesided if each["kind"] == "listener"
    )


def first_manager(body: Json) -> Json:
    row = part(body, "ListenersConfigDump")["dynamic_listeners"][0]
    chain = row["active_state"]["listener"]["filter_chains"][0]
    found: Json = chain["filters"][0]["typed_config"]
    return found


@pytest.mark.parametrize(
    "config",
    [
        {"@type": "type.googleapis.com/istio.envoy.config.filter.http.authn.v2.FilterConfig"},
        {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua"},
        {
            "@type": "type.googleapis.com/udpa.type.v1.TypedStruct",
            "type_url": "type.googleapis.com/envoy.extensions.filters.http.ext_proc.v3.X",
        },
    ],
    ids=["Istio's", "Envoy's", "by its fields"],
)
def test_a_filter_without_rules_is_named(config: Json) -> None:
    def more(body: Json) -> None:
        first_manager(body)["http_filters"].insert(0, {"name": "foreign", "typed_config": config})

    found = explained("/http-mTLS", [changed(GATEWAY, more)])
    assert found["unknown"] == "the HTTP filter foreign of istio-system/gateway"


def test_a_filter_by_its_fields_is_read_as_its_message() -> None:
    fault = {
        "@type": "type.googleapis.com/xds.type.v3.TypedStruct",
        "type_url": "type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault",
        "value": {"abort": {"http_status": 418, "percentage": {"numerator": 100}}},
    }

    def more(body: Json) -> None:
        first_manager(body)["http_filters"].insert(0, {"name": "tea", "typed_config": fault})

    assert explained("/http-mTLS", [changed(GATEWAY, more)])["status"] == 418


def test_a_route_may_say_something_to_a_filter_that_is_not_read() -> None:
    def more(body: Json) -> None:
        table = part(body, "RoutesConfigDump")["dynamic_route_configs"][0]["route_config"]
        own = {"@type": "type.googleapis.com/envoy.extensions.filters.http.lua.v3.LuaPerRoute"}
        route = table["virtual_hosts"][0]["routes"][0]
        route["typed_per_filter_config"] = {"envoy.filters.http.fault": own}

    found = [explained(path, [changed(GATEWAY, more)]) for path in ("/http-mTLS", "/http-no-mTLS")]
    assert [each["unknown"] for each in found] == [
        "the HTTP filter envoy.filters.http.fault of istio-system/gateway",
        "",
    ]


def test_endpoints_that_are_not_told_are_the_objects() -> None:
    def without(body: Json) -> None:
        body["configs"].remove(part(body, "EndpointsConfigDump"))

    found = explained("/http-mTLS", [changed(GATEWAY, without)])
    assert found["status"] == 200


def test_an_update_that_was_refused_is_told() -> None:
    def refused(body: Json) -> None:
        row = part(body, "ListenersConfigDump")["dynamic_listeners"][0]
        row["error_state"] = {"details": "duplicate address"}

    assert changed(GATEWAY, refused).refused == ("0.0.0.0_8080: duplicate address",)


@pytest.mark.parametrize(
    ("content", "file", "words"),
    [
        ("no json", "a.b.json", "is no configuration of a proxy"),
        ('{"kind": "List"}', "a.b.json", "/config_dump"),
        ('{"configs": []}', "dump.json", "call the file POD.NAMESPACE.json"),
        (
            json.dumps(
                {
                    "configs": [
                        {
                            "@type": "x.ClustersConfigDump",
                            "static_clusters": [
                                {"cluster": {"name": "c", "connect_timeout": "soon"}}
                            ],
                        }
                    ]
                }
            ),
            "a.b.json",
            "cluster c",
        ),
    ],
)
def test_what_is_no_dump_is_refused(content: str, file: str, words: str) -> None:
    with pytest.raises(config_dumps.DumpError, match=words):
        config_dumps.read(content, file)


def test_pods_of_a_cluster_keep_their_addresses() -> None:
    """One that has none yet is not given another's."""
    waiting: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "waits", "namespace": "default", "uid": "uid-waits"},
        "spec": {"containers": [{"name": "c", "image": "nginx"}]},
    }
    pods = Rehearsal([], SETTINGS, [*OBJECTS, waiting]).all("pods")
    addresses = [pod["status"]["podIP"] for pod in pods]
    assert len(addresses) == len(set(addresses))
