"""Which system calls a container's programs may not make: a program for the kernel. Pure.

The list is of what a container runtime's default leaves out, as far as it is a way into the kernel
or around a namespace; the rest is allowed, as tools come with any. Everything is refused that is
called through another architecture's numbers (32-bit programs, x32), where the list would not hold.
"""

import errno
import functools
import struct
from collections.abc import Mapping
from typing import NamedTuple

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24
"""Where the kernel puts a call's number, its architecture, and the low half of two arguments."""
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_X32 = 0x40000000
_NEW_USER = 0x10000000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
_SOCKETS = (1, 2, 10, 16, 17)
"""AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET. For others the kernel would load modules that
are hardly ever used, or they lead past the network: AF_ALG to its ciphers, AF_VSOCK to the host."""


class _Machine(NamedTuple):
    audit: int
    numbers: Mapping[str, int]


_NEWER = {
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "clone3": 435,
    "mount_setattr": 442, "quotactl_fd": 443, "open_tree_attr": 467,
}  # fmt: skip
"""The same on all architectures."""
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E,
        _NEWER
        | {
            "ioctl": 16, "socket": 41, "clone": 56, "chown": 92, "fchown": 93, "lchown": 94,
            "syslog": 103,
            "setuid": 105, "setgid": 106, "setreuid": 113, "setregid": 114, "setgroups": 116,
            "setresuid": 117, "setresgid": 119, "setfsuid": 122, "setfsgid": 123, "uselib": 134,
            "ustat": 136, "sysfs": 139, "pivot_root": 155, "acct": 163, "settimeofday": 164,
            "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168, "reboot": 169,
            "iopl": 172, "ioperm": 173, "init_module": 175, "delete_module": 176, "quotactl": 179,
            "lookup_dcookie": 212, "clock_settime": 227, "kexec_load": 246, "add_key": 248,
            "request_key": 249, "keyctl": 250, "fchownat": 260, "unshare": 272,
            "perf_event_open": 298, "open_by_handle_at": 304, "clock_adjtime": 305, "setns": 308,
            "finit_module": 313, "kexec_file_load": 320, "bpf": 321, "userfaultfd": 323,
        },
    ),
    "aarch64": _Machine(
        0xC00000B7,
        _NEWER
        | {
            "lookup_dcookie": 18, "ioctl": 29, "umount2": 39, "mount": 40, "pivot_root": 41,
            "fchownat": 54, "fchown": 55, "quotactl": 60, "acct": 89, "unshare": 97,
            "kexec_load": 104, "init_module": 105, "delete_module": 106, "clock_settime": 112,
            "syslog": 116, "reboot": 142,
            "setregid": 143, "setgid": 144, "setreuid": 145, "setuid": 146,
            "setresuid": 147, "setresgid": 149, "setfsuid": 151, "setfsgid": 152,
            "setgroups": 159, "settimeofday": 170, "socket": 198, "add_key": 217,
            "request_key": 218, "keyctl": 219, "clone": 220, "swapon": 224, "swapoff": 225,
            "perf_event_open": 241, "open_by_handle_at": 265, "clock_adjtime": 266, "setns": 268,
            "finit_module": 273, "bpf": 280, "userfaultfd": 282, "kexec_file_load": 294,
        },
    ),
}  # fmt: skip

_OWN = frozenset({
    "setuid", "setgid", "setreuid", "setregid", "setgroups", "setresuid", "setresgid", "setfsuid",
    "setfsgid", "chown", "fchown", "lchown", "fchownat",
})  # fmt: skip
"""Calls that change a user or an owner."""
_LOOKED_INTO = frozenset({"ioctl", "socket", "clone", "unshare", "clone3"})


@functools.cache
def program(machine: str, *, one_user: bool) -> bytes:
    """Return the filter for a machine (`uname -m`); nothing for one that is not known. It is made
    once: processes that are forked afterwards have it.

    With `one_user`, where no user but 0 exists, calls that change a user or an owner do nothing
    and succeed: programs that insist on them go on as who they are.
    """
    known = _MACHINES.get(machine)
    if known is None:
        return b""
    forbidden = [n for name, n in known.numbers.items() if name not in _OWN | _LOOKED_INTO]
    steps: list[_Step] = [
        _Step(_LOAD, _ARCHITECTURE),
        _Step(_EQUAL, known.audit, no="absent"),
        _Step(_LOAD, _NUMBER),
        _Step(_AT_LEAST, _X32, yes="absent"),
        *(_Step(_EQUAL, number, yes="forbidden") for number in sorted(forbidden)),
        # A program finds its flags in memory, where a filter cannot look: glibc then uses `clone`.
        _Step(_EQUAL, known.numbers["clone3"], yes="absent"),
    ]
    if one_user:
        own = sorted(n for name, n in known.numbers.items() if name in _OWN)
        steps += [_Step(_EQUAL, number, yes="done") for number in own]
    steps += [
        _Step(_EQUAL, known.numbers["clone"], yes="flags"),
        _Step(_EQUAL, known.numbers["unshare"], yes="flags"),
        _Step(_EQUAL, known.numbers["ioctl"], yes="request"),
        _Step(_EQUAL, known.numbers["socket"], yes="family"),
        _Step(_RETURN, _ALLOW),
        _Step(_LOAD, _FIRST, label="flags"),
        _Step(_ANY_BIT, _NEW_USER, yes="forbidden", no="allowed"),
        _Step(_LOAD, _SECOND, label="request"),
        _Step(_EQUAL, _TIOCSTI, yes="forbidden"),
        _Step(_EQUAL, _TIOCLINUX, yes="forbidden", no="allowed"),
        _Step(_LOAD, _FIRST, label="family"),
        *(_Step(_EQUAL, family, yes="allowed") for family in _SOCKETS),
        _Step(_RETURN, _ERRNO | errno.EAFNOSUPPORT),
        _Step(_RETURN, _ALLOW, label="allowed"),
        _Step(_RETURN, _ERRNO | errno.EPERM, label="forbidden"),
        _Step(_RETURN, _ERRNO | errno.ENOSYS, label="absent"),
        _Step(_RETURN, _ERRNO, label="done"),
    ]
    return _assembled(steps)


class _Step(NamedTuple):
    code: int
    value: int
    yes: str = ""
    no: str = ""
    label: str = ""


def _assembled(steps: list[_Step]) -> bytes:
    places = {step.label: index for index, step in enumerate(steps) if step.label}
    words = []
    for index, step in enumerate(steps):
        yes, no = (places[to] - index - 1 if to else 0 for to in (step.yes, step.no))
        words.append(struct.pack("<HBBI", step.code, yes, no, step.value))
    return b"".join(words)
