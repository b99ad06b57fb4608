"""What a real image costs: its unpacking once, then what a container of it takes more than one of a
stand-in."""

import gzip
import hashlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import tables
from bench.labs import LATEEN, Lab, until
from bench.tables import Row

PODS = 12
LAYERS = 5
GOAL = 0.010
"""Seconds that a container of an image may take more than one of a stand-in."""
_NAME = "bench/image:1"
_PODS = "/api/v1/namespaces/default/pods"


def _layer(number: int, program: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:

        def add(name: str, data: bytes) -> None:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), 0o755
            archive.addfile(entry, io.BytesIO(data))

        for index in range(200):
            add(f"usr/share/{number}/{index}", b"x" * 1000)
        if number == 0:
            add("bin/busybox", program)
    return buffer.getvalue()


def _archive(folder: Path, program: bytes) -> None:
    """Write an OCI layout of a few layers."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def keep(data: bytes, kind: str) -> dict[str, Any]:
        name = hashlib.sha256(data).hexdigest()
        (blobs / name).write_bytes(data)
        return {"mediaType": kind, "digest": f"sha256:{name}", "size": len(data)}

    layers = [_layer(number, program) for number in range(LAYERS)]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": ["/bin/busybox", "sleep", "3600"]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in layers],
        },
    }
    kind = "application/vnd.oci.image."
    manifest = {
        "schemaVersion": 2,
        "config": keep(json.dumps(config).encode(), f"{kind}config.v1+json"),
        "layers": [keep(gzip.compress(one, 1), f"{kind}layer.v1.tar+gzip") for one in layers],
    }
    entry = keep(json.dumps(manifest).encode(), f"{kind}manifest.v1+json")
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def _pod(name: str, image: str) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "app", "image": image}
    if image != _NAME:
        container["command"] = ["sleep", "3600"]
    labels = {"sidecar.istio.io/inject": "false"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }


def _start(lab: Lab, name: str, image: str) -> float:
    """Return how long a pod takes to become ready, in seconds."""
    api = lab.api
    begun = time.perf_counter()
    api.request("POST", _PODS, body=_pod(name, image))

    def ready() -> bool:
        status = api.request("GET", f"{_PODS}/{name}").body.get("status") or {}
        return any(
            one["type"] == "Ready" and one["status"] == "True"
            for one in status.get("conditions") or ()
        )

    return until(ready, pause=0.001) - begun


def run() -> list[Row]:
    """Measure; pods of both sorts by turns, in one lab."""
    program = shutil.which("busybox")
    if program is None:
        return [Row("images", "busybox is not installed")]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "layout"
        _archive(folder, Path(program).read_bytes())
        empty = Path(place) / "mesh"
        empty.mkdir()
        with Lab(empty, "bench-images") as lab:
            begun = time.perf_counter()
            subprocess.run(
                [LATEEN, "image", "load", str(folder), "--as", _NAME],
                env=lab.env,
                check=True,
                capture_output=True,
            )
            loaded = time.perf_counter() - begun
            _start(lab, "first", _NAME)
            real, stand_in = list[float](), list[float]()
            for number in range(PODS):
                real.append(_start(lab, f"real-{number}", _NAME))
                stand_in.append(_start(lab, f"plain-{number}", "busybox"))
    more = tables.median(real) - tables.median(stand_in)
    return [
        Row(f"load and unpack {LAYERS} layers of 200 files", tables.milliseconds(loaded)),
        Row(
            "a pod of an image, ready",
            tables.spread(real),
            f"{tables.spread(stand_in)} with a stand-in",
            f"{tables.median(real) / tables.median(stand_in):.2f}x",
            f"{tables.milliseconds(GOAL)} more",
            more <= GOAL,
        ),
    ]
