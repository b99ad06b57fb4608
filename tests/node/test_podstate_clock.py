"""A wall clock that is set while pods run."""

import pytest

from lateen.node.container import backoff
from lateen.node.pod import machine, messages as ev
from tests.node.podscript import Script, container, plan


@pytest.mark.parametrize("jump", [-86400.0, -30.0, 30.0, 86400.0])
def test_a_clock_that_is_set_changes_no_back_off(jump: float) -> None:
    pod = Script(plan(container("app")))
    pod.network()
    pod.start("app")
    pod.skew += jump
    assert pod.exit("app", 1) == [ev.Prepare("app")]
    pod.start("app", 1)
    pod.skew += jump
    pod.exit("app", 1, 1)
    assert machine.next_wake(pod.state) == pod.now + backoff.FIRST
    pod.skew += jump
    assert pod(ev.Tick(), after=backoff.FIRST - 1) == []
    assert pod(ev.Tick(), after=1) == [ev.Prepare("app")]
    pod.start("app", 2)
    ending = pod.state.containers["app"].ending
    assert ending is not None
    assert ending.finished == pod.now - backoff.FIRST + 2 * jump  # as the wall clock had it
    pod.skew -= jump
    pod.exit("app", 1, 2)
    assert machine.next_wake(pod.state) == pod.now + 2 * backoff.FIRST


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_a_clock_that_is_set_changes_no_grace_period(jump: float) -> None:
    pod = Script(plan(container("app")))
    pod.network()
    pod.start("app")
    pod(ev.DeletionAsked(30.0))
    pod(ev.Tick(), after=machine.ENDPOINT_SETTLE)
    pod.skew += jump
    assert pod(ev.Tick(), after=29.0) == []
    killed = pod(ev.Tick(), after=1.0)
    assert [type(command) for command in killed] == [ev.Signal]
