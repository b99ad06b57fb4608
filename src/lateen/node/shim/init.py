"""PID 1 of a lab: parent of every container, opener of sockets in pods, keeper of the agent.

    python -m lateen.node.shim.init LAB STATE_DIRECTORY RUN_DIRECTORY [-- AGENT_COMMAND...]

One thread, one epoll loop, standard library only: it starts in a few milliseconds and has to
outlive everything else. When it ends, the kernel ends its pid namespace. It reads the system
clock itself, because the clock of the rest of the program needs asyncio.
"""

import contextlib
import errno
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable

from lateen.base import interpreter
from lateen.node.shim import protocol, root, spawn, syscalls
from lateen.node.shim.connection import Connection, listen, peer_uid
from lateen.node.shim.copies import copies
from lateen.node.shim.keeper import AgentKeeper
from lateen.node.shim.output import Output
from lateen.node.shim.protocol import ContainerSpec, Frame, Process
from lateen.node.shim.pumps import Pumps
from lateen.node.shim.spawn import Streams
from lateen.node.shim.streams import give, open_streams
from lateen.node.shim.table import Record, Refused, Table, problem
from lateen.node.shim.walls import groups, ids, memory

_STOP_WAIT = 3.0
"""Seconds that processes get between SIGTERM and SIGKILL when the lab ends."""
_HOLD = 10.0
"""Seconds that the end of a container with stdinOnce is kept back for its client: `kubectl run -i`
attaches when it sees the pod run, and a command that ends at once would be over by then."""
_STOP_AGAIN = 0.3
"""Seconds after which SIGTERM is sent again: a process that had no handler yet lost the first."""
_POINTLESS_WITHOUT_HANDLER = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)

Answer = tuple[Frame, list[int]]


class Shim:
    """The loop and the requests it serves."""

    def __init__(self, lab: str, state: str, run: str, agent: AgentKeeper) -> None:
        self._agent = agent
        self._table = Table()
        self._copies = copies()
        self._host = root.gather(run, ids.of_lab(lab, (state, run, "/usr")))
        if why := self._host.ids.why:
            sys.stderr.write(f"lateen: root in a container is this lab's user: {why} [LTN0179]\n")
        self._own_net = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._own_pid = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._started = time.time_ns()
        self._epoll = select.epoll()
        self._callbacks: dict[int, Callable[[], None]] = {}
        self._connections: list[Connection] = []
        self._held: list[Record] = []
        self._pumps = Pumps(self, time.monotonic)
        self._groups = groups.of_lab(lab, run, memory.bound())
        self._memory = memory.MemoryWatch()
        self._made = 0
        self._stop_at = 0.0
        self._stop_again = 0.0
        self._stopped = False
        self._listener = listen(os.path.join(run, "shim.sock"))
        self.watch(self._listener.fileno(), self._accept)
        self._operations: dict[str, Callable[[Connection, Frame, list[int]], Answer | None]] = {
            "ping": self._ping,
            "prepare": self._prepare,
            "make_pod": self._make_pod,
            "netns": self._netns,
            "remove_pod": self._remove_pod,
            "run": self._run,
            "exec": self._exec,
            "attach": self._attach,
            "kill": self._kill,
            "forget": self._forget,
            "list": self._list,
            "open_socket": self._open_socket,
            "subscribe": self._subscribe,
        }

    def serve(self) -> int:
        """Serve until told to stop and all processes have ended; returns the exit code."""
        wake, waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())  # `enter` held them back until here
        self.watch(wake, lambda: _empty(wake))
        while not self._stopped:
            if not self._stop_at:
                self._agent.start_if_due(time.monotonic())
            for fd, _ in self._epoll.poll(self._pause()):
                if callback := self._callbacks.get(fd):
                    callback()
            self._pumps.resume(time.monotonic())
            self._memory.look(self._table.live(), time.monotonic())
            self._reap()
            self._let_overdue_go(time.monotonic())
            if self._stop_at:
                self._continue_stop()
        self._groups.close()
        return 0

    def watch(self, fd: int, callback: Callable[[], None], events: int = select.EPOLLIN) -> None:
        """Call back whenever a descriptor is ready."""
        self._callbacks[fd] = callback
        self._epoll.register(fd, events)

    def unwatch(self, fd: int) -> None:
        """Wait for a descriptor no more."""
        if self._callbacks.pop(fd, None):
            with contextlib.suppress(OSError):
                self._epoll.unregister(fd)

    def watches(self, fd: int) -> bool:
        """Whether a descriptor is waited for."""
        return fd in self._callbacks

    def _pause(self) -> float:
        now = time.monotonic()
        if self._stop_at:
            due = max(0.0, min(self._stop_at, self._stop_again) - now)
            resting = self._pumps.pause(now)
            return due if resting is None else min(due, resting)
        dues = [max(0.0, record.hold_until - now) for record in self._held]
        if (agent := self._agent.pause(now)) >= 0:
            dues.append(agent)
        if (output := self._pumps.pause(now)) is not None:
            dues.append(output)
        if (look := self._memory.pause(self._table.live(), now)) is not None:
            dues.append(look)
        return min(dues, default=-1)

    def _asked_to_stop(self, _number: int, _frame: object) -> None:
        if self._stop_at:
            return
        self._stop_at = time.monotonic() + _STOP_WAIT
        self._agent.stop()
        self._stop_live()

    def _stop_live(self) -> None:
        self._stop_again = time.monotonic() + _STOP_AGAIN
        for record in self._table.live():
            with contextlib.suppress(OSError):
                self._signal(record, signal.SIGTERM)

    def _continue_stop(self) -> None:
        live = self._table.live()
        if not live and not self._agent.pid:
            self._stopped = True
        elif time.monotonic() >= self._stop_at:
            self._stopped = True  # the kernel kills the rest with this process
        elif time.monotonic() >= self._stop_again:
            self._stop_live()

    # --- connections ---

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            sock, _ = self._listener.accept()
            if peer_uid(sock) != os.getuid():
                sock.close()
                return
            connection = Connection(sock)
            self._connections.append(connection)
            self.watch(sock.fileno(), lambda: self._serve(connection))

    def _serve(self, connection: Connection) -> None:
        fd = connection.sock.fileno()
        try:
            connection.flush()
            frames = [] if connection.closed else connection.receive()
        except protocol.BadFrame:
            connection.close()
            frames = []
        self._follow(fd, connection)
        for frame, fds in frames:
            self._answer(connection, frame, fds)

    def _follow(self, fd: int, connection: Connection) -> None:
        """Adjust what is waited for to the state that a connection is in now."""
        if not connection.closed:
            wanted = select.EPOLLOUT if connection.wants_to_write else 0
            self._epoll.modify(fd, select.EPOLLIN | wanted)
        elif connection in self._connections:
            self._connections.remove(connection)
            self.unwatch(fd)

    def _send(self, connection: Connection, frame: Frame, fds: list[int] | None = None) -> None:
        fd = connection.sock.fileno()
        if not connection.closed:
            connection.send(frame, fds)
            self._follow(fd, connection)

    def _answer(self, connection: Connection, frame: Frame, fds: list[int]) -> None:
        number = frame.get("id", 0)
        try:
            operation = self._operations.get(str(frame.get("op")))
            if operation is None:
                raise Refused(errno.ENOSYS, f"unknown operation {frame.get('op')!r}")
            answer = operation(connection, frame, fds)
        except (Refused, OSError, KeyError, TypeError, ValueError) as error:
            self._send(connection, {"id": number, **problem(error)})
        else:
            if answer is not None:
                self._send(connection, {"id": number, "ok": answer[0]}, answer[1])
        finally:
            for fd in fds:
                with contextlib.suppress(OSError):
                    os.close(fd)

    # --- pods and sockets ---

    def _ping(self, _c: Connection, _frame: Frame, _fds: list[int]) -> Answer:
        return {"version": protocol.VERSION, "pid": os.getpid(), "started": self._started}, []

    def _prepare(self, _c: Connection, frame: Frame, _fds: list[int]) -> Answer:
        argv, rehearsal = (tuple(map(str, frame[name])) for name in ("argv", "rehearsal"))
        self._copies.begin(argv, rehearsal)
        return {}, []

    def _make_pod(self, _c: Connection, frame: Frame, _fds: list[int]) -> Answer:
        pod = str(frame["pod"])
        if not pod or "/" in pod:
            raise Refused(errno.EINVAL, f"bad pod uid: {pod!r}")
        if pod not in self._table.pods:
            self._made += 1
            self._table.pods[pod] = ids.pod(self._host.ids, self._own_net, self._made)
            root.make_terminals(self._host, pod)
        return {}, [self._table.pods[pod].net]

    def _netns(self, _c: Connection, frame: Frame, _fds: list[int]) -> Answer:
        pod = str(frame["pod"])
        return {}, [self._table.space(pod).net if pod else self._own_net]

    def _remove_pod(self, _c: Connection, frame: Frame, _fds: list[int]) -> Answer:
        pod = str(frame["pod"])
        for record in self._table.of_pod(pod):
            if record.ending is not None:
                self._let_go(record)
            if record.process.state == "running":
                record.attend()
                with contextlib.suppress(OSError):
                    os.kill(record.process.pid, signal.SIGKILL)
            else:
                self._table.drop(record)
        for fd in self._table.pods.pop(pod, ()):
            os.close(fd)
        root.remove_terminals(self._host, pod)
        return {}, []

    def _open_socket(self, _c: Connection, frame: Frame, fds: list[int]) -> Answer:
        pod = str(frame["pod"])
        inside = self._table.space(pod).net if pod else -1
        if pod:
            syscalls.setns(inside, syscalls.CLONE_NEWNET)
        try:
            made = socket.socket(int(frame["family"]), int(frame["type"]), int(frame["protocol"]))
            if mark := int(frame.get("mark", 0)):
                made.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
        finally:
            if pod:
                syscalls.setns(self._own_net, syscalls.CLONE_NEWNET)
        fds.append(made.detach())
        return {}, [fds[-1]]

    # --- processes ---

    def _run(self, connection: Connection, frame: Frame, _fds: list[int]) -> None:
        handle, spec = str(frame["handle"]), protocol.spec_from(frame["spec"])
        pod = self._table.check_unused(handle)
        space = self._table.space(pod)
        joined = self._table.alive(spec.joins).process.pid if spec.joins else 0
        streams, kept, inside = open_streams(spec, self._host, pod)
        copy = None if joined else self._copies.copy(spec)
        group = self._groups.make(handle, spec.memory)
        try:
            child = spawn.container(
                spec, streams, (pod, space), self._own_pid, self._host, joined, copy, group
            )
        except BaseException:
            for fd in {*kept.values(), *inside, group} - {-1}:
                os.close(fd)
            self._groups.ended(handle)
            raise
        finally:
            if copy:
                copy.close()
        for fd in inside:
            os.close(fd)
        record = self._record(handle, spec, connection, child, frame, container=True)
        record.stdin, record.stdin_once = kept["stdin"], spec.stdin_once
        record.terminal, record.group = kept["terminal"], group
        sources = {kept[name]: name for name in ("stdout", "stderr") if kept[name] >= 0}
        self._pumps.start(record, Output(spec.log, sources, time.time_ns))

    def _exec(self, connection: Connection, frame: Frame, fds: list[int]) -> None:
        handle, spec = str(frame["handle"]), protocol.spec_from(frame["spec"])
        self._table.check_unused(handle)
        target = self._table.alive(str(frame["target"]))
        spec = protocol.command_spec(spec, target.spec)
        master = -1
        if spec.tty:
            master, slave = root.open_terminal(self._host, target.pod, spec.uid)
            fds.append(slave)
            streams = Streams(slave, slave, slave, terminal=True)
        elif len(fds) == 3:
            give(fds, self._host.ids, spec)
            streams = Streams(fds[0], fds[1], fds[2])
        else:
            raise Refused(errno.EINVAL, "exec needs three descriptors, or a terminal")
        try:
            space = self._table.space(target.pod)
            place = (target.process.pid, target.group)
            child = spawn.command(spec, streams, place, space, self._own_pid, self._host.ids)
        except BaseException:
            if master >= 0:
                os.close(master)
            raise
        record = self._record(handle, spec, connection, child, frame, container=False)
        record.terminal = master

    def _record(
        self,
        handle: str,
        spec: ContainerSpec,
        connection: Connection,
        child: spawn.Child,
        frame: Frame,
        *,
        container: bool,
    ) -> Record:
        process = Process(handle, child.pid, "running", time.time_ns())
        record = Record(process, spec, connection, container=container)
        record.report, record.request = child.report, int(frame.get("id", 0))
        self._table.add(record)
        self.watch(child.report, lambda: self._reported(record))
        return record

    def _reported(self, record: Record) -> None:
        """The child has reached its program, or said why not: answer the request."""
        failed = spawn.read_report(record.report)
        self.unwatch(record.report)
        os.close(record.report)
        record.report = -1
        answer: Frame = {"id": record.request}
        if failed is not None:
            self._pumps.end(record)
            self._table.records.pop(record.process.handle, None)
            answer |= {"error": str(failed), "errno": failed.code, "step": failed.step}
            self._send(record.owner, answer)
            return
        answer["ok"] = record.process._asdict()
        hand_over = [record.terminal] if not record.container and record.terminal >= 0 else []
        self._send(record.owner, answer, hand_over)
        if hand_over:
            os.close(record.terminal)
            record.terminal = -1

    def _attach(self, _c: Connection, frame: Frame, fds: list[int]) -> Answer:
        record = self._table.running(str(frame["handle"]))
        if record.output is None or len(fds) != 2:
            raise Refused(errno.EINVAL, "only containers can be attached to, with two descriptors")
        first = record.spec.stdin_once and not record.attended
        since = int(frame.get("since", 0)) if first else None
        self._pumps.attach(record, record.output, (fds[0], fds[1]), since)
        record.attend()
        if record.ending is not None:
            self._let_go(record)
        wanted = bool(frame.get("stdin", True))
        given = (record.terminal if record.terminal >= 0 else record.stdin) if wanted else -1
        if given >= 0 and record.stdin_once and record.terminal < 0:
            fds.append(given)  # handed over: the container sees the end when the client closes
            record.stdin = -1
        return {"tty": record.spec.tty}, [given] if given >= 0 else []

    def _signal(self, record: Record, number: int) -> None:
        record.attend()  # whoever ends it does not want it kept
        if record.ending is not None:
            self._let_go(record)
            return
        pid = record.process.pid
        first = record.container and not record.spec.joins
        pointless = first and number in _POINTLESS_WITHOUT_HANDLER
        if pointless and not spawn.catches(pid, number):
            number = signal.SIGKILL
        spawn.send(pid, number, group=not record.container)

    def _kill(self, _c: Connection, frame: Frame, _fds: list[int]) -> Answer:
        self._signal(self._table.running(str(frame["handle"])), int(frame["signal"]))
        return {}, []

    def _forget(self, _c: Connection, frame: Frame, _fds: list[int]) -> Answer:
        record = self._table.record(str(frame["handle"]))
        if record.process.state == "running":
            raise Refused(errno.EBUSY, f"{record.process.handle} still runs")
        self._table.drop(record)
        return {}, []

    def _list(self, _c: Connection, _frame: Frame, _fds: list[int]) -> Answer:
        processes = [
            record.process._asdict()
            for record in self._table.records.values()
            if record.container and record.report < 0
        ]
        pods = list(self._table.pods)
        return {"pods": pods, "processes": processes, "zygote": self._copies.pid}, []

    def _subscribe(self, connection: Connection, _frame: Frame, _fds: list[int]) -> Answer:
        connection.subscribe()
        return {}, []

    # --- the end of processes ---

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if record := self._table.by_pid.pop(pid, None):
                self._ended(record, status)
            elif not self._copies.ended(pid, status) and pid == self._agent.pid:
                self._agent.ended(status, time.monotonic())

    def _ended(self, record: Record, status: int) -> None:
        if record.report >= 0:
            self._reported(record)
        self._pumps.end(record)
        if record.container and self._groups.ended(record.process.handle):
            record.process = record.process._replace(reason=memory.OUT_OF_MEMORY)
        if self._table.records.get(record.process.handle) is not record:
            return  # it never got to run; another may have got its handle meanwhile
        record.end(status, time.time_ns(), time.monotonic() + _HOLD)
        if record.container and record.spec.stdin_once and not record.attended:
            self._held.append(record)
        else:
            self._let_go(record)

    def _let_overdue_go(self, now: float) -> None:
        for record in tuple(self._held):
            if self._stop_at or now >= record.hold_until:
                self._let_go(record)

    def _let_go(self, record: Record) -> None:
        """Tell of the end of a process."""
        if record in self._held:
            self._held.remove(record)
        if record.ending is None:
            return
        status, finished = record.ending
        record.ending = None
        record.close()
        code = os.waitstatus_to_exitcode(status)
        record.process = record.process._replace(
            state="exited",
            finished=finished,
            code=code if code >= 0 else 128 - code,
            signal=max(0, -code),
            dropped=record.output.dropped if record.output else 0,
        )
        event = {"event": "exit", "process": record.process._asdict()}
        for connection in tuple(self._connections):
            if connection.subscribed or connection is record.owner:
                self._send(connection, event)
        if not record.container or record.pod not in self._table.pods:
            self._table.drop(record)


def _empty(fd: int) -> None:
    with contextlib.suppress(BlockingIOError):
        os.read(fd, 4096)


def main(argv: list[str]) -> int:
    """Run a lab's init."""
    lab, state, run = argv[1:4]
    command = interpreter.module("lateen.app.process", "lateen.app.agent", lab, state, run)
    if argv[4:5] == ["--"]:
        command = argv[5:]
    agent = AgentKeeper(command, os.path.join(state, "logs", "agent.log"))
    return Shim(lab, state, run, agent).serve()


if __name__ == "__main__":
    sys.exit(main(sys.argv))
