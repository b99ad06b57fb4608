"""What is said when the kernel forbids namespaces: the cause and the ways out."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lateen.node import permission
from lateen.node.permission import Facts

CASES = [
    ("unshare", errno.EPERM, Facts(clone_allowed=0), "unprivileged_userns_clone is 0", "sysctl -w"),
    ("unshare", errno.ENOSPC, Facts(max_user_namespaces=0), "max_user_namespaces is 0", "=15000"),
    ("unshare", errno.ENOSPC, Facts(max_user_namespaces=9), "used up", "lateen down"),
    ("unshare", errno.ENOSPC, Facts(max_net_namespaces=0), "max_net_namespaces is 0", "=15000"),
    ("map", errno.EPERM, Facts(apparmor_restricts=1), "AppArmor restricts", "userns,"),
    ("mount", errno.EACCES, Facts(apparmor_restricts=1), "AppArmor restricts", "userns=0"),
    (
        "unshare",
        errno.EPERM,
        Facts(container="docker", seccomp=2),
        "(docker)",
        "seccomp=unconfined",
    ),
    ("unshare", errno.EPERM, Facts(seccomp=2), "a seccomp filter", "outside the container"),
    ("unshare", errno.EPERM, Facts(uid=0, seccomp=2), "although the user is root", "SYS_ADMIN"),
    ("unshare", errno.EINVAL, Facts(has_user_namespaces=False), "CONFIG_USER_NS", "as root"),
    ("unshare", errno.EINVAL, Facts(uid=0, has_net_namespaces=False), "CONFIG_NET_NS", "kernel"),
    ("unshare", errno.EPERM, Facts(chrooted=True), "a chroot", "outside the chroot"),
    ("mount", errno.EINVAL, Facts(uid=0, chrooted=True), "a chroot", "systemd-nspawn"),
    ("network", errno.EROFS, Facts(), "'network' failed: Read-only file system", "dmesg"),
]


@pytest.mark.parametrize(("step", "code", "facts", "cause", "remedy"), CASES)
def test_the_cause_is_named(step: str, code: int, facts: Facts, cause: str, remedy: str) -> None:
    refusal = permission.diagnose(step, code, facts)
    assert cause in refusal.cause
    assert any(remedy in each for each in refusal.remedies)
    assert str(refusal).count("\n  - ") == len(refusal.remedies)


def test_root_is_not_told_to_be_root() -> None:
    assert "as root" in str(permission.diagnose("mount", errno.EINVAL, Facts()))
    assert "as root" not in str(permission.diagnose("mount", errno.EINVAL, Facts(uid=0)))


@pytest.mark.skipif(os.getuid() != 0, reason="only root may change its root")
def test_a_chroot_is_told_by_its_mounts(tmp_path: Path) -> None:
    assert not permission.gather().chrooted
    (tmp_path / "proc").mkdir()
    asked = (
        "import os; from lateen.node import permission; os.chroot(os.getcwd()); "
        "print(permission.gather().chrooted)"
    )
    script = 'mount --rbind /proc proc && exec "$0" -c "$1"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, sys.executable, asked],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "True\n", done.stderr


def test_facts_are_read_from_this_system() -> None:
    facts = permission.gather()
    assert facts.has_net_namespaces
    assert facts.max_net_namespaces is None or facts.max_net_namespaces >= 0
