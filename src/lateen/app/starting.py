"""A supervisor that is started before it is known which lab it is for.

Loading the control plane takes longer than everything else in a start. The command line begins it
before it has loaded itself, and tells the supervisor over a socket which lab to run once it knows.
Stdlib only, and little of it: this is the first thing that `lateen up` does.
"""

import socket
import subprocess
import sys
from collections.abc import Sequence


class Waiting:
    """A process that loads, and then waits to be told what to do; it ends when this end closes."""

    def __init__(self, command: Sequence[str]) -> None:
        """Start it: the command, then the number of the descriptor on which it is told."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
                cwd="/",
            )
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
        self.process.wait()


_begun: list[Waiting] = []


def supervisor() -> Waiting:
    """Return a new supervisor without a lab."""
    return Waiting([sys.executable, "-m", "lateen.app.supervisor"])


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
