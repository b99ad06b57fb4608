"""Pods from which a lab is attacked, and who asks for that. See `attacks`."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.e2e.labs import ORDINARY, Lab, kubectl_path

ATTACKS = (Path(__file__).parent / "attacks.py").read_text()
PYTHON = sys.executable
SECRET = "a secret of the host"
FAR = 60
"""Seconds that pods may take to come to what they come to."""
PODS = """\
apiVersion: v1
kind: Pod
metadata: {name: attacker, labels: {sidecar.istio.io/inject: "false"}}
spec:
  volumes: [{name: v, emptyDir: {}}]
  containers:
  - name: app
    image: busybox
    command: [sleep, "3600"]
    volumeMounts: [{name: v, mountPath: /v}]
---
apiVersion: v1
kind: Pod
metadata: {name: other, labels: {sidecar.istio.io/inject: "false"}}
spec:
  containers:
  - {name: app, image: busybox, command: [sleep, "3600"]}
---
apiVersion: v1
kind: Pod
metadata: {name: third, labels: {sidecar.istio.io/inject: "false"}}
spec:
  containers:
  - {name: app, image: busybox, command: [sleep, "3600"]}
---
apiVersion: v1
kind: Pod
metadata: {name: meshed}
spec:
  containers:
  - {name: app, image: busybox, command: [sleep, "3600"]}
"""


class Attacked:
    """A lab with pods, and a folder of its user's that no pod may see."""

    def __init__(self, lab: Lab, secret: Path, others: list[Path]) -> None:
        self.lab = lab
        self.secret = secret
        self.others = others

    def attack(self, pod: str, name: str, *args: str, container: str = "app") -> list[str]:
        """Run an attack in a pod; returns the lines of what it got."""
        command = ["exec", "-i", pod, "-c", container, "--", PYTHON, "-", name, *args]
        done = self.lab.run(*self.kubectl(*command), stdin=ATTACKS)
        assert "Traceback" not in done.stderr, done.stderr
        assert "SyntaxError" not in done.stderr, done.stderr
        return str(done.stdout).splitlines()

    def begun(self, pod: str, name: str, *args: str) -> "subprocess.Popen[str]":
        """Begin an attack that goes on."""
        command = ["exec", "-i", pod, "--", PYTHON, "-", name, *args]
        begun = subprocess.Popen(
            self.lab.command(*self.kubectl(*command)),
            env=self.lab.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert begun.stdin is not None
        begun.stdin.write(ATTACKS)
        begun.stdin.close()
        return begun

    def kubectl(self, *args: str) -> list[str]:
        return [kubectl_path("kubectl-1.37"), *args]

    def apply(self, text: str) -> None:
        """Apply manifests, and wait for nothing."""
        done = self.lab.run(*self.kubectl("apply", "-f", "-"), stdin=text)
        assert done.returncode == 0, done.stderr

    def in_pod(self, pod: str, script: str) -> str:
        done = self.lab.kubectl("exec", pod, "--", "sh", "-c", f"exec 2>&1; {script}")
        return str(done.stdout)

    def asked(self, *args: str) -> str:
        done = self.lab.kubectl(*args)
        assert done.returncode == 0, done.stderr
        return str(done.stdout)

    def ip(self, pod: str) -> str:
        return self.asked("get", "pod", pod, "-o", "jsonpath={.status.podIP}")

    def until(self, done: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + FAR
        while not done():
            assert time.monotonic() < deadline, f"not in {FAR} s: {what}{self.lab.logs()}"
            time.sleep(0.1)

    def logs(self, pod: str, containers: list[str]) -> str:
        """Return what containers said, those that have started."""
        return "".join(self.lab.kubectl("logs", pod, "-c", name).stdout for name in containers)

    def containers(self, pod: str) -> dict[str, str]:
        """Return how often each container of a pod has started or failed to, and its state."""
        states = self.asked(
            "get", "pod", pod, "-o",
            "jsonpath={range .status.containerStatuses[*]}{.name} {.state}{'\\n'}{end}",
        )  # fmt: skip
        return dict(line.split(" ", 1) for line in states.splitlines() if " " in line)


def _folder(parent: str, uid: int, mode: int) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="lateen-secret-", dir=parent))
    (folder / "key").write_text(SECRET)
    for path in (folder / "key", folder):
        os.chown(path, uid, uid)
        path.chmod(mode | (0o100 if path == folder else 0))
    return folder


@contextlib.contextmanager
def attack(made: Lab) -> Iterator[Attacked]:
    """Begin a lab with pods, and make folders of the host that are its user's, or for all to
    read."""
    uid = ORDINARY if made.ordinary else os.getuid()
    parents = [p for p in ("/opt", "/srv", "/home") if os.access(p, os.W_OK)]
    secret = _folder("/var/tmp", uid, 0o600)
    others = [_folder(parent, uid, 0o644) for parent in parents]
    made.ok("up")
    made.ok("apply", "-f", "-", stdin=PODS)
    lab = Attacked(made, secret, others)
    lab.asked("wait", "--for=condition=Ready", "pod", "--all", "--timeout=30s")
    try:
        yield lab
    finally:
        made.ok("down")
        for folder in (secret, *others):
            shutil.rmtree(folder, ignore_errors=True)
