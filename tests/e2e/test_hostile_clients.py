"""Clients that go away, or do not read, cost the lab nothing that stays."""

import base64
import contextlib
import json
import os
import random
import socket
import ssl
import struct
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.e2e.labs import Lab
from tests.e2e.test_lifecycle import await_that, processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: box}
spec:
  containers: [{name: c, image: busybox, command: [sleep, "100000"], stdin: true}]
"""
MARK = "97531"
COMMANDS = (
    ("sleep", MARK),
    ("sh", "-c", f"sleep {MARK}; true"),
    ("sh", "-c", f"trap '' HUP TERM; while :; do sleep {MARK}; done"),
    ("cat",),
    ("no-such-program",),
)
UPGRADES = {
    "websocket": {"Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "v5.channel.k8s.io"},
    "SPDY/3.1": {"X-Stream-Protocol-Version": "v4.channel.k8s.io", "Content-Length": "0"},
}


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    lab = make_lab("rude")
    lab.ok("up", "-", stdin=POD)
    return lab


class Api:
    """Raw connections to a lab's API server."""

    def __init__(self, lab: Lab) -> None:
        found = yaml.safe_load(Path(lab.env["KUBECONFIG"]).read_text())
        cluster = found["clusters"][0]["cluster"]
        self.address = urllib.parse.urlsplit(cluster["server"])
        self.token = found["users"][0]["user"]["token"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self._context = ssl.create_default_context(cadata=authority)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> ssl.SSLSocket:
        """Send a request and return the connection, nothing read."""
        plain = socket.create_connection((self.address.hostname, self.address.port), 10)
        made = self._context.wrap_socket(plain, server_hostname=self.address.hostname)
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.address.hostname}"]
        lines += [f"Authorization: Bearer {self.token}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines += [f"Content-Length: {len(body)}"] if body else []
        made.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + body)
        return made


def held(lab: Lab) -> dict[str, int]:
    """Return how many descriptors plane and shim have."""
    pids = processes(lab)
    return {name: len(os.listdir(f"/proc/{pids[name]}/fd")) for name in ("plane", "shim")}


def left() -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            found += [words] if MARK in words else []
    return found


def abort(api: Api, chance: random.Random) -> None:
    """Ask for exec or attach, and go away at some moment without a word."""
    upgrade = chance.choice(list(UPGRADES))
    tty, exec_ = chance.random() < 0.4, chance.random() < 0.6
    query = [("container", "c"), ("stdout", "1"), ("tty" if tty else "stderr", "1")]
    query += [("stdin", "1")] if chance.random() < 0.5 else []
    query += [("command", word) for word in chance.choice(COMMANDS)] if exec_ else []
    headers = {"Connection": "Upgrade", "Upgrade": upgrade, **UPGRADES[upgrade]}
    if upgrade == "websocket":
        key = base64.b64encode(chance.randbytes(16)).decode()
        headers["Sec-WebSocket-Key"] = chance.choice([key, key, "not a key"])
    elif chance.random() < 0.3:
        headers["X-Stream-Protocol-Version"] = "v9.unknown"
    path = f"/api/v1/namespaces/default/pods/box/{'exec' if exec_ else 'attach'}"
    made = api.ask(
        "GET" if upgrade == "websocket" else "POST",
        f"{path}?{urllib.parse.urlencode(query)}",
        **headers,
    )
    time.sleep(chance.choice([0, 0.002, 0.01, 0.05, 0.1]))
    if chance.random() < 0.5:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    made.close()


def test_aborted_streams_leave_no_descriptor_and_no_process(lab: Lab) -> None:
    api, chance, before = Api(lab), random.Random(4), held(lab)
    for _ in range(60):
        abort(api, chance)
    await_that(lambda: not left() and held(lab) == before, f"before {before}, left {left()}", 15)


def test_head_on_a_watch_returns(lab: Lab) -> None:
    path = "/api/v1/configmaps?watch=1&timeoutSeconds=60"
    with Api(lab).ask("HEAD", path, Connection="close") as made:
        made.settimeout(5)
        answer = b"".join(iter(lambda: made.recv(4096), b"")).decode()
    assert answer.startswith("HTTP/1.1 200"), answer
    assert "stream=watch" in answer
    assert answer.endswith("\r\n\r\n")


def resident(pid: int) -> int:
    """Return the MiB of a process's memory that are its own."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) >> 10


WATCHERS = 60
MAPS = "/api/v1/namespaces/default/configmaps"


def put(api: Api, number: int) -> None:
    """Write a large object anew."""
    name = f"big-{number % 10}"
    value = {"metadata": {"name": name}, "data": {"n": str(number), "x": "x" * 900_000}}
    method, path = ("POST", MAPS) if number < 10 else ("PUT", f"{MAPS}/{name}")
    headers = {"Content-Type": "application/json", "Connection": "close"}
    with api.ask(method, path, json.dumps(value).encode(), **headers) as made:
        answer = b"".join(iter(lambda: made.recv(1 << 20), b""))
    assert answer.startswith(b"HTTP/1.1 20"), answer[:200]


def test_watchers_that_do_not_read_cost_a_bounded_memory(lab: Lab) -> None:
    """Sixty of them while 180 MB are written; whoever comes afterwards is served."""
    api, plane = Api(lab), processes(lab)["plane"]
    before = most = resident(plane)
    idle = []
    for number in range(200):
        put(api, number)
        if len(idle) < WATCHERS:
            idle.append(api.ask("GET", f"{MAPS}?watch=1"))
        most = max(most, resident(plane))
    for made in idle:
        made.close()
    assert most - before < 300, (before, most)
    assert "big-9" in lab.ok("get", "configmaps", "-o", "name")
