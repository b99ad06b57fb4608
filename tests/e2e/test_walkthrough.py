"""The walkthrough, on both sides of the version row that decides it, as root and as a user."""

import json
from collections.abc import Callable

import pytest

from tests.e2e.labs import USERS, WALKTHROUGH, Lab

pytestmark = pytest.mark.e2e

HOWDY = "<h2>Howdy</h2>"
TERMINATED = (
    "upstream connect error or disconnect/reset before headers. "
    "reset reason: connection termination"
)
UNVERIFIED = "remote connection failure"
OUTCOMES = {
    "1.17": {
        "/http-no-mTLS": (200, HOWDY),
        "/https-no-mTLS": (200, HOWDY),
        "/http-mTLS": (200, HOWDY),
        "/https-mTLS": (503, TERMINATED),
    },
    # Since 1.21 the gateway verifies the backend. On /https-mTLS it then refuses the sidecar's
    # mesh certificate before the sidecar can miss the gateway's: another reason, the same status.
    "1.32": {
        "/http-no-mTLS": (200, HOWDY),
        "/https-no-mTLS": (503, UNVERIFIED),
        "/http-mTLS": (200, HOWDY),
        "/https-mTLS": (503, UNVERIFIED),
    },
}


def gateway(lab: Lab) -> str:
    """Return a URL of the gateway that answers from the host."""
    status = json.loads(lab.ok("status", "-o", "json"))
    return str(next(u for g in status["gateways"] for u in g["urls"] if u.startswith("http://")))


@pytest.mark.parametrize("ordinary", USERS)
@pytest.mark.parametrize("version", OUTCOMES)
def test_four_requests_have_their_outcomes(
    make_lab: Callable[..., Lab], version: str, ordinary: bool
) -> None:
    lab = make_lab(f"w{version.replace('.', '')}", ordinary=ordinary)
    up = lab.lateen("up", str(WALKTHROUGH), "--istio", version)
    assert up.returncode == 0, up.stdout + up.stderr + lab.logs()
    base = gateway(lab)
    for path, (status, body) in OUTCOMES[version].items():
        answer = lab.fetch(base + path)
        assert answer[0] == status, (path, answer)
        assert body in answer[1]
    found = {each["code"] for each in json.loads(lab.ok("analyze", "-o", "json"))}
    # The same lab as somebody else's cluster: read by its kubeconfig alone.
    known = next(line for line in up.stdout.splitlines() if line.startswith("export KUBECONFIG="))
    there = ("--kubeconfig", known.partition("=")[2], "--istio", version, "-o", "json")
    assert {each["code"] for each in json.loads(lab.ok("analyze", *there))} == found
    assert {"LTN0150", "LTN0153"} <= found <= {"LTN0150", "LTN0153", "IST0129", "IST0148"}
    # Its proxies have what is compiled of its objects, and say so when they are asked themselves.
    drift = json.loads(lab.ok("drift", "--fail-on", "any", *there))
    assert (drift["changes"], drift["open"], drift["onesided"]) == ([], [], [])
    url = "http://istio-ingressgateway/http-mTLS"
    assert "200  it will be answered" in lab.ok("explain", "--proxies", "live", "outside", url)
    assert lab.lateen("down").returncode == 0
