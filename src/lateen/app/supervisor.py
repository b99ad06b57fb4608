"""The process that keeps a lab up: starts the plane and the node, and starts them again.

    python -m lateen.app.supervisor FILE

Stdlib only, so that it is up in a few milliseconds and has little to go wrong. It begins to load
the first plane at once, and is told over a socket (`app.lab.starting`) which lab it is for. It
holds the lab's lock (an open file that came with that) for as long as it lives; its children end
with it.
"""

import contextlib
import os
import select
import signal
import sys
import time

from lateen.app.lab import starting, starting_child
from lateen.base import interpreter

_FIRST_DELAY = 0.1
_LONGEST_DELAY = 10.0
_STEADY = 30.0
"""A child that lived so many seconds starts again without delay."""
_TERM_WAIT = 8.0
"""Seconds a child gets between SIGTERM and SIGKILL."""
_TERM_POLL = 0.005


class Child:
    """One supervised process and its restart delay.

    Written out rather than a dataclass: that module's import would double this process's start.
    """

    def __init__(self, name: str, argv: list[str], log: str, keeps: tuple[int, ...] = ()) -> None:
        self.name = name
        self.argv = argv
        self.log = log
        self.keeps = keeps
        self.pid = 0
        """Process id, 0 while it does not run."""
        self.started = 0.0
        self.due = 0.0
        self.delay = _FIRST_DELAY
        self.restarts = 0

    def start(self, now: float) -> None:
        """Spawn it, its output appended to its log. Raises OSError."""
        self.started = now
        self.pid = starting.spawn(self.argv, passing=self.keeps, log=self.log)

    def adopt(self, pid: int) -> None:
        """Supervise a child of this process that runs already."""
        self.pid = pid
        self.started = time.monotonic()

    def reap(self) -> int | None:
        """Return the exit code if it has ended, minus the signal's number if one ended it."""
        found, status = os.waitpid(self.pid, os.WNOHANG)
        return os.waitstatus_to_exitcode(status) if found else None

    def ended(self, now: float) -> None:
        """Note that it ended: start again at once after a long life, later after a short one."""
        lived = now - self.started
        self.delay = _FIRST_DELAY if lived > _STEADY else min(self.delay * 2, _LONGEST_DELAY)
        self.due = now + (0.0 if lived > _STEADY else self.delay)
        self.pid = 0
        self.restarts += 1


REFUSED = 77
"""Exit code of a child that cannot work here at all (no namespaces): not started again."""


class Supervisor:
    """Runs its children until told to stop. Ends by itself when one refuses to work."""

    def __init__(self, children: list[Child]) -> None:
        self._children = children
        self._stopping = False
        self._refused = ""

    def _on_signal(self, number: int, _frame: object) -> None:
        if number != signal.SIGCHLD:
            self._stopping = True

    def run(self) -> int:
        """Supervise until SIGTERM, SIGINT or SIGHUP; returns the exit code."""
        wake, waker = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(waker, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        while not self._stopping:
            self._restart_due()
            select.select([wake], [], [], self._pause())
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 512)
            self._reap()
        self._stop()
        return REFUSED if self._refused else 0

    def _pause(self) -> float:
        due = [c.due for c in self._children if not c.pid]
        return max(0.0, min(due) - time.monotonic()) if due else 60.0

    def _restart_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if child.pid or child.due > now:
                continue
            try:
                child.start(now)  # due is 0 at first, so the first round starts them all
            except OSError as error:  # no memory or no process is left: later, perhaps
                _note(f"{child.name} cannot be started: {error.strerror}")
                child.ended(time.monotonic())

    def _reap(self) -> None:
        for child in self._children:
            if not child.pid or (code := child.reap()) is None:
                continue
            _note(f"{child.name} ended with {code}")
            if code == REFUSED:
                self._refused, self._stopping = child.name, True
            child.ended(time.monotonic())

    def _stop(self) -> None:
        for child in reversed(self._children):
            if not child.pid:
                continue
            os.kill(child.pid, signal.SIGTERM)
            deadline = time.monotonic() + _TERM_WAIT
            while (ended := child.reap()) is None and time.monotonic() < deadline:
                time.sleep(_TERM_POLL)
            if ended is None:
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)


def _note(line: str) -> None:
    """Write a line into the log, by the kernel's own call: what a full disk refused must not come
    again, or raise, when the stream is flushed at the end."""
    with contextlib.suppress(OSError):
        os.write(1, f"{line}\n".encode())


def main(argv: list[str]) -> int:
    """Supervise the lab that this process is told of: its name, its state and run directories;
    with open files for its lock, the plane's lock and the log."""
    os.chdir("/")  # a folder of manifests can be moved and unmounted while its lab runs
    load = interpreter.module("lateen.app.process", "lateen.app.plane", "--told")
    loading = starting.Waiting(load)
    words, files = starting_child.wait(int(argv[1]))
    if not words:
        os.kill(loading.pid, signal.SIGKILL)
        loading.dismiss()
        return 0
    return supervise(loading, words, plane_lock=files[1])


def supervise(loading: starting.Waiting, where: list[str], plane_lock: int) -> int:
    """Run one lab to its end, with the plane that is loading."""
    lab, state, run = where
    own = str(os.getpid())
    pid_file = f"{run}/supervisor.pid"
    with open(pid_file, "w", encoding="ascii") as file:
        file.write(f"{own}\n")
    logs = f"{state}/logs"
    shim = interpreter.module("lateen.node.shim.init", *where)
    enter = interpreter.module("lateen.node.shim.enter", "--lab", lab, "--parent", own)
    plane = Child(
        "plane",
        interpreter.module("lateen.app.process", "lateen.app.plane", *where, own),
        f"{logs}/plane.log",
        keeps=(plane_lock,),
    )
    with open(plane.log, "ab") as out:
        loading.tell([*where, own], [plane_lock, out.fileno()])
    plane.adopt(loading.pid)
    node = Child("node", [*enter, "--", *shim], f"{logs}/node.log")
    code = Supervisor([plane, node]).run()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(pid_file)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
