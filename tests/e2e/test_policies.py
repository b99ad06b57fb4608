"""What a DestinationRule does on real proxies: nearness, the PROXY protocol, idle time, files."""

import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from lateen.app.lab import meshsettings
from tests.e2e import credentials
from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

RULE = """
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: %s, namespace: default}
spec: {host: %s, trafficPolicy: %s}
"""


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("pol")
    up = made.lateen("up", str(Path(__file__).parent / "policies"))
    assert up.returncode == 0, up.stderr + made.logs()
    return made


def rule(lab: Lab, host: str, policy: str) -> None:
    lab.ok("apply", "-f", "-", stdin=RULE % (host, host, policy))


def inside(lab: Lab, *words: str) -> str:
    return lab.ok("exec", "deploy/client", "-c", "curl", "--", *words)


def places(lab: Lab, times: int = 20) -> Counter[str]:
    """Ask so often, and return which of the two answered how often."""
    text = inside(lab, "curl", "-s", "-m", "10", "-w", "\n", f"http://echo/?[1-{times}]")
    hosts = re.findall(r'"os": ?\{\s*"hostname": ?"(near|far)-', text)
    return Counter(hosts)


def until(what: Callable[[], bool], told: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


def scale(lab: Lab, replicas: int) -> None:
    done = lab.kubectl("scale", "deployment/near", f"--replicas={replicas}")
    assert done.returncode == 0, done.stderr


def logged(lab: Lab) -> str:
    return lab.ok("logs", "deploy/client", "-c", "istio-proxy", "--tail", "5")


def test_requests_go_to_the_nearest_and_move_when_it_is_gone(lab: Lab) -> None:
    until(lambda: len(places(lab)) == 2)
    rule(lab, "echo", "{outlierDetection: {consecutive5xxErrors: 5}}")
    assert set(places(lab)) == {"near"}
    scale(lab, 0)
    until(lambda: set(places(lab)) == {"far"})
    scale(lab, 1)
    until(lambda: set(places(lab)) == {"near"})


def test_localities_get_their_shares(lab: Lab) -> None:
    shares = "{distribute: [{from: r1/*, to: {r1/*: 20, r2/*: 80}}]}"
    rule(lab, "echo", f"{{loadBalancer: {{simple: ROUND_ROBIN, localityLbSetting: {shares}}}}}")
    found = places(lab, 200)
    assert found.total() == 200
    assert 130 <= found["far"] <= 190, found
    rule(
        lab,
        "echo",
        "{loadBalancer: {localityLbSetting: {distribute: [{from: r1, to: {r2: 100}}]}}}",
    )
    assert set(places(lab)) == {"far"}


def test_a_connection_begins_with_the_proxy_protocol(lab: Lab) -> None:
    """The server has no proxy: what it hears is what was sent on the wire."""
    rule(lab, "raw", "{proxyProtocol: {version: V1}}")
    script = "(echo hello; sleep 1) | curl -s -m 2 telnet://raw:9000"
    heard = inside(lab, "sh", "-c", f"{script}; true").splitlines()
    assert heard[0].startswith("heard PROXY TCP4 10.244."), heard
    assert heard[0].split()[-1] == "9000"
    assert heard[1] == "heard hello"


def test_an_idle_connection_is_closed(lab: Lab) -> None:
    """The proxy logs its end after a second, while its client would wait for a minute."""
    rule(lab, "raw", "{connectionPool: {tcp: {idleTimeout: 1s}}}")
    script = "sleep 60 | curl -s -m 60 telnet://raw:9000 >/dev/null 2>&1 &"
    inside(lab, "sh", "-c", script)
    ended = re.compile(r'"- - -" 0 - - - "-" 0 0 (?:9\d\d|1\d{3}) .*outbound\|9000\|')
    until(lambda: ended.search(logged(lab)) is not None, lambda: logged(lab))


def test_a_certificate_authority_in_a_file_is_asked(lab: Lab) -> None:
    """The echo server's own certificate is not signed by the machine's roots."""
    tls = f"{{mode: SIMPLE, sni: echo, caCertificates: {meshsettings.system_roots()}}}"
    rule(lab, "echo", f"{{tls: {tls}}}")
    inside(lab, "sh", "-c", "curl -s -m 10 http://echo:443/ || true")
    until(lambda: "CERTIFICATE_VERIFY_FAILED" in logged(lab), lambda: logged(lab))


def test_a_credential_reaches_the_workloads_that_a_rule_selects(lab: Lab) -> None:
    """Without it the connection cannot begin, and the mesh's state says what is missing."""
    tls = "{mode: MUTUAL, credentialName: own, sni: echo, insecureSkipVerify: true}"
    chosen = "workloadSelector: {matchLabels: {app: client}}, trafficPolicy:"
    written = (RULE % ("selected", "echo", f"{{tls: {tls}}}")).replace("trafficPolicy:", chosen)
    lab.ok("apply", "-f", "-", stdin=written)
    ask = ("curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", "http://echo:443/")
    until(lambda: "IST0161" in lab.ok("status"), lambda: lab.ok("status"))
    assert inside(lab, "sh", "-c", f"{' '.join(ask)} || true") == "000"
    held = credentials.secret("own", pair=credentials.Maker("a root").pair("client.example"))
    lab.ok("apply", "-f", "-", stdin=held.replace("istio-system", "default"))
    until(lambda: inside(lab, "sh", "-c", f"{' '.join(ask)} || true") == "200")
    assert "IST0161" not in lab.ok("status")
