"""Starts one of the lab's Python processes, with the garbage collector out of its way.

    python -m lateen.app.process MODULE LAB STATE RUN
    python -m lateen.app.process MODULE --told FILE

In the second form the arguments come over a socket once the module is loaded (`app.lab.starting`).

What a process loads lives as long as it does. Collecting while it loads finds nothing and takes a
tenth of the time; frozen, it is not walked again by any collection later.
"""

import contextlib
import gc
import sys
from collections.abc import Iterator

from lateen.base import byname

_ALLOCATIONS = 200_000
"""New objects between two collections. A compiled mesh is hundreds of thousands of values without
cycles; at Python's 700 a quarter of a large compilation would go into looking through them, and at
20,000 still a twentieth. The plane does not wait for so many (`app.mesh.gcpolicy`)."""

_SWITCH_SECONDS = 0.001


def settle() -> None:
    """Take what is loaded out of the collector's sight, and let it run at our pace."""
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS)
    gc.enable()


def take_turns() -> None:
    """Let threads that work beside the event loop hold the interpreter for a millisecond at a time.

    At Python's five, a request that reads and writes a few sockets would wait for each of them.
    """
    sys.setswitchinterval(_SWITCH_SECONDS)


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Keep the collector away while more is loaded."""
    gc.disable()
    try:
        yield
    finally:
        settle()


def main(argv: list[str]) -> int:
    """Load the module, then run its `main` with the other arguments."""
    with loading():
        module = byname.module(argv[1])
    words = argv[2:]
    if words[0] == "--told":
        from lateen.app.lab import starting_child

        words, _ = starting_child.wait(int(words[1]))
        if not words:
            return 0
    code: int = module.main([argv[1], *words])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
