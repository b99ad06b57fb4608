"""`lateen shell`: a process of the person's own inside the lab's network."""

import os
import sys

from lateen.app.lab import lab as labs
from lateen.cli import exits
from lateen.node.shim import join


def shell(lab: str, command: list[str]) -> int:
    """Run a shell, or a command, in the lab's root namespaces; returns its exit code."""
    running = labs.require(lab)
    argv = command or [os.environ.get("SHELL", "/bin/sh")]
    if not command and sys.stdin.isatty():
        exits.complain("inside the lab's network: Service and pod addresses answer; exit to leave")
    return join.run(running.paths.shim_socket, argv)
