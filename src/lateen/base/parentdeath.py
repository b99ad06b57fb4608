"""Ending with the process that started this one."""

import ctypes
import signal

_PR_SET_PDEATHSIG = 1


def ask(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when its parent ends. To be asked again after any
    change of credentials, which clears it. To the kernel the parent is a thread."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)
