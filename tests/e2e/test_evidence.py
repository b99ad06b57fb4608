"""`lateen curl`: every leg as it really travelled, and failures told apart by both sides' logs."""

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lateen.base.clock import SystemClock
from tests import programs
from tests.e2e import remedies
from tests.e2e.labs import ROOT, USERS, WALKTHROUGH, Lab

pytestmark = pytest.mark.e2e

Json = dict[str, Any]
GATE = "http://istio-ingressgateway"
VERSIONS = ("1.17", "1.32")
OUTSIDE = {
    "/http-no-mTLS": {"1.17": ("none", 200, "ok"), "1.32": ("none", 200, "ok")},
    "/https-no-mTLS": {
        "1.17": ("tls", 200, "ok"),
        "1.32": ("tls", 503, "server-certificate-untrusted"),
    },
    "/http-mTLS": {"1.17": ("mtls", 200, "ok"), "1.32": ("mtls", 200, "ok")},
    "/https-mTLS": {
        "1.17": ("tls", 503, "no-mesh-certificate"),
        "1.32": ("tls", 503, "server-certificate-untrusted"),
    },
}
"""Path to what travels from the gateway to the sidecar, the status, and the verdict's code."""


def curl(lab: Lab, *arguments: str) -> Json:
    done = lab.lateen("curl", *arguments, "-o", "json")
    assert done.stdout, done.stderr + lab.logs()
    answer: Json = json.loads(done.stdout)
    return answer


class Sniffer:
    """The machine's tcpdump at all interfaces of a pod, and tshark's reading of its file."""

    def __init__(self, lab: Lab, pod: str, file: Path, *, namespace: str = "default") -> None:
        for name in ("tcpdump", "tshark"):
            programs.require(name)
        self._file = file
        argv = ["exec", pod, "-n", namespace, "-c", "istio-proxy", "--"]
        argv += ["/usr/bin/tcpdump", "-i", "any", "-U", "-Z", "root", "-w", "-", "tcp"]
        self._running = subprocess.Popen(
            lab.command(str(ROOT / ".venv/bin/lateen"), *argv),
            env=lab.env,
            stdout=file.open("wb"),
            stderr=subprocess.DEVNULL,
        )
        until(lambda: file.exists() and file.stat().st_size >= 24, "tcpdump to start")

    def rows(self, fields: tuple[str, ...], ends: list[str]) -> list[dict[str, str]]:
        """Return tshark's fields of every packet, once the last of `ends` has been answered."""
        found: list[dict[str, str]] = []

        def arrived() -> bool:
            found[:] = self._read(fields)
            return set(ends) <= {f"{row['ip.dst']}:{row['tcp.dstport']}" for row in found}

        try:
            until(arrived, f"packets to {ends} in {self._file}")
        finally:
            self._running.terminate()
            self._running.wait(5)
        return found

    def _read(self, fields: tuple[str, ...]) -> list[dict[str, str]]:
        # On port 80 TLS is found only if tshark is told to look for it.
        argv = ["tshark", "-r", str(self._file), "--enable-heuristic", "tls_tcp"]
        argv += ["-o", "tcp.try_heuristic_first:TRUE", "-T", "fields", "-E", "separator=|"]
        for field in fields:
            argv += ["-e", field]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        rows = [
            dict(zip(fields, line.split("|"), strict=False)) for line in done.stdout.split("\n")
        ]
        return [row for row in rows if row.get("tcp.dstport")]


def until(condition: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    deadline = SystemClock().monotonic() + seconds
    while not condition():
        assert SystemClock().monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.02)


ENDS = ("ip.src", "tcp.srcport", "ip.dst", "tcp.dstport")
SHOWN = ("tls.handshake.type", "tls.handshake.extensions_server_name")
SHOWN += ("tls.handshake.extensions_alpn_str", "http.request.method")


def seen(rows: list[dict[str, str]], leg: Json) -> dict[str, set[str]]:
    """Return what tshark saw go from a leg's client to its server."""
    client, server = leg["from"]["address"], leg["to"]["address"]
    found: dict[str, set[str]] = {field: set() for field in SHOWN}
    for row in rows:
        ends = [row.get(end, "") for end in ENDS]
        if (":".join(ends[:2]), ":".join(ends[2:])) == (client, server):
            for field in SHOWN:
                found[field] |= {part for part in row.get(field, "").split(",") if part}
    return found


@pytest.fixture(scope="module")
def walkthrough(make_lab: Callable[..., Lab]) -> Callable[[str], Lab]:
    """The walkthrough's lab of a version."""
    made: dict[str, Lab] = {}

    def of(version: str) -> Lab:
        if version not in made:
            lab = make_lab(f"s{version.replace('.', '')}")
            up = lab.lateen("up", str(WALKTHROUGH), "--istio", version)
            assert up.returncode == 0, up.stderr + lab.logs()
            made[version] = lab
        return made[version]

    return of


@pytest.mark.parametrize("version", VERSIONS)
def test_legs_agree_with_tcpdump_and_tshark(
    walkthrough: Callable[[str], Lab], version: str, tmp_path: Path
) -> None:
    lab = walkthrough(version)
    sniffers = {
        name: Sniffer(lab, f"deploy/{name}", tmp_path / f"{name}.pcap")
        for name in ("helloworld-mtls", "helloworld-nomtls")
    }
    answers = {path: curl(lab, GATE + path) for path in OUTSIDE}
    sent: dict[str, list[str]] = {name: [] for name in sniffers}
    for path, answer in answers.items():
        sent[server(path)] += [leg["from"]["address"] for leg in answer["legs"][1:]]
    rows = {name: each.rows(ENDS + SHOWN, sent[name]) for name, each in sniffers.items()}
    for path, answer in answers.items():
        kind, status, code = OUTSIDE[path][version]
        assert answer["response"]["status"] == status
        assert answer["verdict"]["code"] == code, answer["verdict"]
        first, wire, *inside = answer["legs"]
        assert (first["tls"], first["name"]) == ("none", "client -> gateway")
        assert (wire["tls"], wire["name"]) == (kind, "gateway -> sidecar")
        assert wire["failed"] == (status == 503)
        for leg in (wire, *inside):
            agrees(leg, seen(rows[server(path)], leg))


@pytest.mark.parametrize("path", [path for path in OUTSIDE if "https" in path])
@pytest.mark.parametrize("version", VERSIONS)
def test_each_change_that_is_advised_mends_the_walkthrough_and_breaks_nothing(
    walkthrough: Callable[[str], Lab], version: str, path: str
) -> None:
    lab = walkthrough(version)
    answers = {each: curl(lab, GATE + each) for each in OUTSIDE}
    offered = answers[path]["verdict"]["remedies"]
    assert bool(offered) == (answers[path]["response"]["status"] == 503)
    for remedy in offered:
        with remedies.made(lab, remedy):
            wanted = {
                path,
                *(each for each in OUTSIDE if answers[each]["response"]["status"] == 200),
            }
            until(
                lambda paths=frozenset(wanted): all(
                    curl(lab, GATE + each)["response"]["status"] == 200 for each in paths
                ),
                f"{path}: {remedy['text']}",
            )


def server(path: str) -> str:
    return "helloworld-nomtls" if "-no-" in path else "helloworld-mtls"


def agrees(leg: Json, found: dict[str, set[str]]) -> None:
    """Compare one leg with tshark's reading of the same packets."""
    wire = leg["wire"]
    assert wire["seen"] == "packets"
    hello = "1" in found["tls.handshake.type"]
    assert hello == (leg["tls"] != "none"), (leg["name"], leg["tls"], found)
    assert found["tls.handshake.extensions_server_name"] == {wire["sni"]} - {""}
    assert found["tls.handshake.extensions_alpn_str"] == set(wire["alpn"])
    assert bool(found["http.request.method"]) == (wire["kind"] == "HTTP/1")
    if leg["tls"] == "mtls":
        assert "istio" in found["tls.handshake.extensions_alpn_str"]


@pytest.mark.parametrize("ordinary", USERS)
def test_a_kept_connection_is_known_by_its_opening(
    make_lab: Callable[..., Lab], ordinary: bool
) -> None:
    lab = make_lab("kept", ordinary=ordinary)
    up = lab.lateen("up", str(WALKTHROUGH), "--istio", "1.17")
    assert up.returncode == 0, up.stderr + lab.logs()
    # The gateway has two workers, and each its own connections.
    legs = [curl(lab, f"{GATE}/http-mTLS")["legs"][1] for _ in range(4)]
    assert not legs[0]["wire"]["reused"]
    kept = [leg for leg in legs if leg["wire"]["reused"]]
    assert kept
    opened = [leg["from"] for leg in legs if not leg["wire"]["reused"]]
    for leg in kept:
        assert leg["from"] in opened
        assert (leg["tls"], leg["wire"]["seen"]) == ("mtls", "packets")
        assert leg["wire"]["istio_mtls"]
        assert leg["client_identity"].startswith("spiffe://cluster.local/ns/istio-system/sa/")
        assert leg["server_identity"] == "spiffe://cluster.local/ns/default/sa/default"


@pytest.fixture(scope="module")
def workloads(make_lab: Callable[..., Lab]) -> Lab:
    lab = make_lab("bodies")
    up = lab.lateen("up", str(Path(__file__).parent / "failures"))
    assert up.returncode == 0, up.stderr + lab.logs()
    return lab


def test_a_forged_client_certificate_header_is_dropped(workloads: Lab) -> None:
    forged = "x-forwarded-client-cert: By=spiffe://else/ns/a/sa/b;URI=spiffe://else/ns/x/sa/king"
    answer = curl(
        workloads, f"{GATE}/headers", "-H", "Host: shop.example", "-H", forged, "--show-secrets"
    )
    assert answer["response"]["status"] == 200, answer["verdict"]
    assert "king" not in answer["response"]["body"]
    assert "istio-ingressgateway-service-account" in answer["response"]["body"]


def test_secrets_are_hidden_unless_asked_for(make_lab: Callable[..., Lab]) -> None:
    lab = make_lab("secrets")
    assert lab.lateen("up", str(WALKTHROUGH), "--istio", "1.17").returncode == 0
    secret = [f"{GATE}/http-mTLS?access_token=hunter2"]
    secret += ["-H", "Authorization: Bearer hunter2", "-H", "Cookie: a=hunter2"]
    hidden = json.dumps(curl(lab, *secret)) + lab.ok("curl", *secret)
    assert "hunter2" not in hidden
    assert "/http-mTLS?access_token=(redacted) HTTP/1.1" in hidden
    shown = curl(lab, *secret, "--show-secrets")
    assert shown["request"]["path"] == "/http-mTLS?access_token=hunter2"
    assert "hunter2" in shown["legs"][0]["server_log"]["line"]


def test_any_method_and_body_is_sent_as_it_is(workloads: Lab, tmp_path: Path) -> None:
    """From a pod, over HTTP/1.1 and HTTP/2, in as many requests as are asked for."""
    file = tmp_path / "body"
    file.write_bytes(b"a\r\nb\xff")
    url = "http://slow/anything"
    sent = ("--from", "deploy/client", "-X", "PATCH", "--data-binary", f"@{file}")
    for version, spoken in (("--http1.1", "HTTP/1.1"), ("--http2", "HTTP/2")):
        answer = curl(workloads, url, *sent, version, "-H", "Content-Type: text/x-test")
        assert (answer["response"]["status"], answer["response"]["http"]) == (200, spoken)
        came = json.loads(answer["response"]["body"])
        assert (came["method"], came["headers"]["Content-Length"]) == ("PATCH", "5")
        assert came["headers"]["Content-Type"] == "text/x-test"
        assert answer["legs"][0]["wire"]["request"].startswith("PATCH /anything HTTP/")
    several = workloads.ok("curl", url, "--from", "deploy/client", "-n", "3", "-o", "json")
    assert several.count('"verdict"') == 3
    resolved = curl(workloads, "http://else.example/", "--resolve", "else.example:80:10.96.0.1")
    assert resolved["request"]["address"] == "10.96.0.1:80"


def test_what_cannot_be_sent_is_a_wrong_use(workloads: Lab) -> None:
    for wrong in ("ftp://x/", "http://[::1]/", "http://x:99999/", "http://x/ a"):
        done = workloads.lateen("curl", wrong)
        assert (done.returncode, done.stdout) == (64, ""), done.stderr
        assert wrong in done.stderr
    done = workloads.lateen("curl", "--from", "deploy/nobody", GATE)
    assert (done.returncode, "no running pod of deploy/nobody" in done.stderr) == (1, True)
