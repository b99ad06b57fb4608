"""One lab, and what people do to it with kubectl: the newest as root, the oldest as another user.

A case is a line of shell and the shape of what it prints; the pods are in kubectl/pods.yaml.
"""

import os
import pty
import re
import select
import signal
import subprocess
import termios
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.kubectl_cases import LOOKING
from tests.e2e.labs import KUBECTLS, ROOT, USERS, Lab
from tests.e2e.shells import Case, Shell

pytestmark = pytest.mark.e2e

PODS = ROOT / "tests" / "e2e" / "kubectl" / "pods.yaml"
SPDY = {
    "KUBECTL_REMOTE_COMMAND_WEBSOCKETS": "false",
    "KUBECTL_PORT_FORWARD_WEBSOCKETS": "false",
}
TRANSPORTS = [pytest.param({}, id="websocket"), pytest.param(SPDY, id="spdy")]
SETTLED = {
    "condition=Ready pod/full pod/probed pod/typed pod/db-0 pod/db-1": "",
    "condition=Available deployment/web": "",
    "condition=Complete job/once": "",
    "condition=Failed job/fails": "",
    "jsonpath={.status.phase}=Succeeded pod/native": "",
    "jsonpath={.status.numberReady}=1 daemonset/each": "",
    "jsonpath={.status.containerStatuses[0].state.waiting.reason}=CrashLoopBackOff pod/crash": "",
    "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff pod/unknown": "",
    "jsonpath={.status.containerStatuses[0].restartCount}=1 pod/unwell": "",
}
"""What `kubectl wait` waits for before the first case."""


@pytest.fixture(scope="module", params=USERS)
def lab(make_lab: Callable[..., Lab], request: pytest.FixtureRequest) -> Iterator[Lab]:
    """The lab, with everything in the state that its cases expect."""
    made = make_lab("kubectl", ordinary=request.param)
    made.ok("up")
    shell = Shell(made, KUBECTLS[0])
    shell(f"kubectl apply -f {PODS}")
    for wanted in SETTLED:
        shell(f"kubectl wait --timeout=25s --for={wanted}")
    shell("kubectl exec full -c main -- curl -s localhost")  # its log is looked at
    yield made
    made.ok("down")


@pytest.fixture
def shell(lab: Lab) -> Shell:
    return Shell(lab, lab.version)


@pytest.fixture
def newest(lab: Lab) -> Shell:
    return Shell(lab, KUBECTLS[0])


@pytest.fixture(params=TRANSPORTS)
def streams(lab: Lab, request: pytest.FixtureRequest) -> Shell:
    """By websockets with both kubectls; the oldest can still speak SPDY, which root's lab hears."""
    spdy = bool(request.param)
    if spdy and lab.ordinary:
        pytest.skip("the protocol is spoken to root's lab")
    return Shell(lab, KUBECTLS[1] if spdy else lab.version, request.param)


def until(seen: Callable[[], bool], what: str, seconds: float = 10.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


# -- looking -------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", LOOKING.values(), ids=LOOKING)
def test_looking(shell: Shell, case: Case) -> None:
    shell.run(case)


# -- streams -----------------------------------------------------------------------------------


def test_standard_input_goes_through(streams: Shell) -> None:
    line = "head -c 3000000 /dev/zero | tr '\\0' x | kubectl exec -i full -c main -- wc -c"
    streams.run(Case(line, (r"^\s*3000000$",)))


def test_exec_codes_and_errors(streams: Shell) -> None:
    streams.run(Case("kubectl exec full -c main -- sh -c 'echo o; echo e >&2; exit 3'", ("3$",), 3))
    streams.run(Case("kubectl exec full -c main -- none", ("executable file not found",), 1))
    streams.run(Case("kubectl exec full -c none -- id", ("container none is not valid",), 1))


def test_cp_both_ways(streams: Shell) -> None:
    name = f"{streams.version}-{len(streams.env)}"
    streams(f"head -c 200000 /dev/urandom > {name}")
    streams(f"kubectl cp {name} full:/shared/{name} -c main")
    streams(f"kubectl cp full:/shared/{name} {name}.back -c main")
    streams(f"cmp {name} {name}.back")


def read_until(fd: int, wanted: str, seconds: float = 10.0) -> str:
    """Read a terminal until something was shown."""
    seen, deadline = b"", time.monotonic() + seconds
    while wanted.encode() not in seen:
        ready, _, _ = select.select([fd], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{wanted!r} was not shown: {seen!r}"
        seen += os.read(fd, 4096)
    return seen.decode(errors="replace")


def test_a_terminal_and_its_size(streams: Shell) -> None:
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (33, 99))
    process = streams.start(
        "exec kubectl exec -it full -c main -- sh", stdin=slave, stdout=slave, stderr=slave
    )
    os.close(slave)
    try:
        os.write(master, b"tty; until test \"$(stty size)\" != '0 0'; do :; done; stty size\n")
        assert "/dev/pts/" in read_until(master, "33 99")
        termios.tcsetwinsize(master, (40, 120))
        process.send_signal(signal.SIGWINCH)
        os.write(master, b"until test \"$(stty size)\" = '40 120'; do :; done; echo wi''der\n")
        read_until(master, "wider")
        os.write(master, b"exit 4\n")
        assert process.wait(10) == 4
    finally:
        process.kill()
        process.wait(10)
        os.close(master)


def test_attach_hands_lines_in_and_out(streams: Shell) -> None:
    process = streams.start("exec kubectl attach -i typed", stdin=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write("hello\n")
        process.stdin.flush()
        until(lambda: process.stdout.readline() == "got hello\n", "the answer")
    finally:
        process.kill()
        process.wait(10)


@pytest.mark.parametrize("target", ["pod/probed :80", "svc/web :8080", "deploy/web :80"])
def test_port_forward(streams: Shell, target: str) -> None:
    process = streams.start(f"exec kubectl port-forward {target}")
    assert process.stdout is not None
    try:
        found = re.search(r"127\.0\.0\.1:(\d+) -> 80", process.stdout.readline())
        assert found
        for _ in range(3):
            with urllib.request.urlopen(f"http://127.0.0.1:{found[1]}/", timeout=10) as answer:
                assert b"Welcome to nginx" in answer.read()
    finally:
        process.kill()
        process.wait(10)


def test_logs_follow(shell: Shell) -> None:
    process = shell.start("exec kubectl logs -f full -c clock --tail=1")
    assert process.stdout is not None
    try:
        numbers = [int(process.stdout.readline().split()[1]) for _ in range(4)]
    finally:
        process.kill()
        process.wait(10)
    assert numbers == list(range(numbers[0], numbers[0] + 4))


BARE = "--restart=Never --labels sidecar.istio.io/inject=false --image=busybox"


def test_run_attaches_and_removes(streams: Shell) -> None:
    name = f"r{len(streams.env)}-{streams.version[-2:]}"
    streams.run(
        Case(
            f"echo piped | kubectl run {name} --rm -i {BARE} -- cat",
            ("^piped$", f'^pod "{name}" deleted'),
        )
    )
    streams.run(Case(f"kubectl run {name} --rm --attach {BARE} -- sh -c 'exit 5'", code=5))
    streams.run(Case(f"kubectl get pod {name}", ("NotFound",), 1))


def test_run_with_a_terminal(newest: Shell) -> None:
    line = f"kubectl run typist --rm -it {BARE} -- sh -c 'tty; echo bye'"
    newest.run(Case(f'script -qec "{line}" /dev/null', ("/dev/pts/", "bye", "deleted")))


# -- changing ----------------------------------------------------------------------------------


def test_a_deployment_rolls_out_back_and_restarts(shell: Shell) -> None:
    status = "kubectl rollout status deploy/web --timeout=20s"
    rolled = Case(status, ('^deployment "web" successfully rolled out$',))
    other = f"1.{shell.version[-2:]}"
    shell("kubectl set image deploy/web web=nginx:" + other)
    shell.run(rolled)
    image = "kubectl get deploy web -o jsonpath={..image}"
    assert shell(image) == f"nginx:{other}"
    shell.run(Case("kubectl rollout history deploy/web", (r"^REVISION +CHANGE-CAUSE$", r"^\d+ ")))
    shell("kubectl rollout undo deploy/web")
    shell.run(rolled)
    assert shell(image) != f"nginx:{other}"
    before = shell("kubectl get pods -l app=web -o name")
    shell("kubectl rollout restart deploy/web")
    shell.run(rolled)
    shell("kubectl wait --for=delete --timeout=20s " + " ".join(before.split()))
    assert not set(before.split()) & set(shell("kubectl get pods -l app=web -o name").split())


def test_a_paused_rollout_waits_for_resume(newest: Shell) -> None:
    images = "kubectl get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}"
    newest("kubectl rollout pause deploy/web && kubectl set image deploy/web web=nginx:paused")
    newest.run(Case("kubectl rollout status deploy/web --timeout=1s", ("Waiting for",), 1))
    assert "nginx:paused" not in newest(images)
    newest("kubectl rollout resume deploy/web && kubectl rollout status deploy/web --timeout=20s")
    assert "nginx:paused" in newest(images)


def test_scale_and_wait(shell: Shell) -> None:
    shell("kubectl scale deploy/web --replicas=3")
    shell("kubectl wait --for=jsonpath={.status.readyReplicas}=3 deploy/web --timeout=20s")
    shell("kubectl scale deploy/web --replicas=2 --current-replicas=3")
    shell.run(Case("kubectl scale deploy/web --replicas=9 --current-replicas=7", code=1))
    shell("kubectl wait --for=jsonpath={.status.replicas}=2 deploy/web --timeout=20s")


def test_a_stateful_set_and_a_daemon_set_restart(newest: Shell) -> None:
    newest("kubectl rollout restart sts/db ds/each")
    newest("kubectl rollout status sts/db --timeout=30s")
    newest("kubectl rollout status ds/each --timeout=30s")
    newest("kubectl wait --for=condition=Ready --timeout=20s pod/db-0 pod/db-1")


def test_a_cron_jobs_job(newest: Shell) -> None:
    newest("kubectl create job --from=cronjob/nightly tonight")
    newest("kubectl wait --for=condition=Complete job/tonight --timeout=20s")
    newest.run(Case("kubectl logs job/tonight", ("^nightly$",)))
    newest("kubectl delete job tonight")
    newest.run(Case("kubectl get pods -l job-name=tonight", ("No resources found",)))


LEAVING = """\
apiVersion: v1
kind: Pod
metadata: {name: leaving, labels: {sidecar.istio.io/inject: "false"}}
spec:
  terminationGracePeriodSeconds: %d
  containers: [{name: app, image: busybox, command: [sh, -c, "%s; while :; do sleep 0.1; done"]}]
"""
DELETIONS = {
    "an orderly end": (20, "trap 'exit 0' TERM", "", 0.0, 5.0),
    "grace that runs out": (2, "trap '' TERM", "", 1.8, 8.0),
    "less grace": (60, "trap '' TERM", "--grace-period=1", 0.8, 8.0),
    "at once": (60, "trap '' TERM", "--now", 0.8, 8.0),
    "by force": (60, "trap '' TERM", "--grace-period=0 --force", 0.0, 5.0),
}


@pytest.mark.parametrize("deletion", DELETIONS.values(), ids=DELETIONS)
def test_deletion_gives_the_grace_it_says(
    newest: Shell, deletion: tuple[int, str, str, float, float]
) -> None:
    grace, trap, flags, shortest, longest = deletion
    manifest = newest.lab.home / "leaving.yaml"
    manifest.write_text(LEAVING % (grace, trap))
    newest(f"kubectl apply -f {manifest} && kubectl wait --for=condition=Ready pod/leaving")
    begun = time.monotonic()
    newest.run(Case(f"kubectl delete pod leaving {flags}", ('^pod "leaving" (force )?deleted',)))
    took = time.monotonic() - begun
    assert shortest <= took < longest, took
    newest.run(Case("kubectl get pod leaving", ("NotFound",), 1))


def test_a_watch_shows_what_happens(shell: Shell) -> None:
    shell("kubectl create cm watched --from-literal=a=1")
    process = shell.start("exec kubectl get cm watched -w --output-watch-events --no-headers")
    assert process.stdout is not None
    try:
        seen = [process.stdout.readline().split()[:3]]
        shell('kubectl patch cm watched -p \'{"data":{"b":"c"}}\' && kubectl delete cm watched')
        seen += [process.stdout.readline().split()[:3] for _ in range(2)]
    finally:
        process.kill()
        process.wait(10)
    assert seen == [
        ["ADDED", "watched", "1"],
        ["MODIFIED", "watched", "2"],
        ["DELETED", "watched", "2"],
    ]


KUSTOMIZATION = """\
namePrefix: staged-
configMapGenerator: [{name: words, literals: [a=1], options: {disableNameSuffixHash: true}}]
"""
PRUNED = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: {}, labels: {{set: pruned}}}}
"""


def test_kustomize_prune_diff_and_edit(shell: Shell) -> None:
    folder = shell.lab.home / f"folder-{shell.version}"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text(KUSTOMIZATION)
    shell.run(Case(f"kubectl apply -k {folder}", ("^configmap/staged-words created$",)))
    (folder / "kustomization.yaml").write_text(KUSTOMIZATION.replace("a=1", "a=2"))
    shell.run(Case(f"kubectl diff -k {folder}", (r'^-  a: "1"$', r'^\+  a: "2"$'), 1))
    editor = "sed -i 's/^  a: .*/  a: edited/'"
    shell.run(Case(f'KUBE_EDITOR="{editor}" kubectl edit cm staged-words', ("edited$",)))
    assert shell("kubectl get cm staged-words -o jsonpath={.data.a}") == "edited"
    shell(f"kubectl delete -k {folder}")
    kept, dropped = Path(folder / "kept.yaml"), Path(folder / "dropped.yaml")
    for path in (kept, dropped):
        path.write_text(PRUNED.format(path.stem))
    shell(f"kubectl apply -f {kept} -f {dropped}")
    prune = f"kubectl apply -f {kept} --prune -l set=pruned --prune-allowlist=core/v1/ConfigMap"
    shell.run(Case(prune, ("^configmap/kept unchanged$", "^configmap/dropped pruned$")))
    shell("kubectl delete cm kept")
