"""Which ids of the host a lab's users are. `choose` is pure; `of_lab` asks the kernel.

A lab of root's has 65,536 ids that are nobody's on the host, so root in a container is nobody
there. The host's files show in containers under the ids that they have, by idmapped mounts.
"""

import contextlib
import os
import resource
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from lateen.node import permission
from lateen.node.shim import syscalls
from lateen.node.shim.walls import limits

COUNT = 1 << 16
_FIRST, _LAST = 0x70000000, 0x80000000
"""Where systemd's table of ids has none for anybody: above its containers', below 2^31."""
_FILES = ("/etc/subuid", "/etc/subgid")
_USERS = ("/etc/passwd", "/etc/group")
_NOTHING: Mapping[str, int] = {}

Range = tuple[int, int]
"""First id, and how many."""


class Ids(NamedTuple):
    """The users of a lab's containers."""

    first: int
    """What their user 0 is outside the containers, in the namespace of the lab."""
    number: int
    """How many there are, from 0 on."""
    users: int = -1
    """Descriptor of a user namespace by which files are shown under these ids; -1: as they are."""
    why: str = ""
    """Why root in a container is the lab's own user, where that is so in a lab of root's."""

    @property
    def mapping(self) -> str:
        """The text of /proc/PID/uid_map. A lab's own root is mapped apart: its other users may be a
        person's subordinate ids, and the kernel wants each range within one of the lab's."""
        if self.first or self.number == 1:
            return f"0 {self.first} {self.number}"
        return f"0 0 1\n1 1 {self.number - 1}"


def choose(lab: str, taken: Sequence[Range]) -> int | None:
    """Return the first of the ids of a lab: the same for the same name while that is free, mostly
    different for different names, none of those that are taken. Pure."""
    slots = (_LAST - _FIRST) // COUNT
    start = zlib.crc32(lab.encode())
    for step in range(slots):
        first = _FIRST + (start + step) % slots * COUNT
        if all(first + COUNT <= other or other + count <= first for other, count in taken):
            return first
    return None


def parse(lines: Iterable[str]) -> list[Range]:
    """Return the ranges of /etc/subuid, and the ids of /etc/passwd as ranges of one. Pure."""
    found = []
    for line in lines:
        fields = line.strip().split(":")
        try:
            if len(fields) == 3:
                found.append((int(fields[1]), int(fields[2])))
            elif len(fields) > 3:
                found.append((int(fields[2]), 1))
        except ValueError:
            continue  # a comment, or something that is no line of this file
    return found


def _taken() -> list[Range]:
    found = []
    for path in (*_FILES, *_USERS):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                found += parse(file)
        except OSError:
            continue
    return found


def of_lab(lab: str, directories: Iterable[str]) -> Ids:
    """Return the ids that a lab's containers have here. `directories` hold their volumes and
    their programs: where one cannot be shown under other ids, all stay as they are."""
    if not permission.has_users():
        return Ids(0, 1)
    if not permission.is_machines_root():
        return Ids(0, COUNT)  # a person's own id and subordinate ones: nobody's else
    first = choose(lab, _taken())
    if first is None:
        return Ids(0, COUNT, why="every range of ids is taken")
    ids = Ids(first, COUNT)
    try:
        (users,) = _made(ids, (syscalls.CLONE_NEWUSER,))
    except OSError as error:
        return Ids(0, COUNT, why=f"the ids from {first} on cannot be had ({error.strerror})")
    for directory in directories:
        try:
            tree = syscalls.clone_tree(-1, directory, recursive=False)
            try:
                syscalls.set_attributes(tree, 0, users, recursive=False)
            finally:
                os.close(tree)
        except OSError as error:
            os.close(users)
            why = f"files of {directory} cannot be shown under other ids ({error.strerror})"
            return Ids(0, COUNT, why=why)
    return ids._replace(users=users)


class Pod(NamedTuple):
    """Descriptors of the namespaces that a pod's containers share."""

    user: int
    net: int
    ipc: int


_POD = {
    syscalls.CLONE_NEWUSER: "user",
    syscalls.CLONE_NEWNET: "net",
    syscalls.CLONE_NEWIPC: "ipc",
}


_NETWORK = {
    "net/ipv4/ip_unprivileged_port_start": "0",
    "net/ipv6/conf/all/disable_ipv6": "1",
    "net/ipv6/conf/default/disable_ipv6": "1",
}


_USER = {
    "max_user_namespaces": 0,
    "max_inotify_instances": limits.WATCHERS,
    "max_inotify_watches": limits.WATCHES,
    "max_fanotify_groups": limits.WATCHERS,
    "max_fanotify_marks": limits.WATCHES,
}
"""What of the kernel's a pod's users may have, each of them. What they have together, processes
too, is its namespace's maker's: that is another user for each pod, where there are any."""


def pod(ids: Ids, own: int, number: int) -> Pod:
    """Make a pod's namespaces; the network is its user namespace's. `own` is the descriptor of the
    network that this process is in, `number` differs from pod to pod. Raises OSError."""
    maker = ids.first + 1 + number % (ids.number - 1) if ids.first else 0
    made = Pod(*_made(ids, tuple(_POD), maker, _USER))
    syscalls.setns(made.net, syscalls.CLONE_NEWNET)
    try:
        for name, value in _NETWORK.items():
            # IPv6 may be missing altogether.
            with contextlib.suppress(OSError), open(f"/proc/sys/{name}", "w") as file:
                file.write(value)
    finally:
        syscalls.setns(own, syscalls.CLONE_NEWNET)
    return made


def _made(
    ids: Ids, kinds: tuple[int, ...], maker: int = 0, settings: Mapping[str, int] = _NOTHING
) -> list[int]:
    """Make namespaces of these kinds, a user namespace first, and return their descriptors. A child
    makes them and ends: this process stays where it is. `maker` is the user that it is then, and
    `settings` are the new user namespace's. Raises OSError."""
    told, made = os.pipe()
    waits, go = os.pipe()
    child = os.fork()
    if child == 0:
        _make(sum(kinds), maker, settings, (told, made, waits, go))
    os.close(made)
    os.close(waits)
    try:
        if failed := os.read(told, 16).strip(b"+"):
            raise OSError(int(failed), os.strerror(int(failed)), "unshare")
        _map(child, ids)
        if settings:
            os.write(go, b".")
            os.read(told, 1)
        names = [f"/proc/{child}/ns/{_POD[kind]}" for kind in kinds]
        return [os.open(name, os.O_RDONLY | os.O_CLOEXEC) for name in names]
    finally:
        os.close(told)
        os.close(go)
        os.waitpid(child, 0)


def _make(kinds: int, maker: int, settings: Mapping[str, int], pipes: tuple[int, ...]) -> None:
    """In the child: say `+`, or the error's number; set what is to be set as soon as there are
    users; end when nobody needs it any more."""
    told, made, waits, go = pipes
    try:
        for fd in (told, go):
            os.close(fd)
        if maker:
            os.setresuid(maker, maker, 0)
            syscalls.take_up_rights()
            resource.setrlimit(resource.RLIMIT_NPROC, (limits.PROCESSES,) * 2)
        syscalls.unshare(kinds)
        os.write(made, b"+")
        if settings and os.read(waits, 1):
            for name, value in settings.items():
                # Older kernels have not all of them.
                with contextlib.suppress(OSError), open(f"/proc/sys/user/{name}", "w") as file:
                    file.write(str(value))
            os.write(made, b"+")
        os.read(waits, 1)
    except OSError as error:
        os.write(made, str(error.errno).encode())
    finally:
        os._exit(0)


def _map(pid: int, ids: Ids) -> None:
    for name in ("uid_map", "gid_map"):
        with open(f"/proc/{pid}/{name}", "w", encoding="ascii") as file:
            file.write(ids.mapping)


def enter(namespace: int, ids: Ids) -> None:
    """Enter a pod's user namespace as its user 0. Raises OSError."""
    syscalls.setns(namespace, syscalls.CLONE_NEWUSER)
    if ids.number > 1:
        os.setgroups(())
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)
