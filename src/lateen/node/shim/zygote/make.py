"""Make a zygote: start a program under ptrace, stop it where its `main` begins, leave it waiting.

Only on x86-64, and only where a process may trace its own child (yama's `ptrace_scope` 3 forbids
it); where it cannot be made, programs are started the long way. Runs in a process of its own
that ends when the zygote stands, so that the zygote becomes a child of the shim, as its copies do.
"""

import contextlib
import ctypes
import errno
import os
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Final, NoReturn

from lateen.node.shim import syscalls
from lateen.node.shim.walls.limits import OOM_SCORE
from lateen.node.shim.zygote import form as zygoteform
from lateen.node.shim.zygote.form import CONTROL, PAGE, PROGRAM, ROOM, SLOTS, Form

_TIME_LIMIT = 10
_TRACEME, _CONT, _STEP, _GETREGS, _SETREGS, _DETACH, _SYSCALL = 0, 7, 9, 12, 13, 17, 24
_SETOPTIONS, _TRACESYSGOOD, _EXITKILL = 0x4200, 1, 1 << 20
_AT_ENTRY = 9
_SYS_MMAP, _SYS_MPROTECT, _SYS_BRK, _SYS_SET_TID_ADDRESS = 9, 10, 12, 218
_READ_WRITE, _READ_EXECUTE, _PRIVATE_ANONYMOUS = 3, 5, 0x22
_START_LENGTH = 64
_RED_ZONE = 1024
"""Bytes of the stack below a function's frame that are left alone; a multiple of 16."""
_LOOKS, _BETWEEN_LOOKS = 100, 0.001
_POOL = 256
_TITLE = ": loaded, waits to be copied"

_MESSAGE, _REQUEST_IOV, _REQUEST_CONTROL = 0x00, 0x40, 0x50
_TOLD, _TOLD_IOV, _TOLD_CONTROL = 0xA0, 0xE0, 0x140
_SAVED, _OUT, _FAILURE = 0x180, 0x1C0, 0x1D0
_DATA_SIZE = PROGRAM + zygoteform.PROGRAM_SIZE

_CODE: Final = bytes.fromhex(
    # r12 is the address of the data. Wait for a request, a message with one descriptor.
    "49c744242818000000"  # again: mov qword ptr [r12+0x28], 24   (msg_controllen)
    "b82f000000"  # mov eax, SYS_recvmsg
    "bf03000000"  # mov edi, CONTROL
    "4c89e6"  # mov rsi, r12
    "31d2"  # xor edx, edx
    "0f05"  # syscall
    "4885c0"  # test rax, rax
    "0f8ec1000000"  # jle quit
    # Fork, as a child of this process's parent and the first of a new pid namespace. glibc's own
    # thread id is written anew where it keeps it.
    "b838000000"  # mov eax, SYS_clone
    "bf11802021"  # mov edi, SIGCHLD | PARENT | NEWPID | CHILD_CLEARTID | CHILD_SETTID
    "31f6"  # xor esi, esi
    "31d2"  # xor edx, edx
    "4d8b9424a8010000"  # mov r10, [r12+0x1a8]                    (thread id's address)
    "4531c0"  # xor r8d, r8d
    "0f05"  # syscall
    "4885c0"  # test rax, rax
    "7436"  # jz copy
    # Answer with the process id, close what came, wait again.
    "49898424c0010000"  # mov [r12+0x1c0], rax
    "b801000000"  # mov eax, SYS_write
    "bf03000000"  # mov edi, CONTROL
    "498db424c0010000"  # lea rsi, [r12+0x1c0]
    "ba08000000"  # mov edx, 8
    "0f05"  # syscall
    "b8b4010000"  # mov eax, SYS_close_range
    "bf04000000"  # mov edi, SOCKET
    "beffffffff"  # mov esi, -1
    "31d2"  # xor edx, edx
    "0f05"  # syscall
    "eb87"  # jmp again
    # The copy waits to be told what it shall be; the end of the socket ends it.
    "b82f000000"  # copy: mov eax, SYS_recvmsg
    "bf04000000"  # mov edi, SOCKET
    "498db424a0000000"  # lea rsi, [r12+0xa0]
    "31d2"  # xor edx, edx
    "0f05"  # syscall
    "4885c0"  # test rax, rax
    "7e50"  # jle quit
    "498d9c2400100000"  # lea rbx, [r12+PROGRAM]
    # Do the calls it was sent, one after the other; -1 ends them.
    "488b03"  # step: mov rax, [rbx]
    "4883f8ff"  # cmp rax, -1
    "744b"  # je done
    "488b7b08"  # mov rdi, [rbx+8]
    "488b7310"  # mov rsi, [rbx+16]
    "488b5318"  # mov rdx, [rbx+24]
    "4c8b5320"  # mov r10, [rbx+32]
    "4c8b4328"  # mov r8, [rbx+40]
    "4c8b4b30"  # mov r9, [rbx+48]
    "0f05"  # syscall
    "4883c340"  # add rbx, 64
    "4885c0"  # test rax, rax
    "79d4"  # jns step
    # One failed: report it.
    "b801000000"  # mov eax, SYS_write
    "bf0b000000"  # mov edi, REPORT
    "498db424d0010000"  # lea rsi, [r12+0x1d0]
    "418b9424c8010000"  # mov edx, [r12+0x1c8]
    "0f05"  # syscall
    "b8e7000000"  # quit: mov eax, SYS_exit_group
    "bf7f000000"  # mov edi, 127
    "0f05"  # syscall
    # Become the program.
    "498ba42480010000"  # done: mov rsp, [r12+0x180]
    "498bbc2488010000"  # mov rdi, [r12+0x188]                    (argc)
    "498bb42490010000"  # mov rsi, [r12+0x190]                    (argv)
    "498b942498010000"  # mov rdx, [r12+0x198]                    (environment)
    "498b8424a0010000"  # mov rax, [r12+0x1a0]                    (main)
    "498b9c24b0010000"  # mov rbx, [r12+0x1b0]
    "4d8ba424b8010000"  # mov r12, [r12+0x1b8]
    "ffe0"  # jmp rax
    "cc"  # int3, where a rehearsal returns to
)
_FAILED = f"{errno.EIO}\nexec\na copy of the loaded program could not enter its namespaces".encode()

_NAMES = (
    "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss "
    "fs_base gs_base ds es fs gs"
)


_Registers = dict[str, int]
_Raw = ctypes.c_ulonglong * len(_NAMES.split())
_NO_CALL = ctypes.c_ulonglong(-1).value
"""What `orig_rax` says when a process is not in a system call that might be done again."""


class Unmakeable(Exception):
    """No zygote can be made of this program here; the text says why."""


_libc = ctypes.PyDLL(None, use_errno=True)
_libc.ptrace.restype = ctypes.c_long
_libc.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)


def _ptrace(request: int, pid: int, data: int = 0) -> None:
    if _libc.ptrace(request, pid, 0, data) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), f"ptrace {request}")


class _Traced:
    """A stopped child."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        _, status = os.waitpid(pid, 0)
        if os.WIFEXITED(status):  # see `_become`
            why = os.strerror(os.WEXITSTATUS(status))
            raise Unmakeable(f"it cannot be started to be traced ({why})")
        _ptrace(_SETOPTIONS, pid, _TRACESYSGOOD | _EXITKILL)
        self._memory = os.open(f"/proc/{pid}/mem", os.O_RDWR | os.O_CLOEXEC)

    def wait(self) -> int:
        """Wait for its next stop; returns the signal."""
        _, status = os.waitpid(self.pid, 0)
        if not os.WIFSTOPPED(status):
            raise Unmakeable(f"it ended with status {status}")
        return os.WSTOPSIG(status)

    def go(self, request: int) -> int:
        """Let it run; returns the signal of its next stop."""
        _ptrace(request, self.pid)
        return self.wait()

    @property
    def registers(self) -> _Registers:
        """Its registers by name; to be set as a whole."""
        raw = _Raw()
        _ptrace(_GETREGS, self.pid, ctypes.addressof(raw))
        return dict(zip(_NAMES.split(), raw, strict=True))

    @registers.setter
    def registers(self, values: _Registers) -> None:
        _ptrace(_SETREGS, self.pid, ctypes.addressof(_Raw(*values.values())))

    def read(self, address: int, length: int) -> bytes:
        """Return bytes of its memory."""
        return os.pread(self._memory, length, address)

    def numbers(self, address: int, count: int) -> tuple[int, ...]:
        """Return words of its memory."""
        return struct.unpack(f"<{count}Q", self.read(address, 8 * count))

    def write(self, address: int, data: bytes) -> bytes:
        """Write into its memory, also where it may not itself; returns what was there."""
        before = self.read(address, len(data))
        os.pwrite(self._memory, data, address)
        return before

    def run_to(self, address: int, request: int = _CONT) -> int:
        """Run until an instruction; returns the last argument of set_tid_address, if that was
        called meanwhile and `request` stops at system calls."""
        before, thread = self.write(address, b"\xcc"), 0
        while (stop := self.go(request)) == signal.SIGTRAP | 0x80:
            registers = self.registers
            if registers["orig_rax"] == _SYS_SET_TID_ADDRESS:
                thread = registers["rdi"]
        registers = self.registers
        if stop != signal.SIGTRAP or registers["rip"] != address + 1:
            raise Unmakeable(f"it stopped of signal {stop}")
        self.write(address, before)
        self.registers = {**registers, "rip": address}
        return thread

    def call(self, number: int, *arguments: int) -> int:
        """Have it do a system call; its registers stay as they are."""
        kept = self.registers
        before = self.write(kept["rip"], b"\x0f\x05\xcc")
        given = dict(zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments, strict=False))
        self.registers = {**kept, **given, "rax": number, "orig_rax": _NO_CALL}
        self.go(_CONT)
        result = ctypes.c_longlong(self.registers["rax"]).value
        self.write(kept["rip"], before)
        self.registers = kept
        if result < 0:
            raise OSError(-result, os.strerror(-result), f"system call {number}")
        return result


def make(argv: tuple[str, ...], rehearsal: tuple[str, ...], control: int) -> NoReturn:
    """In a child of the shim: make a zygote of a program, say on `control` what it is, and end.

    Its `main` is called once with the arguments `rehearsal`, if there are any: what that sets up
    for the life of the process, copies need not. The exit code is 0 when the zygote stands.
    """
    code = 1
    try:
        signal.alarm(_TIME_LIMIT)
        if os.uname().machine != "x86_64":
            raise Unmakeable("only x86-64 is known")
        if os.readlink("/proc/self") != str(os.getpid()):
            raise Unmakeable("/proc shows another pid namespace")
        try:
            form = _made(argv, rehearsal, control)
        except Unmakeable:
            if not rehearsal:
                raise
            form = _made(argv, (), control)
        socket.socket(fileno=os.dup(control)).send(zygoteform.encode(form))
        code = 0
    except (OSError, Unmakeable) as error:
        sys.stderr.write(f"lateen: each {os.path.basename(argv[0])} is loaded anew: {error}\n")
        sys.stderr.flush()
    finally:
        os._exit(code)


def _made(argv: tuple[str, ...], rehearsal: tuple[str, ...], control: int) -> Form:
    """Make one. Raises Unmakeable, OSError; no process is left then."""
    pid = os.fork()
    if pid == 0:
        _become(argv, control)
    try:
        return _stop(_Traced(pid), argv, rehearsal)
    except BaseException:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        raise


def _become(argv: tuple[str, ...], control: int) -> NoReturn:
    """Become the program, stopped; the exit code is the number of the error that prevented it."""
    code = errno.EIO
    try:
        syscalls.reset_signals()
        null = os.open("/dev/null", os.O_RDWR)
        for number, fd in enumerate((null, null, null, control)):
            os.dup2(os.dup(fd) if fd == number else fd, number)
        os.closerange(CONTROL + 1, os.sysconf("SC_OPEN_MAX"))
        os.chdir("/")
        _hold_fast(os.path.dirname(argv[0]))
        with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:
            score.write(OOM_SCORE)  # which its copies have from it
        _ptrace(_TRACEME, 0)
        os.execve(argv[0], argv, zygoteform.environment())
    except OSError as error:
        code = error.errno or errno.EIO
    finally:
        os._exit(code)


def _hold_fast(directory: str) -> None:
    """Have a program's own file be of a mount that nobody writes through: copies show it to their
    containers as what they run."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.bind(directory, directory, read_only=True)


def _stop(traced: _Traced, argv: tuple[str, ...], rehearsal: tuple[str, ...]) -> Form:
    """Bring it from its `execve` to where it waits for requests, and let go of it."""
    with open(f"/proc/{traced.pid}/auxv", "rb") as file:
        entry = dict(struct.iter_unpack("<QQ", file.read()))[_AT_ENTRY]
    thread = traced.run_to(entry, _SYSCALL)
    # The first call of `_start` is into the C library, and its first argument is `main`.
    registers = traced.registers
    while entry <= registers["rip"] < entry + _START_LENGTH:
        traced.go(_STEP)
        registers = traced.registers
    traced.run_to(registers["rdi"])
    registers = traced.registers
    strings = _check(traced, registers, argv, thread)
    data = traced.call(_SYS_MMAP, 0, PAGE + _DATA_SIZE, _READ_WRITE, _PRIVATE_ANONYMOUS, -1, 0)
    code, data = data, data + PAGE
    traced.write(code, _CODE)
    traced.call(_SYS_MPROTECT, code, PAGE, _READ_EXECUTE)
    if rehearsal:
        _rehearse(traced, rehearsal, code + len(_CODE) - 1, data + PROGRAM)
    bounds = _bounds(traced, data + PROGRAM, strings, zygoteform.length(argv))
    form = Form(traced.pid, argv, data, registers["rsi"], strings, bounds)
    traced.write(data, _data(form, registers, thread))
    title = os.fsencode(os.path.basename(argv[0]) + _TITLE)[: zygoteform.length(argv) - 1]
    traced.write(strings, title.ljust(zygoteform.length(argv) + ROOM, b"\0"))
    traced.registers = {**registers, "r12": data, "rip": code, "orig_rax": _NO_CALL}
    _ptrace(_DETACH, traced.pid)
    return form


def _bounds(traced: _Traced, room: int, strings: int, arguments: int) -> tuple[int, ...]:
    """Return the bounds that copies hand back with others for their arguments and variables;
    none where the kernel would not take them."""
    with open(f"/proc/{traced.pid}/stat", encoding="utf-8", errors="surrogateescape") as file:
        fields = file.read().rpartition(")")[2].split()
    heap = traced.call(_SYS_BRK, 0)
    code, data, stack = map(int, fields[23:25]), map(int, fields[42:44]), int(fields[25])
    bounds = (*code, *data, int(fields[44]), heap, stack)
    same = zygoteform.memory_map(bounds, strings, arguments, ROOM)
    traced.write(room, same)
    try:
        traced.call(*zygoteform.SET_MEMORY_MAP, room, len(same), 0)
    except OSError:
        return ()
    return bounds


def _check(traced: _Traced, registers: _Registers, argv: tuple[str, ...], thread: int) -> int:
    """See that the process is as copies need it; returns where its strings begin."""
    _alone(traced)
    count = len(argv)
    pointers = traced.numbers(registers["rsi"], count + 1 + SLOTS + 1)
    strings = pointers[0]
    variables = strings + zygoteform.length(argv)
    expected = (count, registers["rsi"] + 8 * (count + 1), variables, 0, 0)
    found = (registers["rdi"], registers["rdx"], pointers[count + 1], pointers[count], pointers[-1])
    if found != expected or not thread:
        raise Unmakeable("its main does not begin as expected")
    return strings


def _alone(traced: _Traced) -> None:
    """See that it has one thread, and no files but its own four. A thread that was joined is
    listed for a moment more."""
    task = f"/proc/{traced.pid}"
    for _ in range(_LOOKS):
        if len(os.listdir(f"{task}/task")) == 1:
            break
        time.sleep(_BETWEEN_LOOKS)
    else:
        raise Unmakeable("it has threads of its own")
    if sorted(map(int, os.listdir(f"{task}/fd"))) != list(range(CONTROL + 1)):
        raise Unmakeable("it has opened files")


def _rehearse(traced: _Traced, words: tuple[str, ...], back: int, room: int) -> None:
    """Call `main` with other arguments, which are written to `room`; it returns to the trap at
    `back`, having left nothing behind but memory."""
    kept = traced.registers
    pointers, text = list[int](), b""
    for word in words:
        pointers.append(room + len(text))
        text += zygoteform.encoded(word)
    text += bytes(-len(text) % 8)
    array = struct.pack(f"<{len(words) + 1}Q", *pointers, 0)
    if len(text) + len(array) > zygoteform.PROGRAM_SIZE:
        raise Unmakeable("the rehearsal's arguments are too long")
    traced.write(room, text + array)
    at, own = _thread_locals(traced, kept["fs_base"])
    stack = kept["rsp"] - _RED_ZONE
    traced.write(stack, struct.pack("<Q", back))
    call = {"rsp": stack, "rdi": len(words), "rsi": room + len(text), "orig_rax": _NO_CALL}
    traced.registers = {**kept, **call}
    stop, registers = traced.go(_CONT), traced.registers
    if stop != signal.SIGTRAP or registers["rip"] != back + 1:
        raise Unmakeable(f"its rehearsal stopped of signal {stop}")
    if registers["rax"] & 0xFFFFFFFF:
        raise Unmakeable("its rehearsal failed")
    traced.registers = kept
    _alone(traced)
    for index in _drawn(own, traced.numbers(at, len(own))):
        traced.write(at + 8 * index, struct.pack("<Q", _POOL))


def _thread_locals(traced: _Traced, end: int) -> tuple[int, tuple[int, ...]]:
    """Return where the thread's own variables begin, at the earliest, and those words; they lie
    before what its segment register points to."""
    with open(f"/proc/{traced.pid}/maps", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            first, last = (int(part, 16) for part in line.split()[0].split("-"))
            if first <= end < last:
                return first, traced.numbers(first, (end - first) // 8)
    raise Unmakeable("its thread has no variables of its own")


def _drawn(before: Sequence[int], after: Sequence[int]) -> Iterator[int]:
    """Yield where a thread counts what it has used of the random numbers that it drew ahead.

    Envoy draws 256 at a time, and a count of 256 has it draw again. Copies of a rehearsal's rest
    would all use the same: their main threads' jitter, and the order of their endpoints.
    """
    fresh = bytes(was == 0 != now for was, now in zip(before, after, strict=True))
    if bytes([1]) * _POOL in fresh:
        for index, (was, now) in enumerate(zip(before, after, strict=True)):
            if was == _POOL and 0 < now < _POOL:
                yield index


def _data(form: Form, registers: _Registers, thread: int) -> bytes:
    """Return what the machine code finds at its data's address."""
    at = form.data
    pieces = {
        _MESSAGE: _header(at + _REQUEST_IOV, 1, at + _REQUEST_CONTROL, 24),
        _REQUEST_IOV: struct.pack("<QQ", at + _OUT, 8),
        _TOLD: _header(at + _TOLD_IOV, 1, at + _TOLD_CONTROL, 56),
        _TOLD_IOV: struct.pack("<QQ", at + PROGRAM, zygoteform.PROGRAM_SIZE),
        _SAVED: struct.pack(
            "<8Q",
            registers["rsp"],
            registers["rdi"],
            registers["rsi"],
            registers["rdx"],
            registers["rip"],
            thread,
            registers["rbx"],
            registers["r12"],
        ),
        _OUT + 8: struct.pack("<Q", len(_FAILED)),
        _FAILURE: _FAILED,
    }
    data = bytearray(PROGRAM)
    for offset, piece in pieces.items():
        data[offset : offset + len(piece)] = piece
    return bytes(data)


def _header(iov: int, count: int, control: int, length: int) -> bytes:
    """Return a `struct msghdr`."""
    return struct.pack("<QQQQQQQ", 0, 0, iov, count, control, length, 0)
