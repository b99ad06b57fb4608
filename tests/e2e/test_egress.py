"""The way out: pods reach a network namespace that stands for the internet, and nothing of the
host's own, for root and for an ordinary user."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.e2e import host
from tests.e2e.labs import USERS, Lab

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.getuid() != 0, reason="makes network namespaces for host and outside"),
]

PUBLIC, PRIVATE, LISTED = "93.184.216.34", "10.77.0.9", "10.88.0.9"
HOST, METADATA = "93.184.216.1", "169.254.169.254"
SETTINGS = "egress: true\negressPrivate: [10.88.0.0/16]\n"
FOLDER = Path(__file__).parent / "egress"
SERVER = """
import socketserver, sys
class Say(socketserver.BaseRequestHandler):
    def handle(self):
        data = self.request.recv(65536)
        body = b"out at " + self.request.getsockname()[0].encode()
        head = b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % len(body)
        self.request.sendall(head + body)
socketserver.ThreadingTCPServer.allow_reuse_address = True
print("ready", flush=True)
socketserver.ThreadingTCPServer(("0.0.0.0", 80), Say).serve_forever()
"""
NAMES = f"""
import collections, dnslib.server, itertools
meanings = collections.defaultdict(lambda: itertools.cycle(["{PUBLIC}", "{PRIVATE}"]))
class Turning:
    def resolve(self, asked, _):
        name, reply = str(asked.q.qname), asked.reply()
        if name.startswith("turns."):
            reply.add_answer(*dnslib.RR.fromZone(f"{{name}} 1 A {{next(meanings[name])}}"))
        elif name.startswith("inner."):
            reply.add_answer(*dnslib.RR.fromZone(f"{{name}} 1 A {METADATA}"))
        else:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        return reply
server = dnslib.server.DNSServer(Turning(), port=53, address="{PUBLIC}")
print("ready", flush=True)
server.start()
"""
ASK = """
import http.client, sys
for target in sys.argv[1:]:
    asked = http.client.HTTPConnection(target, 80, timeout=8)
    try:
        asked.request("GET", "/")
        print(asked.getresponse().read().decode())
    except (OSError, http.client.HTTPException) as error:
        print("error", error)
"""


def ip(*words: str) -> None:
    subprocess.run([programs.require("ip"), *words], check=True)


@pytest.fixture(scope="module")
def world() -> Iterator[tuple[str, str]]:
    """Two namespaces: one that is the host to labs, one outside it with public, private and
    metadata addresses and a server on all of them."""
    mine, outside = f"lth{os.getpid()}", f"lto{os.getpid()}"
    for name in (mine, outside):
        ip("netns", "add", name)
        ip("-n", name, "link", "set", "lo", "up")
    ip(
        "link",
        "add",
        "out0",
        "netns",
        mine,
        "type",
        "veth",
        "peer",
        "name",
        "in0",
        "netns",
        outside,
    )
    ip("-n", mine, "addr", "add", f"{HOST}/24", "dev", "out0")
    ip("-n", mine, "link", "set", "out0", "up")
    ip("-n", outside, "link", "set", "in0", "up")
    for address in (PUBLIC, PRIVATE, LISTED, METADATA):
        ip("-n", outside, "addr", "add", f"{address}/24", "dev", "in0")
    ip("-n", mine, "route", "add", "default", "via", PUBLIC)
    running = []
    for where, program in ((outside, SERVER), (outside, NAMES), (mine, SERVER)):
        argv = ["ip", "netns", "exec", where, sys.executable, "-c", program]
        running.append(subprocess.Popen(argv, stdout=subprocess.PIPE, text=True))
        assert running[-1].stdout is not None
        assert running[-1].stdout.readline() == "ready\n"
    yield mine, outside
    for process in running:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
    for name in (mine, outside):
        ip("netns", "del", name)


@pytest.fixture(scope="module")
def make_lab(world: tuple[str, str], make_lab: Callable[..., Lab]) -> Callable[..., Lab]:
    """Make labs that are taken down while their host, which is one of two namespaces, is there."""
    return make_lab


@pytest.fixture(scope="module", params=USERS)
def lab(
    request: pytest.FixtureRequest, make_lab: Callable[..., Lab], world: tuple[str, str]
) -> Lab:
    made = make_lab("root" if not request.param else "user", ordinary=request.param)
    made.inside = ("ip", "netns", "exec", world[0])
    folder = made.home / "manifests"
    folder.mkdir()
    (folder / "lateen.yaml").write_text(SETTINGS + f"dnsForward: {PUBLIC}\n")
    (folder / "pods.yaml").write_text((FOLDER / "pods.yaml").read_text())
    for each in (folder, *folder.iterdir()):
        os.chown(each, made.home.stat().st_uid, -1)
    refused = made.lateen("up", str(folder))
    assert refused.returncode == 65, refused.stderr
    assert "the internet, reached by TCP, by egress" in refused.stderr
    assert f"{PUBLIC}, asked for names, by dnsForward" in refused.stderr
    up = made.lateen("up", "--trust", str(folder))
    assert up.returncode == 0, up.stdout + up.stderr + made.logs()
    return made


def ask(lab: Lab, pod: str, *targets: str) -> list[str]:
    """Return what each target answers to a pod, or the error that it gets."""
    inside = ("-c", "shell", "--", "python3", "-c", ASK, *targets)
    return lab.ok("exec", f"deploy/{pod}", *inside).splitlines()


def test_pods_reach_the_public_and_what_is_listed_and_it_is_told(lab: Lab) -> None:
    for pod in ("meshed", "naked"):
        assert ask(lab, pod, PUBLIC, LISTED) == [f"out at {PUBLIC}", f"out at {LISTED}"]
    deadline = time.monotonic() + 10
    while True:
        edges = json.loads(lab.ok("edges", "-o", "json"))["edges"]
        out = {(e["source"].partition("-")[0], e["target"]) for e in edges}
        wanted = {(f"default/{pod}", to) for pod in ("meshed", "naked") for to in (PUBLIC, LISTED)}
        if wanted <= out:
            return
        assert time.monotonic() < deadline, edges
        time.sleep(0.1)


def test_pods_do_not_reach_the_host_and_what_only_it_may_reach(lab: Lab) -> None:
    closed = (PRIVATE, METADATA, HOST)
    for pod in ("meshed", "naked"):
        assert "out at" not in " ".join(ask(lab, pod, *closed, "127.0.0.1"))
    told = json.loads(lab.ok("status", "-o", "json"))["diagnostics"]
    refused = [one["message"] for one in told if one["code"] == "LTN0105"]
    assert len(refused) == 2 * len(closed)
    assert all(any(target in one for one in refused) for target in closed)


def test_names_are_resolved_once_and_pinned(lab: Lab) -> None:
    turning = f"turns.{lab.name}.example"
    names = (turning, turning, turning, "inner.example", "nobody.example")
    *same, inner, nobody = ask(lab, "naked", *names)
    assert same == [f"out at {PUBLIC}"] * 3
    assert "error" in inner
    assert "error" in nobody


def test_the_hosts_network_is_not_touched(
    make_lab: Callable[..., Lab], world: tuple[str, str]
) -> None:
    made = make_lab("clean", ordinary=True)
    made.inside = ("ip", "netns", "exec", world[0])
    folder = made.home / "empty"
    folder.mkdir(mode=0o755)
    (folder / "lateen.yaml").write_text(SETTINGS)
    before = host.look(made.home, made.inside)
    up = made.lateen("up", "--trust", str(folder))
    assert up.returncode == 0, up.stdout + up.stderr + made.logs()
    during = host.look(made.home, made.inside)
    assert (during.links, during.routes, during.rules) == (
        before.links,
        before.routes,
        before.rules,
    )
