"""Hostile input gets a 4xx and the server lives: fixed attacks, and what hypothesis thinks of."""

import asyncio
import http.client as http_client
import json
import socket
import ssl
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from lateen.apiserver.access import auth
from lateen.apiserver.serving import http
from lateen.apiserver.writing import verbs
from lateen.base.clock import SystemClock
from lateen.store.memory import MemoryStore
from tests import first_namespaces

Json = Any


class Caller:
    """Calls the ASGI application without a network."""

    def __init__(self) -> None:
        self.api = verbs.Api(MemoryStore(), SystemClock())
        first_namespaces.ensure(self.api)
        self.app = http.build_app(self.api, None, auth.FixedTokens({"t": auth.ADMIN}))

    def __call__(
        self,
        method: str,
        path: bytes,
        body: bytes = b"",
        query: bytes = b"",
        **headers: str,
    ) -> tuple[int, bytes]:
        return asyncio.run(self._call(method, path, body, query, headers))

    async def _call(
        self, method: str, path: bytes, body: bytes, query: bytes, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        given = {
            "authorization": "Bearer t",
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }
        scope = {
            "type": "http",
            "method": method,
            "path": path.decode("latin-1"),
            "raw_path": path,
            "query_string": query,
            "headers": [(k.encode(), v.encode("latin-1", "replace")) for k, v in given.items()],
        }
        parts = [{"type": "http.request", "body": body, "more_body": False}]
        sent: list[MutableMapping[str, Any]] = []

        async def receive() -> MutableMapping[str, Any]:
            return parts.pop(0) if parts else {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        data = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
        return sent[0]["status"], data


@pytest.fixture(scope="module")
def call() -> Caller:
    made = Caller()
    path, name = LEASE.rsplit(b"/", 1)
    made("POST", path, json.dumps({"metadata": {"name": name.decode()}}).encode())
    return made


CONFIG_MAPS = b"/api/v1/namespaces/default/configmaps"
DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000
LEASE = b"/apis/coordination.k8s.io/v1/namespaces/default/leases/mine"
JSON_PATCH = {"content_type": "application/json-patch+json"}
DOUBLING = [{"op": "add", "path": "/spec", "value": {"a": 1}}] + [
    {"op": "copy", "from": "/spec", "path": f"/spec/b{number}"} for number in range(60)
]
"""Each copy doubles what is there."""
NESTING = [{"op": "add", "path": f"/spec{'/a' * depth}", "value": {}} for depth in range(300)]
ATTACKS: dict[str, tuple[str, bytes, bytes, bytes, dict[str, str]]] = {
    "no body": ("POST", CONFIG_MAPS, b"", b"", {}),
    "not JSON": ("POST", CONFIG_MAPS, b"{", b"", {}),
    "a list": ("POST", CONFIG_MAPS, b"[]", b"", {}),
    "a number": ("POST", CONFIG_MAPS, b"1", b"", {}),
    "null": ("POST", CONFIG_MAPS, b"null", b"", {}),
    "deep": ("POST", CONFIG_MAPS, DEEP, b"", {}),
    "deep list": ("POST", CONFIG_MAPS, b"[" * 900 + b"]" * 900, b"", {}),
    "deep yaml": ("POST", CONFIG_MAPS, b"[" * 9000, b"", {"content_type": "application/yaml"}),
    "yaml aliases": (
        "POST",
        CONFIG_MAPS,
        b"a: &a [x]\nb: &b [*a,*a]\nc: [*b,*b]",
        b"",
        {"content_type": "application/yaml"},
    ),
    "yaml tags": (
        "POST",
        CONFIG_MAPS,
        b"!!python/object/apply:os.system ['id']",
        b"",
        {"content_type": "application/yaml"},
    ),
    "bad UTF-8": ("POST", CONFIG_MAPS, b'{"metadata":{"name":"\xff"}}', b"", {}),
    "lone surrogate": ("POST", CONFIG_MAPS, b'{"metadata":{"name":"\\ud800"}}', b"", {}),
    "metadata is text": ("POST", CONFIG_MAPS, b'{"metadata":"x"}', b"", {}),
    "labels are a list": ("POST", CONFIG_MAPS, b'{"metadata":{"labels":[1]}}', b"", {}),
    "name is a number": ("POST", CONFIG_MAPS, b'{"metadata":{"name":7}}', b"", {}),
    "no name": ("POST", CONFIG_MAPS, b'{"metadata":{}}', b"", {}),
    "name with a slash": ("POST", CONFIG_MAPS, b'{"metadata":{"name":"../x"}}', b"", {}),
    "long name": (
        "POST",
        CONFIG_MAPS,
        json.dumps({"metadata": {"name": "x" * 100_000}}).encode(),
        b"",
        {},
    ),
    "huge label": (
        "POST",
        CONFIG_MAPS,
        json.dumps({"metadata": {"name": "x", "labels": {"a": "x" * 100_000}}}).encode(),
        b"",
        {},
    ),
    "huge annotations": (
        "POST",
        CONFIG_MAPS,
        json.dumps({"metadata": {"name": "x", "annotations": {"a": "x" * 300_000}}}).encode(),
        b"",
        {},
    ),
    "too large": ("POST", CONFIG_MAPS, b'{"a":"' + b"x" * 4_000_000 + b'"}', b"", {}),
    "another kind": ("POST", CONFIG_MAPS, b'{"kind":"Secret","metadata":{"name":"x"}}', b"", {}),
    "path up": ("GET", b"/api/v1/namespaces/../pods/x", b"", b"", {}),
    "encoded path up": ("GET", b"/api/v1/namespaces/%2e%2e/pods/x", b"", b"", {}),
    "encoded slash": ("GET", b"/api/v1/namespaces/default/pods/a%2fb", b"", b"", {}),
    "path not UTF-8": ("GET", b"/api/v1/namespaces/%ff/pods", b"", b"", {}),
    "null in the path": ("GET", b"/api/v1/namespaces/default/pods/a%00b", b"", b"", {}),
    "long path": ("GET", b"/api/v1/" + b"x" * 10_000, b"", b"", {}),
    "long query": ("GET", CONFIG_MAPS, b"", b"a=" + b"x" * 40_000, {}),
    "many fields": ("GET", CONFIG_MAPS, b"", b"&".join(b"a=1" for _ in range(1000)), {}),
    "limit is text": ("GET", CONFIG_MAPS, b"", b"limit=many", {}),
    "limit is negative": ("GET", CONFIG_MAPS, b"", b"limit=-1", {}),
    "bad token": ("GET", CONFIG_MAPS, b"", b"continue=!!!!", {}),
    "token of another make": ("GET", CONFIG_MAPS, b"", b"continue=eyJ2IjoxfQ", {}),
    "old token": (
        "GET",
        CONFIG_MAPS,
        b"",
        b"limit=1&continue=eyJ2IjoxLCJydiI6OTk5OTk5OSwibnMiOiJhIiwibiI6ImIifQ",
        {},
    ),
    "bad selector": ("GET", CONFIG_MAPS, b"", b"labelSelector=a%3D%3D%3D", {}),
    "bad field selector": ("GET", CONFIG_MAPS, b"", b"fieldSelector=nonsense", {}),
    "bad version": ("GET", CONFIG_MAPS, b"", b"watch=1&resourceVersion=abc", {}),
    "version of the future": ("GET", CONFIG_MAPS, b"", b"watch=1&resourceVersion=99999999", {}),
    "patch that doubles": ("PATCH", LEASE, json.dumps(DOUBLING).encode(), b"", JSON_PATCH),
    "patch that nests": ("PATCH", LEASE, json.dumps(NESTING).encode(), b"", JSON_PATCH),
    "unknown method": ("BREW", CONFIG_MAPS, b"", b"", {}),
    "media": ("POST", CONFIG_MAPS, b"{}", b"", {"content_type": "text/csv"}),
    "cannot answer so": ("GET", CONFIG_MAPS, b"", b"", {"accept": "image/png"}),
    "protobuf cut off": (
        "POST",
        CONFIG_MAPS,
        b"k8s\0\x0a\x0f\x0a\x02v1",
        b"",
        {"content_type": "application/vnd.kubernetes.protobuf"},
    ),
    "delete options": ("DELETE", CONFIG_MAPS + b"/x", b'{"kind":"Pod"}', b"", {}),
    "grace": ("DELETE", CONFIG_MAPS + b"/x", b'{"gracePeriodSeconds":"soon"}', b"", {}),
    "wrong user": ("GET", CONFIG_MAPS, b"", b"", {"authorization": "Bearer x"}),
    "no user": ("GET", CONFIG_MAPS, b"", b"", {"authorization": ""}),
    "other scheme": ("GET", CONFIG_MAPS, b"", b"", {"authorization": "Basic dDp0"}),
    "post on a name": ("POST", CONFIG_MAPS + b"/x", b"{}", b"", {}),
    "put on a list": ("PUT", CONFIG_MAPS, b"{}", b"", {}),
    "exec without upgrade": ("POST", b"/api/v1/namespaces/default/pods/x/exec", b"", b"", {}),
    "empty path": ("GET", b"", b"", b"", {}),
    "compressed": ("POST", CONFIG_MAPS, b"{}", b"", {"content_encoding": "gzip"}),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused(call: Caller, name: str) -> None:
    method, path, body, query, headers = ATTACKS[name]
    status, answer = call(method, path, body, query, **headers)
    if name == "empty path":
        assert status == 200
        return
    assert 400 <= status < 500 or (status, name) == (503, "exec without upgrade")
    told = json.loads(answer)
    assert (told["kind"], told["status"], told["code"]) == ("Status", "Failure", status)
    assert told["message"]
    assert "Traceback" not in told["message"]


PATCHES = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "spec", "name", "labels", "kind", "apiVersion", "containers", "$patch"]
            )
            | st.text(max_size=8),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)
operations = st.lists(
    st.fixed_dictionaries(
        {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "x"])},
        optional={
            "path": st.sampled_from(["", "/", "/spec", "/metadata/labels/a", "/spec/ports/0", "x"]),
            "from": st.sampled_from(["", "/spec", "/metadata"]),
            "value": json_values,
        },
    ),
    max_size=4,
)
RESOURCES = (
    b"/api/v1/namespaces/default/configmaps",
    b"/api/v1/namespaces/default/services",
    b"/api/v1/namespaces/default/pods",
    b"/api/v1/namespaces/default/secrets",
    b"/apis/apps/v1/namespaces/default/deployments",
    b"/apis/batch/v1/namespaces/default/cronjobs",
    b"/apis/networking.istio.io/v1/namespaces/default/virtualservices",
    b"/apis/security.istio.io/v1/namespaces/default/peerauthentications",
    b"/apis/networking.k8s.io/v1/namespaces/default/ingresses",
    b"/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
    b"/apis/certificates.k8s.io/v1/certificatesigningrequests",
    b"/apis/rbac.authorization.k8s.io/v1/clusterroles",
    b"/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
    b"/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
)
ANY = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ANY
@given(resource=st.sampled_from(RESOURCES), body=json_values, name=st.booleans())
def test_no_body_breaks_a_create(call: Caller, resource: bytes, body: Json, name: bool) -> None:
    if name and isinstance(body, dict):
        metadata = body.get("metadata")
        named = metadata if isinstance(metadata, dict) else {}
        body = {**body, "metadata": {**named, "generateName": "x-"}}
        body.pop("kind", None)
        body.pop("apiVersion", None)
    status, _ = call("POST", resource, json.dumps(body).encode())
    assert status < 500


LOOSE = (
    ("/apis/networking.k8s.io/v1/namespaces/default/ingresses", "spec"),
    ("/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers", "spec"),
    ("/apis/policy/v1/namespaces/default/poddisruptionbudgets", "spec"),
    ("/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", "subjects"),
    ("/api/v1/namespaces/default/persistentvolumeclaims", "spec"),
    ("/apis/coordination.k8s.io/v1/namespaces/default/leases", "spec"),
)


@ANY
@given(loose=st.sampled_from(LOOSE), content=json_values)
def test_kinds_kept_as_they_are_can_be_listed(
    call: Caller, loose: tuple[str, str], content: Json
) -> None:
    path, field = loose[0].encode(), loose[1]
    body = {"metadata": {"name": "x"}, field: content, "status": content}
    call("DELETE", path + b"/x")
    assert call("POST", path, json.dumps(body).encode())[0] < 500
    call("PUT", path + b"/x/status", json.dumps(body).encode())
    status, answer = call("GET", path, accept="application/json;as=Table;v=v1;g=meta.k8s.io")
    assert status == 200, answer


@ANY
@given(resource=st.sampled_from(RESOURCES), body=st.binary(max_size=200))
def test_no_bytes_break_a_create(call: Caller, resource: bytes, body: bytes) -> None:
    for media in ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf"):
        start = b"k8s\0" if "protobuf" in media else b""
        assert call("POST", resource, start + body, content_type=media)[0] < 500


@ANY
@given(media=st.sampled_from(PATCHES), patch=json_values | operations, status=st.booleans())
def test_no_patch_breaks_an_object(call: Caller, media: str, patch: Json, status: bool) -> None:
    service = {
        "metadata": {"name": "s"},
        "spec": {"selector": {"a": "b"}, "ports": [{"name": "x", "port": 80}]},
    }
    path = b"/api/v1/namespaces/default/services"
    call("DELETE", path + b"/s")
    assert call("POST", path, json.dumps(service).encode())[0] == 201
    at = path + (b"/s/status" if status else b"/s")
    if media == PATCHES[3] and isinstance(patch, dict):
        patch = {**patch, "apiVersion": "v1", "kind": "Service"}
    code, answer = call("PATCH", at, json.dumps(patch).encode(), content_type=media)
    assert code < 500, answer
    code, answer = call("GET", path + b"/s")
    if code == 200:
        left = json.loads(answer)
        assert (left["kind"], left["metadata"]["name"]) == ("Service", "s")


@ANY
@given(
    path=st.lists(
        st.sampled_from(
            ["api", "apis", "v1", "apps", "namespaces", "default", "pods", "watch", "x"]
        )
        | st.text(max_size=5),
        max_size=8,
    ),
    method=st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]),
    query=st.text(alphabet="watch=1&limi%2Fa+", max_size=20),
    accept=st.sampled_from(["", "*/*", "application/json;as=Table;v=v1;g=meta.k8s.io", "x/y;q=z"]),
)
def test_no_path_breaks_the_server(
    call: Caller, path: list[str], method: str, query: str, accept: str
) -> None:
    raw = "/" + "/".join(path)
    status, _ = call(
        method, raw.encode("utf-8", "replace"), b"{}", query.encode() + b"&timeoutSeconds=1",
        accept=accept,
    )  # fmt: skip
    assert status < 500


def test_slow_clients_are_dropped_and_others_served(server: Any) -> None:
    context = ssl.create_default_context(cadata=server.ca_pem)
    stuck = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
    try:
        plain = socket.create_connection(("127.0.0.1", server.port))
        with context.wrap_socket(plain, server_hostname="127.0.0.1") as made:
            made.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            made.settimeout(10)
            assert made.recv(100).startswith(b"HTTP/1.1 200")
    finally:
        for one in stuck:
            one.close()


def test_garbage_instead_of_http(server: Any) -> None:
    for junk in (b"\0" * 1000, b"GET / HTTP/9\r\n\r\n", b"x" * 200_000, b"PRI * HTTP/2.0\r\n\r\n"):
        with socket.socket(socket.AF_UNIX) as made:
            made.connect(str(server.unix))
            made.settimeout(10)
            try:
                made.sendall(junk)
                answer = made.recv(1000)
            except ConnectionError:
                continue
            assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer


def test_a_stuck_watcher_holds_up_nobody(server: Any) -> None:
    """One client opens a watch and never reads; a second one still sees every change at once."""
    stuck = _watch(server)
    reader = _watch(server)
    body = {"metadata": {"generateName": "big-"}, "data": {"x": "y" * 200_000}}
    target = server.api.target("configmaps", "default")
    count = 100

    def write() -> None:
        for _ in range(count):
            server.api.create(target, body, verbs.WriteOptions())

    thread = threading.Thread(target=lambda: server.call(write))
    thread.start()
    seen, tail = 0, b""
    while seen < count:
        data = reader.recv(1 << 20)
        assert data, "the watch ended early"
        seen += (tail + data).count(b'"type":"ADDED"')
        tail = data[-12:] if not data.endswith(b'"type":"ADDED"') else b""
    thread.join(10)
    stuck.close()
    reader.close()


def _watch(server: Any) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.settimeout(20)
    made.connect(str(server.unix))
    path = "/api/v1/namespaces/default/configmaps?watch=1&resourceVersion="
    version = server.call(lambda: server.api.store.revision)
    lines = (f"GET {path}{version} HTTP/1.1", "Host: x", f"Authorization: Bearer {server.token}")
    made.sendall("\r\n".join((*lines, "", "")).encode())
    assert made.recv(12) == b"HTTP/1.1 200"
    return made


def test_answers_do_not_wait_for_acknowledgements(server: Any) -> None:
    """Twenty calls on one TLS connection; held up by Nagle's algorithm they would take 0.8 s."""
    context = ssl.create_default_context(cadata=server.ca_pem)
    client = http_client.HTTPSConnection("127.0.0.1", server.port, context=context)
    headers = {"Authorization": f"Bearer {server.token}", "Content-Type": "application/json"}
    clock = SystemClock()
    took: list[float] = []
    for _ in range(20):
        start = clock.monotonic()
        body = json.dumps({"metadata": {"generateName": "x-"}, "data": {"a": "b" * 3000}})
        client.request("POST", "/api/v1/namespaces/default/configmaps", body, headers)
        answer = client.getresponse()
        answer.read()
        assert answer.status == 201
        took.append(clock.monotonic() - start)
    client.close()
    assert sorted(took)[len(took) // 2] < 0.03
