"""A lab under load reports a share of the requests, the same at both ends, every failure, and what
somebody asks for; then every request again."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

Hop = dict[str, Any]
MANY, FAILING, FEW = 1250, 30, 20
SETTINGS = "fullLogRate: 40\naccessLog: off\ncopyProxies: false\n"


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("busy")
    folder = made.home / "manifests"
    folder.mkdir()
    for file in (Path(__file__).parent / "features").glob("*.yaml"):
        (folder / file.name).write_text(file.read_text())
    (folder / "lateen.yaml").write_text(SETTINGS)
    up = made.lateen("up", str(folder))
    assert up.returncode == 0, up.stderr + made.logs()
    return made


def started(lab: Lab, arguments: list[str], **streams: Any) -> "subprocess.Popen[bytes]":
    argv = lab.command(sys.executable, "-m", "lateen.cli.entry", *arguments)
    return subprocess.Popen(argv, env=lab.env, **streams)


def load(path: str) -> list[str]:
    """Return the command that sends requests from the client's pod, one after the other."""
    sent = ["curl", "-s", "-o", "/dev/null", "--rate", "250/s"]
    return ["exec", "deploy/client", "-c", "curl", "--", *sent, f"http://httpbin{path}"]


def until(lab: Lab, holds: Callable[[int], bool]) -> None:
    """Wait until one request in so many is reported, 20 s at most."""
    deadline = time.monotonic() + 20
    while not holds(reported := json.loads(lab.ok("status", "-o", "json"))["reported"]):
        assert time.monotonic() < deadline, reported
        time.sleep(0.05)


def hops(file: Path, path: str) -> list[Hop]:
    """Return what `tap` told of requests to a path, the client's own view of them."""
    lines = file.read_text().rpartition("\n")[0].splitlines()
    return [hop for hop in map(json.loads, lines) if hop.get(":path", "").startswith(path)]


def test_under_load_a_share_is_reported_and_every_failure(lab: Lab) -> None:
    file, errors = lab.home / "tap.json", lab.home / "tap.err"
    with (
        file.open("w") as out,
        errors.open("w") as err,
        started(lab, ["tap", "-o", "json"], stdout=out, stderr=err) as tap,
    ):
        try:
            while not file.stat().st_size:
                lab.ok("curl", "http://httpbin/anything/begun", "--from", "deploy/client")
            with started(lab, load(f"/anything/n[1-{MANY}]")) as loading:
                until(lab, lambda one_in: one_in > 1)
                assert re.search(r"one in \d+ is reported", lab.ok("status"))
                lab.ok(*load(f"/status/500?n=[1-{FAILING}]"))
                mine = ["http://httpbin/anything/mine", "--from", "deploy/client", "-o", "json"]
                told = json.loads(lab.ok("curl", *mine))
                assert loading.poll() is None, "the load ended too early to tell"
                assert loading.wait(60) == 0
            until(lab, lambda one_in: one_in == 1)
            lab.ok(*load(f"/anything/after[1-{FEW}]"))
            time.sleep(2)
        finally:
            tap.kill()
    assert [bool(leg["client_log"]) for leg in told["legs"]] == [False, True, True]
    assert [bool(leg["server_log"]) for leg in told["legs"]] == [True, True, False]
    assert len(hops(file, "/anything/mine")) == 1
    assert [h["proxy"] for h in hops(file, "/status/500")].count("both") == FAILING
    assert [h["proxy"] for h in hops(file, "/anything/after")].count("both") == FEW
    sample = hops(file, "/anything/n")
    assert len(sample) < MANY
    assert [h["proxy"] for h in sample].count("both") > 0.9 * len(sample)
    assert re.search(r"one in \d+ is shown", errors.read_text())
    assert "every request is shown again" in errors.read_text()


def test_edges_estimate_how_many_there_were(lab: Lab) -> None:
    edges = json.loads(lab.ok("edges", "-o", "json"))["edges"]
    (edge,) = [e for e in edges if e["source"].startswith("default/client")]
    total = MANY + FAILING + FEW + 2
    assert edge["sampled"]
    assert edge["errors"] == FAILING
    assert edge["requests"] == pytest.approx(total, rel=0.3)
    assert f"~{edge['requests']}" in lab.ok("edges")


def test_a_lab_may_start_each_proxy_for_itself(lab: Lab) -> None:
    shim = max(pid for pid, words in lab.processes().items() if "lateen.node.shim.init" in words)
    children = Path(f"/proc/{shim}/task/{shim}/children").read_text().split()
    lines = [Path(f"/proc/{pid}/cmdline").read_text() for pid in children]
    assert [line for line in lines if "/envoy\0" in line]
    assert not [line for line in lines if "waits to be copied" in line]
