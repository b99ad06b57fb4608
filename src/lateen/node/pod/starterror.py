"""What a container runtime says of a start that failed."""

import errno

from lateen.node.shim.client import ShimError

CODE = 128
"""The exit code that a container's status shows then."""


def words(error: OSError, program: str) -> str:
    """Return the words of a container runtime for a start that failed."""
    why = error.strerror or str(error)
    if isinstance(error, ShimError) and error.step == "exec":
        if error.errno == errno.ENOENT:
            why = "executable file not found in $PATH"
        why = f'exec: "{program}": {why}'
    return f"failed to create containerd task: failed to create shim task: {why}"
