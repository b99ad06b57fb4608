"""What was sent becomes a case, and a case is judged by what was sent."""

from typing import Any

import msgspec
import pytest
import yaml

from lateen.analysis.expectations import file, judge, requests
from lateen.model.labapi.request import CurlRequest

ASKED = {
    "url": "http://api:8080/pay",
    "from": "pod/web-5d89b9b9b9-x2x2x",
    "namespace": "shop",
    "method": "POST",
    "headers": [["x-tier", "gold"]],
    "http": "1.1",
    "insecure": False,
}


def leg(name: str, start: str, end: str, tls: str) -> dict[str, Any]:
    known = {"client": "spiffe://a/ns/shop/sa/web", "server": "spiffe://a/ns/shop/sa/api"}
    return {
        "name": name,
        "tls": tls,
        "from": {"role": "app", "name": start},
        "to": {"role": "sidecar" if end else "", "name": end},
        **{f"{side}_identity": known[side] if tls == "mtls" else "" for side in known},
    }


def story(status: int | None, code: str, tls: str = "mtls") -> dict[str, Any]:
    web, api = "shop/web-5d89b9b9b9-x2x2x", "shop/api-5d89b9b9b9-zzzzz"
    return {
        "response": {"status": status, "error": "" if status else "connection ended"},
        "legs": [leg("app -> sidecar", web, web, "none"), leg("sidecar -> sidecar", web, api, tls)],
        "verdict": {
            "code": code,
            "hints": [],
            "sources": [{"text": "PeerAuthentication/shop/strict#spec.mtls", "location": ""}],
        },
    }


@pytest.mark.parametrize(
    ("came", "expect"),
    [
        (
            story(200, "ok"),
            {
                "status": 200,
                "destination": "shop/api",
                "tls": "mtls",
                "identity": {
                    "client": "spiffe://a/ns/shop/sa/web",
                    "server": "spiffe://a/ns/shop/sa/api",
                },
            },
        ),
        (
            story(503, "plaintext-to-strict", "none"),
            {
                "status": 503,
                "outcome": "failed",
                "code": "plaintext-to-strict",
                "tls": "plaintext",
                "decided-by": "PeerAuthentication/shop/strict",
            },
        ),
        (
            story(None, "plaintext-to-strict", "none"),
            {
                "outcome": "failed",
                "code": "plaintext-to-strict",
                "tls": "plaintext",
                "decided-by": "PeerAuthentication/shop/strict",
            },
        ),
    ],
)
def test_a_request_that_was_sent_is_a_case_that_it_passes(
    came: dict[str, Any], expect: dict[str, Any]
) -> None:
    text = requests.HEAD + requests.entry(requests.case(msgspec.convert(ASKED, CurlRequest), came))
    (written,) = yaml.safe_load(text)["cases"]
    assert written["expect"] == expect
    assert written["request"] == {
        "url": "http://api:8080/pay",
        "from": "deploy/web",
        "namespace": "shop",
        "method": "POST",
        "headers": {"x-tier": "gold"},
    }
    (case,) = file.read(yaml.safe_load(text), "sent.yaml").cases
    assert judge.problems(case, requests.told(came)) == ()


def test_what_came_otherwise_is_told_as_having_come() -> None:
    text = requests.HEAD + requests.entry(
        requests.case(msgspec.convert(ASKED, CurlRequest), story(200, "ok"))
    )
    (case,) = file.read(yaml.safe_load(text), "sent.yaml").cases
    found = judge.came(
        judge.problems(case, requests.told(story(503, "plaintext-to-strict", "none")))
    )
    assert found[0] == "status 200 expected, 503 came"
    assert any("plaintext came" in each for each in found)


def test_a_line_of_tap_is_a_case() -> None:
    told = {
        "src": "shop/web-5d89b9b9b9-x2x2x",
        "dst": "shop/api-5d89b9b9b9-zzzzz",
        "tls": "mtls",
        ":method": "GET",
        ":authority": "api:8080",
        ":path": "/",
        ":status": 200,
        "protocol": "HTTP/2",
    }
    assert requests.of_hop(told) == {
        "name": "GET http://api:8080/ from deploy/web: 200",
        "request": {
            "url": "http://api:8080/",
            "from": "deploy/web",
            "namespace": "shop",
            "http": "2",
        },
        "expect": {"status": 200, "tls": "mtls"},
    }
    assert requests.of_hop({"src": "host", "dst": "a/b", "tls": "none"}) is None
