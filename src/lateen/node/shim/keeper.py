"""Starts the agent and starts it again when it ends, later each time it dies young."""

import os
import signal

from lateen.node.shim import spawn

_FIRST_DELAY = 0.05
_LONGEST_DELAY = 5.0
_STEADY = 10.0
"""An agent that lived so many seconds starts again at once."""


class AgentKeeper:
    """One process that should always be there. Times are monotonic seconds."""

    def __init__(self, argv: list[str], log: str) -> None:
        """`argv` empty: there is no agent to keep."""
        self._argv = argv
        self._log = log
        self.pid = 0
        """Its process id, 0 while it does not run."""
        self._started = 0.0
        self._due = 0.0
        self._delay = 0.0

    def start_if_due(self, now: float) -> None:
        """Start it unless it runs or its delay is not over."""
        if not self._argv or self.pid or now < self._due:
            return
        self.pid = spawn.helper(self._argv, self._log)
        self._started = now

    def pause(self, now: float) -> float:
        """Return the seconds until it must be started; -1 for never."""
        if not self._argv or self.pid:
            return -1
        return max(0.0, self._due - now)

    def ended(self, _status: int, now: float) -> None:
        """Note that it ended."""
        self.pid = 0
        if now - self._started > _STEADY:
            self._delay = 0.0
        else:
            self._delay = min(max(self._delay * 2, _FIRST_DELAY), _LONGEST_DELAY)
        self._due = now + self._delay

    def stop(self) -> None:
        """Ask it to end."""
        if self.pid:
            os.kill(self.pid, signal.SIGTERM)
