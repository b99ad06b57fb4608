"""Where a lab keeps its files: one directory for what must survive, one for sockets."""

import os
import re
import stat
from pathlib import Path

import msgspec

LAB_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_SOCKET_LIMIT = 107
"""Longest Unix socket path in bytes; a pod's xds.sock adds 56 to the run directory."""


class LabPaths(msgspec.Struct, frozen=True):
    """The files of one lab. `state` survives a restart, `run` holds sockets and locks."""

    lab: str
    state: Path
    run: Path

    @property
    def settings(self) -> Path:
        """The lab's settings, written by `up`, read by every process of the lab."""
        return self.state / "lab.json"

    @property
    def store(self) -> Path:
        """The API server's database."""
        return self.state / "store.db"

    @property
    def authority(self) -> Path:
        """The certificate authority's directory."""
        return self.state / "ca"

    @property
    def kubeconfig(self) -> Path:
        """What `export KUBECONFIG=` names."""
        return self.state / "kubeconfig"

    @property
    def processes(self) -> Path:
        """What `lateen run` was given."""
        return self.state / "processes.json"

    @property
    def ledger(self) -> Path:
        """What was made on the host, so that exactly that is removed."""
        return self.state / "ledger.json"

    @property
    def logs(self) -> Path:
        """Container logs, and one file per process of the lab."""
        return self.state / "logs"

    @property
    def plane_log(self) -> Path:
        """The plane's log in the form of a container's: that of istiod's pod."""
        return self.logs / "istiod.log"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as the lab is up."""
        return self.run / "lock"

    @property
    def ending(self) -> Path:
        """Held by who takes the lab down, for as long as that takes."""
        return self.run / "ending"

    @property
    def plane_lock(self) -> Path:
        """Held by the plane: the last to write into these directories when a lab ends."""
        return self.run / "plane.lock"

    @property
    def supervisor(self) -> Path:
        """Process id of the supervisor."""
        return self.run / "supervisor.pid"

    @property
    def api_socket(self) -> Path:
        """The API server's Unix socket."""
        return self.run / "api.sock"

    @property
    def shim_socket(self) -> Path:
        """The shim's Unix socket."""
        return self.run / "shim.sock"

    @property
    def agent_token(self) -> Path:
        """The agent's bearer token."""
        return self.run / "agent.token"

    @property
    def admin_token(self) -> Path:
        """The bearer token of the person who started the lab."""
        return self.run / "admin.token"

    @property
    def page_token(self) -> Path:
        """The page's bearer token; there while the page is open."""
        return self.run / "page.token"

    @property
    def page_port(self) -> Path:
        """The port at which the page is served; there while it is open."""
        return self.run / "page.port"

    @property
    def page_hosts(self) -> Path:
        """Names by which the page may be asked besides, one a line; there while it is open."""
        return self.run / "page.hosts"

    @property
    def page_opener(self) -> Path:
        """The file that a browser is opened with: it leads on, and holds a one-time code."""
        return self.run / "page.html"

    @property
    def trust(self) -> Path:
        """The roots that containers trust, where the lab has hosts outside."""
        return self.run / "trust.pem"

    def pod(self, uid: str) -> Path:
        """The run directory of one pod."""
        return self.run / "pods" / uid

    def xds_socket(self, uid: str) -> Path:
        """The socket on which one pod's proxy is served, and nobody else's."""
        return self.pod(uid) / "xds.sock"

    def key_log(self, uid: str) -> Path:
        """The TLS keys of one pod's proxy, if the lab has them logged."""
        return self.pod(uid) / "keys.log"


def state_root() -> Path:
    """Return the directory that holds every lab's state.

    Raises ValueError for a user without a home.
    """
    if home := os.environ.get("LATEEN_HOME"):
        return Path(home).absolute() / "state"
    base = os.environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(base):  # a relative one is to be ignored, by the specification
        return Path(base) / "lateen"
    try:
        return Path.home() / ".local" / "state" / "lateen"
    except RuntimeError as error:
        raise ValueError(
            "this user has no home: set LATEEN_HOME to a directory for labs"
        ) from error


def images_root() -> Path:
    """Return the directory of this user's images, which all labs share.

    Raises ValueError for a user without a home.
    """
    if home := os.environ.get("LATEEN_HOME"):
        return Path(home).absolute() / "images"
    base = os.environ.get("XDG_DATA_HOME", "")
    if os.path.isabs(base):
        return Path(base) / "lateen" / "images"
    try:
        return Path.home() / ".local" / "share" / "lateen" / "images"
    except RuntimeError as error:
        raise ValueError("this user has no home: set LATEEN_HOME to a directory") from error


def issuer_key() -> Path:
    """Return the file of the key with which `lateen token` signs: one for all labs of a user.

    Raises ValueError for a user without a home.
    """
    return state_root() / ".issuer" / "key.pem"


def run_root() -> Path:
    """Return the directory that holds every lab's sockets."""
    if home := os.environ.get("LATEEN_HOME"):
        return Path(home).absolute() / "run"
    if os.getuid() == 0:
        return Path("/run/lateen")
    if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and os.access(runtime, os.W_OK):
        return Path(runtime) / "lateen"
    return Path(f"/tmp/lateen-{os.getuid()}")


def _trusted(found: os.stat_result, *, above: bool) -> bool:
    """Whether nobody else may put anything into a directory. One above ours may be root's, and may
    be open to all where only owners remove (as /tmp), or to a group that is the user's own."""
    writers = found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not above:
        return found.st_uid == os.getuid() and not writers
    if found.st_mode & stat.S_ISVTX:
        writers = 0
    if writers == stat.S_IWGRP and found.st_gid in (0, os.getgid()):
        writers = 0
    return found.st_uid in _selves() and not writers


def _selves() -> tuple[int, ...]:
    """Return who may have made a directory above ours: root, and whoever became root by sudo."""
    by_sudo = os.environ.get("SUDO_UID", "") if os.getuid() == 0 else ""
    return (0, os.getuid(), *((int(by_sudo),) if by_sudo.isdecimal() else ()))


def _stranger(directory: Path) -> Path | None:
    """Return what of a directory and those above it somebody else may have prepared: it, or a link
    in its place; None if there is nothing. What is not there yet is made by us."""
    for path in (directory, *directory.parents):
        try:
            found = path.lstat()
        except OSError:
            continue
        ours = path == directory
        if stat.S_ISLNK(found.st_mode):
            if ours or found.st_uid not in _selves():
                return path
        elif not stat.S_ISDIR(found.st_mode) or not _trusted(found, above=not ours):
            return path
    return None


def lab_paths(lab: str) -> LabPaths:
    """Return the paths of a lab.

    Raises ValueError when the name is not a short DNS label, when the user has no home, when
    somebody else may have prepared a directory of the lab's, or when the run directory is so deep
    that a Unix socket in it would exceed the kernel's 107 bytes.
    """
    if not LAB_NAME.fullmatch(lab):
        raise ValueError(
            f"lab name {lab!r}: use lower-case letters, digits and '-', at most 32 characters"
        )
    paths = LabPaths(lab, state_root() / lab, run_root() / lab)
    for directory in (paths.run.parent, paths.run, paths.state.parent, paths.state):
        if stranger := _stranger(directory):
            raise ValueError(
                f"{stranger} is not yours alone: remove it, or set LATEEN_HOME to a directory of "
                "your own"
            )
    deepest = len(os.fsencode(paths.xds_socket("0" * 36)))
    if deepest > _SOCKET_LIMIT:
        raise ValueError(
            f"{paths.run} is too deep for Unix sockets ({deepest} bytes, the kernel allows "
            f"{_SOCKET_LIMIT}): set LATEEN_HOME to a shorter directory"
        )
    return paths


def labs() -> list[str]:
    """Return the names of the labs that have state or sockets, sorted. Raises ValueError."""
    found: set[str] = set()
    for root in (state_root(), run_root()):
        if root.is_dir():
            found.update(
                p.name for p in root.iterdir() if LAB_NAME.fullmatch(p.name) and p.is_dir()
            )
    return sorted(found)
