"""What containers may have of a machine's memory: by control groups, or by looking."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given, strategies as st

from lateen.node.shim.protocol import ContainerSpec, Process
from lateen.node.shim.walls import groups, grouptree, room
from lateen.node.shim.walls.memory import MemoryWatch
from lateen.node.shim.walls.room import Room

GIB = 1 << 30
MEMINFO = """\
MemTotal:       16318212 kB
MemFree:          512000 kB
MemAvailable:    8159106 kB
HugePages_Total:       0
"""
UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = """\
31 23 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw
32 31 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
33 31 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
"""
BELOW = r"40 23 0:26 /machine/a\040b /groups\040here rw - cgroup2 none rw"


def test_a_machines_memory_is_read() -> None:
    assert room.of_machine(MEMINFO) == Room(16318212 * 1024, 8159106 * 1024)
    assert room.of_machine("MemTotal: 5 kB\n") == Room(0, 0)
    assert not room.is_short(Room(0, 0))


@given(st.integers(1 << 20, 1 << 42), st.integers(0, 1 << 42), st.integers(1, 512))
def test_who_looks_comes_before_the_rest_is_filled(total: int, free: int, cores: int) -> None:
    here = Room(total, min(free, total))
    wait = room.pause(here, cores)
    assert 0 < wait <= room.PERIOD
    assert room.left(total) <= min(total / 10, GIB)
    if not room.is_short(here) and wait > 0.02:
        assert here.available - wait * cores * (4 << 30) >= room.left(total) - 1


@given(st.lists(st.integers(0, 1 << 30), max_size=6))
def test_only_who_has_taken_much_is_ended(shares: list[int]) -> None:
    chosen = room.greediest((str(number), had) for number, had in enumerate(shares))
    if chosen:
        assert shares[int(chosen)] == max(shares) >= 128 << 20
    else:
        assert all(had < 128 << 20 for had in shares)


@pytest.mark.parametrize(
    ("mountinfo", "own", "expected"),
    [
        (UNIFIED, "/user.slice/app.slice/x.scope", ["/user.slice/app.slice/x.scope",
         "/user.slice/app.slice", "/user.slice", ""]),
        (UNIFIED, "/", [""]),
        (UNIFIED, "/../else", []),
        (UNIFIED, "", []),
        ("", "/a", []),
    ],
)  # fmt: skip
def test_a_labs_group_stands_beside_or_above_its_own(
    mountinfo: str, own: str, expected: list[str]
) -> None:
    found = grouptree.candidates(*grouptree.mounted(mountinfo), own)
    assert list(found) == [f"/sys/fs/cgroup{path}" for path in expected]


def test_the_tree_is_found_wherever_it_is_mounted() -> None:
    assert grouptree.mounted(HYBRID) == ("/sys/fs/cgroup/unified", "/")
    place, shown = grouptree.mounted(BELOW)
    assert (place, shown) == ("/groups here", "/machine/a b")
    assert list(grouptree.candidates(place, shown, "/machine/a b/c")) == [
        "/groups here/c", "/groups here",
    ]  # fmt: skip
    assert not list(grouptree.candidates(place, shown, "/machine/a bc"))
    assert grouptree.of_process("4:memory:/x\n0::/y/z\n") == "/y/z"
    assert grouptree.of_process("4:memory:/x\n") == ""


def test_what_groups_are_told() -> None:
    assert grouptree.of_lab(7) == {"memory.max": "7"}
    free = grouptree.of_container(0)
    assert "memory.max" not in free
    assert grouptree.of_container(5) == {**free, "memory.max": "5", "memory.swap.max": "0"}
    assert grouptree.name("uid/app/3") == "uid.app.3"
    assert grouptree.ended_for_memory("low 0\nmax 9\noom 1\noom_kill 1\noom_group_kill 1\n")
    assert not grouptree.ended_for_memory("oom 1\noom_kill 0\n")
    assert not grouptree.ended_for_memory("")


def test_without_groups_none_is_asked_for() -> None:
    none = groups.Groups()
    assert none.make("a/b/0", 5) == -1
    assert not none.ended("a/b/0")
    groups.join(-1)
    none.close()


@dataclass
class Held:
    """A process that holds memory, as the shim keeps one."""

    process: Process
    spec: ContainerSpec = field(default_factory=lambda: ContainerSpec(argv=("x",)))
    container: bool = True
    group: int = -1


@pytest.fixture
def processes() -> Iterator[list["subprocess.Popen[bytes]"]]:
    made = []
    for mebibytes in (8, 136, 148):
        words = f"held = bytearray(b'x') * ({mebibytes} << 20); print(flush=True); input()"
        command = [sys.executable, "-c", words]
        one = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert one.stdout is not None
        one.stdout.readline()
        made.append(one)
    yield made
    for one in made:
        one.kill()
        one.communicate()


def test_the_greediest_ends_where_the_machine_is_short(
    processes: list["subprocess.Popen[bytes]"], capfd: pytest.CaptureFixture[str]
) -> None:
    short = Room(16 * GIB, GIB // 2)
    watch = MemoryWatch(lambda: short)
    live = [Held(Process(f"pod/{n}/0", one.pid, "running", 0)) for n, one in enumerate(processes)]
    assert watch.pause([], 0.0) is None
    assert watch.pause(live, 0.0) == 0.0
    watch.look(live, 0.0)
    assert [one.process.reason for one in live] == ["", "", "OOMKilled"]
    assert "lateen: ended pod/2/0, which had 1" in capfd.readouterr().err
    watch.look(live, 1.0)  # the last is not reaped yet: its memory may not have come back
    assert [one.process.reason for one in live] == ["", "", "OOMKilled"]
    assert processes[2].wait() == -9
    watch.look(live[:2], 2.0)
    assert processes[1].wait() == -9
    watch.look(live[:1], 3.0)
    assert processes[0].poll() is None
    live[0].group = os.open("/", os.O_RDONLY)
    assert watch.pause(live[:1], 9.0) is None
    os.close(live[0].group)
