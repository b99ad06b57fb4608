"""A supervisor that is started before it is known which lab it is for.

Loading the control plane takes longer than everything else in a start. The command line begins it
before it has loaded itself, and tells the supervisor over a socket which lab to run once it knows.
Stdlib only, and little of it: this is the first thing that `lateen up` does.
"""

import os
import signal
import socket
from collections.abc import Iterable, Sequence

from lateen.base import interpreter

_NULL = os.devnull


def spawn(
    argv: Sequence[str],
    *,
    passing: Iterable[int] = (),
    log: str = _NULL,
    session: bool = False,
) -> int:
    """Start a program and return its process id; the caller waits for its end.

    Its output is appended to `log`, it reads nothing, and of our open files it has those of
    `passing` alone, by the same numbers. Written on the kernel's own call because the subprocess
    module would take half of a supervisor's start. Raises OSError.
    """
    files = list(passing)
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, _NULL, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    for file in _open_files():
        os.set_inheritable(file, file in files)
    try:
        return os.posix_spawn(
            argv[0],
            list(argv),
            os.environ,
            file_actions=actions,
            setsid=session,
            setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
        )
    finally:
        for file in files:
            os.set_inheritable(file, False)


def _open_files() -> list[int]:
    """Return the descriptors beyond the standard ones, those too that a shell left open for us: a
    lab that held them would keep somebody waiting for their end."""
    with os.scandir("/proc/self/fd") as found:
        numbers = [int(entry.name) for entry in found]
    held = []
    for number in numbers:
        try:
            os.fstat(number)
        except OSError:
            continue  # the one that looked
        held.append(number)
    return [number for number in held if number > 2]


class Waiting:
    """A process that loads, and then waits to be told what to do; it ends when this end closes."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it: the command, then the number of the descriptor on which it is told."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            number = theirs.fileno()
            self.pid = spawn([*command, str(number)], passing=(number,), session=True)
        self._channel = ours

    def tell(self, words: Sequence[str], files: Sequence[int]) -> None:
        """Hand over its arguments, and open files which it keeps, the last as its output.

        Raises OSError when it has ended.
        """
        with self._channel:
            socket.send_fds(self._channel, ["\0".join(words).encode()], files)

    def dismiss(self) -> None:
        """Tell it that there is nothing to do, and wait for its end."""
        self._channel.close()
        os.waitpid(self.pid, 0)


_begun: list[Waiting] = []


def supervisor() -> Waiting:
    """Return a new supervisor without a lab."""
    return Waiting(interpreter.module("lateen.app.supervisor"))


def begin() -> None:
    """Start a supervisor for the lab that this command will want."""
    _begun.append(supervisor())


def take() -> Waiting:
    """Return the supervisor that was begun, else a new one."""
    return _begun.pop() if _begun else supervisor()


def dismiss() -> None:
    """End what was begun and not taken: the command came to nothing."""
    while _begun:
        _begun.pop().dismiss()
