"""Starts one of the lab's Python processes, with the garbage collector out of its way.

    python -m lateen.app.process MODULE LAB STATE RUN

What a process loads lives as long as it does. Collecting while it loads finds nothing and takes a
tenth of the time; frozen, it is not walked again by any collection later.
"""

import gc
import importlib
import sys


def main(argv: list[str]) -> int:
    """Load the module, then run its `main` with the other arguments."""
    gc.disable()
    module = importlib.import_module(argv[1])
    gc.freeze()
    gc.enable()
    code: int = module.main(argv[1:])
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv))
