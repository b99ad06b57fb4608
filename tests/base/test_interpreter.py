"""No program of Lateen's takes a module from the current folder, or from where PYTHONPATH says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.base import interpreter
from tests import hostile_modules

MODULES = {
    "lateen.app.supervisor": ["0"],
    "lateen.app.process": ["lateen.app.lab.starting_child", "--told", "9"],
    "lateen.node.shim.enter": [],
    "lateen.node.shim.init": [],
    "lateen.node.standins.web": ["--help"],
    "lateen.node.standins.tcp.echo": [],
    "lateen.node.standins.selfsigned": [],
}
"""Arguments with which each program ends at once."""


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("by", ["folder", "variables"])
def test_hostile_modules_do_not_run(tmp_path: Path, name: str, by: str) -> None:
    ran = hostile_modules.trap(tmp_path)
    variables = {"PATH": os.environ["PATH"]}
    if by == "variables":
        variables |= {
            "PYTHONPATH": f":{tmp_path}",
            "PYTHONSTARTUP": str(tmp_path / "sitecustomize.py"),
            "PYTHONHOME": str(tmp_path),
            "PYTHONINSPECT": "",
        }
    done = subprocess.run(
        interpreter.module(name, *MODULES[name]),
        cwd=tmp_path,
        env=variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert not ran.exists(), ran.read_text()
    assert done.returncode != 66
    assert "HOSTILE" not in done.stderr
    assert "No module named" not in done.stderr


def test_the_trap_is_one(tmp_path: Path) -> None:
    """The plain way of starting a module runs what lies in the folder."""
    ran = hostile_modules.trap(tmp_path)
    plain = [sys.executable, "-m", "lateen.node.shim.enter"]
    done = subprocess.run(plain, cwd=tmp_path, capture_output=True, timeout=30, check=False)
    assert done.returncode == 66
    assert ran.exists()


def test_the_users_own_site_directory_stays_where_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("site.ENABLE_USER_SITE", True)
    assert interpreter.command() == (sys.executable, "-E", "-P")
    monkeypatch.setattr("site.ENABLE_USER_SITE", False)
    assert interpreter.command() == (sys.executable, "-I")


PARTS = st.lists(st.sampled_from(["", ".", "sub", "/opt/a", "/opt/b"]), max_size=4)


@given(PARTS)
def test_relative_parts_of_pythonpath_are_left(parts: list[str]) -> None:
    variable = ":".join(parts)
    here = os.getcwd()
    came = [os.path.abspath(part) for part in parts] if variable else []
    search = [*came, "/usr/lib/python3"]
    interpreter.leave_current_folder(search, {"PYTHONPATH": variable}, by_module=False)
    assert here not in search
    assert f"{here}/sub" not in search
    assert search == [*(part for part in parts if part.startswith("/")), "/usr/lib/python3"]


def test_without_pythonpath_nothing_is_left_out() -> None:
    search = [os.getcwd(), "/usr/lib/python3"]
    interpreter.leave_current_folder(search, {}, by_module=False)
    assert search == [os.getcwd(), "/usr/lib/python3"]
    if not sys.flags.safe_path:
        interpreter.leave_current_folder(search, {}, by_module=True)
        assert search == ["/usr/lib/python3"]
