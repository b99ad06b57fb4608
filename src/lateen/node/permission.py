"""Why the kernel will not give us namespaces, and what to do about it.

`diagnose` decides from facts alone; `gather` reads the facts. Standard library only and quick to
import, because the command line asks before it starts anything.
"""

import errno
import os
from typing import NamedTuple

EXIT_REFUSED = 77
"""EX_NOPERM of sysexits.h: the kernel forbids what a lab needs."""

_USERS = 1 << 16


class Facts(NamedTuple):
    """What the system says of itself; None where it has no such file."""

    uid: int = 1000
    clone_allowed: int | None = None
    """kernel.unprivileged_userns_clone (Debian's and Arch's patch): 0 forbids."""
    max_user_namespaces: int | None = None
    """user.max_user_namespaces: 0 forbids."""
    max_net_namespaces: int | None = None
    apparmor_restricts: int | None = None
    """kernel.apparmor_restrict_unprivileged_userns (Ubuntu 23.10 and later): 1 forbids."""
    has_user_namespaces: bool = True
    """/proc/self/ns/user exists, so the kernel was built with CONFIG_USER_NS."""
    has_net_namespaces: bool = True
    seccomp: int = 0
    """Seccomp of /proc/self/status: 2 means that a filter is installed."""
    container: str = ""
    """The container runtime that holds us, if one says so: docker, podman, lxc …"""
    chrooted: bool = False
    """`/` is no mount point: this is a chroot."""


class Refusal(NamedTuple):
    """A cause, and the ways out of it, one sentence each."""

    cause: str
    remedies: tuple[str, ...]

    def __str__(self) -> str:
        ways = "".join(f"\n  - {remedy}" for remedy in self.remedies)
        return f"this system does not let a lab make its namespaces: {self.cause}{ways}"


_AS_ROOT = "or run lateen as root, which needs no user namespace"


def diagnose(step: str, code: int, facts: Facts) -> Refusal:
    """Name the cause of a failed step (`unshare`, `map`, `mount`, `network`) with errno `code`."""
    if not facts.has_net_namespaces:
        return Refusal(
            "the kernel was built without network namespaces (CONFIG_NET_NS)",
            ("use a kernel with CONFIG_NET_NS=y; every distribution's own kernel has it",),
        )
    if facts.uid != 0 and not facts.has_user_namespaces:
        return Refusal(
            "the kernel was built without user namespaces (CONFIG_USER_NS)",
            ("use a kernel with CONFIG_USER_NS=y", _AS_ROOT),
        )
    if code == errno.ENOSPC or facts.max_user_namespaces == 0 or facts.max_net_namespaces == 0:
        return _limit(facts)
    if facts.uid != 0 and facts.clone_allowed == 0:
        return Refusal(
            "kernel.unprivileged_userns_clone is 0",
            (
                "allow it: sudo sysctl -w kernel.unprivileged_userns_clone=1"
                " (to keep it: a file in /etc/sysctl.d)",
                _AS_ROOT,
            ),
        )
    if facts.chrooted:
        return _chroot(facts)
    if facts.container or facts.seccomp == 2:
        return _container(facts)
    if facts.apparmor_restricts == 1:
        return _apparmor()
    log = "look at the kernel's log (dmesg) for the security module that refused"
    ways = (log, _AS_ROOT) if facts.uid != 0 else (log,)
    return Refusal(f"the step '{step}' failed: {os.strerror(code)}", ways)


def _chroot(facts: Facts) -> Refusal:
    """The kernel makes no user namespace below a chroot, and changes no mounts of its root."""
    what = "user namespaces" if facts.uid else "a private view of the mounts"
    return Refusal(
        f"this is a chroot, where the kernel makes no {what}",
        (
            "run lateen outside the chroot",
            "or enter the folder as a root of its own: systemd-nspawn -D FOLDER, or pivot_root",
        ),
    )


def _limit(facts: Facts) -> Refusal:
    name = (
        "user.max_net_namespaces" if facts.max_net_namespaces == 0 else "user.max_user_namespaces"
    )
    value = facts.max_net_namespaces if facts.max_net_namespaces == 0 else facts.max_user_namespaces
    if value == 0:
        return Refusal(f"{name} is 0", (f"allow some: sudo sysctl -w {name}=15000", _AS_ROOT))
    more = (value or 0) * 2 or 15000
    return Refusal(
        "the limit on namespaces is used up, or they are nested too deep (32 levels)",
        (
            "end other labs and containers (lateen down --lab NAME)",
            f"or raise the limits: sudo sysctl -w user.max_user_namespaces={more}"
            f" user.max_net_namespaces={more}",
        ),
    )


def _container(facts: Facts) -> Refusal:
    where = f"the container ({facts.container})" if facts.container else "a seccomp filter"
    need = "namespaces" if facts.uid else "namespaces, although the user is root"
    return Refusal(
        f"{where} forbids {need}",
        (
            "docker or podman: run it with --security-opt seccomp=unconfined"
            " --security-opt systempaths=unconfined --security-opt apparmor=unconfined",
            "or give the container's root the right: --cap-add SYS_ADMIN --cap-add NET_ADMIN"
            " --security-opt apparmor=unconfined",
            "or run lateen outside the container",
        ),
    )


def _apparmor() -> Refusal:
    return Refusal(
        "AppArmor restricts unprivileged user namespaces"
        " (kernel.apparmor_restrict_unprivileged_userns is 1)",
        (
            "allow them: sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
            "or allow this Python alone: a profile in /etc/apparmor.d with the rule 'userns,'",
            _AS_ROOT,
        ),
    )


def gather() -> Facts:
    """Read the facts of this system."""
    return Facts(
        uid=os.geteuid(),
        clone_allowed=_number("/proc/sys/kernel/unprivileged_userns_clone"),
        max_user_namespaces=_number("/proc/sys/user/max_user_namespaces"),
        max_net_namespaces=_number("/proc/sys/user/max_net_namespaces"),
        apparmor_restricts=_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns"),
        has_user_namespaces=os.path.exists("/proc/self/ns/user"),
        has_net_namespaces=os.path.exists("/proc/self/ns/net"),
        seccomp=int(_status("Seccomp") or 0),
        container=_container_name(),
        chrooted=_chrooted(),
    )


def may_administer() -> bool:
    """Return whether this process may make namespaces and links without a user namespace.

    Root in a container often may not: CAP_SYS_ADMIN (21) and CAP_NET_ADMIN (12) decide, not the
    uid.
    """
    needed = 1 << 21 | 1 << 12
    return int(_status("CapEff") or "0", 16) & needed == needed


def has_users(uid_map: str = "/proc/self/uid_map") -> bool:
    """Return whether this process's namespace has the user ids that pods may ask for (16 bits).

    Where root may not administer, or is root of a namespace of one user only, its lab has no other
    user id than 0: being root does not tell.
    """
    try:
        with open(uid_map) as file:
            ranges = sorted(tuple(map(int, line.split())) for line in file)
    except (OSError, ValueError):
        return False
    reached = 0
    for first, _outside, count in ranges:
        if first > reached:
            break
        reached = first + count
    return reached >= _USERS


def is_machines_root(uid_map: str = "/proc/self/uid_map") -> bool:
    """Return whether user 0 of this process's namespace is user 0 of the one above it."""
    try:
        with open(uid_map) as file:
            return any(line.split()[:2] == ["0", "0"] for line in file)
    except OSError:
        return False


def _number(path: str) -> int | None:
    try:
        with open(path) as file:
            return int(file.read())
    except (OSError, ValueError):
        return None


def _status(field: str) -> str:
    try:
        with open("/proc/self/status") as file:
            for line in file:
                if line.startswith(field + ":"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return ""


def _chrooted() -> bool:
    """Return whether no file system is mounted at what this process sees as `/`."""
    try:
        with open("/proc/self/mountinfo") as file:
            points = [line.split()[4] for line in file]
    except OSError:
        return False
    return bool(points) and "/" not in points


def _container_name() -> str:
    if os.path.exists("/.dockerenv"):
        return "docker"
    if os.path.exists("/run/.containerenv"):
        return "podman"
    try:
        with open("/run/systemd/container") as file:
            return file.read().strip()
    except OSError:
        return ""
