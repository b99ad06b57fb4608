"""The lab's own API beside its contract: every path live, every kind of answer."""

import base64
import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lateen import __version__
from lateen.model.labapi import contract
from lateen.model.labapi.apply import ApplyItem, ApplyRequest
from lateen.model.labapi.contract import LabPath
from lateen.model.labapi.explain import ExplainRequest
from lateen.model.labapi.images import ImageWish, ProcessOrder
from lateen.model.labapi.node import ResolveRequest
from lateen.model.labapi.page import PageRequest
from lateen.model.labapi.request import CurlRequest
from tests.e2e.labs import WALKTHROUGH, Lab

pytestmark = pytest.mark.e2e

URL = "http://istio-ingressgateway"
PASSES, FAILS = f"{URL}/http-mTLS", f"{URL}/https-no-mTLS"


class OwnApi(http.client.HTTPConnection):
    """A lab's API on its Unix socket."""

    def __init__(self, lab: Lab) -> None:
        super().__init__("localhost", timeout=20)
        self.socket = str(lab.home / "run" / lab.name / "api.sock")
        token = next(lab.home.rglob("admin.token"))
        self.token = token.read_text(encoding="ascii").strip()

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.socket)

    def send_to(
        self, method: str, path: str, body: Any = None, token: str | None = None
    ) -> http.client.HTTPResponse:
        """Send one request; `token` in place of the owner's."""
        headers = {"Authorization": f"Bearer {self.token if token is None else token}"}
        self.request(method, path, None if body is None else msgspec.json.encode(body), headers)
        return self.getresponse()


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("own")
    made.ok("up", str(WALKTHROUGH))
    for url in (PASSES, FAILS):
        made.lateen("curl", url)
    return made


@pytest.fixture
def api(lab: Lab) -> Iterator[OwnApi]:
    with contextlib.closing(OwnApi(lab)) as made:
        yield made


def pod(lab: Lab) -> str:
    return str(json.loads(lab.ok("get", "pods", "-o", "json"))["items"][0]["metadata"]["name"])


OBJECT = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "c", "namespace": "default"},
}
UNKNOWN = {"apiVersion": "x.example/v1", "kind": "Nothing", "metadata": {"name": "c"}}
BODIES: dict[LabPath, list[Any]] = {
    contract.REQUEST: [CurlRequest(url=PASSES), CurlRequest(url=FAILS, gateway=True)],
    contract.EXPLAIN: [ExplainRequest(url=PASSES), ExplainRequest(url=FAILS)],
    contract.APPLY: [
        ApplyRequest(items=(ApplyItem(OBJECT, "a.yaml", {"": 1}),)),
        ApplyRequest(items=(ApplyItem(UNKNOWN),), dry_run=True),
    ],
    contract.IMAGE: [ImageWish("example.com/none:1")],
    contract.PAGE: [PageRequest(), PageRequest(stop=True)],
    contract.PROCESS: [ProcessOrder("none")],
    contract.RULES: [{}],
}


def strictly(document: Any, form: Any, path: str = "$") -> Iterator[str]:
    """Yield the fields of a document that its form does not have, at any depth."""
    info = msgspec.inspect.type_info(form)
    yield from _unknown(document, info, path)


def _unknown(document: Any, info: Any, path: str) -> Iterator[str]:
    inspect = msgspec.inspect
    if isinstance(info, inspect.UnionType):
        info = next(
            (one for one in info.types if not isinstance(one, inspect.NoneType)), inspect.AnyType()
        )
    if isinstance(document, dict) and isinstance(info, inspect.StructType):
        fields = {field.encode_name: field.type for field in info.fields}
        yield from (f"{path}.{name}" for name in document if name not in fields)
        for name, kind in fields.items():
            if name in document:
                yield from _unknown(document[name], kind, f"{path}.{name}")
    elif isinstance(document, list) and isinstance(
        info, inspect.VarTupleType | inspect.ListType | inspect.CollectionType
    ):
        for number, item in enumerate(document):
            yield from _unknown(item, info.item_type, f"{path}[{number}]")


def has_the_form(answer: http.client.HTTPResponse, content: bytes, endpoint: LabPath) -> None:
    assert answer.status == 200, content
    assert answer.getheader(contract.VERSION_HEADER) == __version__
    document = json.loads(content)
    msgspec.convert(document, endpoint.answer)
    assert list(strictly(document, endpoint.answer)) == []


@pytest.mark.parametrize(
    "endpoint",
    [
        one
        for one in contract.EVERY
        if not one.lines and one not in (contract.RESOLVE, *contract.AT_THE_PAGE)
    ],
    ids=lambda each: each.path,
)
def test_every_answer_has_the_form_that_the_contract_says(
    lab: Lab, api: OwnApi, endpoint: LabPath
) -> None:
    path = endpoint.of(namespace="default", pod=pod(lab))
    for body in BODIES.get(endpoint, [None]):
        answer = api.send_to(endpoint.method, path, body)
        has_the_form(answer, answer.read(), endpoint)


def test_a_stream_names_the_version_and_its_lines_have_their_form(lab: Lab, api: OwnApi) -> None:
    answer = api.send_to("GET", contract.TAP.path)
    assert answer.getheader(contract.VERSION_HEADER) == __version__
    assert answer.readline() == b"\n"
    lab.lateen("curl", PASSES)
    line = msgspec.convert(json.loads(answer.readline()), contract.TAP.answer)
    assert line["event"] in ("req", "conn", "end", "refused")


def test_a_lab_without_a_resolver_refuses_in_the_form_of_errors(api: OwnApi) -> None:
    wish = ResolveRequest(base64.b64encode(b"x").decode())
    answer = api.send_to("POST", contract.RESOLVE.path, wish)
    assert (answer.status, json.loads(answer.read())["kind"]) == (404, "Status")
    assert answer.getheader(contract.VERSION_HEADER) == __version__


UNROUTED = {
    401: ("GET", contract.STATUS.path, None, "wrong"),
    403: ("GET", contract.STATUS.path, None, "ordinary"),
    404: ("GET", f"{contract.ROOT}no-such-path", None, None),
    405: ("POST", contract.STATUS.path, {}, None),
    400: ("POST", contract.APPLY.path, {"items": 7}, None),
    413: ("POST", contract.APPLY.path, "x" * (4 << 20), None),
}


@pytest.mark.parametrize("status", UNROUTED)
def test_every_refusal_names_the_version(lab: Lab, api: OwnApi, status: int) -> None:
    method, path, body, token = UNROUTED[status]
    if token == "ordinary":
        path_of = "/api/v1/namespaces/default/serviceaccounts/default/token"
        made = api.send_to("POST", path_of, {"spec": {}})
        token = json.loads(made.read())["status"]["token"]
    with contextlib.suppress(BrokenPipeError):
        answer = api.send_to(method, path, body, token)
    assert answer.status == status
    assert answer.getheader(contract.VERSION_HEADER) == __version__


@pytest.mark.parametrize(
    "words",
    [b"no HTTP at all\r\n\r\n", b"GET /lateen/v1/status HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"],
)
def test_what_is_no_http_is_refused_in_the_name_of_the_version(lab: Lab, words: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.settimeout(10)
        made.connect(str(lab.home / "run" / lab.name / "api.sock"))
        made.sendall(words)
        answer = b"".join(iter(lambda: made.recv(4096), b"")).decode().lower()
    assert answer.startswith("http/1.1 400"), answer
    assert f"\r\n{contract.VERSION_HEADER.lower()}: {__version__}\r\n" in answer


def test_a_command_never_takes_the_lab_for_another_version(lab: Lab) -> None:
    wrong = Path(next(lab.home.rglob("admin.token")))
    kept = wrong.read_text()
    wrong.write_text("wrong")
    try:
        done = lab.lateen("status")
    finally:
        wrong.write_text(kept)
    assert done.returncode != 0
    assert "LTN0047" not in done.stdout + done.stderr
