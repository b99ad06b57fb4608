"""Logs of both proxies joined while many requests are under way: on shared and on many connections,
tried again, mirrored, multiplexed over HTTP/2, and with ids that clients repeat."""

import json
import re
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.captures import Command
from tests.e2e.labs import Lab

pytestmark = pytest.mark.e2e

Hop = dict[str, Any]
MANY, SAME, FAILING = 150, 40, 10
WORKLOAD = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: %(name)s}
spec:
  replicas: %(replicas)s
  selector: {matchLabels: {app: %(name)s}}
  template:
    metadata: {labels: {app: %(name)s}}
    spec: {containers: [{name: app, image: %(image)s}]}
---
apiVersion: v1
kind: Service
metadata: {name: %(name)s}
spec:
  selector: {app: %(name)s}
  ports: [{name: http, port: 80}]
---
"""
ROUTES = """
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  hosts: [web]
  http:
  - match: [{uri: {prefix: /status}}]
    route: [{destination: {host: web}}]
    retries: {attempts: 2, retryOn: 5xx}
  - route: [{destination: {host: web}}]
    mirror: {host: shadow}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: %s}}}
"""


def workload(name: str, image: str, replicas: int = 1) -> str:
    return WORKLOAD % {"name": name, "image": image, "replicas": replicas}


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("many")
    parts = [workload("client", "curlimages/curl"), workload("shadow", "kennethreitz/httpbin")]
    parts[0] = parts[0].replace("curlimages/curl}", 'curlimages/curl, command: [sleep, "3600"]}')
    folder = made.home / "manifests"
    folder.mkdir()
    (folder / "all.yaml").write_text("".join([*parts, workload("web", "kennethreitz/httpbin", 2)]))
    up = made.lateen("up", str(folder))
    assert up.returncode == 0, up.stderr + made.logs()
    return made


def load(lab: Lab, *arguments: str) -> None:
    """Send requests from the client's pod, sixteen at a time."""
    words = ("curl", "-s", "-o", "/dev/null", "--parallel", "--parallel-max", "16", *arguments)
    lab.ok("exec", "deploy/client", "-c", "app", "--", *words)


def tapped(lab: Lab, act: Callable[[], None], enough: Callable[[list[Hop]], bool]) -> list[Hop]:
    """Return what `lateen tap` tells from before `act` until there is enough, within 20 s."""
    file = lab.home / "tap.json"
    argv = lab.command(sys.executable, "-m", "lateen.cli.entry", "tap", "-o", "json")
    with file.open("w") as out, subprocess.Popen(argv, env=lab.env, stdout=out) as tap:
        try:
            while not file.stat().st_size:
                lab.ok("curl", "http://web/anything/begun", "--from", "deploy/client")
            act()
            deadline = time.monotonic() + 20
            while not enough(hops := read(file)):
                assert time.monotonic() < deadline, Counter(map(kind, hops))
                time.sleep(0.1)
            return hops
        finally:
            tap.kill()


def read(file: Path) -> list[Hop]:
    whole = file.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]


def kind(hop: Hop) -> tuple[str, str, str]:
    """Return the first parts of a request's path, which sides logged it, and to whom it went."""
    path = "/".join(hop.get(":path", "").split("/")[1:3]).rstrip("0123456789")
    return path, hop["proxy"], hop["dst"].partition("/")[2].partition("-")[0]


@pytest.mark.parametrize("upgrade", ["DO_NOT_UPGRADE", "UPGRADE"])
def test_every_request_is_joined_with_itself(lab: Lab, upgrade: str) -> None:
    lab.ok("apply", "-f", "-", stdin=ROUTES % upgrade)
    stories: list[dict[str, Any]] = []

    def act() -> None:
        load(lab, f"http://web/anything/n[1-{MANY}]")
        load(lab, "-H", "x-request-id: same", f"http://web/anything/same[1-{SAME}]")
        load(lab, f"http://web/status/503?n=[1-{FAILING}]")
        for number in range(5):
            url = f"http://web/anything/mine{number}"
            stories.append(json.loads(lab.ok("curl", url, "--from", "deploy/client", "-o", "json")))

    wanted = {
        ("anything/n", "both", "web"): MANY,
        ("anything/same", "both", "web"): SAME,
        ("anything/n", "in", "shadow"): MANY,
        ("anything/same", "in", "shadow"): SAME,
        ("status/503?n=", "both", "web"): FAILING,
        ("status/503?n=", "in", "web"): 2 * FAILING,
        ("anything/mine", "both", "web"): 5,
        ("anything/mine", "in", "shadow"): 5,
    }

    def counted(hops: list[Hop]) -> dict[tuple[str, str, str], int]:
        found = Counter(kind(hop) for hop in hops)
        return {key: count for key, count in found.items() if key[0] != "anything/begun"}

    hops = tapped(lab, act, lambda found: counted(found) == wanted)
    for number in range(1, MANY + 1):
        mine = [hop for hop in hops if hop.get(":path") == f"/anything/n{number}"]
        assert sorted(hop["proxy"] for hop in mine) == ["both", "in"]
        assert len({hop["id"] for hop in mine}) == 1, "the mirrored one has the same id"
    to_web = [hop for hop in hops if kind(hop) == ("anything/n", "both", "web")]
    assert {hop["tls"] for hop in hops if "client_id" in hop} == {"mtls"}
    connections = {hop["src_addr"] for hop in to_web}
    assert (len(connections) > 4) == (upgrade == "DO_NOT_UPGRADE"), connections
    assert {hop["attempts"] for hop in hops if kind(hop)[0:2] == ("status/503?n=", "both")} == {3}
    for number, story in enumerate(stories):
        assert story["verdict"]["code"] == "ok"
        for leg in story["legs"][:2]:
            assert f"/anything/mine{number} " in leg["server_log"]["line"]


def test_edges_count_them_all(lab: Lab) -> None:
    lab.ok("apply", "-f", "-", stdin=ROUTES % "DO_NOT_UPGRADE")

    def requests() -> Counter[tuple[str, str]]:
        found: Counter[tuple[str, str]] = Counter()
        for edge in json.loads(lab.ok("edges", "-o", "json"))["edges"]:
            ends = (edge["source"], edge["target"])
            source, target = (end.partition("/")[2].partition("-")[0] for end in ends)
            found[source, target] += edge["requests"]
        return found

    before = requests()
    load(lab, f"http://web/anything/[1-{MANY}]")
    load(lab, f"http://web/status/503?n=[1-{FAILING}]")
    wanted = {("client", "web"): MANY + 3 * FAILING, ("client", "shadow"): MANY}
    deadline = time.monotonic() + 10
    while (more := requests() - before) != wanted:
        assert time.monotonic() < deadline, more
        time.sleep(0.1)


def test_what_a_capture_could_not_take_is_counted_and_said(lab: Lab) -> None:
    """A reader that stands still: its ring, of 2 MiB, is full, and the rest is lost."""
    path = lab.home / "lossy.pcapng"
    command = Command(lab, "capture", "-w", str(path), "--ring", "2", "deploy/client")
    command.wait_for("capturing 1 pods")
    with command.standing_still():
        load(lab, "http://web/bytes/100000?n=[1-60]")
    command.stopped()
    said = re.search(r"(\d+) packets written to .*, (\d+) lost", command.said)
    assert said is not None, command.said
    written, lost = map(int, said.groups())
    assert (written > 10, lost > 10) == (True, True)
    assert path.stat().st_size < 4 << 20
    drops = [drop for _, drop in pcapng_statistics(path)]
    assert drops == [lost, lost], "one number for both interfaces of the pod: they share the ring"


def pcapng_statistics(path: Path) -> list[tuple[int, int]]:
    """Return received and dropped of each interface, from the blocks at the file's end."""
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        kind, size = struct.unpack_from("<II", data, at)
        if kind == 5:
            found.append(struct.unpack_from("<4xQ4xQ", data, at + 20))
        at += size
    return found
