"""The few Linux calls that Python 3.11 lacks, by ctypes. Each raises OSError naming the call.

`PyDLL` keeps the interpreter lock: the callers are single-threaded processes that fork.
"""

import ctypes
import errno
import os
import signal
from collections.abc import Iterable

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MNT_DETACH = 2

ATTR_READ_ONLY = 1
ATTR_NO_DEVICES = 4
_ATTR_IDMAP = 0x100000

BENEATH = 0x08
IN_ROOT = 0x10
NO_LINKS = 0x04
_NO_MAGIC_LINKS = 0x02
_TRIES_OF_A_RACE = 128
"""How often a path is looked up again while somebody renames parts of it."""

_MOUNT_SETATTR, _OPEN_TREE, _MOVE_MOUNT, _CLOSE_RANGE, _OPENAT2 = 442, 428, 429, 436, 437
"""The same on all architectures, as all system calls since Linux 5.1."""
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_AT_EMPTY_PATH = 0x1000
_OPEN_TREE_CLONE = 1
_FROM_EMPTY_PATH, _TO_EMPTY_PATH = 0x04, 0x40
_LAST_DESCRIPTOR = 0xFFFFFFFF
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP, _SECCOMP_FILTER = 22, 2
_PR_CAPBSET_DROP = 24
_PR_SET_NO_NEW_PRIVS = 38
LAST_CAPABILITY = 40
_CAPABILITY_VERSION = 0x20080522

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
    _set_attributes(_AT_FDCWD, target, ATTR_READ_ONLY, recursive=recursive)


def set_attributes(tree: int, attributes: int, users: int = -1, *, recursive: bool = True) -> None:
    """Change a detached mount: refuse what the attributes name and, with `users`, show its files
    under the ids of that user namespace (Linux 5.12)."""
    _set_attributes(tree, "", attributes, users, recursive=recursive)


def _set_attributes(
    fd: int, path: str, attributes: int, users: int = -1, *, recursive: bool
) -> None:
    idmap = (_ATTR_IDMAP, users) if users >= 0 else (0, 0)
    given = _MountAttr(attributes | idmap[0], 0, 0, idmap[1])
    flags = (_AT_RECURSIVE if recursive else 0) | (0 if path else _AT_EMPTY_PATH)
    result = _libc.syscall(
        ctypes.c_long(_MOUNT_SETATTR),
        ctypes.c_int(fd),
        _text(path),
        ctypes.c_uint(flags),
        ctypes.byref(given),
        ctypes.c_size_t(ctypes.sizeof(given)),
    )
    _check(result, f"mount_setattr {path}")


def clone_tree(fd: int, path: str = "", *, recursive: bool = True) -> int:
    """Return a detached copy of the mount of a file or directory: `path` below `fd`, or `fd`."""
    flags = _OPEN_TREE_CLONE | os.O_CLOEXEC | (_AT_RECURSIVE if recursive else 0)
    result = _libc.syscall(
        ctypes.c_long(_OPEN_TREE),
        ctypes.c_int(fd),
        _text(path),
        ctypes.c_uint(flags | (0 if path else _AT_EMPTY_PATH)),
    )
    _check(result, f"open_tree {path}")
    return int(result)


def attach(tree: int, target: int) -> None:
    """Mount a detached tree at an opened file or directory."""
    result = _libc.syscall(
        ctypes.c_long(_MOVE_MOUNT),
        ctypes.c_int(tree),
        b"",
        ctypes.c_int(target),
        b"",
        ctypes.c_uint(_FROM_EMPTY_PATH | _TO_EMPTY_PATH),
    )
    _check(result, "move_mount")


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def open_below(root: int, path: str, flags: int, resolve: int = IN_ROOT) -> int:
    """Open a path that may not leave the directory `root`, whatever links it has (Linux 5.6).

    With `IN_ROOT` links lead as if it were the root directory; with `BENEATH` one that leads out
    is EXDEV. Links of /proc that lead to files themselves are never followed.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, 0, resolve | _NO_MAGIC_LINKS)
    result = -1
    for _ in range(_TRIES_OF_A_RACE):
        result = _libc.syscall(
            ctypes.c_long(_OPENAT2),
            ctypes.c_int(root),
            _text(path),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
        if result >= 0 or ctypes.get_errno() != errno.EAGAIN:
            break
    _check(result, path)
    return int(result)


def enter_root(root: str) -> None:
    """Make `root` the root directory, and leave the old one behind for good."""
    old = os.open("/", os.O_DIRECTORY | os.O_CLOEXEC)
    new = os.open(root, os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fchdir(new)
        _check(_libc.pivot_root(b".", b"."), "pivot_root")
        os.fchdir(old)  # it lies over the new one now
        detach(".")
        os.chdir("/")
    finally:
        os.close(old)
        os.close(new)


def detach(target: str) -> None:
    """Take a mount tree away; what is in use ends with its last user."""
    _check(_libc.umount2(_text(target), MNT_DETACH), f"umount {target}")


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


def close_others(keep: Iterable[int]) -> None:
    """Close every descriptor beyond the standard ones but these."""
    first = 3
    for fd in (*sorted(set(keep) - {0, 1, 2}), _LAST_DESCRIPTOR + 1):
        if fd > first:
            _libc.syscall(
                ctypes.c_long(_CLOSE_RANGE),
                ctypes.c_uint(first),
                ctypes.c_uint(fd - 1),
                ctypes.c_uint(0),
            )
        first = fd + 1


def hide() -> None:
    """Keep this process's memory, files and program from others in its namespaces, until it
    becomes another program."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "dumpable")


def become_files_owner(uid: int) -> None:
    """Make files as another user from now on, with the right to reach those of others kept.

    The kernel takes the rights over files away from whoever is no longer 0; they are taken up
    again from those that the process may have.
    """
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)
    take_up_rights()


def take_up_rights() -> None:
    """Make every right effective that this process may have."""
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()
    _check(_libc.capget(header, sets), "capget")
    sets[0], sets[3] = sets[1], sets[4]
    _check(_libc.capset(header, sets), "capset")


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def filter_calls(program: bytes) -> None:
    """Have every system call looked at by a program of the kernel's packet filter."""
    given = _Program(len(program) // 8, program)
    result = _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_FILTER, ctypes.byref(given), 0, 0)
    _check(result, "seccomp")


def no_new_privileges() -> None:
    """Let no program run later gain rights: not by set-user-id bits, not by file capabilities."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def limit_capabilities(keep: frozenset[int]) -> None:
    """Take every capability but these from the bounding set: no program run later has more."""
    for capability in range(LAST_CAPABILITY + 1):
        if capability not in keep:
            _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "capabilities")
