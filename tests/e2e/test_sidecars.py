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


def test_an_ingress_listener_with_a_socket_of_its_own_takes_what_reaches_the_pod(lab: Lab) -> None:
    """captureMode NONE: what comes by capture is passed on to the pod's port, where the sidecar
    listens itself. It does not know whereto, unless the Sidecar says so."""
    for port, status, code in ((81, 200, "ok"), (82, 503, "no-healthy-endpoints")):
        url, asked = f"http://near:{port}/", ("--namespace", "web", "-o", "json")
        told = json.loads(lab.lateen("curl", "--from", "deploy/client", *asked, url).stdout)
        assert told["response"]["status"] == status, told
        foretold = json.loads(lab.lateen("explain", "deploy/client", url, *asked).stdout)
        outcomes = {branch["outcome"]["status"] for branch in foretold["branches"]}
        codes = {branch["outcome"]["code"] for branch in foretold["branches"]}
        assert (outcomes, codes) == ({status}, {code}), foretold


def test_a_proxy_config_sets_workers_and_variables(lab: Lab) -> None:
    """Proxies are copies of one that has loaded, whose number of workers is another."""
    inside = ("exec", "-n", "web", "deploy/client", "-c", "istio-proxy", "--")
    told = json.loads(lab.ok(*inside, "pilot-agent", "request", "GET", "server_info"))
    assert told["command_line_options"]["concurrency"] == 3
    assert lab.ok(*inside, "printenv", "OF_THE_PROXY").strip() == "yes"
    assert "ProxyConfig" not in lab.ok("status")


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


def test_an_egress_listener_with_a_socket_of_its_own_is_dialled_on_loopback(
    lab: Lab, tmp_path: Path
) -> None:
    """captureMode NONE: the application asks its sidecar by address, no rule captures anything."""
    assert status(lab, "http://127.0.0.1:9000/") == "000"
    file = tmp_path / "bound.yaml"
    file.write_text(
        "apiVersion: networking.istio.io/v1\nkind: Sidecar\n"
        "metadata: {name: bound, namespace: web}\n"
        "spec: {workloadSelector: {labels: {app: client}}, egress: [\n"
        "  {port: {number: 9000, protocol: TCP, name: tcp}, captureMode: NONE, hosts: ['api/*']},\n"
        "  {port: {number: 80, protocol: HTTP, name: http}, captureMode: NONE, bind: 127.0.0.1,"
        " hosts: ['api/*']}]}\n"
    )
    lab.ok("apply", "-f", str(file))
    for url, words, expected in (
        ("http://127.0.0.1:9000/", (), 200),
        ("http://127.0.0.1/", ("-H", "Host: far.api"), 200),
        ("http://127.0.0.1:8000/", (), None),
    ):
        asked = ("--namespace", "web", "-o", "json", *words)
        told = json.loads(lab.lateen("curl", "--from", "deploy/client", *asked, url).stdout)
        assert told["response"]["status"] == expected, told
        foretold = json.loads(lab.lateen("explain", "deploy/client", url, *asked).stdout)
        codes = {branch["outcome"]["code"] for branch in foretold["branches"]}
        assert codes == {told["verdict"]["code"]}, (told["verdict"], foretold)
