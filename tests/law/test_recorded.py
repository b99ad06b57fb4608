"""What was foretold wrongly once is foretold rightly now, without a lab."""

from typing import Any

import pytest

from tests.law import replay


@pytest.mark.parametrize("flow", replay.recorded(), ids=lambda flow: flow["seed"])
def test_a_recorded_flow_is_foretold(flow: dict[str, Any]) -> None:
    assert replay.differences(flow) == []
