"""Output on its way to the log: little of it rests in the pipe for a moment, all of it arrives."""

import os
import select
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lateen.node.shim.connection import Connection
from lateen.node.shim.listeners import Listener
from lateen.node.shim.output import Output
from lateen.node.shim.protocol import ContainerSpec, Process
from lateen.node.shim.pumps import REST_SECONDS, Pumps
from lateen.node.shim.table import Record


class Turns:
    """An epoll loop that goes round when it is told to."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}

    def watch(self, fd: int, callback: Callable[[], None], events: int = select.EPOLLIN) -> None:
        self._callbacks[fd] = callback
        self._epoll.register(fd, events)

    def unwatch(self, fd: int) -> None:
        if self._callbacks.pop(fd, None):
            self._epoll.unregister(fd)

    def watches(self, fd: int) -> bool:
        return fd in self._callbacks

    def turn(self) -> int:
        """Serve what is ready; returns how much that was."""
        ready = [fd for fd, _ in self._epoll.poll(0)]
        for fd in ready:
            if callback := self._callbacks.get(fd):
                callback()
        return len(ready)


class Container:
    """A process's pipe, its pump and its log, at a time that the test sets."""

    def __init__(self, log: Path) -> None:
        self.log, self.now = log, 100.0
        self.loop = Turns()
        self.pumps = Pumps(self.loop, lambda: self.now)
        self.source, self.writer = os.pipe()
        self.owner, self.client = socket.socketpair()
        process = Process("pod/app/0", os.getpid(), "running", 0)
        spec = ContainerSpec(argv=("x",), log=str(log))
        self.record = Record(process, spec, Connection(self.owner), container=True)
        self.output = Output(str(log), {self.source: "stdout"}, lambda: 0)
        self.pumps.start(self.record, self.output)

    def say(self, text: str) -> int:
        """Write a line, and go round; returns what was ready."""
        os.write(self.writer, text.encode() + b"\n")
        return self.loop.turn()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.pumps.resume(self.now)

    @property
    def lines(self) -> list[str]:
        """What the log has."""
        return [line.split(" ", 3)[3] for line in self.log.read_text().splitlines()]


@pytest.fixture
def container(tmp_path: Path) -> Iterator[Container]:
    made = Container(tmp_path / "0.log")
    yield made
    made.owner.close()
    made.client.close()


def test_the_first_line_is_read_at_once_and_the_next_after_a_rest(container: Container) -> None:
    assert container.pumps.pause(container.now) is None
    assert container.say("one") == 1
    assert [container.say(text) for text in ("two", "three")] == [0, 0]
    assert container.lines == ["one"]
    assert container.pumps.pause(container.now) == pytest.approx(REST_SECONDS)
    container.wait(REST_SECONDS / 2)
    assert container.loop.turn() == 0
    container.wait(REST_SECONDS)
    assert container.pumps.pause(container.now) is None
    assert container.loop.turn() == 1
    assert container.lines == ["one", "two", "three"]


def test_much_output_is_not_left_in_the_pipe(container: Container) -> None:
    for number in range(5):
        assert container.say(f"{number}" * 40_000) == 1
    assert len("".join(container.lines)) == 200_000


def test_who_is_attached_does_not_wait(container: Container) -> None:
    heard, listener = os.pipe()
    container.output.listen(Listener(listener, os.dup(listener), patient=False))
    assert [container.say(text) for text in ("one", "two")] == [1, 1]
    container.pumps.end(container.record)
    with os.fdopen(heard, "rb") as got:
        assert got.read() == b"one\ntwo\n"


def test_who_has_left_is_forgotten_though_nothing_is_written(container: Container) -> None:
    before = set(os.listdir("/proc/self/fd"))
    heard, out = os.pipe()
    mute, err = os.pipe()
    container.pumps.attach(container.record, container.output, (out, err), None)
    os.close(out)
    os.close(err)
    assert container.loop.turn() == 0
    assert container.output.followed
    os.close(heard)
    os.close(mute)
    assert container.loop.turn() == 1
    assert not container.output.followed
    assert container.loop.turn() == 0
    assert set(os.listdir("/proc/self/fd")) == before


def test_who_leaves_without_reading_holds_nothing_up(container: Container) -> None:
    """A patient client goes away with its pipe full: output is read again."""
    heard, out = os.pipe()
    container.pumps.attach(container.record, container.output, (out, out), 0)
    os.close(out)
    while container.output.waits_for < 0:
        container.say("x" * 50_000)
    os.close(heard)
    container.loop.turn()
    assert not container.output.followed
    assert container.say("after") >= 0
    container.wait(REST_SECONDS)
    assert container.lines[-1] == "after"


def test_the_end_moves_what_rests(container: Container) -> None:
    container.say("one")
    container.say("two")
    os.close(container.writer)
    container.pumps.end(container.record)
    assert container.lines == ["one", "two"]
    assert container.pumps.pause(container.now) is None
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(container.source)


def test_a_patient_client_stalls_what_rests(container: Container) -> None:
    """A client that is to get everything takes nothing: output stays where it is, rested or not."""
    long = "x" * 50_000
    for text in (*(long,) * 30, "one", "two"):  # more than a client's pipe is made to hold
        container.say(text)
    assert container.lines[-1] == "one"  # the other rests in the pipe
    heard, listener = os.pipe()
    os.set_blocking(listener, False)
    container.output.listen(Listener(listener, os.dup(listener), patient=True), since=0)
    assert container.output.waits_for >= 0
    container.pumps.stall(container.record)
    container.wait(REST_SECONDS)
    assert container.say("three") == 0
    os.set_blocking(heard, False)
    got = b""
    while not got.endswith(b"three\n"):
        try:
            got += os.read(heard, 1 << 16)
        except BlockingIOError:
            assert container.loop.turn()
    assert got == (f"{long}\n" * 30 + "one\ntwo\nthree\n").encode()
    os.close(heard)
