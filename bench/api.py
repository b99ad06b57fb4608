"""The API server: what kubectl needs beside an empty server, lists, watches, many manifests."""

import json
import os
import resource
import selectors
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import meshes, tables
from bench.labs import Lab, until
from bench.tables import Row

OBJECTS = 5000
WATCHERS = 100
UPDATES = 2000
RATE = 1000
MANIFESTS = 500
PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"


def kubectl(lab: Lab, *words: str) -> float:
    """Run kubectl against the lab and return its seconds."""
    env = {**os.environ, "KUBECONFIG": str(lab.running.paths.kubeconfig)}
    began = time.perf_counter()
    done = subprocess.run(["kubectl", *words], env=env, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"kubectl {' '.join(words)}: {done.stderr[-400:]}")
    return time.perf_counter() - began


def own_cpu() -> float:
    """Return the seconds of processor time of every kubectl so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def several(lab: Lab, *words: str, times: int = 5) -> float:
    """Return kubectl's median seconds."""
    return tables.median([kubectl(lab, *words) for _ in range(times)])


def fill(lab: Lab) -> float:
    """Create OBJECTS Pods that no node runs; returns creations a second."""
    api = lab.api
    spec = {"schedulerName": "none", "containers": [{"name": "app", "image": "nginx"}]}
    began = time.perf_counter()
    for number in range(OBJECTS):
        labels = {"sidecar.istio.io/inject": "false"}
        body = {"metadata": {"name": f"pod-{number}", "labels": labels}, "spec": spec}
        api.request("POST", PODS, body={"apiVersion": "v1", "kind": "Pod", **body})
    return OBJECTS / (time.perf_counter() - began)


def listing(lab: Lab) -> float:
    """Return the median seconds to read all Pods as JSON."""
    api, took = lab.api, []
    for _ in range(5):
        began = time.perf_counter()
        assert len(api.request("GET", PODS).body["items"]) >= OBJECTS
        took.append(time.perf_counter() - began)
    return tables.median(took)


class Watchers(threading.Thread):
    """Counts the events that so many watch connections receive."""

    def __init__(self, lab: Lab, version: str) -> None:
        super().__init__(daemon=True)
        paths, self._selector = lab.running.paths, selectors.DefaultSelector()
        token = paths.admin_token.read_text(encoding="ascii").strip()
        ask = (
            f"GET {MAPS}?watch=1&resourceVersion={version} HTTP/1.1\r\n"
            f"Host: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        for _ in range(WATCHERS):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.connect(str(paths.api_socket))
            connection.sendall(ask)
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ)
        self.events = 0

    def run(self) -> None:
        """Read for ever."""
        while True:
            for key, _ in self._selector.select():
                held: Any = key.fileobj
                self.events += held.recv(1 << 20).count(b'"type":"MODIFIED"')


def watching(lab: Lab) -> tuple[float, float, int]:
    """Update one object at RATE; returns updates a second, lag of the last event, events."""
    api = lab.api
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "beat"}}
    made = api.request("POST", MAPS, body={**body, "data": {"n": "0"}}).body
    watchers = Watchers(lab, made["metadata"]["resourceVersion"])
    watchers.start()
    time.sleep(0.5)
    began = time.perf_counter()
    for number in range(UPDATES):
        api.request(
            "PATCH",
            f"{MAPS}/beat",
            body={"data": {"n": str(number + 1)}},
            content_type="application/merge-patch+json",
        )
        time.sleep(max(0.0, began + number / RATE - time.perf_counter()))
    sent = time.perf_counter()
    last = until(lambda: watchers.events >= WATCHERS * UPDATES, 60)
    return UPDATES / (sent - began), last - sent, watchers.events


def manifests(directory: Path) -> str:
    """Write MANIFESTS Services and return the file."""
    made: Sequence[dict[str, Any]] = [meshes.service(f"svc-{n}", "none") for n in range(MANIFESTS)]
    file = directory / "many.json"
    file.write_text("\n".join(json.dumps(one) for one in made), encoding="utf-8")
    return str(file)


def run() -> list[Row]:
    """Measure."""
    with tempfile.TemporaryDirectory() as scratch:
        mesh = Path(scratch) / "mesh"
        mesh.mkdir()
        with Lab(meshes.small(mesh, services=1, workloads=1)) as lab:
            empty = several(lab, "get", "pods", "-A")
            client = kubectl(lab, "apply", "--dry-run=client", "-f", manifests(Path(scratch)))
            applied = kubectl(lab, "apply", "-f", manifests(Path(scratch)))
            before = own_cpu()
            again = kubectl(lab, "apply", "-f", manifests(Path(scratch)))
            own = own_cpu() - before
            server = ("apply", "--server-side", "--force-conflicts", "-f")
            kubectl(lab, *server, manifests(Path(scratch)))
            merged = kubectl(lab, *server, manifests(Path(scratch)))
            created = fill(lab)
            shown = several(lab, "get", "pods", "-A")
            whole = listing(lab)
            rate, lag, events = watching(lab)
    return [
        Row(
            f"`kubectl get pods -A`, {OBJECTS} objects",
            tables.milliseconds(shown),
            f"{tables.milliseconds(empty)} (3 pods)",
            f"{shown / empty:.1f}x",
        ),
        Row(f"list of {OBJECTS} Pods as JSON, parsed", f"{OBJECTS / whole:.0f} objects/s"),
        Row("Pods created one by one", f"{created:.0f}/s"),
        Row(
            f"{WATCHERS} watchers, updates of one object wanted at {RATE}/s",
            f"{rate:.0f} updates/s, {rate * WATCHERS:.0f} events/s",
        ),
        Row(f"… the last of {events} events after the last update", tables.milliseconds(lag)),
        Row(
            f"`kubectl apply` of {MANIFESTS} new Services",
            tables.milliseconds(applied),
            f"{tables.milliseconds(client)} (--dry-run=client)",
            f"{applied / client:.1f}x",
        ),
        Row(
            "… unchanged, again",
            tables.milliseconds(again),
            f"{tables.milliseconds(own)} (CPU of kubectl itself)",
            f"{again / own:.1f}x",
        ),
        Row("… unchanged, again, with `--server-side`", tables.milliseconds(merged)),
    ]
