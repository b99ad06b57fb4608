"""Providers of external authorization: which can be asked, and why others cannot."""

from typing import Any

import pytest

from lateen.compiler.frontend.security import authorizers
from lateen.compiler.ir.authz import Authorizer
from lateen.compiler.ir.workload import Resolution, Service
from lateen.model.istio import meshconfig
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import decode

AT = Source(ObjectRef("ConfigMap", "istio-system", "istio"), "data.mesh")
FINE = {"service": "a.example", "port": 80}


def made(*providers: dict[str, Any]) -> tuple[Authorizer, ...]:
    found = decode.decode_struct(meshconfig.MeshConfig, {"extensionProviders": list(providers)})
    assert not found.problems
    return authorizers.translate(found.object.extension_providers, AT)


def http(name: str = "p", **fields: Any) -> dict[str, Any]:
    return {"name": name, "envoyExtAuthzHttp": {**FINE, **fields}}


@pytest.mark.parametrize(
    ("provider", "fault"),
    [
        (http(), ""),
        (http(statusOnError="503", pathPrefix="/a", timeout="1s"), ""),
        (http(includeRequestHeadersInCheck=["a", "b-*", "*-c"]), ""),
        (http("Upper"), "is no name"),
        (http("-a"), "is no name"),
        (http("a" * 64), "is no name"),
        (http(service=""), "no service"),
        (http(port=0), "is no port"),
        (http(port=65536), "is no port"),
        (http(pathPrefix="a"), "does not begin with /"),
        (http(statusOnError="299"), "is no status"),
        (http(statusOnError="OK"), "is no status"),
        (http(timeout="0s"), "no length of time"),
        (http(headersToUpstreamOnAllow=["*"]), "by a * alone"),
        (http(includeRequestBodyInCheck={}), "no maxRequestBytes"),
    ],
)
def test_what_breaks_a_rule_cannot_be_asked(provider: dict[str, Any], fault: str) -> None:
    (found,) = made(provider)
    assert fault in found.fault
    assert bool(fault) == bool(found.fault)


def test_of_one_name_none_can_be_asked() -> None:
    assert all("this name" in found.fault for found in made(http("a"), http("a")))


def test_other_providers_decide_nothing() -> None:
    assert made({"name": "z", "zipkin": {}}, {"name": "p", "prometheus": {}}) == ()


def declared(*namespaces: str) -> list[Service]:
    return [
        Service(
            name="a.example",
            namespace=namespace,
            hostname="a.example",
            vips=(),
            ports=(),
            resolution=Resolution.EDS,
            source=AT,
        )
        for namespace in namespaces
    ]


@pytest.mark.parametrize(
    ("service", "namespaces", "fault"),
    [
        ("a.example", ("one",), ""),
        ("one/a.example", ("one", "two"), ""),
        ("a.example", ("one", "two"), "in several namespaces (one, two)"),
        ("a.example", (), "no service has the host a.example"),
        ("three/a.example", ("one",), "no service has the host three/a.example"),
    ],
)
def test_one_service_alone_may_have_the_host(
    service: str, namespaces: tuple[str, ...], fault: str
) -> None:
    (written,) = made(http(service=service))
    found = authorizers.resolved(written, lambda host: declared(*namespaces))
    assert fault in found.fault
    assert found.cluster == ("" if fault else "outbound|80||a.example")
