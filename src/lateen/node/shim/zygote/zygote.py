"""The shim's zygote: a loaded program whose copies become containers. See `zygote.form`."""

import os
import socket
import struct
from typing import NamedTuple, NoReturn

from lateen.node.shim import protocol
from lateen.node.shim.protocol import ContainerSpec
from lateen.node.shim.syscalls import LAST_CAPABILITY
from lateen.node.shim.walls import seccomp
from lateen.node.shim.walls.ids import Ids, Pod
from lateen.node.shim.walls.limits import PROCESSES
from lateen.node.shim.zygote import form as zygoteform
from lateen.node.shim.zygote.form import Form, Wanted

_ANSWER = struct.Struct("<q")
_PATIENCE = 1.0
"""Seconds that a copy may take to be made; it takes less than a millisecond."""
_FORM_LIMIT = 65536


class Fork(NamedTuple):
    """A copy (`shim.copies.Copy`); what it is to be comes through `told`."""

    pid: int
    told: socket.socket
    form: Form

    def become(
        self, spec: ContainerSpec, ids: Ids, space: Pod, descriptors: tuple[int, ...]
    ) -> None:
        """Send it the descriptors and the program of what to do with them. Raises OSError."""
        wanted = Wanted(
            spec.argv,
            protocol.variables(spec),
            spec.cwd,
            None if spec.capabilities is None else frozenset(spec.capabilities),
            LAST_CAPABILITY,
            ids.number > 1,
            seccomp.program("x86_64", one_user=ids.number == 1),
            PROCESSES,
        )
        opened = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY) for kind in ("mnt", "uts")]
        program, *rest = zygoteform.messages(self.form, wanted)
        opened += [space.net, *descriptors, space.user, space.ipc]
        socket.send_fds(self.told, [program], opened)
        for part in rest:
            self.told.send(part)

    def close(self) -> None:
        """Close the socket."""
        self.told.close()


class Zygote:
    """One zygote, or none: whoever asks for a copy then starts its program the long way."""

    def __init__(self) -> None:
        self._maker = 0
        self.pid = 0
        """Its process id while it can be copied, else 0."""
        self._control: socket.socket | None = None
        self._form: Form | None = None
        self._argv: tuple[str, ...] = ()
        self._program: object = None
        self._rehearsal: tuple[str, ...] = ()

    def begin(self, argv: tuple[str, ...], rehearsal: tuple[str, ...] = ()) -> None:
        """Have a zygote of a program made, unless that was begun already: what cannot be made is
        not tried again."""
        if argv == self._argv:
            return
        self.drop()
        self._argv, self._rehearsal, self._program = argv, rehearsal, _file(argv)
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except OSError:
            return
        with theirs:
            try:
                pid = os.fork()
            except OSError:  # nothing that process 1 may end of
                ours.close()
                return
            if pid == 0:
                _make(argv, rehearsal, theirs)
        ours.settimeout(_PATIENCE)
        self._maker, self._control = pid, ours

    def _again(self) -> None:
        """Have it made anew."""
        argv = self._argv
        self.drop()
        self.begin(argv, self._rehearsal)

    def ended(self, pid: int, status: int) -> bool:
        """Take note of the end of a process; whether it was the maker or the zygote itself, which
        is then made anew."""
        if pid == self._maker:
            self._maker = 0
            if status == 0:
                self._learn()
            return True
        if pid == self.pid:
            self._again()
            return True
        return False

    def _learn(self) -> None:
        """The maker ended well: the zygote stands now, and is a child of this process."""
        assert self._control is not None
        try:
            form = zygoteform.decode(self._control.recv(_FORM_LIMIT))
        except (OSError, ValueError, TypeError):
            return
        if _parent(form.pid) == os.getpid():
            self._form, self.pid = form, form.pid

    def drop(self) -> None:
        """Have none any more; it ends when nobody can ask it."""
        if self._control is not None:
            self._control.close()
        self._control, self._form, self._argv = None, None, ()
        self._maker = self.pid = 0

    def copy(self, spec: ContainerSpec) -> Fork | None:
        """Return a copy for a container, or None when it has to be started the long way."""
        form, control = self._form, self._control
        if form is None or control is None or not _fits(form, spec):
            return None
        if self._program != _file(form.argv):
            self._again()  # another package of the program was installed meanwhile
            return None
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with theirs:
                socket.send_fds(control, [bytes(_ANSWER.size)], [theirs.fileno()])
            (pid,) = _ANSWER.unpack(control.recv(_ANSWER.size))
        except (OSError, struct.error):
            self._again()
            pid = -1
        if pid <= 0:
            ours.close()
            return None
        return Fork(pid, ours, form)


def _make(argv: tuple[str, ...], rehearsal: tuple[str, ...], control: socket.socket) -> NoReturn:
    try:
        from lateen.node.shim.zygote import make  # here: the shim never needs it itself

        make.make(argv, rehearsal, control.fileno())
    finally:
        os._exit(1)


def _file(argv: tuple[str, ...]) -> object:
    """Return what tells a program's file from one that was put in its place."""
    try:
        found = os.stat(argv[0])
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _parent(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _fits(form: Form, spec: ContainerSpec) -> bool:
    """Whether a container is one that a copy can become: user 0, no terminal, a process namespace
    of its own."""
    other = spec.tty or spec.joins or spec.uid or spec.gid or spec.groups or spec.no_new_privileges
    return not other and zygoteform.fits(form, spec.argv, protocol.variables(spec))
