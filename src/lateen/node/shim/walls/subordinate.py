"""A user's subordinate ids (/etc/subuid, /etc/subgid): users of a lab beside its root.

Only newuidmap and newgidmap, which have the right to it, may map them: they do it from outside for
a process that has left for a user namespace of its own. Standard library only, quick to import.
"""

import functools
import os
import pwd
import sys
from collections.abc import Callable, Iterable
from typing import NamedTuple

from lateen.base import interpreter
from lateen.node import permission
from lateen.node.shim import syscalls

_COUNT = (1 << 16) - 1
"""How many are needed beside the user's own: a container's users are those of 16 bits."""
_KINDS = (("newgidmap", "/etc/subgid"), ("newuidmap", "/etc/subuid"))
"""Groups first: whoever has no users then has no more than one group anyway."""


class Mapper(NamedTuple):
    """A process outside that waits to be told that its parent has left for a new namespace."""

    pid: int
    go: int


def first_of(lines: Iterable[str], names: tuple[str, ...]) -> int | None:
    """Return the first id of a range in /etc/subuid that is large enough and a user's, by name or
    number; None if there is none. Pure."""
    for line in lines:
        owner, _, rest = line.strip().partition(":")
        first, _, count = rest.partition(":")
        if owner in names and first.isdecimal() and count.isdecimal() and int(count) >= _COUNT:
            return int(first)
    return None


def commands(uid: int, gid: int, pid: int) -> tuple[list[str], ...]:
    """Return the commands that give a process this user's subordinate ids, each with the program's
    path first; none where the user has no ids or the machine no program for them."""
    found = []
    for (program, file), own in zip(_KINDS, (gid, uid), strict=True):
        path = next((p for p in _places(program) if os.access(p, os.X_OK)), None)
        try:
            names = (pwd.getpwuid(uid).pw_name, str(uid))
            with open(file, encoding="utf-8", errors="replace") as lines:
                first = first_of(lines, names)
        except (KeyError, OSError):
            return ()
        if path is None or first is None:
            return ()
        ranges = ("0", str(own), "1", "1", str(first), str(_COUNT))
        found.append([path, str(pid), *ranges])
    return tuple(found)


def _places(program: str) -> Iterable[str]:
    return (os.path.join(folder, program) for folder in os.get_exec_path())


def prepare() -> Mapper | None:
    """Start what will map the ids of this process; None where there is nothing to map. To be called
    before the user namespace is left."""
    ready = commands(os.getuid(), os.getgid(), os.getpid())
    if not ready:
        return None
    waits, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        _map(ready, waits, go)
    os.close(waits)
    return Mapper(pid, go)


def _map(ready: tuple[list[str], ...], waits: int, go: int) -> None:
    """In the child: wait, then run the commands until one fails. Never returns."""
    code = 1
    try:
        os.close(go)
        if os.read(waits, 1):
            quiet = [(os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0)]
            for command in ready:
                done = os.posix_spawn(command[0], command, os.environ, file_actions=quiet)
                code = os.waitstatus_to_exitcode(os.waitpid(done, 0)[1])
                if code:
                    break
    finally:
        os._exit(1 if code else 0)


def finish(mapper: Mapper | None) -> bool:
    """Have this process's ids mapped, now that it is in its own user namespace; say whether they
    are: nothing or groups alone may be mapped else."""
    if mapper is None:
        return False
    os.write(mapper.go, b".")
    os.close(mapper.go)
    return os.waitstatus_to_exitcode(os.waitpid(mapper.pid, 0)[1]) == 0


def leave(flags: int) -> bool:
    """Leave for namespaces that the flags name and a user namespace, as its root; say whether it
    has this user's subordinate ids as well. Raises OSError."""
    uid, gid = os.geteuid(), os.getegid()
    mapper = prepare()
    syscalls.unshare(flags | syscalls.CLONE_NEWUSER)
    if finish(mapper):
        return True
    map_one(uid, gid)
    return False


def map_one(uid: int, gid: int) -> None:
    """Make this user root of the namespace it is in. An ordinary user may map one uid only, and one
    gid only after giving up setgroups. What is mapped stays. Raises OSError."""
    texts = (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1"))
    grouped = bool(_read("gid_map"))
    for name, text in texts:
        if name == "uid_map" or not grouped:
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)


def _read(name: str) -> str:
    with open(f"/proc/self/{name}", encoding="ascii") as file:
        return file.read()


@functools.cache
def usable() -> bool:
    """Whether an ordinary user's namespaces get its subordinate ids: tried, once a process. Another
    program tries it: whoever asks may have threads, with which no user namespace is left."""
    if not commands(os.getuid(), os.getgid(), 0):
        return False
    import subprocess  # not for who enters a lab: starts count by milliseconds

    return subprocess.run(interpreter.module(__spec__.name), check=False).returncode == 0


def as_root(act: Callable[[], object]) -> None:
    """Call in a process that is root over this user's subordinate ids: it may change and remove
    what containers have left. What it raises is lost."""

    def done() -> bool:
        act()
        return True

    _apart(done)


def _apart(act: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if leave(0) and act() else 1
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    sys.exit(0 if leave(0) and permission.has_users() else 1)
