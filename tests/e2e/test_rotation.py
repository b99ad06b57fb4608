"""Certificates are renewed while connections live."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.labs import WALKTHROUGH, Lab
from tests.e2e.streams import steady

pytestmark = pytest.mark.e2e

TTL = 4.0
SLOW = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: httpbin}
spec:
  selector: {matchLabels: {app: httpbin}}
  template:
    metadata: {labels: {app: httpbin}}
    spec: {containers: [{name: httpbin, image: kennethreitz/httpbin}]}
---
apiVersion: v1
kind: Service
metadata: {name: httpbin}
spec: {selector: {app: httpbin}, ports: [{name: http, port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: a-slow-one}
spec:
  hosts: [slow.example]
  gateways: [helloworld-gateway]
  http: [{route: [{destination: {host: httpbin}}]}]
"""


def certificate(lab: Lab) -> tuple[str, str]:
    """Return serial number and end of the certificate that the workload's Envoy holds."""
    asked = ("exec", "deploy/helloworld-mtls", "-c", "istio-proxy", "--")
    held = json.loads(lab.ok(*asked, "curl", "-s", "localhost:15000/certs"))["certificates"]
    own = next(
        each["cert_chain"][0]
        for each in held
        if each.get("cert_chain")
        and any(
            n.get("uri", "").startswith("spiffe:")
            for n in each["cert_chain"][0]["subject_alt_names"]
        )
    )
    return own["serial_number"], own["expiration_time"]


def test_certificates_rotate_under_load(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    folder = tmp_path / "mesh"
    shutil.copytree(WALKTHROUGH, folder)
    (folder / "lateen.yaml").write_text(f"certificateTTL: {TTL:.0f}s\n")
    (folder / "slow.yaml").write_text(SLOW)
    lab = make_lab("rot")
    up = lab.lateen("up", str(folder), "--istio", "1.17")
    assert up.returncode == 0, up.stderr + lab.logs()
    status = json.loads(lab.ok("status", "-o", "json"))
    url = next(u for g in status["gateways"] for u in g["urls"] if u.startswith("http:"))
    seen = {certificate(lab)[0]}
    began = time.monotonic()
    # One answer takes longer than a certificate lives, on one connection to the sidecar.
    drip = f"{url}/drip?duration={TTL + 1:.0f}&numbytes=5&delay=0"
    with steady(url, "/http-mTLS", interval=0.05) as streams:
        answer = lab.run(
            "curl", "-s", "-m", "20", "-w", "%{http_code}", "-H", "host: slow.example", drip
        )
        seen.add(certificate(lab)[0])
        assert time.monotonic() - began > TTL
    assert answer.stdout == "*" * 5 + "200", answer
    assert not streams[0].failures()
    # Two renewals have come and gone, not more: half of its life each.
    renewed = (lab.home / "state" / "rot" / "logs" / "plane.log").read_text()
    proxies = len(status["proxies"])
    assert len(seen) == 2
    assert proxies <= renewed.count("renewing the certificate") <= 5 * proxies
