import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from lateen.store import api
from lateen.store.memory import MemoryStore
from lateen.store.sqlite import SqliteStore


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"contract_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SUITE = _load(Path(__file__).parents[1] / "contracts" / "store.py")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", SUITE.CHECKS, ids=lambda check: check.__name__)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[api.Store]:
    make: Callable[[], api.Store] = {
        "memory": lambda: MemoryStore(history=SUITE.CAPACITY),
        "sqlite": lambda: SqliteStore(tmp_path / "store.db", history=SUITE.CAPACITY),
    }[request.param]
    opened = make()
    yield opened
    opened.close()
