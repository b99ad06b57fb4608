"""Fixtures of the end-to-end tests."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import go_programs
from tests.e2e.labs import ORDINARY, Lab


@pytest.fixture(scope="module")
def make_lab() -> Iterator[Callable[..., Lab]]:
    """Make labs that are taken down at the end of the module."""
    made: list[Lab] = []
    homes: list[Path] = []

    def make(name: str = "t", *, ordinary: bool = False) -> Lab:
        home = Path(tempfile.mkdtemp(prefix="lt-"))
        homes.append(home)
        ordinary = ordinary and os.getuid() == 0
        if ordinary:
            os.chown(home, ORDINARY, ORDINARY)
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LATEEN_HOME": str(home),
            "LATEEN_LAB": name,
            "KUBECONFIG": str(home / "state" / name / "kubeconfig"),
            "LANG": "C.UTF-8",
            **go_programs.UNHURRIED,
        }
        lab = Lab(name, home, ordinary, env)
        made.append(lab)
        return lab

    yield make
    for lab in made:
        lab.lateen("down")
    for home in homes:
        shutil.rmtree(home, ignore_errors=True)
