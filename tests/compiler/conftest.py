"""What the tests of the compiler have in common."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-update", action="store_true", help="rewrite the expected outputs of golden cases"
    )
