"""Sidecar resources on real proxies: what is not imported is not there, and an ingress listener
leads to where the application listens."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e


def status(lab: Lab, url: str) -> str:
    """Return what the client's curl got; 000 for no answer."""
    inside = ("exec", "-n", "web", "deploy/client", "-c", "curl", "--", "curl", "-s", "-m", "10")
    return lab.lateen(*inside, "-o", "/dev/null", "-w", "%{http_code}", url).stdout


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    lab = make_lab("sidecars")
    up = lab.lateen("up", str(Path(__file__).parent / "sidecars"))
    assert up.returncode == 0, up.stderr + lab.logs()
    return lab


def test_an_ingress_listener_leads_to_the_application(lab: Lab) -> None:
    inside = ("exec", "-n", "web", "deploy/client", "-c", "curl", "--", "curl", "-sS", "-m", "10")
    seen = json.loads(lab.ok(*inside, "http://near/here"))
    assert seen["path"] == "/here"
    assert "/ns/web/sa/default" in seen["headers"]["x-forwarded-client-cert"]


def test_what_is_not_imported_is_blocked_until_it_is(lab: Lab, tmp_path: Path) -> None:
    assert status(lab, "http://far.api/") == "502"
    file = tmp_path / "wider.yaml"
    file.write_text(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\n"
        "metadata: {name: default, namespace: web}\n"
        "spec: {egress: [{hosts: ['./*', 'api/far.api.svc.cluster.local']}], "
        "outboundTrafficPolicy: {mode: REGISTRY_ONLY}}\n"
    )
    lab.ok("apply", "-f", str(file))
    assert status(lab, "http://far.api/") == "200"
