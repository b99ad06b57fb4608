"""Cold start: from typing `lateen up` to the first 200 through mutual TLS; then one pod more."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bench import static, tables
from bench.labs import ROOT, WALKTHROUGH, Lab, environment, until
from bench.ports import ask
from bench.tables import Row
from lateen.app.lab import settings
from lateen.base import interpreter
from lateen.cli.objects import waiting
from lateen.compiler.backend import bootstrap
from lateen.model.labapi import contract
from lateen.node.container import sidecar
from lateen.node.images import catalogue
from lateen.node.images.spec import ImageContext
from lateen.node.net import hostlink

ROUNDS = 5
MORE_PODS = 12
GROWING = "helloworld-nomtls"
PATH = "/http-mTLS"
OPTIONS = ("--istio", "1.17")


def plan(lab: Lab, directory: Path) -> dict[str, Any]:
    """Write what the floor starts: the lab's own proxies and applications, ready made."""
    chosen = settings.load(lab.running.paths.settings)
    pods: list[dict[str, Any]] = []
    more: list[dict[str, Any]] = []
    listing = lab.api.request("GET", "/api/v1/pods").body["items"]
    ready = static.configurations(lab.api, chosen)
    for pod in listing:
        name = pod["metadata"]["name"]
        if name not in ready:
            continue
        router = "gateway" in name
        file = directory / f"{name}.json"
        file.write_text(json.dumps(ready[name]), encoding="utf-8")
        arguments = bootstrap.arguments(concurrency=2 if router else 1)
        envoy = [sidecar.envoy_binary(), "-c", str(file), *arguments]
        image = "" if router else pod["spec"]["containers"][0]["image"]
        pods.append(_pod(name, pod["status"]["podIP"], envoy, image, directory))
        if GROWING in name:
            more = [
                _pod(f"more-{i}", f"10.244.0.{100 + i}", envoy, image, directory)
                for i in range(MORE_PODS)
            ]
    gateway = next(pod for pod in pods if not pod["capture"])
    entry = {"host": gateway["ip"], "port": _port(lab), "path": PATH}
    return {"pods": pods, "more": more, **entry}


def _pod(name: str, ip: str, envoy: list[str], image: str, directory: Path) -> dict[str, Any]:
    """Return one pod of the plan: a router when it has no image."""
    processes = [envoy, _application(image, directory / name)] if image else [envoy]
    log = str(directory / f"{name}.log")
    return {"name": name, "ip": ip, "capture": bool(image), "log": log, "processes": processes}


def _port(lab: Lab) -> int:
    service = lab.api.request(
        "GET", "/api/v1/namespaces/istio-system/services/istio-ingressgateway"
    ).body
    port = next(p for p in service["spec"]["ports"] if p["port"] == 80)
    return int(port["targetPort"])


def _application(image: str, root: Path) -> list[str]:
    """Write the files that an image's process reads, and return its command."""
    spec = catalogue.resolve(image)
    assert spec is not None
    programs = {p: f for p in ("nginx", "openssl") if (f := shutil.which(p))}
    for directory in ("cache", "run"):
        (root / directory).mkdir(parents=True)
    context = ImageContext(
        work=str(root),
        cache=str(root / "cache"),
        python=interpreter.command(),
        installed=programs,
        root=str(root),
    )
    launch = spec.launch(context)
    for path, content in launch.files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content, encoding="utf-8")
    argv = list(launch.argv)
    at = argv.index(programs["nginx"])
    if at:  # what is before it makes the certificate, which the floor finds ready
        subprocess.run([*argv[:at], "true"], check=True, capture_output=True)
    return argv[at:]


class Floor(NamedTuple):
    """The floor while it stands."""

    took: float
    """Seconds from its start to the 200."""
    processes: list[int]
    more: Callable[[], float]
    """Starts the further pods; returns the seconds per pod until all are ready."""


@contextlib.contextmanager
def floor(file: Path) -> Iterator[Floor]:
    """Run the floor once."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.floor", str(file)],
        cwd=ROOT,
        env=environment("/nowhere"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        words = process.stdout.readline().split()
        took = time.perf_counter() - began
        if not words:
            raise RuntimeError("the floor ended before its first answer")
        yield Floor(took, [int(word) for word in words[1:]], lambda: _more(process))
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def _more(process: "subprocess.Popen[str]") -> float:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("more\n")
    process.stdin.flush()
    return float(process.stdout.readline()) / MORE_PODS


def cold_up() -> tuple[float, float]:
    """Return the seconds to the first 200 and to the command's end, of one cold start."""
    lab = Lab(WALKTHROUGH, "cold", OPTIONS)
    saved = Path(lab.home) / "state" / "cold" / "lab.json"
    began = time.perf_counter()
    process = subprocess.Popen(
        lab.argv, env=lab.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        until(lambda: len(list(Path(lab.home).glob("run/cold/pods/*/xds.sock"))) >= 3)
        network = settings.load(saved).pool
        address = str(hostlink.Pool(network).balancers).partition("/")[0]
        first = address.rpartition(".")
        host = f"{first[0]}.{int(first[2]) + 1}"
        answered = until(lambda: ask(host, 80, PATH, 0.05) == 200, pause=0)
        _, words = process.communicate(timeout=60)
        if process.returncode:
            raise RuntimeError(words.decode())
        return answered - began, time.perf_counter() - began
    finally:
        process.wait(60)
        lab.close()


def more_pods(lab: Lab) -> float:
    """Return the seconds per pod when a Deployment grows by MORE_PODS, until all are in step."""
    api = lab.api
    path = f"/apis/apps/v1/namespaces/default/deployments/{GROWING}/scale"

    def grown() -> bool:
        status = lab_status()
        return len(status["pods"]) >= 3 + MORE_PODS and waiting.settled(status, 0)

    def lab_status() -> dict[str, Any]:
        found: dict[str, Any] = api.ask(contract.STATUS)
        return found

    began = time.perf_counter()
    api.request(
        "PATCH",
        path,
        body={"spec": {"replicas": 1 + MORE_PODS}},
        content_type="application/merge-patch+json",
    )
    return (until(grown, pause=0.05) - began) / MORE_PODS


def run() -> list[Row]:
    """Measure."""
    if os.getuid() != 0:
        raise SystemExit("this benchmark asks the gateway at its own address: it needs root")
    ups: list[float] = []
    ends: list[float] = []
    floors: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        directory, file = Path(scratch), Path(scratch) / "plan.json"
        with Lab(WALKTHROUGH, "cold", OPTIONS) as lab:
            file.write_text(json.dumps(plan(lab, directory)), encoding="utf-8")
            each = more_pods(lab)
        with floor(file) as standing:
            least_each = standing.more()
        for number in range(ROUNDS + 1):
            with floor(file) as standing:
                lowest = standing.took
            answered, ended = cold_up()
            if number:  # the first round warms the page cache
                floors.append(lowest)
                ups.append(answered)
                ends.append(ended)
    up, least = tables.median(ups), tables.median(floors)
    return [
        Row(
            "`lateen up` of the walkthrough, typed to first 200 through mutual TLS",
            tables.spread(ups),
            tables.spread(floors),
            f"{up / least:.1f}x",
            "4x, 1 s",
            up <= 4 * least and up < 1,
        ),
        Row("… and until the command ends", tables.spread(ends)),
        Row(
            f"each further pod ({MORE_PODS} at once, until ready and in step)",
            tables.milliseconds(each),
            tables.milliseconds(least_each),
            f"{each / least_each:.1f}x",
            goal="40 ms",
            met=each <= 0.040,
        ),
    ]
