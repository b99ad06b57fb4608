"""What was foretold wrongly once is foretold rightly now, without a lab."""

from typing import Any

import pytest

from tests.law import faults, replay


@pytest.mark.parametrize("flow", replay.recorded(), ids=lambda flow: flow["seed"])
def test_a_recorded_flow_is_foretold(flow: dict[str, Any]) -> None:
    assert replay.differences(flow) == []


@pytest.mark.parametrize("fault", faults.FAULTS, ids=lambda fault: f"{fault.module} {fault.new}")
def test_a_fault_can_be_planted(fault: faults.Fault) -> None:
    """`./run law --faults` plants each; here it is seen that each has its place."""
    assert faults.source_of(fault).read_text(encoding="utf-8").count(fault.old) == 1
