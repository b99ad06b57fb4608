"""Interpreters that start the lab's processes otherwise than this one does."""

import sysconfig
import venv
from pathlib import Path

LATE = """
import sys, time
if "lateen.node.shim.enter" in sys.orig_argv:
    time.sleep(2)
"""
"""A `sitecustomize` that lets the API server answer before the node finds that it cannot work."""


def late_interpreter(home: Path) -> str:
    """Make a virtual environment that has what this one has, and `LATE`; return its Python.

    Lateen's processes read no PYTHONPATH: what is to run in them has to be installed.
    """
    venv.create(home / "late", with_pip=False, symlinks=True)
    site = Path(sysconfig.get_path("purelib", vars={"base": str(home / "late")}))
    here = sysconfig.get_path("purelib")
    (site / "here.pth").write_text(f"import site; site.addsitedir({here!r})\n", encoding="utf-8")
    (site / "sitecustomize.py").write_text(LATE, encoding="utf-8")
    return str(home / "late/bin/python")
