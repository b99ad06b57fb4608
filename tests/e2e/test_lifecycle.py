"""What survives when a part of a lab is killed, what recovers, and that nothing is left at the end.

The tests that compare the host before and after have a network namespace to themselves: links and
routes of other labs come and go.
"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import programs
from tests.e2e import host
from tests.e2e.labs import USERS, WALKTHROUGH, Lab
from tests.e2e.streams import Stream, steady

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]


TURNS = 10 if os.getuid() == 0 else 20
"""Of each test that comes twice for root: twenty in all."""


def processes(lab: Lab) -> dict[str, int]:
    """Return the pids of a lab's own processes: supervisor, plane, enter, shim, agent."""
    wanted = {
        "supervisor": "lateen.app.supervisor",
        "plane": "lateen.app.plane",
        "enter": "lateen.node.shim.enter",
        "shim": "lateen.node.shim.init",
        "agent": "lateen.app.agent",
    }
    found = {}
    for pid, words in lab.processes().items():
        if "-m" in words:
            at = words.index("-m") + 1
            module = words[at + (words[at] == "lateen.app.process")]
            found |= {
                name: pid for name, wanted_module in wanted.items() if module == wanted_module
            }
    return found


def await_that(what: Callable[[], bool], why: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, why
        time.sleep(0.02)


def healthy(lab: Lab) -> bool:
    return lab.lateen("status", "--exit-code").returncode == 0


def gateway(lab: Lab) -> str:
    gateways = json.loads(lab.ok("status", "-o", "json"))["gateways"]
    return str(next(u for g in gateways for u in g["urls"] if u.startswith("http://")))


def unbroken(stream: Stream) -> None:
    assert not stream.failures(), stream.failures()[:3]
    assert len(stream.answers) > 20


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    made = make_lab("kill")
    up = made.lateen("up", str(WALKTHROUGH), "--istio", "1.17")
    assert up.returncode == 0, up.stderr + made.logs()
    return made


@pytest.mark.parametrize("victim", ["plane", "agent"])
def test_traffic_outlives_the_control_plane_and_the_agent(lab: Lab, victim: str) -> None:
    url, before = gateway(lab), processes(lab)
    with steady(url, "/http-mTLS") as streams:
        os.kill(before[victim], signal.SIGKILL)
        await_that(lambda: processes(lab).get(victim) not in (None, before[victim]), "no successor")
        await_that(lambda: healthy(lab), f"the mesh did not recover\n{lab.logs()}")
    unbroken(streams[0])
    after = processes(lab)
    assert {k: v for k, v in after.items() if k != victim} == {
        k: v for k, v in before.items() if k != victim
    }
    # What came back does its work: a pod is made, and answers.
    lab.ok("apply", "-f", "-", stdin=POD)
    lab.ok("exec", "probe", "--", "true")
    lab.ok("delete", "-f", "-", stdin=POD)


def test_another_program_takes_the_port_between_two_planes(lab: Lab) -> None:
    """Who reads the kubeconfig finds the API server where it went, and `status` tells."""
    before = processes(lab)
    config = Path(lab.env["KUBECONFIG"])
    port = int(re.findall(r"https://127.0.0.1:(\d+)", config.read_text())[0])
    os.kill(before["supervisor"], signal.SIGSTOP)
    try:
        os.kill(before["plane"], signal.SIGKILL)
        with contextlib.ExitStack() as taken:

            def take() -> bool:
                with contextlib.suppress(OSError):
                    taken.enter_context(socket.create_server(("127.0.0.1", port)))
                    return True
                return False

            await_that(take, "the port was not left")
            os.kill(before["supervisor"], signal.SIGCONT)
            await_that(lambda: f":{port}\n" not in config.read_text(), "no other port")
            await_that(lambda: healthy(lab), f"the mesh did not recover\n{lab.logs()}")
    finally:
        os.kill(before["supervisor"], signal.SIGCONT)
    assert f"another program has taken port {port} of 127.0.0.1" in lab.lateen("status").stdout
    assert lab.kubectl("get", "ns", "default", "-o", "name").stdout == "namespace/default\n"


POD = """
apiVersion: v1
kind: Pod
metadata: {name: probe}
spec: {containers: [{name: probe, image: curlimages/curl, command: [sleep, "3600"]}]}
"""


@pytest.mark.parametrize("container", ["istio-proxy", "helloworld"])
def test_a_killed_container_is_started_again(lab: Lab, container: str) -> None:
    def restarts() -> int:
        listed = json.loads(lab.ok("get", "pods", "-l", "mtls=true", "-o", "json"))["items"]
        statuses = listed[0]["status"]["containerStatuses"]
        return int(next(s["restartCount"] for s in statuses if s["name"] == container))

    pod = json.loads(lab.ok("get", "pods", "-l", "mtls=true", "-o", "json"))["items"][0]
    before = restarts()
    lab.kill(pod["metadata"]["uid"], container)
    await_that(lambda: restarts() == before + 1, "it was not started again")
    await_that(lambda: healthy(lab), "the mesh did not recover")
    assert lab.fetch(f"{gateway(lab)}/http-mTLS") == (200, "<h2>Howdy</h2>\n")


def test_pods_come_back_after_the_shim(lab: Lab) -> None:
    """Process 1 of the lab takes every pod with it; all come back from the store."""
    url = gateway(lab)
    before = processes(lab)["shim"]
    os.kill(before, signal.SIGKILL)
    await_that(lambda: processes(lab).get("shim") not in (None, before), "no successor")

    def serves() -> bool:
        answer = lab.run("curl", "-s", "-m", "5", f"{url}/http-mTLS")
        return "<h2>Howdy</h2>" in answer.stdout

    await_that(lambda: healthy(lab) and serves(), f"the mesh did not recover\n{lab.logs()}")


def test_up_after_a_killed_supervisor(lab: Lab) -> None:
    """Its children end with it; the next `up` finds a clean place, or `down` makes one."""
    os.kill(processes(lab)["supervisor"], signal.SIGKILL)
    await_that(lambda: not processes(lab), "its children outlived it")
    assert lab.lateen("status").returncode == 1
    again = lab.lateen("up", str(WALKTHROUGH), "--istio", "1.17")
    assert again.returncode == 0, again.stderr
    assert lab.fetch(f"{gateway(lab)}/http-mTLS") == (200, "<h2>Howdy</h2>\n")


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user's labs have no network of the host")
def test_two_labs_of_one_name_that_start_together(make_lab: Callable[..., Lab]) -> None:
    """As two people have them: neither gets the other's network, or answers for it."""
    labs = [make_lab("twin") for _ in range(2)]
    up = [sys.executable, "-m", "lateen.cli.entry", "up"]
    quiet = subprocess.DEVNULL
    started = [subprocess.Popen(lab.command(*up), env=lab.env, stdout=quiet) for lab in labs]
    assert [process.wait(60) for process in started] == [0, 0]
    first, second = (gateway(lab) for lab in labs)
    assert first != second
    for lab, url in zip(labs, (first, second), strict=True):
        assert lab.fetch(f"{url}:15021/healthz/ready")[0] == 200
        lab.ok("down")


def test_two_labs_side_by_side(lab: Lab, make_lab: Callable[..., Lab]) -> None:
    """Each has its own gateway, pods and state; the end of one is nothing to the other."""
    other = make_lab("kill2")
    other.ok("up", str(WALKTHROUGH), "--istio", "1.32")
    first, second = gateway(lab), gateway(other)
    assert first != second

    def status(url: str) -> int:
        return lab.fetch(f"{url}/https-no-mTLS")[0]

    assert (status(first), status(second)) == (200, 503)
    other.ok("down")
    assert status(first) == 200


CONTAINERS_ROOT = (
    "chown,dac_override,fowner,fsetid,kill,setgid,setuid,setpcap,net_bind_service,net_raw,"
    "sys_chroot,mknod,audit_write,setfcap"
)
"""What Docker leaves to the root of a container."""


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_the_root_of_a_container_has_the_lab_of_an_ordinary_user(
    make_lab: Callable[..., Lab],
) -> None:
    """It may make namespaces, where seccomp lets it, but no users in them and no link to them."""
    lab = make_lab("contained")
    kept = ",".join(f"+{word}" for word in CONTAINERS_ROOT.split(","))
    lab.inside = ("setpriv", f"--bounding-set=-all,{kept}", "--inh-caps=-all")
    lab.ok("up", str(WALKTHROUGH), "--istio", "1.32", "--timeout", "20")
    url = gateway(lab)
    assert url.startswith("http://127.0.0.1:")
    lab.ok("down")


@pytest.fixture
def private(make_lab: Callable[..., Lab]) -> Iterator[Callable[..., Lab]]:
    """Make a lab whose host is a network namespace of its own, if we may."""
    if os.getuid() != 0:
        yield make_lab
        return
    programs.require("ip")
    script = "ip link set lo up && echo ready && exec sleep 600"
    holder = subprocess.Popen(
        ["unshare", "--net", "sh", "-c", script], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "ready\n"

    def make(name: str, *, ordinary: bool) -> Lab:
        lab = make_lab(name, ordinary=ordinary)
        lab.inside = ("nsenter", f"--net=/proc/{holder.pid}/ns/net")
        made.append(lab)
        return lab

    made: list[Lab] = []
    yield make
    for lab in made:
        lab.lateen("down")
        lab.inside = ()
    holder.kill()
    holder.wait()
    holder.stdout.close()


@pytest.mark.parametrize("ordinary", USERS)
def test_ups_and_downs_leave_the_host_as_it_was(
    private: Callable[..., Lab], ordinary: bool
) -> None:
    lab = private("cycle", ordinary=ordinary)
    before = host.look(lab.home, lab.inside)
    for turn in range(TURNS):
        up = lab.lateen("up")
        assert up.returncode == 0, (turn, up.stderr, lab.logs())
        during = before.changed(host.look(lab.home, lab.inside))
        assert during.keys() >= {"processes", "namespaces", "sockets", "files"}
        assert ordinary or during.keys() >= {"links", "routes"}
        lab.ok("down")
        same(before, lab)


@pytest.mark.parametrize("ordinary", USERS)
def test_kills_at_random_moments_leave_the_host_as_it_was(
    private: Callable[..., Lab], ordinary: bool
) -> None:
    """Any part of it is killed at any moment of `up`; then `down`, or the next `up`, cleans."""
    lab = private("killed", ordinary=ordinary)
    before = host.look(lab.home, lab.inside)
    chance = random.Random(20)
    up = [sys.executable, "-m", "lateen.cli.entry", "up", "--timeout", "20"]
    for turn in range(TURNS):
        victim = chance.choice(["supervisor", "plane", "enter", "shim", "agent", "cli"])
        moment = chance.uniform(0.0, 0.8)
        with subprocess.Popen(
            lab.command(*up), env=lab.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            assert process.stderr is not None
            process.stderr.readline()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment)
            pid = process.pid if victim == "cli" else processes(lab).get(victim)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if turn % 4:
                process.kill()
            process.communicate(timeout=60)
        if turn % 5 == 0:  # the next `up` copes without a `down` between
            again = lab.lateen("up")
            assert again.returncode == 0 or "is up already" in again.stderr, again.stderr
        down = lab.lateen("down")
        assert down.returncode == 0, (turn, victim, moment, down.stderr)
        assert "Traceback" not in down.stderr
        same(before, lab, f"turn {turn}: {victim} after {moment:.3f} s")


@pytest.mark.skipif(os.getuid() != 0, reason="an ordinary user's labs have no link to the host")
def test_a_network_that_another_program_took_is_named(private: Callable[..., Lab]) -> None:
    """A lab's node that is started again makes its link anew."""
    lab = private("taken", ordinary=False)
    lab.ok("up")
    network = json.loads((lab.home / "state" / "taken" / "lab.json").read_text())["pool"]
    taken = lab.run("sh", "-c", f"ip link set lo up && ip route replace {network} dev lo")
    assert taken.returncode == 0, taken.stderr
    os.kill(processes(lab)["shim"], signal.SIGKILL)
    await_that(lambda: "[LTN0050]" in lab.lateen("status").stdout, "nobody said so")
    assert f"cannot be made (route {network}: File exists)" in lab.lateen("status").stdout


def same(before: host.Host, lab: Lab, why: str = "") -> None:
    """The host is as it was; what the kernel takes apart on its own has a second to go."""
    deadline = time.monotonic() + 5
    while changed := before.changed(host.look(lab.home, lab.inside)):
        assert time.monotonic() < deadline, f"{why}: {changed}"
        time.sleep(0.02)
