"""What pods may hold on disk, and what becomes of one that holds more."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from lateen.node.container import usage
from lateen.node.container.usage import Disk, DiskUsage, Stored
from lateen.node.pod import messages as ev, status
from tests.node.podscript import T0, Script, container, plan

MEGABYTE = 1 << 20
ROOMY = Disk(1 << 40, 1 << 30)
SIZES = st.integers(0, 1 << 42)


def seen(used: int, free: Disk = ROOMY, files: int = 0, took: float = 0.01) -> DiskUsage:
    return DiskUsage(used, files, free, 100.0, took)


@given(SIZES, SIZES)
def test_a_volumes_own_limit_holds_whatever_is_free(used: int, free: int) -> None:
    stored = Stored("/v", "10Mi", "v")
    over = usage.excess(stored, seen(used, Disk(free, 1 << 30)))
    assert bool(over) == (used > 10 * MEGABYTE)
    if over:
        assert over == 'Usage of EmptyDir volume "v" exceeds the limit "10Mi". '


@given(SIZES, SIZES)
def test_without_a_limit_no_volume_takes_more_than_it_leaves(used: int, free: int) -> None:
    over = usage.excess(Stored("/v", volume="v"), seen(used, Disk(free, 1 << 30)))
    assert bool(over) == (used > min(8 << 30, max(free, 64 * MEGABYTE)))
    assert not over or "no sizeLimit" in over


@pytest.mark.parametrize(
    ("left", "files", "over"), [(1000, 1001, True), (1000, 1000, False), (-1, 9**9, False)]
)
def test_files_count_where_few_more_are_free(left: int, files: int, over: bool) -> None:
    found = usage.excess(Stored("/v", volume="v"), seen(1, Disk(1 << 40, left), files))
    assert bool(found) == over


def test_what_lies_beside_the_volumes_is_the_pods() -> None:
    words = "Pod ephemeral local storage usage exceeds the total limit of containers 16Mi. "
    assert usage.excess(Stored("/t", "16Mi"), seen(17 * MEGABYTE)) == words


def test_a_disk_that_fills_is_looked_at_at_once_and_a_slow_look_is_rare() -> None:
    stored, last = Stored("/v", "10Mi", "v"), seen(2 * MEGABYTE)
    lost = Disk(ROOMY.size - 5 * MEGABYTE, ROOMY.files)
    assert usage.is_due(stored, None, ROOMY, 100.0)
    assert not usage.is_due(stored, last, ROOMY, 101.0)
    assert usage.is_due(stored, last, lost, 101.0)
    assert usage.is_due(stored, last, ROOMY, 100.0 + usage.PERIOD)
    assert not usage.is_due(stored, seen(2 * MEGABYTE, took=30.0), lost, 101.0)
    assert usage.is_due(stored, last, Disk(ROOMY.size, ROOMY.files // 3), 101.0)


def test_a_pod_over_its_limit_is_evicted_as_kubelet_does_it() -> None:
    pod = Script(plan(container("a"), terminationGracePeriodSeconds=30))
    pod.network()
    pod.start("a")
    said = 'Usage of EmptyDir volume "v" exceeds the limit "10Mi". '
    assert pod(ev.Evicted(said)) == [ev.Signal("a", 0, "SIGTERM")]
    assert pod(ev.Evicted("again")) == []
    assert ev.Note("Evicted", said, warning=True) in pod.notes
    assert pod(ev.Tick(), after=1.0) == [ev.Signal("a", 0, "SIGKILL")]
    pod.exit("a", 137)
    facts = status.PodFacts(namespace="n", name="p", uid="u", host_ip="10.0.0.9")
    shown = status.render(pod.plan, pod.state, facts, T0)
    assert (shown["phase"], shown["reason"], shown["message"]) == ("Failed", "Evicted", said)
    (condition,) = [c for c in shown["conditions"] if c["type"] == "DisruptionTarget"]
    assert condition == {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "TerminationByKubelet",
        "message": said,
        "lastProbeTime": None,
        "lastTransitionTime": datetime.fromtimestamp(T0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
