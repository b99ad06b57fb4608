"""`lateen describe`: kubectl's own, on this lab."""

import os
import shutil
from collections.abc import Sequence

from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError


def describe(lab: str, words: Sequence[str]) -> int:
    """Become `kubectl describe` with the lab's kubeconfig. Raises LabError where it is not there:
    what it prints is put together in kubectl itself."""
    kubeconfig = labs.require(lab).paths.kubeconfig
    program = shutil.which("kubectl")
    if program is None:
        raise LabError(
            "describe is kubectl's, and kubectl is not on the PATH: install it, or use "
            "`lateen get KIND NAME -o yaml` and `lateen get events`"
        )
    os.execve(
        program,
        ["kubectl", "describe", *words],
        {**os.environ, "KUBECONFIG": str(kubeconfig)},
    )
