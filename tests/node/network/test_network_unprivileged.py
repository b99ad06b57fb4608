"""The same tests again as an ordinary user, root only in a user namespace of its own."""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import lateen

pytestmark = [pytest.mark.netns, pytest.mark.timeout(180)]

NOBODY = 65534


def _environment() -> dict[str, str]:
    sources = Path(lateen.__file__).parents[1]
    path = os.pathsep.join([str(sources), sysconfig.get_path("purelib")])
    return {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}


def _ordinary() -> tuple[str, dict[str, Any]]:
    """Return a Python that an ordinary user may run, and how to become one."""
    if os.geteuid() != 0:
        return sys.executable, {}
    version = f"python3.{sys.version_info.minor}"
    other = shutil.which(version, path="/usr/bin:/usr/local/bin")
    for python in (sys.executable, other):
        try:
            subprocess.run(
                [python or "/nonexistent", "-c", "import pytest, lateen"],
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                env=_environment(),
                check=True,
                capture_output=True,
                cwd="/",
            )
        except (OSError, subprocess.CalledProcessError):
            continue
        return str(python), {"user": NOBODY, "group": NOBODY, "extra_groups": []}
    pytest.skip(f"another user may run neither {sys.executable} nor {version} with this code")


def test_as_an_ordinary_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    if "LATEEN_TESTS_INSIDE" in os.environ:
        pytest.skip("this is the inner run")
    python, identity = _ordinary()
    folder = Path(__file__).parent
    temporary = Path("/tmp") / f"lateen-tests-{os.getpid()}"
    command = [
        python,
        "-m",
        "lateen.node.shim.enter",
        "--lab",
        "tests",
        "--parent",
        str(os.getpid()),
    ]
    command += ["--", python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "netns"]
    command += [f"--basetemp={temporary}", str(folder)]
    try:
        done = subprocess.run(
            command,
            env=_environment() | {"LATEEN_TESTS_INSIDE": "1"},
            capture_output=True,
            text=True,
            cwd=folder.parents[2],
            **identity,
        )
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    if done.returncode == 77:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
