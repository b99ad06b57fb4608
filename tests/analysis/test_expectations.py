"""Cases: what a file may say, and when a prediction is not what was expected."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from lateen.analysis.expectations import file, judge, results
from lateen.analysis.expectations.values import Case, CaseResult, Expected, Identity
from lateen.model.labapi.explain import ExplainRequest

FILES = Path(__file__).parent / "files"
Json = dict[str, Any]


def outcome(**given: Any) -> Json:
    """Return an outcome that reached an application over mutual TLS."""
    leg = {
        "name": "sidecar -> sidecar",
        "from": {"name": "shop/web-7f9c-abcde"},
        "to": {"name": "shop/cart-5d4b9c7f6d-x2k4z"},
        "tls": "mtls",
        "client_identity": "spiffe://cluster.local/ns/shop/sa/web",
        "server_identity": "spiffe://cluster.local/ns/shop/sa/cart",
    }
    inside = {**leg, "name": "sidecar -> app", "from": leg["to"], "tls": "none"}
    source = {"text": "VirtualService/shop/cart#spec.http[0].match[0]", "location": "a/vs.yaml:9"}
    made: Json = {
        "status": 200,
        "error": "",
        "code": "ok",
        "reached": True,
        "words": "",
        "unknown": "",
        "destination": "shop/cart-5d4b9c7f6d-x2k4z",
        "cluster": "outbound|8080|v1|cart.shop.svc.cluster.local",
        "sources": [source],
        "steps": [],
        "legs": [leg, inside],
    }
    return made | given


def told(*outcomes: Json, open: str = "") -> Json:
    branches = [{"share": None, "conditions": [], "outcome": each} for each in outcomes]
    return {"exit": 0, "open": open, "branches": branches}


def case(**expected: Any) -> Case:
    return Case(
        name="c",
        place="f: cases[0]",
        request=ExplainRequest(url="http://x/"),
        expected=Expected(**expected),
    )


PASS = (
    {"statuses": ("200",)},
    {"statuses": ("404", "2xx")},
    {"outcome": "reached"},
    {"code": "ok"},
    {"destination": "shop/cart"},
    {"destination": "cart"},
    {"destination": "deploy/cart"},
    {"destination": "shop/cart-5d4b9c7f6d-x2k4z"},
    {"tls": "mtls"},
    {"identity": Identity("shop/sa/web", "spiffe://cluster.local/ns/shop/sa/cart")},
    {"decided_by": "VirtualService/cart"},
    {"decided_by": "VirtualService/shop/cart#spec.http[0]"},
    {"decided_by": "vs.yaml:9"},
    {"clusters": ("cart#v1",)},
    {"clusters": ("cart.shop.svc.cluster.local:8080#v1",)},
    {"clusters": ("cart",), "matches": False},
)
FAIL = (
    {"statuses": ("404",)},
    {"statuses": ("4xx",)},
    {"outcome": "failed"},
    {"code": "no-route"},
    {"destination": "other/cart"},
    {"destination": "car"},
    {"destination": "cart-5d4b9c7f6d-x2k4"},
    {"tls": "plaintext"},
    {"identity": Identity("shop/sa/we", "")},
    {"identity": Identity("", "sa/web")},
    {"decided_by": "VirtualService/other/cart"},
    {"decided_by": "VirtualService/cart#spec.http[1]"},
    {"decided_by": "s.yaml:9"},
    {"clusters": ("cart",)},
    {"clusters": ("cart:80#v1",)},
    {"clusters": ("cart#v1", "canary#v1")},
)


@pytest.mark.parametrize("expected", PASS, ids=str)
def test_as_expected(expected: Json) -> None:
    assert judge.problems(case(**expected), told(outcome())) == ()


@pytest.mark.parametrize("expected", FAIL, ids=str)
def test_not_as_expected(expected: Json) -> None:
    assert len(judge.problems(case(**expected), told(outcome()))) == 1


def test_a_workload_whose_name_begins_alike_is_another() -> None:
    pod = outcome(destination="shop/cart-admin-0")
    assert judge.problems(case(destination="cart"), told(pod))
    assert not judge.problems(case(destination="cart-admin"), told(pod))


def test_every_branch_must_do_unless_one_is_enough() -> None:
    both = told(outcome(), outcome(status=503))
    assert judge.problems(case(statuses=("200",)), both)
    assert judge.problems(case(statuses=("200",), some=True), both) == ()


def test_what_is_unknown_or_left_open_is_not_as_expected() -> None:
    assert judge.problems(case(statuses=("200",)), told(outcome(unknown="a Lua filter")))
    assert judge.problems(case(statuses=("200",)), told(outcome(), open="many endpoints"))


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("[]", "object"),
        ("cases: [{name: x, request: {url: http://a/}, expect: {}}]", "expects nothing"),
        ("cases: [{name: x, request: {url: http://a/}, expect: {status: 6xx}}]", "write 200"),
        ("cases: [{name: x, request: {uri: http://a/}, expect: {status: 200}}]", "uri"),
        ("cases: [{name: x, request: {url: a}, expect: {tls: yes}}]", "tls"),
        ("testCases: [{description: x, request: {uri: [/]}}]", "authority"),
    ],
)
def test_a_file_that_cannot_be_read_says_where(text: str, word: str) -> None:
    with pytest.raises(file.CaseError, match=word) as raised:
        file.read(yaml.safe_load(text), "f.yaml")
    assert str(raised.value).startswith("f.yaml: ")


def test_the_other_tools_cases_are_every_combination() -> None:
    body = yaml.safe_load((FILES / "shop" / "config-validator.yaml").read_text())
    found = file.read(body, "v.yaml")
    assert found.assumed
    assert len(found.cases) == 12
    assert found.cases[0].request.headers[0] == ("host", "www.example.com")


def test_junit_tells_what_failed() -> None:
    done = [
        CaseResult(case=case(statuses=("200",)), problems=()),
        CaseResult(case=case(statuses=("200",)), problems=("no\x00",), explanation="why"),
    ]
    suite = ElementTree.fromstring(results.junit(done, "t").encode())
    assert suite.get("failures") == "1"
    assert results.count(done) == "1 passed, 1 failed"
    assert "why" in (suite.findtext("testcase/failure") or "")
