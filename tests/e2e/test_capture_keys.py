"""Key logs: what opens encrypted captures, of which versions, and for whom."""

import json
import shutil
import stat
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import credentials
from tests.e2e.captures import Command, ask, logging_keys, tshark
from tests.e2e.labs import WALKTHROUGH, Lab

pytestmark = [pytest.mark.netns, pytest.mark.e2e]

_SECRETS = 10
"""The type of a block of decryption secrets."""
MORE = """
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: istio-system}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: 443, name: old, protocol: HTTPS}
    hosts: [old.example]
    tls: {mode: SIMPLE, credentialName: good, maxProtocolVersion: TLSV1_2}
  - port: {number: 443, name: new, protocol: HTTPS}
    hosts: [new.example]
    tls: {mode: SIMPLE, credentialName: good, minProtocolVersion: TLSV1_3}
---
apiVersion: v1
kind: Service
metadata: {name: upgraded}
spec:
  selector: {app: helloworld, mtls: "true"}
  ports: [{name: http, port: 80}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: upgraded}
spec:
  host: upgraded
  trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: edge}
spec:
  hosts: [old.example, new.example]
  gateways: [istio-system/edge]
  http: [{route: [{destination: {host: upgraded}}]}]
---
"""


@pytest.fixture(scope="module")
def file(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of requests over TLS 1.2 and 1.3, HTTP/1.1 and HTTP/2."""
    lab = logging_keys(make_lab, tmp_path_factory.mktemp("keys") / "walkthrough", "1.32")
    secret = credentials.secret("good", pair=credentials.Maker("a root").pair("old.example"))
    lab.ok("apply", "-f", "-", stdin=secret + MORE)
    path = lab.home / "versions.pcapng"
    command = Command(lab, "capture", "-w", str(path), "--keys")
    command.wait_for("capturing 3 pods")
    for version in ("old", "new"):
        for protocol in ("1.1", "2"):
            url = f"https://{version}.example/{version}-{protocol}"
            answer = json.loads(lab.ok("curl", "-k", f"--http{protocol}", url, "-o", "json"))
            assert answer["response"]["http"] == {"1.1": "HTTP/1.1", "2": "HTTP/2"}[protocol]
            assert answer["response"]["tls"] == {"old": "TLSv1.2", "new": "TLSv1.3"}[version]
    command.stopped()
    return path


def test_each_version_of_tls_and_http_is_opened(file: Path) -> None:
    """On the way to the gateway, which ends the client's TLS."""
    wire = 'tls and tcp.dstport == 8443 and frame.interface_name contains "wire"'
    old = tshark(file, f"http.request and {wire}", "http.request.uri", "http.host")
    assert old == [["/old-1.1", "old.example"], ["/new-1.1", "new.example"]]
    new = tshark(file, f"http2.headers.path and {wire}", "http2.headers.path")
    assert new == [["/old-2"], ["/new-2"]]
    versions = tshark(
        file,
        'tls.handshake.type == 2 and tcp.srcport == 8443 and frame.interface_name contains "wire"',
        "tls.handshake.extensions.supported_version",
    )
    assert [found for (found,) in versions] == ["", "", "0x0304", "0x0304"]


def test_http2_inside_mutual_tls_is_opened(file: Path) -> None:
    """From the gateway to the sidecar, upgraded; both pods saw it on their wire."""
    between = 'tls and tcp.dstport == 80 and frame.interface_name contains "wire"'
    paths = {
        row[0] for row in tshark(file, f"http2.headers.path and {between}", "http2.headers.path")
    }
    assert paths == {"/old-1.1", "/old-2", "/new-1.1", "/new-2"}


def test_without_the_keys_nothing_is_read(file: Path, tmp_path: Path) -> None:
    """It is the secrets in the file that open it."""
    data, at, kept = file.read_bytes(), 0, []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        kept += [data[at : at + size]] * (kind != _SECRETS)
        at += size
    closed = tmp_path / "closed.pcapng"
    closed.write_bytes(b"".join(kept))
    inside = "tls and (http or http2)"
    assert tshark(file, inside, "frame.number")
    assert tshark(closed, "tls.handshake.type == 1", "frame.number")
    assert tshark(closed, inside, "frame.number") == []


def test_keys_need_the_setting(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    plain = make_lab("nokeys")
    plain.ok("up", str(WALKTHROUGH), "--istio", "1.17", timeout=120)
    path = tmp_path / "x.pcapng"
    done = plain.lateen("capture", "-w", str(path), "--keys", "--seconds", "1")
    assert done.returncode != 0
    assert "keyLog: true" in done.stderr
    assert not path.exists()


def test_an_ordinary_user_captures_with_keys_too(make_lab: Callable[..., Lab]) -> None:
    made = make_lab("ordinary", ordinary=True)
    folder = made.home / "walkthrough"
    shutil.copytree(WALKTHROUGH, folder)
    (folder / "lateen.yaml").write_text("keyLog: true\n")
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o755)
    made.ok("up", str(folder), "--istio", "1.17", timeout=120)
    path = made.home / "mesh.pcapng"
    command = Command(made, "capture", "-w", str(path), "--keys", "--seconds", "8")
    command.wait_for("capturing 3 pods")
    ask(made, "http-mTLS")
    command.ended()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert tshark(path, "http.request and tls and tcp.dstport == 80", "http.request.method")
