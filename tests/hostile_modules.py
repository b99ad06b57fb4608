"""A folder of modules that take the place of every other one, where Python looks into it."""

import importlib.metadata
import sys
from pathlib import Path

TRAP = """\
import os
with open(os.path.join({folder!r}, "ran"), "a") as file:
    file.write(__name__ + "\\n")
os.write(2, b"HOSTILE MODULE\\n")
os._exit(66)
"""


def names() -> list[str]:
    """Return the names: the standard library's, Lateen's, those of what it depends on, and those
    that Python loads by itself when it starts."""
    installed = {name.partition(".")[0] for name in importlib.metadata.packages_distributions()}
    wanted = {*sys.stdlib_module_names, *installed, "lateen", "sitecustomize", "usercustomize"}
    return sorted(name for name in wanted - {"os", "__main__"} if name.isidentifier())


def trap(folder: Path) -> Path:
    """Fill a folder with them, and return the file that tells which have run."""
    text = TRAP.format(folder=str(folder))
    for name in names():
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    for package in ("lateen", "lateen/app", "lateen/node", "lateen/node/standins"):
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text(text, encoding="utf-8")
    return folder / "ran"
