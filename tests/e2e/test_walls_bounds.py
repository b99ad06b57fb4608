"""What one pod takes is not the others': in a lab of root's and in an ordinary user's."""

import pytest

from tests.e2e.attacked import PODS, PYTHON, Attacked

pytestmark = pytest.mark.e2e

BOMB = """\
apiVersion: v1
kind: Pod
metadata: {{name: bomb, labels: {{sidecar.istio.io/inject: "false"}}}}
spec:
  restartPolicy: Never
  containers:
  - name: app
    image: busybox
    command: [{python}, -c, "held = bytearray(96 << 20); import time; time.sleep(60)"]
    resources: {{limits: {{memory: 48Mi}}}}
"""


GREEDY = """\
apiVersion: v1
kind: Pod
metadata: {name: greedy, labels: {sidecar.istio.io/inject: "false"}}
spec:
  restartPolicy: Never
  volumes: [{name: v, emptyDir: {sizeLimit: 8Mi}}]
  containers:
  - name: app
    image: busybox
    command: [sh, -c, "head -c 64M /dev/zero > /v/full; ls -l /v; exec sleep 3600"]
    volumeMounts: [{name: v, mountPath: /v}]
---
apiVersion: v1
kind: Pod
metadata: {name: chatty, labels: {sidecar.istio.io/inject: "false"}}
spec:
  containers:
  - {name: app, image: busybox, command: ["yes", "and so on and so on and so on"]}
"""
MOST = 4096


def test_what_one_pod_wastes_is_not_the_others(attacked: Attacked) -> None:
    attacked.apply(BOMB.format(python=PYTHON))
    assert attacked.attack("attacker", "bounds") == [f"processes {MOST} {MOST}"]
    assert attacked.attack("attacker", "fill", "/dev/shm/full", "400") == ["filled 256"]
    attacked.in_pod("attacker", "rm /dev/shm/full")
    assert attacked.in_pod("other", "echo goes on > /tmp/x; cat /tmp/x") == "goes on\n"
    reason = "jsonpath={.status.containerStatuses[0].state.terminated.reason}"
    attacked.until(
        lambda: attacked.asked("get", "pod", "bomb", "-o", reason) == "OOMKilled", "the end"
    )
    attacked.lab.kubectl("delete", "pod", "bomb", "--now")


@pytest.mark.parametrize(
    ("attack", "argument", "most"), [("forks", "3", MOST), ("descriptors", "20000", 1 << 20)]
)
def test_a_pod_that_takes_all_it_can_get_stands_alone(
    attacked: Attacked, attack: str, argument: str, most: int
) -> None:
    begun = attacked.begun("attacker", attack, argument)
    assert begun.stdout is not None
    said, _, number = begun.stdout.readline().partition(" ")
    assert said == attack
    assert 1000 < int(number) <= most
    assert attacked.in_pod("other", f"{PYTHON} -c 'import os; print(os.fork() >= 0)'")
    assert attacked.in_pod("third", "echo goes on | cat") == "goes on\n"
    attacked.asked("delete", "pod", "third", "attacker", "--now")
    begun.wait()
    attacked.apply(PODS)
    attacked.asked("wait", "--for=condition=Ready", "pod/third", "pod/attacker", "--timeout=30s")


def test_what_one_pod_watches_is_not_the_others(attacked: Attacked) -> None:
    begun = attacked.begun("attacker", "watchers")
    assert begun.stdout is not None
    assert begun.stdout.readline() == "watchers 32\n"
    assert attacked.attack("other", "watchers", "once") == ["watchers 32"]
    attacked.in_pod("attacker", "rm /dev/shm/held")
    begun.wait()


def test_what_one_pod_writes_is_bounded(attacked: Attacked) -> None:
    attacked.apply(GREEDY)
    logs = attacked.lab.home / "state" / "walls" / "logs"

    def written() -> list[int]:
        return [path.stat().st_size for path in logs.glob("default_chatty_*/app/*")]

    attacked.until(lambda: len(written()) == 3, "its log was rotated")
    status = "jsonpath={.status.phase} {.status.reason} {.status.message}"
    expected = 'Failed Evicted Usage of EmptyDir volume "v" exceeds the limit "8Mi".'
    attacked.until(
        lambda: attacked.asked("get", "pod", "greedy", "-o", status).strip() == expected,
        "its eviction",
    )
    assert attacked.in_pod("other", "echo goes on > /tmp/x; cat /tmp/x") == "goes on\n"
    assert sum(written()) < 40 << 20
    told = ("get", "events", "--field-selector", "reason=Evicted")
    attacked.until(lambda: "pod/greedy" in attacked.asked(*told), "its Event")
    attacked.lab.kubectl("delete", "pod", "greedy", "chatty", "--now")
    held = attacked.lab.home / "state" / "walls" / "volumes"
    attacked.until(lambda: not list(held.glob("*/v/full")), "its volume is gone")
