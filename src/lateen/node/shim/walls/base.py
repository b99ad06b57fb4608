"""What containers have of the host: its programs, read-only, and an /etc with nothing of its own.

Made once for a lab, by the shim, in its own mount namespace. Of /etc only what programs need to
run is copied, and only what everybody may read.
"""

import contextlib
import os
import stat
import sys
from collections.abc import Iterable
from typing import NamedTuple

from lateen.node.shim import syscalls
from lateen.node.shim.walls.ids import Ids

TOPS = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "nix", "gnu")
"""Directories with programs; the last two are those of NixOS and Guix."""
LAYERED = ("etc", "usr")
"""Those over which every container has a writable layer of its own."""
_ETC = frozenset({
    "alternatives", "bash.bashrc", "ca-certificates", "ca-certificates.conf", "crypto-policies",
    "debian_version", "ethertypes", "fonts", "gai.conf", "host.conf", "inputrc", "ld.so.cache",
    "ld.so.conf", "ld.so.conf.d", "locale.alias", "locale.conf", "localtime", "lsb-release",
    "magic", "magic.mime", "mime.types", "netconfig", "networks", "nsswitch.conf", "os-release",
    "perl", "pki", "profile", "protocols", "python3", "rpc", "services", "shells", "ssl", "static",
    "terminfo", "timezone",
})  # fmt: skip
_ETC_LIKE = ("java", "python3.", "openjdk")
_LARGEST = 4 << 20
"""Bytes of a file; larger ones are left out."""
_DEEPEST = 6
_ACCOUNTS = frozenset({
    "root", "daemon", "bin", "sys", "man", "mail", "nobody", "nogroup", "www-data", "http", "nginx",
    "apache", "tcpdump", "pcap", "tty", "users", "staff", "postgres", "redis", "mysql",
})  # fmt: skip
"""Of the host's accounts, those that programs ask for by name."""
_PROXY = 1337
_PROXY_NAME = "istio-proxy"
SYSTEM = ("/usr", "/usr/local", "/")
"""Prefixes that hold more than Python: of them only what is Python's is Lateen's own."""


class HostBase(NamedTuple):
    """What was prepared, each mounted somewhere below a directory of the lab's."""

    links: tuple[tuple[str, str], ...]
    """Top-level symbolic links, such as bin -> usr/bin."""
    tops: tuple[tuple[str, str], ...]
    """Top-level directory, and where it is prepared."""
    own: tuple[tuple[str, str], ...]
    """Directory of Lateen's own, its interpreter's and its packages', and where it is prepared."""

    def lower(self, name: str) -> str:
        """Return where a top-level directory is prepared."""
        return dict(self.tops)[name]


def prepare(place: str, ids: Ids) -> HostBase:
    """Mount what containers share below a directory. Raises OSError."""
    links, tops = list[tuple[str, str]](), list[tuple[str, str]]()
    for name in TOPS:
        path = f"/{name}"
        if os.path.islink(path):
            links.append((name, os.readlink(path)))
        elif os.path.isdir(path):
            tops.append((name, f"{place}/{name}"))
            os.mkdir(f"{place}/{name}")
            show(path, f"{place}/{name}", ids)
    etc = f"{place}/etc"
    os.mkdir(etc)
    options = f"mode=755,uid={ids.first},gid={ids.first}"
    syscalls.mount("tmpfs", etc, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)
    _fill_etc(etc)
    if ids.first:
        _give(etc, ids.first)
    own = []
    for number, path in enumerate(own_directories()):
        at = f"{place}/own-{number}"
        os.mkdir(at)
        show(path, at, ids)
        own.append((path, at))
    return HostBase(tuple(links), (*tops, ("etc", etc)), tuple(own))


def tree(path: str, ids: Ids, attributes: int) -> int:
    """Return a detached mount of a directory or file under the ids of a lab's users: what is
    mounted below it too, where that can be shown so. Raises OSError."""
    return tree_at(-1, path, ids, attributes)


def tree_at(fd: int, path: str, ids: Ids, attributes: int) -> int:
    """Return `tree` of a path below an opened directory, or with an empty path of that itself."""
    found: OSError | None = None
    for recursive in (True, False):
        made = syscalls.clone_tree(fd, path, recursive=recursive)
        try:
            syscalls.set_attributes(made, attributes, ids.users, recursive=recursive)
        except OSError as error:
            os.close(made)
            found = error
        else:
            return made
    assert found is not None
    raise found


def show(path: str, target: str, ids: Ids) -> None:
    """Mount a directory of the host read-only elsewhere."""
    at = os.open(target, os.O_PATH | os.O_CLOEXEC)
    flags = syscalls.ATTR_READ_ONLY | syscalls.ATTR_NO_DEVICES
    try:
        try:
            made = tree(path, ids, flags)
        except OSError:  # its files then show as nobody's, which is enough for what all may read
            made = tree(path, ids._replace(users=-1), flags)
        try:
            syscalls.attach(made, at)
        finally:
            os.close(made)
    finally:
        os.close(at)


def own_directories() -> tuple[str, ...]:
    """Return the directories that Lateen itself is in, none below another: the interpreter's
    prefixes, and what its packages are imported from."""
    program = os.path.dirname(os.path.realpath(sys.executable))
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, os.path.dirname(program)}
    found |= {path for path in sys.path if os.path.isabs(path)}
    found.add(os.path.dirname(os.__file__))
    # That a process was started there, or that a person lives there, makes nothing of it ours.
    found -= {os.getcwd(), os.path.expanduser("~")}
    package = os.path.abspath(__file__)
    for _ in range(5):  # walls, shim, node, lateen, and what holds it
        package = os.path.dirname(package)
    plain = {os.path.normpath(path) for path in (*found, package)} - set(SYSTEM)
    return outermost(path for path in plain if os.path.isdir(path) and not _in_usr(path))


def _in_usr(path: str) -> bool:
    return path.startswith("/usr/") and os.stat(path).st_dev == os.stat("/usr").st_dev


def outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that lie below no other of them, sorted. Pure."""
    found: list[str] = []
    for path in sorted(set(paths)):
        if not any(path == one or path.startswith(one.rstrip("/") + "/") for one in found):
            found.append(path)
    return tuple(found)


def _fill_etc(etc: str) -> None:
    for entry in os.scandir("/etc"):
        if entry.name in _ETC or entry.name.startswith(_ETC_LIKE):
            _copy(entry.path, f"{etc}/{entry.name}", _DEEPEST)
    for name in ("passwd", "group"):
        with open(f"/etc/{name}", encoding="utf-8", errors="replace") as file:
            text = accounts(file, group=name == "group")
        _write(f"{etc}/{name}", text.encode())


def accounts(lines: Iterable[str], *, group: bool) -> str:
    """Return a passwd or group file with the accounts that programs ask for. Pure."""
    kept = []
    for line in lines:
        fields = line.strip().split(":")
        if len(fields) == (4 if group else 7) and fields[0] in _ACCOUNTS:
            root = fields[0] == "root"
            home = ("/root", "/bin/sh") if root else ("/nonexistent", "/usr/sbin/nologin")
            rest = (fields[2], "") if group else (*fields[2:4], fields[0], *home)
            kept.append(":".join((fields[0], "x", *rest)))
    proxy = (_PROXY_NAME, "x", str(_PROXY))
    more = ("",) if group else (str(_PROXY), _PROXY_NAME, "/nonexistent", "/usr/sbin/nologin")
    return "".join(f"{line}\n" for line in (*kept, ":".join((*proxy, *more))))


def _copy(source: str, target: str, depth: int) -> None:
    """Copy what everybody may read; links as they are."""
    with contextlib.suppress(OSError):
        found = os.lstat(source)
        if stat.S_ISLNK(found.st_mode):
            os.symlink(os.readlink(source), target)
        elif stat.S_ISDIR(found.st_mode):
            if depth and found.st_mode & stat.S_IXOTH and found.st_mode & stat.S_IROTH:
                os.mkdir(target)
                for entry in os.scandir(source):
                    if entry.name.endswith(".gz"):  # links to pages of manuals, hundreds of them
                        continue
                    _copy(entry.path, f"{target}/{entry.name}", depth - 1)
        elif stat.S_ISREG(found.st_mode) and _for_all(found):
            with open(source, "rb") as file:
                _write(target, file.read())


def _for_all(found: os.stat_result) -> bool:
    return bool(found.st_mode & stat.S_IROTH) and found.st_size <= _LARGEST


def _write(path: str, data: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(fd, "wb") as file:
        file.write(data)


def _give(directory: str, uid: int) -> None:
    for entry in os.scandir(directory):
        os.chown(entry.path, uid, uid, follow_symlinks=False)
        if entry.is_dir(follow_symlinks=False):
            _give(entry.path, uid)
