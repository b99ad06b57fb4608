"""Memory that is free inside the process, given back to the system.

The C library keeps what was freed for what comes next, unless it lies at the end of its heap: after
a peak, such as watchers that did not read, a process would stay as large as it ever was.
"""

import ctypes


def give_back() -> None:
    """Return whole free pages to the kernel; nothing on a C library that cannot (musl)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
