"""Tries, in namespaces that end with the trial, what a lab asks of the kernel.

Every trial is the call that a lab makes, not a look at a version or a setting: kernels are patched,
and security modules refuse what they have.
"""

import contextlib
import ctypes
import functools
import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence

from lateen.node import permission
from lateen.node.net import netlink, nftwire, redirect
from lateen.node.net.podnetwork import CaptureOptions
from lateen.node.shim import enter, root, syscalls
from lateen.node.shim.walls import groups, ids, seccomp

_AT_FDCWD = -100
_OPENAT2, _OPEN_TREE, _MOUNT_SETATTR = 437, 428, 442
_SECCOMP = {"x86_64": 317, "aarch64": 277, "riscv64": 277, "ppc64le": 358, "s390x": 348}
_RESOLVE_IN_ROOT = 0x10
_OPEN_TREE_CLONE = 1
_AT_EMPTY_PATH = 0x1000
_ATTR_IDMAP = 0x100000
_GET_ACTION_AVAIL = 2
_KILL_PROCESS = 0x80000000
_NEW_USER = 0x10000000

_libc = ctypes.CDLL(None, use_errno=True)


def run(directories: Sequence[str] = ()) -> Mapping[str, str]:
    """Return by trial's name why it failed, empty for one that worked. Where `namespaces` fails
    (`STEP ERRNO`) nothing else is tried. `directories` are to be shown to containers: a lab's state
    and sockets; those that are not there yet are passed over."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _first(writer, [one for one in directories if os.path.isdir(one)])
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        said = answer.read()
    os.waitpid(child, 0)
    found: dict[str, str] = json.loads(said or b'{"namespaces": "unshare 1"}')
    return found


def _first(writer: int, directories: Sequence[str]) -> None:
    """Enter namespaces as a lab does, and try from a process inside. Never returns."""
    found: dict[str, str] = {}
    try:
        enter.unshare_lab(permission.may_administer())
        enter.prepare_mounts()
        enter.prepare_network()
        inside = os.fork()
        if inside:
            os.waitpid(inside, 0)
            os._exit(0)
        enter.mount_proc()
        trials: dict[str, Callable[[], None]] = {**_TRIALS}
        trials["overlay"] = functools.partial(_overlay, directories)
        trials["container ids"] = functools.partial(_container_ids, directories)
        found = {"namespaces": "", **{name: _tried(trial) for name, trial in trials.items()}}
    except enter.StepFailed as failed:
        found = {"namespaces": f"{failed.step} {failed.errno}"}
    finally:
        os.write(writer, json.dumps(found).encode())
        os._exit(0)


def _tried(trial: Callable[[], None]) -> str:
    try:
        trial()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _capture_rules() -> None:
    """The nat rules of a pod with a sidecar."""
    table = redirect.ruleset(CaptureOptions())
    with netlink.open_netlink(None, netlink.NETFILTER) as socket:
        nftwire.apply(socket, nftwire.create(table))


def _with_scratch(act: Callable[[str], None]) -> None:
    """Call with a folder on a file system of this trial's own."""
    folder = tempfile.mkdtemp(prefix="lateen-check-")
    try:
        syscalls.mount("tmpfs", folder, "tmpfs")
        try:
            act(folder)
        finally:
            syscalls.detach(folder)
    finally:
        os.rmdir(folder)


def _overlay(directories: Sequence[str]) -> None:
    """A container's root over what the host has, and over an image in a lab's state."""

    def act(folder: str) -> None:
        for name in ("upper", "work", "merged"):
            os.mkdir(f"{folder}/{name}")
        for lower in ("/usr", *directories):
            options = f"lowerdir={lower},upperdir={folder}/upper,workdir={folder}/work,userxattr"
            try:
                syscalls.mount("overlay", f"{folder}/merged", "overlay", 0, options)
            except OSError as error:
                raise OSError(error.errno, f"{error.strerror}, over {lower}") from error
            syscalls.detach(f"{folder}/merged")

    _with_scratch(act)


def _open_below() -> None:
    """A path that cannot lead out of its root."""
    how = (ctypes.c_uint64 * 3)(os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY)
    try:
        os.close(
            _call(_OPENAT2, ctypes.c_int(root), b"proc", ctypes.byref(how), ctypes.c_size_t(24))
        )
    finally:
        os.close(root)


def _idmapped() -> None:
    """A file system that shows its files under other ids."""
    users = _other_users()

    def act(folder: str) -> None:
        tree = _call(
            _OPEN_TREE,
            ctypes.c_int(_AT_FDCWD),
            os.fsencode(folder),
            ctypes.c_uint(_OPEN_TREE_CLONE),
        )
        attributes = (ctypes.c_uint64 * 4)(_ATTR_IDMAP, 0, 0, users)
        try:
            _call(
                _MOUNT_SETATTR,
                ctypes.c_int(tree),
                b"",
                ctypes.c_uint(_AT_EMPTY_PATH),
                ctypes.byref(attributes),
                ctypes.c_size_t(32),
            )
        finally:
            os.close(tree)

    try:
        _with_scratch(act)
    finally:
        os.close(users)


def _other_users() -> int:
    """Return a descriptor of a user namespace whose user 0 is this one's."""
    ready, done = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        with contextlib.suppress(OSError):
            syscalls.unshare(_NEW_USER)
            os.write(ready[1], b".")
        os.close(ready[1])
        os.close(done[1])
        os.read(done[0], 1)
        os._exit(0)
    os.close(ready[1])
    os.close(done[0])
    try:
        if not os.read(ready[0], 1):
            raise OSError(1, "a user namespace inside the lab is refused")
        for name in ("uid_map", "gid_map"):
            with open(f"/proc/{child}/{name}", "w") as file:
                file.write("0 0 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(done[1])
        os.close(ready[0])
        os.waitpid(child, 0)


def _container_ids(directories: Sequence[str]) -> None:
    """Ids for containers that are nobody's on the host, and files that show under them."""
    found = ids.of_lab("check", (*directories, "/usr"))
    if found.users >= 0:
        os.close(found.users)
    if found.why:
        raise OSError(1, found.why)
    if found.number == 1:
        raise OSError(1, "there is one user id here, the lab's own")
    if not found.first:
        raise OSError(1, "only root may have ids that are nobody's")


def _users() -> None:
    """Users of a lab beside its root."""
    if not permission.has_users():
        raise OSError(1, "only one user id can be had")


def _bounds() -> None:
    """What keeps one pod from taking what is the others': see `walls.limits`."""
    if not os.path.exists("/proc/sys/user/max_inotify_instances"):
        raise OSError(38, "watches are counted for the whole machine")
    if shutil.which("du") is None:
        raise OSError(2, "there is no du, which counts what volumes hold")
    if not root.counts_processes_by_namespace():
        raise OSError(38, "processes are counted by user, not by container")


def _memory() -> None:
    """Control groups for a lab, which bound its containers' memory: see `walls.groups`."""
    made = groups.of_lab("check", str(os.getpid()), 0)
    if not made.bound:
        raise OSError(38, "no control group of version 2 that hands out memory may be made")
    made.close()


def _filters() -> None:
    """Filters of system calls that end the process, and the list of calls for this machine."""
    if not seccomp.program(platform.machine(), one_user=False):
        raise OSError(38, f"no list of system calls is known for {platform.machine()}")
    number = _SECCOMP.get(platform.machine())
    if number is None:
        raise OSError(38, f"not known for {platform.machine()}")
    action = ctypes.c_uint32(_KILL_PROCESS)
    _call(number, ctypes.c_uint(_GET_ACTION_AVAIL), ctypes.c_uint(0), ctypes.byref(action))


def _call(number: int, *arguments: object) -> int:
    """Make a system call. Raises OSError."""
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


_TRIALS: Mapping[str, Callable[[], None]] = {
    "capture rules": _capture_rules,
    "openat2": _open_below,
    "idmapped mounts": _idmapped,
    "seccomp": _filters,
    "bounds": _bounds,
    "memory": _memory,
    "users": _users,
}
