"""The file system that a container sees: the host's programs, its own everything else.

There are no images, so /usr is the host's with a private writable layer on top (overlayfs, which
an ordinary user may mount since Linux 5.11), and /etc is one that was made for the lab, with such
a layer too; /tmp, /run, /var, /root, /dev are fresh; /proc and /sys are the pod's, read-only where
they are the kernel's. Nothing else of the host is there but what the pod mounts, and Lateen's own
directories, read-only at their own paths, after all volumes so that none hides them.

Runs in the child between fork and exec, as the lab's root. What is mounted is opened first; then
the old root is left for good; only then is anything followed that a container may have made. The
layers are per directory, not one over `/`, because in a user namespace the kernel refuses a
layer over a directory that has mounts below it.
"""

import contextlib
import errno
import fcntl
import os
import stat
from typing import NamedTuple

from lateen.node.shim import syscalls
from lateen.node.shim.protocol import ContainerSpec, Mount
from lateen.node.shim.walls import base, imageroot, limits, places, seccomp
from lateen.node.shim.walls.base import HostBase
from lateen.node.shim.walls.ids import Ids

_OWN = ("dev", "media", "mnt", "proc", "root", "run", "sys", "tmp", "var")
_VAR = ("cache", "lib", "local", "log", "opt", "spool", "www")
_NODES = ("full", "null", "random", "tty", "urandom", "zero")
_VOLUMES = "/.volumes"
"""Where read-only volumes are that Lateen's own directories lie below."""
_TTY_GROUP = 5
_TIOCGPTPEER = 0x5441
_TIOCSPTLCK = 0x40045431
_PASSABLE = stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH
_SHARED = stat.S_ISVTX | stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO
_ROOM = f"size={limits.WRITABLE_LAYER},nr_inodes={limits.FILES}"
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/kpagecount",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/kernel/debug",
    "/sys/kernel/security",
    "/sys/kernel/tracing",
)
"""What container runtimes hide of the kernel."""


class HostView(NamedTuple):
    """What containers share, and where mounts are prepared."""

    base: HostBase
    ids: Ids
    root: str
    """Mount point of a container's root, in its own mount namespace."""
    scratch: str
    terminals: str
    """Directory of the pods' terminals, one file system each, by pod."""
    options: str
    """Extra overlay options."""


def gather(run: str, ids: Ids) -> HostView:
    """Look at the host and mount what containers share. Called once, by the shim."""
    place = os.path.join(run, "mnt")
    os.makedirs(place, mode=0o700, exist_ok=True)
    syscalls.mount("tmpfs", place, "tmpfs", syscalls.MS_NOSUID, "mode=700")
    names = ("root", "scratch", "base", "terminals")
    root, scratch, prepared, terminals = (os.path.join(place, name) for name in names)
    for path in (root, scratch, prepared, terminals):
        os.mkdir(path, 0o755)
    seccomp.program(os.uname().machine, one_user=ids.number == 1)  # before any container's fork
    return HostView(
        base=base.prepare(prepared, ids),
        ids=ids,
        root=root,
        scratch=scratch,
        terminals=terminals,
        options="" if os.stat("/").st_uid == os.getuid() else ",userxattr",
    )


def make_terminals(host: HostView, pod: str) -> None:
    """Make the file system of a pod's terminals, unless it is there."""
    at = f"{host.terminals}/{pod}"
    if os.path.isdir(at):
        return
    os.mkdir(at, 0o755)
    options = f"newinstance,ptmxmode=0666,mode=620,uid={host.ids.first},gid={_tty(host)}"
    flags = syscalls.MS_NOSUID | syscalls.MS_NOEXEC
    syscalls.mount("devpts", at, "devpts", flags, options)


def _tty(host: HostView) -> int:
    return host.ids.first + (_TTY_GROUP if host.ids.number > _TTY_GROUP else 0)


def remove_terminals(host: HostView, pod: str) -> None:
    """Remove a pod's terminals; those in use end with their users."""
    with contextlib.suppress(OSError):
        syscalls.detach(f"{host.terminals}/{pod}")
        os.rmdir(f"{host.terminals}/{pod}")


def open_terminal(host: HostView, pod: str, uid: int) -> tuple[int, int]:
    """Open a terminal that the containers of a pod can find in /dev/pts: master and slave. It
    belongs to the user that it is for."""
    ptmx = f"{host.terminals}/{pod}/ptmx"
    master = os.open(ptmx, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, b"\0\0\0\0")
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    if uid and uid < host.ids.number:
        os.fchown(slave, host.ids.first + uid, _tty(host))
    return master, slave


def enter(host: HostView, spec: ContainerSpec, pod: str) -> None:
    """Make the container's root directory and move into it. Raises OSError.

    From then on this process makes files as the user 0 of containers.
    """
    trees = [_source(mount, host.ids) for mount in spec.mounts]
    own = () if spec.layers else host.base.own
    own_trees = [syscalls.clone_tree(-1, prepared) for _, prepared in own]
    layers = [imageroot.layer(path, host.ids) for path in spec.layers]
    terminals = syscalls.clone_tree(-1, f"{host.terminals}/{pod}")
    options = f"mode=755,{_ROOM},uid={host.ids.first},gid={host.ids.first}"
    for place in (host.root, host.scratch):
        syscalls.mount("tmpfs", place, "tmpfs", syscalls.MS_NODEV, options)
    if host.ids.first:
        syscalls.become_files_owner(host.ids.first)
    if layers:
        imageroot.stack(host.root, host.scratch, layers, host.options)
        imageroot.furnish(host.root, spec.files)
    else:
        _make_skeleton(host)
        _prepare_layers(host, spec)
        for name, prepared in host.base.tops:
            _layer(host, name) if name in base.LAYERED else _bind(host, name, prepared)
    _mount_devices(host, terminals)
    _mount_kernel(host)
    syscalls.enter_root(host.root)
    root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    _cover_kernel()
    if spec.cwd:
        with contextlib.suppress(NotADirectoryError):  # which the step `chdir` tells of
            os.close(places.directory(root, spec.cwd))
    for number, (mount, tree) in enumerate(zip(spec.mounts, trees, strict=True)):
        below = [path for path, _ in own if path.startswith(f"{mount.target.rstrip('/')}/")]
        hidden = bool(below) and mount.read_only and tree >= 0 and places.is_directory(tree)
        room = [path[len(mount.target.rstrip("/")) :] for path in below]
        shown = _linked(root, f"{_VOLUMES}/{number}", tree, room) if hidden else tree
        _mount_volume(root, mount, shown)
    for (path, _), tree in zip(own, own_trees, strict=True):
        _mount_own(root, path, tree)
    if own:
        _mask_own(host, spec)
    if spec.read_only_root:
        for name in ("",) if spec.layers else ("", *base.LAYERED):
            syscalls.make_read_only("/" + name, recursive=False)


def _source(mount: Mount, ids: Ids) -> int:
    """Return what is mounted, detached, or -1 for a directory of the container's own."""
    if not mount.source:
        return -1
    flags = syscalls.ATTR_NO_DEVICES | (syscalls.ATTR_READ_ONLY if mount.read_only else 0)
    found = places.in_volume(mount.source, mount.sub)
    try:
        return base.tree_at(found, "", ids, flags)
    except OSError as error:
        if error.errno in imageroot.KERNEL_REFUSES and ids.users >= 0:
            why = f"{mount.source}: its file system cannot be shown under a lab's own user ids"
            raise OSError(error.errno, why) from error
        raise
    finally:
        os.close(found)


def _make_skeleton(host: HostView) -> None:
    root = host.root
    for name in _OWN:
        os.mkdir(f"{root}/{name}")
    os.chmod(f"{root}/tmp", _SHARED)
    os.chmod(f"{root}/root", _PASSABLE)  # programs of the host may lie below it
    for name in _VAR:
        os.mkdir(f"{root}/var/{name}")
    os.mkdir(f"{root}/var/tmp")
    os.chmod(f"{root}/var/tmp", _SHARED)
    os.mkdir(f"{root}/run/lock")
    os.symlink("/run", f"{root}/var/run")
    os.symlink("/run/lock", f"{root}/var/lock")
    for name, target in host.base.links:
        os.symlink(target, f"{root}/{name}")


def _prepare_layers(host: HostView, spec: ContainerSpec) -> None:
    """Make directories and files in the upper layers before they are mounted: afterwards an
    ordinary user could not, since the directories below belong to someone else."""
    for name in base.LAYERED:
        for part in ("upper", "work"):
            os.makedirs(f"{host.scratch}/{name}/{part}", 0o755)
    for path, text in spec.files:
        _write(_place(host, path, parent=True), text)
    for path in spec.writable:
        os.chmod(_place(host, path), _SHARED)
    wanted = [(mount.target, bool(mount.source) and _is_file(mount)) for mount in spec.mounts]
    wanted += [(spec.cwd, False)] if spec.cwd else []
    for path, is_file in wanted:
        if _layered(host, path) and not os.path.lexists(_below(host, path)):
            at = _place(host, path, parent=is_file)
            if is_file:
                _write(at, "")


def _is_file(mount: Mount) -> bool:
    """Whether a file is mounted: only what its volume's owner sees is looked at here; that it is
    one still is seen again when it is mounted."""
    return not mount.sub and not os.path.isdir(mount.source)


def _layered(host: HostView, path: str) -> str:
    """Return the layered directory that a path lies in, as the container's links have it."""
    top, _, rest = path.strip("/").partition("/")
    top = dict(host.base.links).get(top, top).strip("/")
    name = top.partition("/")[0]
    return name if name in base.LAYERED and (rest or "/" in top) else ""


def _below(host: HostView, path: str) -> str:
    """Return a path of a layered directory in what was prepared of the host's."""
    top, _, rest = path.strip("/").partition("/")
    top = dict(host.base.links).get(top, top).strip("/")
    name, _, more = top.partition("/")
    return "/".join(part for part in (host.base.lower(name), more, rest) if part)


def _place(host: HostView, path: str, *, parent: bool = False) -> str:
    """Return where `path` (or the file in it, with `parent`) is made: in a layer or the root. The
    host's links are followed, the pod has none yet."""
    directory, name = os.path.split(path) if parent else (path, "")
    layer = _layered(host, directory) or _layered(host, path)
    at, below = host.root, ""
    if layer:
        lower = host.base.lower(layer)
        real = os.path.realpath(_below(host, directory))
        if real != lower and not real.startswith(lower + "/"):
            raise OSError(errno.EXDEV, f"{path} leads out of /{layer}")
        at, below, rest = f"{host.scratch}/{layer}/upper", lower, real[len(lower) :]
    else:
        rest = directory.replace("/var/run", "/run", 1) if _is_run(directory) else directory
    for part in (part for part in rest.split("/") if part):
        at, below = f"{at}/{part}", f"{below}/{part}" if below else ""
        if not os.path.lexists(at):
            os.mkdir(at)
            os.chmod(at, _mode(below) if below else 0o755)
    return f"{at}/{name}" if name else at


def _is_run(path: str) -> bool:
    return path == "/var/run" or path.startswith("/var/run/")


def _mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.stat(path).st_mode) | 0o700
    except OSError:
        return 0o755


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
        if text.startswith("#!"):  # a program that the image brings along
            os.fchmod(file.fileno(), 0o755)


def _bind(host: HostView, name: str, prepared: str) -> None:
    os.mkdir(f"{host.root}/{name}")
    syscalls.bind(prepared, f"{host.root}/{name}")


def _layer(host: HostView, name: str) -> None:
    """Put a private writable layer over a directory of the host."""
    target, scratch = f"{host.root}/{name}", f"{host.scratch}/{name}"
    os.mkdir(target)
    lower = host.base.lower(name)
    options = f"lowerdir={lower},upperdir={scratch}/upper,workdir={scratch}/work{host.options}"
    try:
        syscalls.mount("overlay", target, "overlay", syscalls.MS_NODEV, options)
    except OSError as error:
        if error.errno not in imageroot.KERNEL_REFUSES:
            raise
        _link_instead(host, name)


def _link_instead(host: HostView, name: str) -> None:
    """Without overlayfs: a directory of links to the host's entries, ours beside them."""
    target, upper = f"{host.root}/{name}", f"{host.scratch}/{name}/upper"
    aside, lower = f"{host.root}/.host/{name}", host.base.lower(name)
    os.makedirs(aside)
    syscalls.bind(lower, aside)
    syscalls.bind(upper, target)
    for entry in os.listdir(lower):
        if not os.path.lexists(f"{target}/{entry}"):
            os.symlink(f"/.host/{name}/{entry}", f"{target}/{entry}")


def _mount_devices(host: HostView, terminals: int) -> None:
    """Make a /dev of the container's own: the nodes are the host's, as nobody here can make any."""
    dev, first = f"{host.root}/dev", host.ids.first
    flags = syscalls.MS_NOSUID
    own = f"uid={first},gid={first}"
    syscalls.mount("tmpfs", dev, "tmpfs", flags, f"mode=755,size={limits.DEVICES},{own}")
    for name in _NODES:
        node = f"{dev}/{name}"
        os.close(os.open(node, os.O_CREAT | os.O_WRONLY, 0o666))
        syscalls.bind(f"/dev/{name}", node)
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(f"{dev}/{name}")
    pts = os.open(f"{dev}/pts", os.O_PATH | os.O_CLOEXEC)
    syscalls.attach(terminals, pts)
    os.close(pts)
    flags |= syscalls.MS_NODEV
    options = f"mode=1777,size={limits.SHARED_MEMORY},nr_inodes={limits.FILES},{own}"
    syscalls.mount("tmpfs", f"{dev}/shm", "tmpfs", flags | syscalls.MS_NOEXEC, options)
    os.symlink("pts/ptmx", f"{dev}/ptmx")
    os.close(os.open(f"{dev}/termination-log", os.O_CREAT | os.O_WRONLY, 0o644))
    os.symlink("/proc/self/fd", f"{dev}/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")


def _mount_kernel(host: HostView) -> None:
    safe = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    root = host.root
    try:
        syscalls.mount("proc", f"{root}/proc", "proc", safe)
    except PermissionError:
        syscalls.bind("/proc", f"{root}/proc")
    try:
        syscalls.mount("sysfs", f"{root}/sys", "sysfs", safe | syscalls.MS_RDONLY)
    except PermissionError:
        syscalls.bind("/sys", f"{root}/sys", read_only=True)
    if counts_processes_by_namespace():
        with open(f"{root}/proc/sys/kernel/pid_max", "w", encoding="ascii") as file:
            file.write(str(limits.PROCESSES))


def counts_processes_by_namespace() -> bool:
    """Whether each pid namespace has its own largest process id (Linux 6.14); before, there was one
    for the whole machine."""
    major, minor = os.uname().release.split(".")[:2]
    return (int(major), int("".join(c for c in minor if c.isdigit()) or 0)) >= (6, 14)


def _cover_kernel() -> None:
    """Make the kernel's settings read-only, and hide what it tells of the machine. Nothing of the
    pod's is mounted yet: paths lead where they always do."""
    for path in _READ_ONLY:
        if os.path.exists(path):
            syscalls.bind(path, path, read_only=True)
    for path in _MASKED:
        if os.path.isdir(path):
            _hide(path)
        elif os.path.exists(path):
            syscalls.bind("/dev/null", path)


def _hide(path: str) -> None:
    syscalls.mount("tmpfs", path, "tmpfs", syscalls.MS_RDONLY, "size=4k,mode=755")


def _mount_volume(root: int, mount: Mount, tree: int) -> None:
    own = tree < 0
    if own or places.is_directory(tree):
        at = places.directory(root, mount.target)
    else:
        at = places.file(root, mount.target)
    try:
        if own:  # a mount of its own stays writable
            opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
            os.fchmod(opened, _SHARED)
            os.close(opened)
            tree = syscalls.clone_tree(at)
        syscalls.attach(tree, at)
    finally:
        os.close(at)
        os.close(tree)


def _linked(root: int, aside: str, tree: int, room: list[str]) -> int:
    """Return a directory of links to what is in a read-only volume, with room for directories of
    Lateen's own that lie below it: none can be made in the volume. What is written to its files
    is seen; a file that comes later is not."""
    at = places.directory(root, aside)
    try:
        syscalls.attach(tree, at)
    finally:
        os.close(at)
        os.close(tree)
    front = places.directory(root, f"{aside}.links")
    try:
        opened = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=front)
        try:
            for name in os.listdir(aside):
                os.symlink(f"{aside}/{name}", name, dir_fd=opened)
            for path in room:
                inner = syscalls.IN_ROOT | syscalls.NO_LINKS
                os.close(places.directory(opened, path, resolve=inner))
        finally:
            os.close(opened)
        made = syscalls.clone_tree(front)
        syscalls.set_attributes(made, syscalls.ATTR_READ_ONLY)
        return made
    finally:
        os.close(front)


def _mount_own(root: int, path: str, tree: int) -> None:
    """Mount a directory of Lateen's own where it is on the host, over whatever is there."""
    try:
        at = places.directory(root, path, resolve=syscalls.IN_ROOT | syscalls.NO_LINKS)
    except OSError as error:
        why = f"a volume hides {path}, which Lateen needs here"
        raise OSError(error.errno, why) from error
    try:
        syscalls.attach(tree, at)
    finally:
        os.close(at)
        os.close(tree)


def _mask_own(host: HostView, spec: ContainerSpec) -> None:
    """Hide what lies below a directory of Lateen's own and is the lab's: its state, its sockets.
    Such a directory is read-only, so its paths lead where they do on the host."""
    for path in spec.masks:
        own = any(f"{path}/".startswith(f"{one}/") for one, _ in host.base.own)
        if own and os.path.isdir(path):
            _hide(path)
