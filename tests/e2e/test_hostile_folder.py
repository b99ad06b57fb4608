"""A lab that is started in a folder of a stranger's modules runs none of them, anywhere."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import hostile_modules
from tests.e2e.labs import Lab
from tests.e2e.test_lifecycle import await_that, healthy, processes

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

SCRIPT = str(Path(sys.executable).with_name("lateen"))

TRAPPED = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: trap}
data:
  trap: |
    import os
    os._exit(66)
---
apiVersion: v1
kind: Pod
metadata: {name: trapped, labels: {sidecar.istio.io/inject: "true"}}
spec:
  volumes:
  - name: trap
    configMap:
      name: trap
      items:
      - {key: trap, path: select.py}
      - {key: trap, path: sitecustomize.py}
      - {key: trap, path: lateen/__init__.py}
  containers:
"""
CONTAINER = """\
  - name: {name}
    image: {image}
    workingDir: /trap
    env: [{{name: PYTHONPATH, value: "/trap:"}}, {{name: PYTHONHOME, value: /trap}}]
    volumeMounts: [{{name: trap, mountPath: /trap}}]
"""
IMAGES = {"web": "mendhak/http-https-echo", "echo": "istio/tcp-echo-server:1.2"}
"""Stand-ins of every kind: one that serves HTTP and makes its certificate, one that serves TCP."""


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Lab:
    """A lab whose commands are typed in the folder that it was started from."""
    lab = make_lab("trap")
    folder = lab.home / "folder"
    folder.mkdir()
    hostile_modules.trap(folder)
    manifests = TRAPPED + "".join(CONTAINER.format(name=n, image=i) for n, i in IMAGES.items())
    (folder / "pods.yaml").write_text(manifests, encoding="utf-8")
    return lab


def typed(lab: Lab, *command: str) -> str:
    """Type a command in the folder; it must succeed. Returns what it printed."""
    there = ("env", f"--chdir={lab.home}/folder")
    done = lab.run(*there, *command, timeout=90)
    said = f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    assert "HOSTILE" not in said
    assert done.returncode == 0, said
    return done.stdout


def test_no_process_of_a_lab_runs_what_lies_in_the_folder(lab: Lab) -> None:
    """Started as `./run lateen` does, with variables that name the folder; then by the script."""
    ran = lab.home / "folder" / "ran"
    variables = (f"PYTHONPATH=:{lab.home}/folder", f"PYTHONSTARTUP={lab.home}/folder/site.py")
    typed(lab, "env", *variables, sys.executable, "-I", SCRIPT, "up", ".", "--timeout", "60")
    assert not ran.exists(), ran.read_text()
    for command in (["status"], ["get", "pods"], ["tap", "--help"], ["apply", "-f", "."]):
        typed(lab, SCRIPT, *command)
    typed(lab, SCRIPT, "exec", "trapped", "-c", "istio-proxy", "--", "pilot-agent", "version")
    for name in ("agent", "plane", "shim"):
        os.kill(processes(lab)[name], signal.SIGKILL)
        await_that(lambda: healthy(lab), f"after the {name} was killed: {lab.logs()}")
    assert not ran.exists(), ran.read_text()
    working = {os.readlink(f"/proc/{pid}/cwd") for pid in processes(lab).values()}
    assert working == {"/"}
    typed(lab, SCRIPT, "down")
    assert not ran.exists(), ran.read_text()
