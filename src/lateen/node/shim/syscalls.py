"""The few Linux calls that Python 3.11 lacks, by ctypes. Each raises OSError naming the call.

`PyDLL` keeps the interpreter lock: the callers are single-threaded processes that fork.
"""

import ctypes
import os
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MNT_DETACH = 2

_MOUNT_SETATTR = 442
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_ATTR_RDONLY = 1
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
LAST_CAPABILITY = 40

_IGNORED_BY_PYTHON = (signal.SIGPIPE, signal.SIGXFSZ)
_CHANGED = (*_IGNORED_BY_PYTHON, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

_libc = ctypes.PyDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


def _text(value: str | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def unshare(flags: int) -> None:
    """Leave the namespaces named by the flags for new ones."""
    _check(_libc.unshare(flags), "unshare")


def setns(fd: int, kind: int) -> None:
    """Join the namespace behind a descriptor."""
    _check(_libc.setns(fd, kind), "setns")


def mount(
    source: str | None, target: str, kind: str | None, flags: int = 0, data: str | None = None
) -> None:
    """Mount."""
    result = _libc.mount(
        _text(source), _text(target), _text(kind), ctypes.c_ulong(flags), _text(data)
    )
    _check(result, f"mount {target}")


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Make a file or a tree visible at a second place."""
    mount(source, target, None, MS_BIND | MS_REC)
    if read_only:
        make_read_only(target)


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns", ctypes.c_uint64),
    )


def make_read_only(target: str, *, recursive: bool = True) -> None:
    """Refuse writing through the mount at `target` (Linux 5.12)."""
    attributes = _MountAttr(_ATTR_RDONLY, 0, 0, 0)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(_AT_FDCWD),
        _text(target),
        ctypes.c_uint(_AT_RECURSIVE if recursive else 0),
        ctypes.byref(attributes),
        ctypes.c_size_t(ctypes.sizeof(attributes)),
    )
    _check(result, f"mount_setattr {target}")


def detach(target: str) -> None:
    """Take a mount tree away; what is in use ends with its last user."""
    _check(_libc.umount2(_text(target), MNT_DETACH), f"umount {target}")


def pivot_root(root: str, old: str) -> None:
    """Make `root` the root directory, and put the old one at `old` inside it."""
    _check(_libc.pivot_root(_text(root), _text(old)), "pivot_root")


def sethostname(name: str) -> None:
    """Set the host name of the uts namespace."""
    encoded = name.encode()
    _check(_libc.sethostname(encoded, len(encoded)), "sethostname")


def reset_signals() -> None:
    """Give signals the meaning that a program expects which begins: Python ignores some, and a
    process that was forked has its parent's handlers."""
    signal.set_wakeup_fd(-1)
    for number in _CHANGED:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())


def no_new_privileges() -> None:
    """Let no program run later gain rights: not by set-user-id bits, not by file capabilities."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def limit_capabilities(keep: frozenset[int]) -> None:
    """Take every capability but these from the bounding set: no program run later has more."""
    for capability in range(LAST_CAPABILITY + 1):
        if capability not in keep:
            _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "capabilities")
