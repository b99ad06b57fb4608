"""What the tests of structure share."""

from collections.abc import Iterator

import pytest

from tests.structure import syntax


@pytest.fixture(scope="package", autouse=True)
def forgotten_trees() -> Iterator[None]:
    """Trees are a million objects, which every garbage collection after would walk through."""
    yield
    syntax.module.cache_clear()
