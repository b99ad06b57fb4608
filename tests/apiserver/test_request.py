"""A request line is read as Kubernetes reads it; Accept and Content-Type too."""

import pytest

from lateen.apiserver.protocol import negotiate, request
from lateen.model.client import ApiError

CASES = {
    "GET /api/v1/pods": ("list", "", "v1", "pods", "", "", ""),
    "GET /api/v1/pods?watch=true": ("watch", "", "v1", "pods", "", "", ""),
    "GET /api/v1/watch/namespaces/a/pods": ("watch", "", "v1", "pods", "a", "", ""),
    "GET /api/v1/namespaces/a/pods/x": ("get", "", "v1", "pods", "a", "x", ""),
    "GET /api/v1/namespaces/a/pods/x?watch=0": ("get", "", "v1", "pods", "a", "x", ""),
    "HEAD /api/v1/namespaces/a/pods/x": ("get", "", "v1", "pods", "a", "x", ""),
    "POST /api/v1/namespaces/a/pods": ("create", "", "v1", "pods", "a", "", ""),
    "POST /api/v1/namespaces/a/pods/x/exec": ("create", "", "v1", "pods", "a", "x", "exec"),
    "PUT /api/v1/namespaces/a/pods/x/status": ("update", "", "v1", "pods", "a", "x", "status"),
    "DELETE /api/v1/namespaces/a/pods": ("deletecollection", "", "v1", "pods", "a", "", ""),
    "DELETE /api/v1/namespaces/a/pods/x": ("delete", "", "v1", "pods", "a", "x", ""),
    "GET /api/v1/namespaces": ("list", "", "v1", "namespaces", "", "", ""),
    "GET /api/v1/namespaces/a": ("get", "", "v1", "namespaces", "", "a", ""),
    "PUT /api/v1/namespaces/a/finalize": ("update", "", "v1", "namespaces", "", "a", "finalize"),
    "PATCH /apis/apps/v1/namespaces/a/deployments/x/scale": (
        *("patch", "apps", "v1", "deployments", "a", "x"),
        "scale",
    ),
    "GET /apis/networking.istio.io/v1/gateways": (
        *("list", "networking.istio.io", "v1", "gateways", "", ""),
        "",
    ),
    "GET //api//v1/pods/": ("list", "", "v1", "pods", "", "", ""),
}


@pytest.mark.parametrize("line", CASES)
def test_resources(line: str) -> None:
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    info = request.parse(method, path.encode(), query.encode())
    assert (
        info.verb,
        info.group,
        info.version,
        info.resource,
        info.namespace,
        info.name,
        info.subresource,
    ) == CASES[line]
    assert info.is_resource


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/version", "/metrics"]
)
def test_what_is_no_resource(path: str) -> None:
    info = request.parse("GET", path.encode())
    assert (info.is_resource, info.verb, info.path) == (False, "get", path)


def test_a_proxied_path_is_passed_on_as_it_was_encoded() -> None:
    path = b"/api/v1/namespaces/a/services/http:web:80/proxy/a%2Fb//c"
    info = request.parse("GET", path, b"x=%20")
    assert (info.name, info.subresource, info.rest) == ("http:web:80", "proxy", "/a%2Fb//c")
    assert info.raw_query == "x=%20"


@pytest.mark.parametrize(
    ("header", "kind", "media"),
    [
        ("", "", "application/json"),
        ("*/*", "", "application/json"),
        ("application/vnd.kubernetes.protobuf,application/json", "", "application/json"),
        ("application/yaml", "", "application/yaml"),
        ("text/html;q=0.9,application/yaml;q=0.8", "", "application/json"),
        (
            "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
            "Table",
            "application/json",
        ),
        ("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", "", "application/json"),
        (
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
            "PartialObjectMetadataList",
            "application/json",
        ),
        (
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
            "APIGroupDiscoveryList",
            "application/json",
        ),
    ],
)
def test_accept(header: str, kind: str, media: str) -> None:
    form = negotiate.accept(header)
    assert (form.as_kind, form.media) == (kind, media)


@pytest.mark.parametrize("header", ["image/png", "application/vnd.kubernetes.protobuf", "x"])
def test_what_cannot_be_answered(header: str) -> None:
    with pytest.raises(ApiError) as caught:
        negotiate.accept(header)
    assert (caught.value.code, caught.value.reason) == (406, "NotAcceptable")


def test_content_types() -> None:
    assert negotiate.content_type("application/json; charset=utf-8", patch=False) == (
        "application/json"
    )
    for kind in negotiate.PATCH_TYPES:
        assert negotiate.content_type(kind, patch=True) == kind
    for header, patch in (("text/csv", False), ("application/json", True)):
        with pytest.raises(ApiError) as caught:
            negotiate.content_type(header, patch=patch)
        assert caught.value.code == 415
