"""What the shim holds: pods by uid, processes by handle. No system calls but closing."""

import contextlib
import errno
import os

from lateen.node.shim import protocol
from lateen.node.shim.connection import Connection
from lateen.node.shim.output import Output
from lateen.node.shim.protocol import ContainerSpec, Frame, Process
from lateen.node.shim.walls.ids import Pod


class Refused(Exception):
    """A request that cannot be served; `code` is an errno."""

    def __init__(self, code: int, message: str, step: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.step = step


def problem(error: Exception) -> Frame:
    """Return what a client is told of a request that failed."""
    if isinstance(error, Refused):
        return {"error": str(error), "errno": error.code, "step": error.step}
    if isinstance(error, OSError):
        code = error.errno or errno.EIO
        return {"error": os.strerror(code), "errno": code, "step": str(error.filename or "")}
    return {"error": f"bad request: {error}", "errno": errno.EINVAL}


class Record:
    """One process that the shim started."""

    def __init__(
        self, process: Process, spec: ContainerSpec, owner: Connection, *, container: bool
    ) -> None:
        self.process = process
        self.spec = spec
        self.pod = protocol.parse_handle(process.handle)[0]
        self.owner = owner
        """Who asked for it: hears of its end."""
        self.container = container
        """Whether it is the first process of a container, not a command in one."""
        self.output: Output | None = None
        self.stdin = -1
        self.stdin_once = False
        self.attended = False
        """Whether somebody has attached to it, or asked for its end."""
        self.ending: tuple[int, int] | None = None
        """Wait status and time of an end that nobody was told of yet."""
        self.hold_until = 0.0
        self.terminal = -1
        self.group = -1
        """Its control group; -1: it is in none of the lab's."""
        self.report = -1
        self.request = 0
        """The request that waits for the report."""

    def attend(self) -> None:
        """Take note that somebody attached to it, or asked for its end."""
        self.attended = True

    def end(self, status: int, at: int, hold_until: float) -> None:
        """Take note of its end: wait status, time in nanoseconds, and until when (monotonic
        seconds) who has not attached yet may still get its output."""
        self.ending, self.hold_until = (status, at), hold_until

    def close(self) -> None:
        """Close every descriptor of the process."""
        for fd in {self.stdin, self.terminal, self.report, self.group} - {-1}:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.stdin = self.terminal = self.report = self.group = -1
        if self.output:
            self.output.close()


class Table:
    """Pods and processes, with the questions that are asked of them."""

    def __init__(self) -> None:
        self.pods: dict[str, Pod] = {}
        """Pod uid to the descriptors that keep its namespaces."""
        self.records: dict[str, Record] = {}
        self.by_pid: dict[int, Record] = {}

    def space(self, pod: str) -> Pod:
        """Return the descriptors of the pod's namespaces. Raises Refused."""
        try:
            return self.pods[pod]
        except KeyError:
            raise Refused(errno.ENOENT, f"no such pod: {pod}") from None

    def record(self, handle: str) -> Record:
        """Return a process's record. Raises Refused."""
        try:
            return self.records[handle]
        except KeyError:
            raise Refused(errno.ESRCH, f"no such process: {handle}") from None

    def running(self, handle: str) -> Record:
        """Return the record of a process that has not ended. Raises Refused."""
        record = self.record(handle)
        if record.process.state != "running":
            raise Refused(errno.ESRCH, f"{handle} has ended")
        return record

    def alive(self, handle: str) -> Record:
        """Return the record of a process that commands can join. Raises Refused."""
        record = self.running(handle)
        if record.ending is not None:
            raise Refused(errno.ESRCH, f"{handle} has ended")
        return record

    def check_unused(self, handle: str) -> str:
        """Return the pod of a handle that was never used. Raises Refused."""
        try:
            pod, _, _ = protocol.parse_handle(handle)
        except ValueError:
            raise Refused(errno.EINVAL, f"bad handle: {handle}") from None
        if handle in self.records:
            raise Refused(errno.EEXIST, f"{handle} was started already")
        return pod

    def add(self, record: Record) -> None:
        """Take a started process."""
        self.records[record.process.handle] = record
        self.by_pid[record.process.pid] = record

    def drop(self, record: Record) -> None:
        """Forget a process."""
        record.close()
        self.records.pop(record.process.handle, None)
        self.by_pid.pop(record.process.pid, None)

    def of_pod(self, pod: str) -> list[Record]:
        """Return the processes of a pod."""
        return [record for record in self.records.values() if record.pod == pod]

    def live(self) -> list[Record]:
        """Return the processes that have not ended."""
        return list(self.by_pid.values())
