"""Fixtures of the end-to-end tests."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import go_programs
from tests.e2e import attacked as attacking
from tests.e2e.attacked import Attacked
from tests.e2e.labs import ORDINARY, USERS, Lab


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


@pytest.fixture(scope="module", params=USERS)
def attacked(request: pytest.FixtureRequest, make_lab: Callable[..., Lab]) -> Iterator[Attacked]:
    """A lab that is attacked from its pods: root's, and an ordinary user's."""
    with attacking.attack(make_lab("walls", ordinary=request.param)) as found:
        yield found
