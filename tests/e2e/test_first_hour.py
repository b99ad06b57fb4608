"""What a newcomer types in the first hour, on a project of their own: kustomized, with kinds of
other projects in it, and with a container that crashes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lateen.cli.manifests import kustomize
from tests.e2e.labs import Lab

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(kustomize.command() is None, reason="neither kubectl nor kustomize is here"),
]

WEB = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80}]
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx}]}
"""
FOREIGN = """\
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: web}
spec: {endpoints: [{port: http}]}
"""
RULE = """\
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: web}
spec:
  host: %s
  trafficPolicy: {tls: {mode: DISABLE}}
"""
CRASH = """\
apiVersion: v1
kind: Pod
metadata: {name: crash, labels: {app: crash}}
spec:
  containers:
  - name: app
    image: busybox
    command: [sh, -c, "echo starting; echo cannot open config.json >&2; exit 3"]
"""


class Watched:
    """A lab under `lateen up --watch`, and what that has said so far."""

    def __init__(self, lab: Lab, folder: Path, log: Path) -> None:
        self.lab, self.folder, self.log = lab, folder, log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lateen.cli.entry", "up", "-k", "over", "--watch"],
                env=lab.env,
                cwd=folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    def said(self, text: str, seconds: float = 40.0) -> str:
        """Return all that was said, once it holds a text."""
        deadline = time.monotonic() + seconds
        while text not in (found := self.log.read_text()):
            assert time.monotonic() < deadline, f"it did not say {text!r}:\n{found}"
            assert self.process.poll() is None, f"it ended:\n{found}"
            time.sleep(0.05)
        return found


@pytest.fixture(scope="module")
def watched(
    make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("project")
    for name, text in {
        "base/web.yaml": WEB,
        "base/monitor.yaml": FOREIGN,
        "base/rule.yaml": RULE % "web",
        "base/kustomization.yaml": "resources: [web.yaml, monitor.yaml, rule.yaml]\n",
        "over/kustomization.yaml": "resources: [../base]\nnamePrefix: test-\n",
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    made = Watched(make_lab("first"), folder, folder / "log")
    made.said("watching the manifests")
    yield made
    with contextlib.suppress(ProcessLookupError):
        os.killpg(made.process.pid, signal.SIGTERM)
    made.process.wait(20)


def test_a_foreign_kind_stops_nothing_and_is_kept(watched: Watched) -> None:
    said = watched.said("watching")
    assert said.count("[LTN0090]") == 1
    assert "base/monitor.yaml:1: ServiceMonitor (monitoring.coreos.com/v1)" in said
    assert "test-web" in watched.lab.ok("get", "servicemonitors")


def test_a_finding_names_the_line_in_the_file_below_the_kustomization(watched: Watched) -> None:
    """The rule's host is not renamed by kustomize: it names a Service that is not there."""
    assert "base/rule.yaml:5" in watched.lab.ok("status")
    assert watched.lab.lateen("status", "--exit-code").returncode == 0, "it is but a warning"
    strict = ("status", "--exit-code", "--failure-threshold", "warning")
    assert watched.lab.lateen(*strict).returncode == 79


def test_a_dry_run_tells_findings_over_what_the_lab_holds(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "more.yaml"
    file.write_text(RULE % "test-web")
    done = watched.lab.lateen("apply", "--dry-run", "-f", str(file), "--fail-on", "info")
    assert "destinationrule.networking.istio.io/web created (server dry run)" in done.stdout
    assert "base/rule.yaml" not in done.stderr, "the lab's manifests come without their lines"
    assert "[IST0174] (DestinationRule default/test-web)" in done.stderr, (
        "the rule that the lab holds already names no Service"
    )
    assert done.returncode == 79
    assert watched.lab.lateen("get", "dr", "web").returncode == 1


def test_a_changed_manifest_is_applied_again_and_a_removed_one_goes(watched: Watched) -> None:
    (watched.folder / "base" / "rule.yaml").write_text(RULE % "test-web")
    watched.said("destinationrule.networking.istio.io/test-web configured")
    base = watched.folder / "base" / "kustomization.yaml"
    base.write_text("resources: [web.yaml, nosuch.yaml]\n")
    watched.said("nosuch.yaml: no such file or directory")
    base.write_text("resources: [web.yaml]\n")
    watched.said('destinationrule.networking.istio.io "test-web" deleted')
    assert watched.lab.lateen("get", "dr", "test-web").returncode == 1
    assert watched.lab.lateen("get", "svc", "test-web").returncode == 0


def test_a_crash_is_told_with_its_exit_code_and_last_lines(
    watched: Watched, tmp_path: Path
) -> None:
    lab, file = watched.lab, tmp_path / "crash.yaml"
    file.write_text(CRASH)
    lab.lateen("apply", "-f", str(file), "--no-wait")
    deadline = time.monotonic() + 30
    while "CrashLoopBackOff" not in (shown := lab.ok("status")):
        assert time.monotonic() < deadline, shown
        time.sleep(0.1)
    problems = shown.partition("PROBLEMS\n")[2].partition("\n\n")[0]
    assert "container app ended with exit code 3" in problems
    assert "    | starting\n    | cannot open config.json\n" in problems
    advised = problems.partition("`")[2].partition("`")[0].removeprefix("lateen ")
    assert "cannot open config.json" in lab.ok(*advised.split())
    many = lab.ok("logs", "-l", "app=crash", "--all-containers", "--prefix", "--tail", "1")
    assert "[pod/crash/app] cannot open config.json\n" in many


def test_an_image_that_cannot_be_had_is_not_waited_for(watched: Watched, tmp_path: Path) -> None:
    file = tmp_path / "image.yaml"
    file.write_text(CRASH.replace("crash", "noimage").replace("busybox", "example.com/none:1"))
    began = time.monotonic()
    done = watched.lab.lateen("apply", "-f", str(file))
    assert time.monotonic() - began < 20, "it waited for what cannot come"
    assert done.returncode == 1
    assert "pod default/noimage: " in done.stderr
    assert "no stand-in is known for example.com/none" in done.stderr
    watched.lab.ok("delete", "-f", str(file))


def test_a_watch_goes_on_with_changes(watched: Watched, tmp_path: Path) -> None:
    lab, log = watched.lab, tmp_path / "watch"
    with log.open("wb") as output:
        process = subprocess.Popen(
            lab.command(sys.executable, "-m", "lateen.cli.entry", "get", "configmaps", "-w"),
            env=lab.env,
            stdout=output,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
    try:
        file = tmp_path / "map.yaml"
        file.write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: watched-for}\n")
        deadline = time.monotonic() + 20
        while "NAME " not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        lab.ok("apply", "-f", str(file), "--no-wait")
        while "watched-for" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()


def test_labs_are_listed(watched: Watched) -> None:
    (row,) = (line for line in watched.lab.ok("ls").splitlines() if line.startswith("first "))
    assert " up " in row
    assert str(watched.folder / "over") in row


def test_a_check_tells_the_machine_and_the_lab(watched: Watched) -> None:
    watched.lab.lateen("delete", "pod", "crash")
    done = watched.lab.lateen("check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✔ nftables with nat: " in done.stdout
    assert "✔ Envoy: 1." in done.stdout
    assert "walls: root in a container is uid " in done.stdout
    assert "✔ pods: 2 of 2 are ready" in done.stdout


def test_the_demo_tells_four_outcomes_and_commands_that_work(watched: Watched) -> None:
    lab = watched.lab
    env = {**lab.env, "LATEEN_COMMAND": "./run lateen"}
    argv = lab.command(sys.executable, "-m", "lateen.cli.entry", "demo", "--lab", "shown")
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    outcomes = [line.split() for line in done.stdout.splitlines() if line.startswith("GET ")]
    assert [words[3] for words in outcomes] == ["200", "200", "200", "503"]
    assert "    remedy: " in done.stdout
    assert "{'" not in done.stdout, "a remedy is a text"
    advised = [x.split("lateen ")[1] for x in done.stdout.splitlines() if "./run lateen " in x]
    assert [words.split()[0] for words in advised] == ["curl", "status", "down"]
    for words in advised:
        lab.ok(*words.split())


def test_a_watch_of_files_ends_and_leaves_the_lab(watched: Watched) -> None:
    os.kill(watched.process.pid, signal.SIGINT)
    assert watched.process.wait(10) == 0
    assert watched.lab.lateen("get", "pods").returncode == 0
