"""The transcripts in the documentation are real: each page is typed from top to bottom.

`UPDATE_DOCS=1` writes the pages anew with what the commands print.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import transcripts
from tests.e2e.labs import ROOT, WALKTHROUGH, Lab

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(os.getuid() != 0, reason="the pages show addresses on the host"),
    pytest.mark.timeout(180),
]
PAGES = ("tutorial.md", "how-to/a-503.md", "how-to/is-it-encrypted.md", "how-to/before-a-merge.md")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_typed(name: str, make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    page = ROOT / "docs" / name
    lab = make_lab("default")
    shutil.copytree(WALKTHROUGH, tmp_path / "examples" / "walkthrough", symlinks=False)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "lateen"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m lateen.cli.entry "$@"\n')
    program.chmod(0o755)
    env = {**lab.env, "PATH": f"{tmp_path}/bin:{lab.env['PATH']}"}
    env.pop("LATEEN_LAB")

    def run(command: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            timeout=60,
            check=False,
        )
        return done.stdout

    if os.environ.get("UPDATE_DOCS"):
        page.write_text(transcripts.rewritten(page.read_text(), run))
        return
    for step in transcripts.steps(page.read_text()):
        now = run(step.command)
        assert transcripts.comparable(now) == transcripts.comparable(step.shown), (
            f"docs/{name}: `{step.command}` prints something else now:\n{now}\n"
            "UPDATE_DOCS=1 writes the page anew; read it before it is committed"
        )
