"""What people wrote with kubectl outlives every process of the lab."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.labs import KUBECTLS, USERS, Lab

pytestmark = pytest.mark.e2e

KILLS = 3
WRITES_BETWEEN = 3
WORKLOAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: steady}
spec:
  selector: {matchLabels: {app: steady}}
  template:
    metadata: {labels: {app: steady}}
    spec:
      containers: [{name: web, image: nginx}]
"""


@pytest.fixture(scope="module", params=USERS)
def lab(request: pytest.FixtureRequest, make_lab: Callable[..., Lab]) -> Iterator[Lab]:
    """A lab with one workload in the mesh."""
    made = make_lab("crash", ordinary=request.param)
    made.ok("up")
    made.ok("apply", "-f", "-", stdin=WORKLOAD)
    yield made
    made.ok("down")


def process_of(lab: Lab, module: str) -> int:
    """Return the process id of one of the lab's processes; 0 when it does not run."""
    return next((pid for pid, words in lab.processes().items() if module in words), 0)


def until(seen: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def pods(lab: Lab) -> dict[str, tuple[str, int, bool]]:
    """Return each pod's uid, its restarts, and whether it is ready."""
    done = lab.kubectl("get", "pods", "-l", "app=steady", "-o", "json")
    if done.returncode:
        return {}
    found = {}
    for item in json.loads(done.stdout)["items"]:
        statuses = item["status"].get("containerStatuses", [])
        restarts = sum(each["restartCount"] for each in statuses)
        ready = bool(statuses) and all(each["ready"] for each in statuses)
        found[item["metadata"]["name"]] = (item["metadata"]["uid"], restarts, ready)
    return found


class Writer(threading.Thread):
    """Creates ConfigMaps one after the other, and keeps the names of those it was told are
    created."""

    def __init__(self, lab: Lab, version: str) -> None:
        super().__init__(daemon=True)
        self.lab, self.version = lab, version
        self.acknowledged: list[str] = []
        self.refused = 0
        self.stop = threading.Event()

    def run(self) -> None:
        number = 0
        while not self.stop.is_set():
            name = f"written-{self.version.replace('.', '-')}-{number}"
            number += 1
            done = self.lab.kubectl(
                "create", "configmap", name, f"--from-literal=n={number}", version=self.version
            )
            if done.returncode == 0:
                assert done.stdout == f"configmap/{name} created\n"
                self.acknowledged.append(name)
            else:
                self.refused += 1


def test_no_acknowledged_write_is_lost_when_the_control_plane_is_killed(lab: Lab) -> None:
    before = pods(lab)
    assert len(before) == 1
    writers = [Writer(lab, version) for version in KUBECTLS]
    for writer in writers:
        writer.start()
    for _ in range(KILLS):
        written = [len(writer.acknowledged) + WRITES_BETWEEN for writer in writers]
        until(
            lambda at=written: all(
                len(w.acknowledged) >= least for w, least in zip(writers, at, strict=True)
            ),
            f"{WRITES_BETWEEN} more writes by each kubectl: {lab.logs()}",
        )
        killed = process_of(lab, "lateen.app.plane")
        os.kill(killed, signal.SIGKILL)
        until(lambda old=killed: process_of(lab, "lateen.app.plane") not in (0, old), "a new plane")
    for writer in writers:
        writer.stop.set()
        writer.join()
    until(lambda: lab.kubectl("get", "configmaps").returncode == 0, "the API answers")
    listed = lab.kubectl("get", "configmaps", "-o", "name").stdout.split()
    acknowledged = {f"configmap/{name}" for writer in writers for name in writer.acknowledged}
    assert len(acknowledged) >= KILLS * WRITES_BETWEEN * len(writers)
    assert acknowledged <= set(listed)
    assert pods(lab) == before, "pods go on without the control plane"


def test_a_killed_agent_changes_nothing_for_pods(lab: Lab) -> None:
    before = pods(lab)
    killed = process_of(lab, "lateen.app.agent")
    os.kill(killed, signal.SIGKILL)
    until(lambda: process_of(lab, "lateen.app.agent") not in (0, killed), "a new agent")
    done = lab.kubectl("exec", "deploy/steady", "-c", "web", "--", "echo", "still here")
    assert done.stdout == "still here\n", done.stderr
    lab.kubectl("scale", "deployment", "steady", "--replicas=2")
    until(lambda: sorted(ready for _, _, ready in pods(lab).values()) == [True, True], "two pods")
    assert before.items() <= pods(lab).items()


def test_pods_come_back_when_the_node_is_killed(lab: Lab) -> None:
    before = pods(lab)
    os.kill(process_of(lab, "lateen.node.shim.init"), signal.SIGKILL)

    def back() -> bool:
        now = pods(lab)
        return {n: v[0] for n, v in now.items()} == {n: v[0] for n, v in before.items()} and all(
            ready and restarts > before[name][1] for name, (_, restarts, ready) in now.items()
        )

    until(back, f"the same pods, restarted: {pods(lab)}")
    logs = lab.kubectl("logs", "deploy/steady", "-c", "web", "-p")
    assert logs.returncode == 0, logs.stderr
    assert lab.kubectl("exec", "deploy/steady", "-c", "web", "--", "true").returncode == 0
