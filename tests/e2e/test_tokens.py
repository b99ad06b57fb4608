"""RequestAuthentication on real proxies: where tokens are found, what becomes of them, whose keys
count, and what a claim decides."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import tokens
from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

KEYS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: keys}
data: {keys: '%(keys)s'}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tokens}
spec:
  selector: {matchLabels: {app: server}}
  jwtRules:
  - issuer: places
    jwks: '%(keys)s'
    fromHeaders: [{name: x-token}]
    fromParams: [where]
    fromCookies: [crumb]
    outputPayloadToHeader: x-payload
    outputClaimToHeaders: [{header: x-team, claim: team}]
  - {issuer: kept, jwks: '%(keys)s', forwardOriginalToken: true}
  - {issuer: served, jwksUri: "http://keys.default.svc.cluster.local/keys"}
  - {issuer: absent, jwksUri: "http://absent.default.svc.cluster.local/keys"}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: gate, namespace: istio-system}
spec:
  selector: {matchLabels: {istio: ingressgateway}}
  jwtRules: [{issuer: gate, jwks: '%(keys)s'}]
"""


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("tokens")
    workloads = (Path(__file__).parent / "issuers" / "workloads.yaml").read_text()
    more = KEYS % {"keys": tokens.issuer().key_set()}
    made.ok("up", "-", stdin=f"{workloads}---{more}")
    return made


def curl(lab: Lab, *arguments: str) -> Any:
    """Send a request, and hold `explain` to what it did."""
    done = lab.lateen("curl", *arguments, "-o", "json")
    assert done.stdout, done.stderr + lab.logs()
    answer = json.loads(done.stdout)
    assert answer.get("surprises", []) == []
    return answer


def status(answer: Any) -> int:
    return int(answer["response"]["status"])


def headers(answer: Any) -> dict[str, str]:
    """Return what the application was sent, by name."""
    sent = json.loads(answer["response"]["body"])["headers"]
    return {name.lower(): (v[0] if isinstance(v, list) else v) for name, v in sent.items()}


FROM = ("--from", "deploy/client")


def test_a_token_is_found_where_the_rule_says(lab: Lab) -> None:
    text = tokens.made(iss="places", team="red")
    url = "http://server/headers"
    assert status(curl(lab, f"{url}?where={text}", *FROM)) == 200
    assert status(curl(lab, f"{url}?where=none", *FROM)) == 401
    assert status(curl(lab, url, "-H", "x-token: none", *FROM)) == 401
    assert status(curl(lab, url, "-H", "Cookie: crumb=none", *FROM)) == 401
    found = headers(curl(lab, url, "-H", f"x-token: {text}", *FROM))
    assert "x-token" not in found, "a token does not go on, unless the rule says so"
    assert found["x-team"] == "red"
    assert "x-payload" in found


def test_a_token_goes_on_where_the_rule_says(lab: Lab) -> None:
    text = tokens.made(iss="kept")
    found = headers(curl(lab, "http://server/headers", *tokens.header(text), *FROM))
    assert "authorization" in found


def test_keys_come_from_where_they_are_served(lab: Lab) -> None:
    """From a Service of the lab, fetched by the control plane."""
    deadline = time.monotonic() + 20
    good = tokens.header(tokens.made(iss="served"))
    while (got := curl(lab, "http://server/get", *good, *FROM)) and status(got) != 200:
        assert time.monotonic() < deadline, lab.ok("status")
        time.sleep(0.2)
    absent = curl(lab, "http://server/get", *tokens.header(tokens.made(iss="absent")), *FROM)
    assert status(absent) == 401
    assert absent["verdict"]["code"] == "jwt-unverified"
    told = lab.lateen("status").stdout
    assert "http://absent.default.svc.cluster.local/keys" in told


def test_a_claim_chooses_the_route_at_a_gateway(lab: Lab) -> None:
    gateways = json.loads(lab.ok("status", "-o", "json"))["gateways"]
    gateway = next(u for g in gateways for u in g["urls"] if u.startswith("http:"))
    for groups, wanted in ((["admin", "x"], 418), ("admin", 418), (["x"], 204), (None, 204)):
        claims = {} if groups is None else {"groups": groups}
        text = tokens.made(iss="gate", **claims)
        answer = curl(lab, f"{gateway}/", "-H", "Host: shop.example", *tokens.header(text))
        assert status(answer) == wanted, groups
    assert status(curl(lab, f"{gateway}/", "-H", "Host: shop.example")) == 204


def test_a_token_of_the_labs_issuer_is_made_by_a_command(lab: Lab) -> None:
    keys = lab.ok("token", "--jwks").strip()
    policy = {
        "apiVersion": "security.istio.io/v1",
        "kind": "RequestAuthentication",
        "metadata": {"name": "own"},
        "spec": {
            "selector": {"matchLabels": {"app": "other"}},
            "jwtRules": [{"issuer": "issuer.lateen.dev", "jwks": keys}],
        },
    }
    lab.ok("apply", "-f", "-", stdin=json.dumps(policy))
    made = lab.ok("token", "--group", "admin", "--claim", "team=red").strip()
    assert status(curl(lab, "http://other/get", "--jwt", made, *FROM)) == 200
    ended = lab.ok("token", "--ttl", "-3600").strip()
    answer = curl(lab, "http://other/get", "--jwt", ended, *FROM)
    assert answer["verdict"]["code"] == "jwt-expired"
    assert answer["response"]["body"] == "Jwt is expired"
    assert status(curl(lab, "http://other/get", "--jwt", '{"sub": "bob"}', *FROM)) == 200
