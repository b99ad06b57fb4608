"""The file system that a container sees: the host's programs, its own everything else.

There are no images, so /usr and /etc are the host's, with a private writable layer on top
(overlayfs, which an ordinary user may mount since Linux 5.11); /tmp, /run, /var, /root are fresh;
other directories of the host are read-only; /dev, /proc and /sys are the container's own. The
layers are per directory, not one over `/`, because in a user namespace the kernel refuses a
layer over a directory that has mounts below it.

Runs in the child between fork and exec; the host's view is gathered once, when the shim starts.
"""

import errno
import fcntl
import os
import stat
import sys
from typing import NamedTuple

from lateen.node.shim import syscalls
from lateen.node.shim.protocol import ContainerSpec, Mount

_LAYERED = ("etc", "usr")
_OWN = ("dev", "media", "mnt", "proc", "root", "run", "sys", "tmp", "var")
_HIDDEN = ("boot", "lost+found")
_VAR = ("cache", "lib", "local", "log", "opt", "spool", "www")
_NODES = ("full", "null", "random", "tty", "urandom", "zero")
_OLD = "/.old"
_TIOCGPTPEER = 0x5441
_TIOCSPTLCK = 0x40045431
_PASSABLE = stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH
_SHARED = stat.S_ISVTX | stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO
_REFUSED = (errno.EINVAL, errno.EPERM, errno.ENODEV, errno.EOPNOTSUPP)


class HostView(NamedTuple):
    """What the host's root directory holds, and where mounts are prepared."""

    links: tuple[tuple[str, str], ...]
    """Top-level symbolic links, such as bin -> usr/bin."""
    directories: tuple[str, ...]
    """Top-level directories shown read-only."""
    layered: tuple[str, ...]
    needed: tuple[str, ...]
    """Python and this package, where they would not be visible otherwise."""
    root: str
    """Mount point of a container's root, in its own mount namespace."""
    scratch: str
    dev: str
    options: str
    """Extra overlay options."""


def gather(run: str) -> HostView:
    """Look at the host and mount what containers share. Called once, by the shim."""
    base = os.path.join(run, "mnt")
    places = [os.path.join(base, name) for name in ("root", "scratch", "dev")]
    for place in places:
        os.makedirs(place, mode=0o700, exist_ok=True)
    _make_dev(places[2])
    links: list[tuple[str, str]] = []
    directories: list[str] = []
    for entry in os.scandir("/"):
        if entry.is_symlink():
            links.append((entry.name, os.readlink(entry.path)))
        elif entry.is_dir() and entry.name not in _OWN + _HIDDEN + _LAYERED:
            directories.append(entry.name)
    layered = tuple(name for name in _LAYERED if os.path.isdir("/" + name))
    return HostView(
        links=tuple(links),
        directories=tuple(directories),
        layered=layered,
        needed=_needed(),
        root=places[0],
        scratch=places[1],
        dev=places[2],
        options="" if os.stat("/").st_uid == os.getuid() else ",userxattr",
    )


def _needed() -> tuple[str, ...]:
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    wanted = {sys.prefix, sys.base_prefix, package}
    wanted.add(os.path.dirname(os.path.dirname(os.path.realpath(sys.executable))))
    return tuple(sorted(path for path in wanted if hidden_from_containers(path)))


def hidden_from_containers(path: str) -> bool:
    """Whether a host directory must be mounted to be visible inside."""
    top = path.split("/")[1]
    if top in _OWN:
        return True
    try:
        return top in _LAYERED and os.stat(path).st_dev != os.stat("/" + top).st_dev
    except OSError:
        return False


def _make_dev(dev: str) -> None:
    """Make the /dev of all containers: an ordinary user cannot make nodes, only bind them."""
    syscalls.mount("tmpfs", dev, "tmpfs", syscalls.MS_NOSUID, "mode=755")
    for name in _NODES:
        node = f"{dev}/{name}"
        os.close(os.open(node, os.O_CREAT | os.O_WRONLY, 0o666))
        syscalls.bind(f"/dev/{name}", node)
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(f"{dev}/{name}")
    syscalls.mount(
        "devpts",
        f"{dev}/pts",
        "devpts",
        syscalls.MS_NOSUID | syscalls.MS_NOEXEC,
        "newinstance,ptmxmode=0666,mode=620",
    )
    os.symlink("pts/ptmx", f"{dev}/ptmx")
    os.close(os.open(f"{dev}/termination-log", os.O_CREAT | os.O_WRONLY, 0o644))
    os.symlink("/proc/self/fd", f"{dev}/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"{dev}/{name}")


def open_terminal(host: HostView) -> tuple[int, int]:
    """Open a terminal that containers can find in /dev/pts: master and slave."""
    master = os.open(f"{host.dev}/pts/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    fcntl.ioctl(master, _TIOCSPTLCK, b"\0\0\0\0")
    slave = fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    return master, slave


def enter(host: HostView, spec: ContainerSpec) -> None:
    """Make the container's root directory and move into it. Raises OSError."""
    layered = _layers_for(host, spec)
    syscalls.mount("tmpfs", host.root, "tmpfs", 0, "mode=755")
    syscalls.mount("tmpfs", host.scratch, "tmpfs", 0, "mode=755")
    _make_skeleton(host)
    _prepare_layers(host, spec, layered)
    for name in layered:
        _layer(host, name)
    for name in host.directories:
        if name not in layered:
            os.mkdir(f"{host.root}/{name}")
            syscalls.bind("/" + name, f"{host.root}/{name}", read_only=True)
    _mount_kernel(host)
    os.mkdir(host.root + _OLD, 0o700)
    syscalls.pivot_root(host.root, host.root + _OLD)
    os.chdir("/")
    _mount_inside(host, spec)
    syscalls.detach(_OLD)
    os.rmdir(_OLD)
    if spec.read_only_root:
        for name in ("", *layered):
            syscalls.make_read_only("/" + name, recursive=False)


def _layers_for(host: HostView, spec: ContainerSpec) -> tuple[str, ...]:
    """A read-only directory needs a writable layer when something is made in it."""
    made = [mount.target for mount in spec.mounts if not os.path.exists(mount.target)]
    made += [path for path, _ in spec.files]
    made += (*spec.writable, *_missing_directory(spec))
    tops = {os.path.realpath(path).split("/")[1] for path in made}
    return (*host.layered, *sorted(tops.intersection(host.directories)))


def _missing_directory(spec: ContainerSpec) -> tuple[str, ...]:
    """As container runtimes do: a working directory that is missing is made."""
    return (spec.cwd,) if spec.cwd and not os.path.exists(spec.cwd) else ()


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
    for name, target in host.links:
        os.symlink(target, f"{root}/{name}")


def _prepare_layers(host: HostView, spec: ContainerSpec, layered: tuple[str, ...]) -> None:
    """Make directories and files in the upper layers before they are mounted: afterwards an
    ordinary user could not, since the directories below belong to someone else."""
    for name in layered:
        for part in ("upper", "work"):
            os.makedirs(f"{host.scratch}/{name}/{part}", 0o755)
    for path, text in spec.files:
        _write(_place(host, path, layered, parent=True), text)
    for path in spec.writable:
        os.chmod(_place(host, path, layered), _SHARED)
    for path in _missing_directory(spec):
        _place(host, path, layered)
    for mount in spec.mounts:
        if not os.path.exists(mount.target):
            _place(host, mount.target, layered, parent=bool(mount.source) and _is_file(mount))


def _is_file(mount: Mount) -> bool:
    return not os.path.isdir(mount.source)


def _place(host: HostView, path: str, layered: tuple[str, ...], *, parent: bool = False) -> str:
    """Return where `path` (or the file in it, with `parent`) is made: in a layer or the root."""
    directory, name = os.path.split(path) if parent else (path, "")
    real = os.path.realpath(directory)
    parts = [part for part in real.split("/") if part]
    in_layer = bool(parts) and parts[0] in layered
    at = f"{host.scratch}/{parts[0]}/upper" if in_layer else host.root
    below = "/" + parts[0] if in_layer else ""
    for part in parts[1:] if in_layer else parts:
        at, below = f"{at}/{part}", f"{below}/{part}"
        if not os.path.lexists(at):
            os.mkdir(at)
            os.chmod(at, _mode(below) if in_layer else 0o755)
    return f"{at}/{name}" if name else at


def _mode(path: str) -> int:
    try:
        return stat.S_IMODE(os.stat(path).st_mode) | 0o700
    except OSError:
        return 0o755


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _layer(host: HostView, name: str) -> None:
    """Put a private writable layer over a directory of the host."""
    target, scratch = f"{host.root}/{name}", f"{host.scratch}/{name}"
    os.mkdir(target)
    options = f"lowerdir=/{name},upperdir={scratch}/upper,workdir={scratch}/work{host.options}"
    try:
        syscalls.mount("overlay", target, "overlay", 0, options)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
        _link_instead(host, name)


def _link_instead(host: HostView, name: str) -> None:
    """Without overlayfs: a directory of links to the host's entries, ours beside them."""
    target, upper = f"{host.root}/{name}", f"{host.scratch}/{name}/upper"
    aside = f"{host.root}/.host/{name}"
    os.makedirs(aside)
    syscalls.bind("/" + name, aside, read_only=True)
    syscalls.bind(upper, target)
    for entry in os.listdir("/" + name):
        if not os.path.lexists(f"{target}/{entry}"):
            os.symlink(f"/.host/{name}/{entry}", f"{target}/{entry}")


def _mount_kernel(host: HostView) -> None:
    safe = syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    root = host.root
    syscalls.bind(host.dev, f"{root}/dev")
    syscalls.mount("tmpfs", f"{root}/dev/shm", "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV)
    try:
        syscalls.mount("proc", f"{root}/proc", "proc", safe)
    except PermissionError:
        syscalls.bind("/proc", f"{root}/proc")
    try:
        syscalls.mount("sysfs", f"{root}/sys", "sysfs", safe | syscalls.MS_RDONLY)
    except PermissionError:
        syscalls.bind("/sys", f"{root}/sys", read_only=True)


def _mount_inside(host: HostView, spec: ContainerSpec) -> None:
    """Masks, then what must stay visible, then the pod's volumes, in this order."""
    for path in spec.masks:
        if os.path.isdir(path):
            syscalls.mount("tmpfs", path, "tmpfs", syscalls.MS_RDONLY, "size=4k,mode=755")
    for path in (*host.needed, *spec.expose):
        if os.path.exists(_OLD + path) and (path in host.needed or not os.path.exists(path)):
            os.makedirs(path, exist_ok=True)
            syscalls.bind(_OLD + path, path, read_only=True)
    for mount in spec.mounts:
        _mount_volume(mount)


def _mount_volume(mount: Mount) -> None:
    if not mount.source:
        os.makedirs(mount.target, exist_ok=True)
        os.chmod(mount.target, _SHARED)
        syscalls.bind(mount.target, mount.target)  # a mount of its own stays writable
        return
    source = _OLD + mount.source
    if os.path.isdir(source):
        os.makedirs(mount.target, exist_ok=True)
    elif not os.path.lexists(mount.target):
        os.makedirs(os.path.dirname(mount.target), exist_ok=True)
        os.close(os.open(mount.target, os.O_CREAT | os.O_WRONLY, 0o644))
    syscalls.bind(source, mount.target, read_only=mount.read_only)
