"""Make a lab's private tree of namespaces and run its init in it.

    python -m lateen.node.shim.enter --lab NAME [--parent PID] -- COMMAND [ARG...]

Unshares user (with this user as its root, and its subordinate ids as other users, when not
privileged already), network, mount and pid
namespaces; the command becomes PID 1 there, so when it ends the kernel takes every process of the
lab with it. Nothing outlives its parent: each process asks to be killed with the one above it, and
looks afterwards whether that one is already gone (`--parent` tells which one it was, in case it
was gone before this program could look). Exit codes: the command's own, 128 + signal, 64
for a usage error, 77 when the kernel forbids namespaces. Standard library only, few imports.
"""

import ctypes
import errno
import fcntl
import os
import select
import signal
import socket
import struct
import sys
from collections.abc import Callable

from lateen.base import parentdeath
from lateen.node import permission
from lateen.node.shim.walls import subordinate

_NEW_NET = 0x40000000
_NEW_MOUNT = 0x00020000
_NEW_PID = 0x20000000
_MS_NOSUID_NODEV_NOEXEC = 0x2 | 0x4 | 0x8
_MS_PRIVATE_RECURSIVE = (1 << 18) | (1 << 14)
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1

_libc = ctypes.CDLL(None, use_errno=True)

_SYSCTLS = {
    "net/ipv4/ip_forward": "1",
    "net/ipv4/conf/all/rp_filter": "0",
    "net/ipv4/conf/default/rp_filter": "0",
    "net/ipv4/conf/all/send_redirects": "0",
    "net/ipv4/conf/default/send_redirects": "0",
    "net/ipv4/icmp_ratemask": "0",
    "net/ipv4/ip_unprivileged_port_start": "0",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}
"""A lab routes between its pods. A pod that reaches itself through a Service is routed back out of
the link it came from, for which the kernel would send redirects. Unreachable is said to every
packet, not once a second, or clients would wait for a time-out. IPv4 only for now."""


class StepFailed(OSError):
    """A step of entering was refused; `step` is one that `permission.diagnose` knows."""

    def __init__(self, step: str, code: int) -> None:
        super().__init__(code, f"{step}: {os.strerror(code)}")
        self.step = step


def _call(step: str, name: str, *arguments: object) -> None:
    if getattr(_libc, name)(*arguments) != 0:
        raise StepFailed(step, ctypes.get_errno())


def unshare_lab(privileged: bool) -> None:
    """Leave the caller's namespaces for new ones; the next child is PID 1. Raises StepFailed."""
    flags = _NEW_NET | _NEW_MOUNT | _NEW_PID
    if privileged:
        _call("unshare", "unshare", flags)
        return
    try:
        subordinate.leave(flags)
    except OSError as error:
        step = "unshare" if error.filename == "unshare" else "map"
        raise StepFailed(step, error.errno or errno.EPERM) from error


def prepare_mounts() -> None:
    """Keep mounts private to the lab. Raises StepFailed."""
    _call("mount", "mount", b"none", b"/", None, _MS_PRIVATE_RECURSIVE, None)


def mount_proc() -> bool:
    """Mount the pid namespace's own /proc; call as PID 1.

    Returns False where the kernel refuses, which it does inside a container whose /proc is masked;
    the old /proc stays then, with the outer process ids.
    """
    return (
        _libc.mount(b"proc", b"/proc", b"proc", _MS_NOSUID_NODEV_NOEXEC, None) == 0
        or ctypes.get_errno() == errno.EBUSY
    )


def prepare_network() -> None:
    """Set lo up and the kernel parameters of a router. Raises StepFailed."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            request = struct.pack("16sh14x", b"lo", 0)
            flags = struct.unpack_from("16sh", fcntl.ioctl(sock, _SIOCGIFFLAGS, request))[1]
            fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))
    except OSError as error:
        raise StepFailed("network", error.errno or errno.EPERM) from error
    for name, value in _SYSCTLS.items():
        _write_sysctl(name, value)


def _write_sysctl(name: str, value: str) -> None:
    try:
        with open(f"/proc/sys/{name}", "w") as file:
            file.write(value)
    except FileNotFoundError:
        return
    except OSError as error:
        if name == "net/ipv4/ip_forward":
            raise StepFailed("network", error.errno or errno.EPERM) from error


def die_with_parent(gone: Callable[[], bool]) -> None:
    """Ask for SIGKILL when the parent ends, and leave at once if `gone` says it has already.

    Asking first and looking second closes the gap between the two. To be asked again after any
    change of credentials, which clears it. To the kernel the parent is a thread: whoever starts
    this program does so from one that lives as long as the lab shall.
    """
    parentdeath.ask(signal.SIGKILL)
    if gone():
        os._exit(128 + signal.SIGKILL)


def probe() -> permission.Refusal | None:
    """Try all that `enter` will do, in a child that ends at once; None means that it works."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _probe_child(writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read().decode()
    os.waitpid(child, 0)
    if said == "ok":
        return None
    step, _, code = said.partition(" ")
    return permission.diagnose(step or "unshare", int(code or errno.EPERM), permission.gather())


def _probe_child(writer: int) -> None:
    """Say `ok` or the step and errno that failed. Never returns."""
    said = "unshare"
    try:
        unshare_lab(permission.may_administer())
        prepare_mounts()
        prepare_network()
        said = "ok"
    except StepFailed as failed:
        said = f"{failed.step} {failed.errno}"
    finally:
        os.write(writer, said.encode())
        os._exit(0)


def enter(command: list[str], lab: str, parent: int) -> int:
    """Run `command` as PID 1 of new namespaces; return its exit code. Raises StepFailed.

    `parent` is the process this one must not outlive: it ends at once when that is not its parent
    any more, and with it when that dies.
    """
    unshare_lab(permission.may_administer())
    die_with_parent(lambda: os.getppid() != parent)
    prepare_mounts()
    prepare_network()
    alive, witness = os.pipe()
    signal.pthread_sigmask(signal.SIG_BLOCK, _PASSED_ON)
    child = os.fork()
    if child == 0:
        os.close(witness)
        _become_init(command, lab, alive)
    os.close(alive)
    return _follow(child)


_PASSED_ON = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
"""Blocked when `command` begins: PID 1 would lose them for ever until it has handlers."""


def _become_init(command: list[str], lab: str, alive: int) -> None:
    """In the child: PID 1. `alive` is a pipe whose other end the parent holds. Never returns."""
    try:
        die_with_parent(lambda: bool(select.select([alive], [], [], 0)[0]))
        os.close(alive)
        if not mount_proc():
            sys.stderr.write("lateen: /proc is masked here: it shows the outer process ids\n")
        os.environ["LATEEN_LAB"] = lab
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"lateen: cannot run {command[0]}: {error.strerror}\n")
    finally:
        os._exit(127)


def _follow(child: int) -> int:
    """Wait for PID 1, handing on the signals that ask for an end."""

    def hand_on(number: int, _frame: object) -> None:
        os.kill(child, number)

    for number in _PASSED_ON:
        signal.signal(number, hand_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _PASSED_ON)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def main(arguments: list[str]) -> int:
    """Entry point; returns the exit code."""
    lab, parent, rest = "default", os.getppid(), list(arguments)
    try:
        while rest and rest[0] != "--":
            name, value = rest.pop(0), rest.pop(0)
            if name == "--lab":
                lab = value
            elif name == "--parent":
                parent = int(value)
            else:
                raise ValueError(name)
        command = rest[1:]
        if not command:
            raise ValueError("no command")
    except (ValueError, IndexError):
        sys.stderr.write(
            "usage: python -m lateen.node.shim.enter --lab NAME [--parent PID] -- COMMAND\n"
        )
        return 64
    try:
        return enter(command, lab, parent)
    except StepFailed as failed:
        refusal = permission.diagnose(failed.step, failed.errno or errno.EPERM, permission.gather())
        sys.stderr.write(f"lateen: {refusal}\n")
        return permission.EXIT_REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
