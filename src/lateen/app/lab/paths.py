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
    def ledger(self) -> Path:
        """What was made on the host, so that exactly that is removed."""
        return self.state / "ledger.json"

    @property
    def logs(self) -> Path:
        """Container logs, and one file per process of the lab."""
        return self.state / "logs"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as the lab is up."""
        return self.run / "lock"

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


def run_root() -> Path:
    """Return the directory that holds every lab's sockets."""
    if home := os.environ.get("LATEEN_HOME"):
        return Path(home).absolute() / "run"
    if os.getuid() == 0:
        return Path("/run/lateen")
    if (runtime := os.environ.get("XDG_RUNTIME_DIR")) and os.access(runtime, os.W_OK):
        return Path(runtime) / "lateen"
    return Path(f"/tmp/lateen-{os.getuid()}")


def _belongs_to_us(root: Path) -> bool:
    """Whether nobody else may put anything into a directory, if it is there: the last choice for
    sockets and tokens has a name that anyone can guess, in a place where anyone can make it."""
    try:
        found = root.lstat()
    except FileNotFoundError:
        return True
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022


def lab_paths(lab: str) -> LabPaths:
    """Return the paths of a lab.

    Raises ValueError when the name is not a short DNS label, when the user has no home, when
    somebody else may write to the run directory, or when that is so deep that a Unix socket in it
    would exceed the kernel's 107 bytes.
    """
    if not LAB_NAME.fullmatch(lab):
        raise ValueError(
            f"lab name {lab!r}: use lower-case letters, digits and '-', at most 32 characters"
        )
    root = run_root()
    if root.parent == Path("/tmp") and not _belongs_to_us(root):
        raise ValueError(
            f"{root} is not yours alone: remove it, or set LATEEN_HOME to a directory of your own"
        )
    paths = LabPaths(lab, state_root() / lab, root / lab)
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
