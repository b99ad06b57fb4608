"""Goldens of this room: `LATEEN_GOLDEN=write pytest tests/model` writes what is found."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Check = Callable[[Path, Any], None]


@pytest.fixture
def golden() -> Check:
    """Compare a value with a YAML file, or write the file when asked to."""

    def check(path: Path, value: Any) -> None:
        if os.environ.get("LATEEN_GOLDEN") == "write":
            text = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1000)
            path.write_text(text, encoding="utf-8")
        expected = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert value == expected, f"if this is meant: LATEEN_GOLDEN=write pytest, then read {path}"

    return check
