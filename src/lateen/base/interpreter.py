"""How Lateen starts a Python program of its own.

`python -m` looks into the current folder first, and people run `lateen up .` in folders that others
wrote: a `select.py` there would run in place of the library's, with the rights of the lab. A
program of Lateen's own therefore finds modules only where Python is installed. It takes none from
the current folder, none from PYTHONPATH, and reads no other PYTHON variable. Decision 015.
"""

import os
import site
import sys
from collections.abc import Mapping


def command() -> tuple[str, ...]:
    """Return this interpreter's path and the options of every child; `-m MODULE` follows.

    The user's own site directory stays where this process uses it: `pip install --user` puts
    Lateen there. It is below the home directory, never in a folder of manifests.
    """
    options = ("-E", "-P") if site.ENABLE_USER_SITE else ("-I",)
    return (sys.executable, *options)


def module(name: str, *words: str) -> list[str]:
    """Return the command line that runs a module of Lateen's."""
    return [*command(), "-m", name, *words]


def leave_current_folder(search: list[str], variables: Mapping[str, str], by_module: bool) -> None:
    """Take the current folder out of the places where modules are sought (`sys.path`).

    It gets there as the first place by `python -m` (`by_module`), and by each relative part of
    PYTHONPATH: an empty one, as a colon too many leaves it, is the current folder. Absolute parts
    are the person's own word and stay.
    """
    if by_module and not sys.flags.safe_path:
        del search[0]
    parts = variables.get("PYTHONPATH", "").split(os.pathsep)
    relative = {os.path.abspath(part) for part in parts if not os.path.isabs(part)}
    if variables.get("PYTHONPATH"):
        search[:] = [place for place in search if place not in relative]
