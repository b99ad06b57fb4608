import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lateen.base.clock import ManualClock
from lateen.pki.accounts import AccountTokens
from lateen.pki.authority import Authority


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 3, 1, 12, 0, tzinfo=UTC))


@pytest.fixture
def advance(clock: ManualClock) -> Callable[[float], None]:
    return lambda seconds: asyncio.run(clock.advance(seconds))


@pytest.fixture
def authority(tmp_path: Path, clock: ManualClock) -> Authority:
    return Authority.open(tmp_path / "ca", clock)


@pytest.fixture
def accounts(tmp_path: Path, clock: ManualClock) -> AccountTokens:
    return AccountTokens.open(tmp_path / "ca", clock)
