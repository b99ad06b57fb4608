"""Starting, finding and ending a lab from outside. Light: the CLI imports it for every command, and
what makes and removes a lab's link only when one starts or ends."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lateen.app.lab import (
    paths as lab_paths_module,
    remains,
    settings as lab_settings,
    starting,
)
from lateen.app.lab.paths import LabPaths
from lateen.app.lab.settings import LabSettings

_LEAST_FREE = 4 << 20
"""Bytes: database, certificates and the first logs."""


_PLANE_WAIT = 10.0
"""Seconds that a plane without its supervisor gets to end."""
_DOWN_WAIT = 60.0
"""Seconds that a start waits for a `down` that is at work."""
_LOCK_WAIT = 0.3
"""Seconds for which the lock is tried: who looks whether a lab is up holds it for a moment."""
_claims: dict[str, socket.socket] = {}
"""What holds the networks of the labs that this process started: until it ends, by when the labs'
routes hold them."""


class LabError(Exception):
    """Something about the lab itself stops the command; `code` is the exit code."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code


class Running(msgspec.Struct, frozen=True):
    """A lab that is up."""

    paths: LabPaths
    supervisor: int
    """Process id."""


def find(lab: str) -> Running | None:
    """Return the lab if its supervisor holds the lock, else None."""
    paths = _paths(lab)
    pid = _supervisor_pid(paths)
    return Running(paths, pid) if pid is not None else None


def _held(paths: LabPaths) -> bool:
    try:
        with paths.lock.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)  # others may look at the same time
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def require(lab: str) -> Running:
    """Return the running lab. Raises LabError that says how to start it."""
    if running := find(lab):
        return running
    others = [name for name in every() if find(name)]
    hint = f" Running: {', '.join(others)} (choose with --lab)." if others else ""
    raise LabError(f"lab {lab!r} is not up. Start it with `lateen up DIR`.{hint}")


def every() -> list[str]:
    """Return the names of this user's labs, those too that only left something, sorted.

    Raises LabError when there is no place for labs.
    """
    try:
        return lab_paths_module.labs()
    except ValueError as error:
        raise LabError(str(error), 64) from error


def kept(lab: str) -> bool:
    """Whether there are objects of an earlier run of a lab that its next one goes on with."""
    return _paths(lab).store.exists()


def _paths(lab: str) -> LabPaths:
    try:
        return lab_paths_module.lab_paths(lab)
    except ValueError as error:
        raise LabError(str(error), 64) from error


def _supervisor_pid(paths: LabPaths) -> int | None:
    """Return who holds the lock, None if nobody does, 0 if it does not say within two seconds:
    it has just begun, or is just ending."""
    deadline = time.monotonic() + 2
    while _held(paths):
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(paths.supervisor.read_text(encoding="ascii"))
        if time.monotonic() > deadline:
            return 0
        time.sleep(0.005)
    return None


def start(settings: LabSettings) -> Running:
    """Start a lab's supervisor and return at once.

    Waits for who takes the lab down meanwhile. Raises LabError when the lab is up already, or when
    its directories cannot be made.
    """
    paths = _paths(settings.lab)
    _await_down(paths)
    _check_port(settings.api_port)
    _check_space(paths)
    if problem := remains.damage(paths):
        raise LabError(f"{problem}. {_way_out(paths)}")
    lock = hold(paths)
    if lock < 0:
        raise LabError(
            f"lab {settings.lab!r} is up already: `lateen apply -f DIR` changes it, "
            f"`lateen down` ends it, `lateen up --lab OTHER DIR` starts a second one"
        )
    try:
        try:
            lab_settings.save(_with_pool(settings), paths.settings)
            with (paths.logs / "supervisor.log").open("ab") as log, _plane_gone(paths) as plane:
                supervisor = starting.take()
                supervisor.tell(
                    [paths.lab, str(paths.state), str(paths.run)], [lock, plane, log.fileno()]
                )
        except OSError as error:
            raise LabError(f"cannot write to {paths.state}: {error.strerror}") from error
    finally:
        os.close(lock)
    return Running(paths, supervisor.pid)


def _await_down(paths: LabPaths) -> None:
    """Wait until nobody takes the lab down. Raises LabError when that does not end."""
    deadline = time.monotonic() + _DOWN_WAIT
    while True:
        try:
            ending = os.open(paths.ending, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return
        try:
            fcntl.flock(ending, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LabError(
                    f"lab {paths.lab!r} is being taken down, and that did not end in "
                    f"{_DOWN_WAIT:.0f} s: see `fuser {paths.ending}`"
                ) from None
            time.sleep(0.01)
        else:
            return
        finally:
            os.close(ending)


@contextlib.contextmanager
def _taking_down(paths: LabPaths) -> Iterator[None]:
    """Let a start wait for the end. Who cannot say so takes the lab down all the same."""
    ending = -1
    with contextlib.suppress(OSError):
        if paths.run.is_dir():
            ending = os.open(paths.ending, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(ending, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if ending >= 0:
            os.close(ending)


def _way_out(paths: LabPaths) -> str:
    """Return what helps when something that a lab kept is damaged."""
    name = "" if paths.lab == "default" else f" --lab {paths.lab}"
    return (
        f"Put a copy of {paths.state} back, or remove what the lab kept with `lateen down{name}` "
        "and start anew"
    )


def hold(paths: LabPaths) -> int:
    """Make a lab's directories and return its lock, held; -1 if somebody has it and keeps it.

    Who takes a lab down removes the lock with the rest while he holds it: what is held must be the
    file that is there. Raises LabError when the directories cannot be made.
    """
    deadline = time.monotonic() + _LOCK_WAIT
    while True:
        try:
            _make_directories(paths)
            lock = os.open(paths.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError as error:  # removed as soon as it was made, by another `down`
            if time.monotonic() > deadline:
                raise _unmakeable(paths, error) from error
            continue
        except OSError as error:
            raise _unmakeable(paths, error) from error
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_at(lock, paths.lock):
                _make_directories(paths)  # a `down` may have been at them still
                # One that was killed leaves its number, which may be somebody else's by now.
                paths.supervisor.unlink(missing_ok=True)
                return lock
        os.close(lock)
        if time.monotonic() > deadline:
            return -1
        time.sleep(0.005)


def _make_directories(paths: LabPaths) -> None:
    for root in (paths.state.parent, paths.run.parent):
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
    _paths(paths.lab)  # whose they are, now that nobody else can make them any more
    for directory in (paths.state, paths.run, paths.logs, paths.run / "pods"):
        directory.mkdir(exist_ok=True, mode=0o700)


def _unmakeable(paths: LabPaths, error: OSError) -> LabError:
    return LabError(
        f"cannot make {error.filename or paths.state}: {error.strerror}. "
        "Set LATEEN_HOME to a directory you may write to"
    )


def _is_at(file: int, path: Path) -> bool:
    """Whether an open file is the one of that name."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _plane_gone(paths: LabPaths) -> Iterator[int]:
    """Hold the plane's lock. A plane whose supervisor was killed ends a moment after it.

    Raises LabError when it does not.
    """
    file = os.open(paths.plane_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + _PLANE_WAIT
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                raise LabError(
                    f"the control plane of an earlier lab {paths.lab!r} does not end: see "
                    f"`fuser {paths.plane_lock}`"
                )
            time.sleep(0.005)
        yield file
    finally:
        os.close(file)


def _check_space(paths: LabPaths) -> None:
    """Refuse to start on a disk that is as good as full: nothing could even be logged."""
    for wanted in (paths.state, paths.run):
        directory = next(path for path in (wanted, *wanted.parents) if path.exists())
        found = os.statvfs(directory)
        free = found.f_bavail * found.f_frsize
        if found.f_blocks and free < _LEAST_FREE:
            raise LabError(
                f"no space left for a lab in {directory}: {free >> 10} KiB are free, it needs "
                f"{_LEAST_FREE >> 20} MiB. Free some, or set LATEEN_HOME to another disk"
            )


def _check_port(port: int) -> None:
    """Refuse a port that is taken now, rather than let the plane fail on it in its log."""
    if not port:
        return
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            why = getattr(error, "strerror", None) or "not a port number"
            raise LabError(
                f"the API server cannot use port {port} of 127.0.0.1: {why}. "
                "Choose another with --api-port, or leave it out for a free one"
            ) from error


def _with_pool(settings: LabSettings) -> LabSettings:
    """Choose the lab's private network; nothing that the host has a route to is touched."""
    if settings.pool:
        return settings
    from lateen.node.net import hostlink, ledger

    try:
        known = ledger.Ledger(_paths(settings.lab).ledger).entries()
        own = [entry.network for entry in known]
        pool, _claims[settings.lab] = hostlink.claim(settings.lab, own)
    except hostlink.NoPool as error:
        raise LabError(str(error)) from error
    return lab_settings.with_pool(settings, pool.network)


def stop(lab: str, *, keep: bool = False, wait: float = 20.0) -> bool:
    """End a lab and remove what it left; with `keep`, its objects and keys stay for the next up.

    Returns whether there was anything to end. Raises LabError when it does not end in `wait` s.
    """
    running = find(lab)
    paths = running.paths if running else _paths(lab)
    if claim := _claims.pop(lab, None):
        claim.close()
    with _taking_down(paths):
        if running:
            if running.supervisor:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running.supervisor, signal.SIGTERM)
            _await_end(running, wait)
        if paths.run.is_dir():
            with _plane_gone(paths):
                pass
        return sweep(paths, keep=keep) or running is not None


def _await_end(running: Running, wait: float) -> None:
    deadline = time.monotonic() + wait
    while _held(running.paths):
        if time.monotonic() > deadline:
            raise LabError(
                f"lab {running.paths.lab!r} did not end in {wait:.0f} s; "
                f"its supervisor is {running.supervisor}"
            )
        time.sleep(0.005)


def sweep(paths: LabPaths, *, keep: bool) -> bool:
    """Remove what a lab that is not running left: host links by its ledger, sockets, state.

    Returns whether there was anything; one that somebody has started meanwhile is left alone.
    """
    if not (paths.state.exists() or paths.run.exists()):
        return False
    with contextlib.suppress(LabError):  # what cannot be written to can be removed all the same
        lock = hold(paths)
        if lock < 0:
            return False
        with os.fdopen(lock):
            _sweep(paths, keep=keep)
        return True
    _sweep(paths, keep=keep)
    return True


def _sweep(paths: LabPaths, *, keep: bool) -> None:
    """Remove everything, the lock last: whoever makes a new one finds nothing half removed."""
    from lateen.node.shim.walls import groups

    if paths.ledger.exists():
        _forget_links(paths.ledger)
    groups.sweep(str(paths.run))
    if not keep:
        _remove(paths.state)
    for entry in paths.run.iterdir() if paths.run.is_dir() else ():
        if entry.is_dir() and not entry.is_symlink():
            _remove(entry)
        elif entry not in (paths.ending, paths.lock):
            entry.unlink(missing_ok=True)
    for last in (paths.ending, paths.lock):
        last.unlink(missing_ok=True)
    for directory in (paths.run, *(() if keep else (paths.state.parent, paths.run.parent))):
        with contextlib.suppress(OSError):
            directory.rmdir()


def _forget_links(path: Path) -> None:
    """Remove what the ledger names. One that cannot be read is removed itself: the lab's links went
    with its namespaces, and nobody could ever take the lab down otherwise."""
    from lateen.node.net import hostlink, ledger

    try:
        hostlink.remove(ledger.Ledger(path))
    except (ValueError, IsADirectoryError):
        if path.is_dir():
            _remove(path)
        else:
            path.unlink(missing_ok=True)


def _remove(directory: Path) -> None:
    if directory.is_dir() and not directory.is_symlink():
        shutil.rmtree(directory, ignore_errors=True)
        if directory.is_dir() and os.getuid():
            from lateen.node.shim.walls import subordinate

            # What users of containers left may be of this user's subordinate ids.
            subordinate.as_root(lambda: shutil.rmtree(directory, ignore_errors=True))
