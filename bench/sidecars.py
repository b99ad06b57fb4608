"""Many sidecars of one Service: how long until all are in step, and how the lab answers then."""

import tempfile
import time
from pathlib import Path

from bench import memory, tables
from bench.labs import Lab
from bench.tables import Row
from lateen.model.labapi import contract

NUMBERS = (100, 300)
PATIENCE = 600.0
ASKED = 5
MANIFEST = """\
apiVersion: v1
kind: Namespace
metadata: {name: default, labels: {istio-injection: enabled}}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
"""
SCALE = "/apis/apps/v1/namespaces/default/deployments/web"
MERGE = "application/merge-patch+json"


def run() -> list[Row]:
    """Measure."""
    return [row for number in NUMBERS for row in _of(number)]


def _of(number: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "web.yaml").write_text(MANIFEST, encoding="utf-8")
        with Lab(Path(scratch)) as lab:
            began = time.monotonic()
            scaled = {"spec": {"replicas": number}}
            lab.api.request("PATCH", SCALE, body=scaled, content_type=MERGE)
            lab.settled(PATIENCE)
            took = time.monotonic() - began
            asked = []
            for _ in range(ASKED):
                before = time.monotonic()
                lab.api.ask(contract.STATUS)
                asked.append(time.monotonic() - before)
            found = memory.of_lab(lab)
            (plane,) = [pid for pid, line in found.items() if "lateen.app.plane" in line]
            held = memory.megabytes(plane)
    return [
        Row(f"{number} sidecars of one Service until all are in step", f"{took:.1f} s"),
        Row(f"of that for each at {number}", tables.milliseconds(took / number)),
        Row(f"the lab's state at {number}", tables.milliseconds(tables.median(asked))),
        Row(f"control plane's PSS at {number}", f"{held:.0f} MB"),
    ]
