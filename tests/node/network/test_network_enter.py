"""Entering: PID 1 in private namespaces, and nothing that outlives its parent."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lateen.node.shim import enter

pytestmark = pytest.mark.netns

ENTER = [sys.executable, "-m", "lateen.node.shim.enter", "--lab", "test"]


def _descriptor(pid: int) -> int:
    return os.pidfd_open(pid)


def _ended(descriptors: list[int]) -> bool:
    """Wait until every process has ended, ten seconds at most."""
    return all(select.select([each], [], [], 10)[0] for each in descriptors)


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in children for each in _descendants(int(child)))]


def _start(*arguments: str) -> "subprocess.Popen[bytes]":
    script = "sleep 300 & echo ready; read forever"
    return subprocess.Popen(
        [*ENTER, *arguments, "--", "sh", "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def test_the_command_is_init_of_namespaces_of_its_own() -> None:
    script = "echo $$; id -u; cat /proc/sys/net/ipv4/ip_forward; grep -c : /proc/net/dev"
    script += "; echo $LATEEN_LAB"
    done = subprocess.run([*ENTER, "--", "sh", "-c", script], capture_output=True, text=True)
    assert done.stdout.split() == ["1", "0", "1", "1", "test"]
    assert done.stderr == ""
    assert done.returncode == 0


def test_the_exit_code_is_the_commands() -> None:
    assert subprocess.run([*ENTER, "--", "sh", "-c", "exit 7"]).returncode == 7
    assert subprocess.run([*ENTER, "--", "sh", "-c", "kill -9 $$; exit 3"]).returncode == 3
    missing = subprocess.run([*ENTER, "--", "/nonexistent"], capture_output=True, text=True)
    assert missing.returncode == 127
    assert "cannot run /nonexistent: No such file or directory" in missing.stderr


def test_usage() -> None:
    for arguments in (
        [],
        [
            "--",
        ],
        ["--what", "x", "--", "true"],
        ["--parent", "x", "--", "true"],
    ):
        done = subprocess.run([*ENTER, *arguments], capture_output=True, text=True)
        assert done.returncode == 64
        assert done.stderr.startswith("usage: ")


@pytest.mark.parametrize("victim", [0, 1, 2], ids=["outer", "init", "child of init"])
def test_kill_9_takes_down_what_is_below(victim: int) -> None:
    outer = _start()
    assert outer.stdout is not None
    assert outer.stdin is not None
    outer.stdout.readline()
    tree = _descendants(outer.pid)
    assert len(tree) == 3
    watched = [_descriptor(pid) for pid in tree[victim:]]
    os.kill(tree[victim], signal.SIGKILL)
    if victim == 2:
        outer.stdin.write(b"\n")
        outer.stdin.flush()
    assert _ended(watched)
    outer.wait(10)
    for each in watched:
        os.close(each)
    outer.stdin.close()
    outer.stdout.close()


def test_a_parent_that_died_before_takes_it_along() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    done = subprocess.run([*ENTER, "--parent", str(gone.pid), "--", "echo", "alive"], timeout=20)
    assert done.returncode == 137


@pytest.mark.parametrize("told", ["'--parent', str(os.getpid()), ", ""], ids=["told", "found"])
def test_a_parent_that_dies_takes_it_along(told: str) -> None:
    script = (
        "import os, subprocess, sys\n"
        f"lab = subprocess.Popen({ENTER!r} + [{told}'--', 'sh', '-c',"
        " 'echo up; sleep 300'], stdout=subprocess.PIPE)\n"
        "lab.stdout.readline(); print(lab.pid, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdout is not None
        watched = [_descriptor(pid) for pid in _descendants(int(parent.stdout.readline()))]
        assert len(watched) >= 2
        parent.kill()
        assert _ended(watched)
    for each in watched:
        os.close(each)


def test_probe_agrees_with_what_works() -> None:
    assert enter.probe() is None


def test_a_refusal_is_explained() -> None:
    """Inside a user namespace whose limit is zero, a real refusal of a real kernel."""
    script = (
        "import sys; from lateen.node.shim import enter\n"
        "open('/proc/sys/user/max_net_namespaces', 'w').write('0')\n"
        "print(enter.probe().cause)\n"
        "sys.exit(enter.main(['--lab', 'x', '--', 'true']))"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", script],
        capture_output=True,
        text=True,
    )
    if "unshare: " in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout == "user.max_net_namespaces is 0\n"
    assert done.returncode == 77
    assert "sudo sysctl -w user.max_net_namespaces=15000" in done.stderr
