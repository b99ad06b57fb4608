"""Starting processes: fork, join namespaces, build the root directory, exec.

The parent's part takes one fork; all the rest happens in the child, so containers are built side
by side. A child reports through a pipe that closes by itself when exec succeeds.
"""

import contextlib
import errno
import fcntl
import os
import resource
import termios
import time
from collections.abc import Callable
from typing import NamedTuple, NoReturn

from lateen.node.shim import protocol, root, syscalls
from lateen.node.shim.copies import Copy
from lateen.node.shim.protocol import ContainerSpec
from lateen.node.shim.walls import groups, ids, limits, places, seccomp
from lateen.node.shim.walls.ids import Ids, Pod

_FAILED = 127
_LOOKS, _BETWEEN_LOOKS = 4, 0.002
_AT_REST = 20
"""Looks at a process that is not at rest for which one at rest counts."""
_SIGWAIT = ("128", "137")
"""rt_sigtimedwait: x86-64, and what all newer architectures share."""


class Streams(NamedTuple):
    """What becomes a process's descriptors 0, 1 and 2. `terminal` makes 0 its controlling one."""

    stdin: int
    stdout: int
    stderr: int
    terminal: bool = False


class Child(NamedTuple):
    """A process between fork and exec; `report` says how that went."""

    pid: int
    report: int


class _Walls(NamedTuple):
    """What a child goes behind before it becomes its program."""

    user: int
    """Descriptor of the pod's user namespace."""
    ids: Ids


class StartFailed(Exception):
    """The child could not get as far as its program."""

    def __init__(self, code: int, step: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.step = step


def container(
    spec: ContainerSpec,
    streams: Streams,
    pod: tuple[str, Pod],
    own_pid_ns: int,
    host: root.HostView,
    joined: int = 0,
    copy: Copy | None = None,
    group: int = -1,
) -> Child:
    """Start a container in new mount and uts namespaces, in the namespaces of its pod (whose uid is
    given with them); its pid namespace is new too, or that of the process `joined`. With `copy`,
    that process becomes the container; what is forked here makes its namespaces and ends. `group`
    is its control group. Raises OSError."""
    uid, space = pod

    def prepare() -> None:
        if copy is None:
            groups.join(group)
        syscalls.setns(space.net, syscalls.CLONE_NEWNET)
        syscalls.unshare(syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS)
        root.enter(host, spec, uid)
        if spec.hostname:
            syscalls.sethostname(spec.hostname)
        if copy is None:
            syscalls.setns(space.ipc, syscalls.CLONE_NEWIPC)

    def finish(reporter: int) -> None:
        assert copy is not None
        copy.become(spec, host.ids, space, (*streams[:3], reporter))

    if beside := copy.pid if copy else joined:
        theirs = _namespace(beside, "pid")
        try:
            syscalls.setns(theirs, syscalls.CLONE_NEWPID)
        finally:
            os.close(theirs)
    else:
        syscalls.unshare(syscalls.CLONE_NEWPID)
    walls = _Walls(space.user, host.ids)
    try:
        if copy:
            groups.join(group, copy.pid)
        child = _fork(spec, streams, walls, prepare, finish if copy else None)
        return child._replace(pid=copy.pid) if copy else child
    except OSError as error:
        if beside and error.errno == errno.ENOMEM:
            # What the kernel says of a namespace whose first process has ended.
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH)) from error
        raise
    finally:
        syscalls.setns(own_pid_ns, syscalls.CLONE_NEWPID)


def command(
    spec: ContainerSpec,
    streams: Streams,
    target: tuple[int, int],
    space: Pod,
    own_pid_ns: int,
    ids: Ids,
) -> Child:
    """Start a command in all the namespaces of a process, `target`, and in its control group, whose
    descriptor is given with it. Raises OSError."""
    pid, group = target
    fds = {name: _namespace(pid, name) for name in ("pid", "uts", "mnt")}

    def prepare() -> None:
        groups.join(group)
        syscalls.setns(fds["uts"], syscalls.CLONE_NEWUTS)
        syscalls.setns(space.ipc, syscalls.CLONE_NEWIPC)
        syscalls.setns(space.net, syscalls.CLONE_NEWNET)
        syscalls.setns(fds["mnt"], syscalls.CLONE_NEWNS)

    try:
        syscalls.setns(fds["pid"], syscalls.CLONE_NEWPID)
        try:
            return _fork(spec, streams, _Walls(space.user, ids), prepare)
        finally:
            syscalls.setns(own_pid_ns, syscalls.CLONE_NEWPID)
    finally:
        for fd in fds.values():
            os.close(fd)


def helper(argv: list[str], log: str) -> int:
    """Start a process of the lab itself, its output appended to a file; returns the pid."""
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
    try:
        pid = os.fork()
        if pid:
            return pid
        try:
            syscalls.reset_signals()
            _connect(Streams(null, out, out))
            os.execv(argv[0], argv)
        finally:
            os._exit(_FAILED)
    finally:
        os.close(out)
        os.close(null)


def read_report(report: int) -> StartFailed | None:
    """Return what went wrong between fork and exec, or None. The pipe must be readable."""
    with contextlib.suppress(BlockingIOError):
        said = os.read(report, 4096).decode(errors="replace")
        if said:
            code, step, message = said.split("\n", 2)
            return StartFailed(int(code), step, message)
    return None


def catches(pid: int, number: int) -> bool:
    """Whether the process decided about a signal: by a handler, by blocking it, by waiting for it,
    or by ignoring it, which asks for the whole grace period."""
    try:
        if _has(pid, ("SigIgn", "SigCgt"), number):
            return True
        # A shell blocks everything for a moment around a fork; that is no decision. While it waits
        # for a processor or for what it forked (vfork), the moment lasts: only rest counts.
        looks = 0
        while _has(pid, ("SigBlk",), number):
            looks += _AT_REST if _rests(pid) else 1
            if looks > _LOOKS * _AT_REST:
                return True
            time.sleep(_BETWEEN_LOOKS)
        return any(_waits_for_signals(pid, thread) for thread in os.listdir(f"/proc/{pid}/task"))
    except OSError:
        return False


def _rests(pid: int) -> bool:
    """Whether a process sleeps and a signal could wake it (proc_pid_stat(5): state S)."""
    with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "S"


def _has(pid: int, masks: tuple[str, ...], number: int) -> bool:
    """Whether a signal is in one of a process's masks."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        for line in status:
            name, _, mask = line.partition(":")
            if name in masks and int(mask, 16) >> (number - 1) & 1:
                return True
    return False


def _waits_for_signals(pid: int, thread: str) -> bool:
    """While a thread is in sigwait, what it waits for does not count as blocked."""
    with open(f"/proc/{pid}/task/{thread}/syscall", encoding="ascii") as call:
        return call.read().split(maxsplit=1)[0] in _SIGWAIT


def send(pid: int, number: int, *, group: bool) -> None:
    """Send a signal, to the process group that a command leads as well: what a shell started would
    outlive the client that has gone away. Raises OSError."""
    if group:
        try:
            os.killpg(pid, number)
        except ProcessLookupError:  # it leads none yet
            os.kill(pid, number)
    else:
        os.kill(pid, number)


def _namespace(pid: int, name: str) -> int:
    return os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)


def _fork(
    spec: ContainerSpec,
    streams: Streams,
    walls: _Walls,
    prepare: Callable[[], None],
    finish: Callable[[int], None] | None = None,
) -> Child:
    report, reporter = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(spec, streams, walls, prepare, reporter, finish)
    os.close(reporter)
    os.set_blocking(report, False)
    return Child(pid, report)


def _become(
    spec: ContainerSpec,
    streams: Streams,
    walls: _Walls,
    prepare: Callable[[], None],
    reporter: int,
    finish: Callable[[int], None] | None,
) -> NoReturn:
    """In the child: prepare, then become the program, or have `finish` hand all to another."""
    step = "prepare"
    try:
        syscalls.reset_signals()
        # Until it is another program it has the shim's memory and files: they are not to be seen
        # from the namespaces that it enters.
        syscalls.hide()
        os.setsid()
        prepare()
        if finish is None:
            step = "user"
            _may_be_ended_first()
            syscalls.close_others((*streams[:3], reporter, walls.user))
            _drop_rights(spec, walls)
        step = "chdir"
        places.change_to(spec.cwd or "/")
        step = "exec"
        if finish is None:
            _connect(streams)
            syscalls.close_others(
                (reporter,)
            )  # what was connected has come without a mark to close
            os.umask(0o022)
            _execute(spec.argv, protocol.variables(spec))
        else:
            finish(reporter)
            os._exit(0)
    except OSError as error:
        what = f": {error.filename}" if error.filename and step != "exec" else ""
        message = f"{error.strerror or os.strerror(error.errno or errno.EIO)}{what}"
        os.write(reporter, f"{error.errno}\n{step}\n{message}".encode())
    except Exception as error:  # anything else must not escape into the shim's own code
        os.write(reporter, f"{errno.EINVAL}\n{step}\n{error!r}".encode())
    finally:
        os._exit(_FAILED)


def _may_be_ended_first() -> None:
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(limits.OOM_SCORE)


def _execute(argv: tuple[str, ...], environment: dict[str, str]) -> None:
    """Look the program up and become it. Raises OSError.

    `os.execvpe` would import a module here, where the interpreter's own files may be out of sight.
    """
    name = argv[0]
    found: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    directories = [""] if "/" in name else environment["PATH"].split(":")
    for directory in directories:
        try:
            os.execve(f"{directory}/{name}" if directory else name, argv, environment)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            found = error
    raise found


def _drop_rights(spec: ContainerSpec, walls: _Walls) -> None:
    """Become the container's user in the pod's user namespace. What only its root may do comes
    before the limits, and the filter before anything that is not ours runs."""
    ids.enter(walls.user, walls.ids)
    os.close(walls.user)
    resource.setrlimit(resource.RLIMIT_NPROC, (limits.PROCESSES,) * 2)
    if spec.capabilities is not None:
        syscalls.limit_capabilities(frozenset(spec.capabilities))
    one_user = walls.ids.number == 1
    if program := seccomp.program(os.uname().machine, one_user=one_user):
        syscalls.filter_calls(program)
    if spec.uid or spec.gid or spec.groups:
        os.setgroups(spec.groups)
        os.setgid(spec.gid)
    if spec.uid:
        os.setuid(spec.uid)
    if spec.no_new_privileges:
        syscalls.no_new_privileges()


def _connect(streams: Streams) -> None:
    """Make the three descriptors; sources may themselves be 0, 1 or 2."""
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in streams[:3]]
    for number, fd in enumerate(high):
        os.dup2(fd, number)
    if streams.terminal:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
