"""Virtual hosts and routes as Envoy finds them."""

import pytest
from envoy.config.route.v3 import route_components_pb2, route_pb2
from google.protobuf import json_format

from lateen.predict.envoy import paths, routes, strings
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Http

DOMAINS = ("shop.example", "*.example", "*.b.example", "shop.*", "*")


def table(*, ignore_port: bool = True) -> route_pb2.RouteConfiguration:
    made = route_pb2.RouteConfiguration(ignore_port_in_host_matching=ignore_port)
    for domain in DOMAINS:
        made.virtual_hosts.add(name=domain, domains=[domain])
    return made


@pytest.mark.parametrize(
    ("authority", "wanted"),
    [
        ("shop.example", "shop.example"),
        ("SHOP.example:8080", "shop.example"),
        ("a.example", "*.example"),
        ("a.b.example", "*.b.example"),
        ("shop.test", "shop.*"),
        (".example", "*"),
        ("", "*"),
        ("[::1]:80", "*"),
    ],
)
def test_the_most_specific_domain_wins(authority: str, wanted: str) -> None:
    assert routes.virtual_host(table(), authority).name == wanted


def test_a_port_counts_unless_it_is_ignored() -> None:
    found = routes.virtual_host(table(ignore_port=False), "shop.example:8080")
    assert found.name == "shop.*"


def mismatch(match: dict[str, object], **request: object) -> str:
    made = json_format.ParseDict(match, route_components_pb2.RouteMatch())
    return routes.mismatch(made, Http(**request), routes.Draw())


@pytest.mark.parametrize(
    ("match", "path", "takes"),
    [
        ({"prefix": "/a"}, "/ab", True),
        ({"prefix": "/a"}, "/?x=/a", False),
        ({"path": "/a"}, "/a?x=1", True),
        ({"path": "/a"}, "/a/", False),
        ({"path": "/A", "caseSensitive": False}, "/a", True),
        ({"pathSeparatedPrefix": "/a"}, "/a/b", True),
        ({"pathSeparatedPrefix": "/a"}, "/ab", False),
        ({"safeRegex": {"regex": "/a+"}}, "/aaa?b", True),
        ({"safeRegex": {"regex": "/a+"}}, "/aab", False),
    ],
)
def test_paths(match: dict[str, object], path: str, takes: bool) -> None:
    assert (not mismatch(match, path=path)) is takes


@pytest.mark.parametrize(
    ("header", "headers", "takes"),
    [
        ({"stringMatch": {"exact": "1"}}, (), False),
        ({"stringMatch": {"exact": "1"}, "invertMatch": True}, (), False),
        (
            {
                "stringMatch": {"exact": "1"},
                "invertMatch": True,
                "treatMissingHeaderAsEmpty": True,
            },
            (),
            True,
        ),
        ({"presentMatch": True, "invertMatch": True}, (), True),
        ({"stringMatch": {"exact": "1,2"}}, (("x", "1"), ("x", "2")), True),
        ({"stringMatch": {"prefix": "AB", "ignoreCase": True}}, (("x", "abc"),), True),
    ],
)
def test_headers(header: dict[str, object], headers: object, takes: bool) -> None:
    match = {"prefix": "/", "headers": [{"name": "x", **header}]}
    assert (not mismatch(match, headers=headers)) is takes


def test_query_parameters_are_compared_by_their_first_value() -> None:
    match = {"prefix": "/", "queryParameters": [{"name": "v", "stringMatch": {"exact": "2"}}]}
    assert not mismatch(match, path="/?v=2&v=3")
    assert mismatch(match, path="/?v=3&v=2")
    assert mismatch(match, path="/")


def test_syntax_that_is_not_shared_with_re2_is_not_guessed() -> None:
    with pytest.raises(UnknownError, match="not modelled"):
        strings.full_match(r"/\p{Greek}+", "/a")
    assert strings.full_match("[[:digit:]]+", "12")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/a/../b", "/b"),
        ("/a/./b/", "/a/b/"),
        ("/a/..", "/"),
        ("/..", "/"),
        ("/a//b", "/a//b"),
        ("/a\\b", "/a/b"),
        ("/%61%2Fb?c=%61", "/a%2Fb?c=%61"),
        ("/a%2e%2e/b", "/a../b"),
        ("/a/%2e%2e/b", "/b"),
        ("/a%00", None),
    ],
)
def test_normalization(path: str, wanted: str | None) -> None:
    assert paths.normalized(path) == wanted


def test_a_prefix_is_replaced_and_the_query_kept() -> None:
    route = json_format.ParseDict(
        {"match": {"prefix": "/api"}, "route": {"prefixRewrite": "/v1", "cluster": "x"}},
        route_components_pb2.Route(),
    )
    assert routes.rewritten(route, Http(path="/api/b?c")).path == "/v1/b?c"
    exact = json_format.ParseDict(
        {"match": {"path": "/api"}, "route": {"prefixRewrite": "/v1", "cluster": "x"}},
        route_components_pb2.Route(),
    )
    assert routes.rewritten(exact, Http(path="/api?c")).path == "/v1?c"
