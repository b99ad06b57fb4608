"""A zygote as the shim knows it, and what a copy of it is told. Pure; standard library only.

A zygote is a process that has loaded a program, up to the first instruction of its `main`, and
waits there. Each copy of it (a fork) becomes a process of that program in namespaces of its own,
without linking and without running the program's initializers again; pages that those wrote are
shared. `zygotemake` makes it and holds the machine code that it waits in.

What a copy is told is a program of system calls, then the pointers to its arguments and variables
and their text, which the program receives over those that the zygote was started with, so that
`/proc/PID/cmdline`, `/proc/PID/environ` and `getenv` say what they would after an `execve`.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

SLOTS: Final = 1024
"""How many variables a copy can have: Kubernetes gives a pod seven for each Service."""
ROOM: Final = 65536
"""How many bytes they can take, each with its terminating zero."""
PAGE: Final = 4096

CONTROL: Final = 3
SOCKET: Final = 4
"""Descriptors of a zygote and of its copy: what asks for copies; what tells one copy."""
MOUNTS, NAMES, NETWORK, STDIN, STDOUT, STDERR, REPORT, USERS, SHARED = range(5, 14)
"""Descriptors that come with the message, in this order; `REPORT` is 11 in the machine code too."""

MAIN: Final = 0x188
"""Where the machine code keeps how many arguments `main` gets, and behind it where they are."""
PROGRAM: Final = PAGE
"""Where a program lies in the data; before it is what the machine code keeps for itself."""
CALLS: Final = 128
_STEP = struct.Struct("<q6QQ")
_END = _STEP.pack(-1, 0, 0, 0, 0, 0, 0, 0)
_TEXT: Final = CALLS * _STEP.size
PROGRAM_SIZE: Final = _TEXT + PAGE
_CAPABILITY_VERSION = 0x20080522

_BEFORE_MAIN = ("LD_", "GLIBC_", "MALLOC_", "TCMALLOC_", "LOCPATH", "TZ")
"""Variables that act while a program loads: a process that has one is started the long way."""

SET_MEMORY_MAP: Final = (157, 35, 14)
"""prctl, PR_SET_MM, PR_SET_MM_MAP: needs no right, but CONFIG_CHECKPOINT_RESTORE."""

_RECVFROM, _SETNS, _PRCTL, _CAPSET, _CHDIR, _DUP2, _UMASK, _SETSID, _CLOSE_RANGE = (
    45, 308, 157, 126, 80, 33, 95, 112, 436,
)  # fmt: skip
_PR_CAPBSET_DROP = 24
_NAMESPACES = (
    (NETWORK, 0x40000000),
    (SHARED, 0x08000000),
    (NAMES, 0x04000000),
    (MOUNTS, 0x00020000),
    (USERS, 0x10000000),
)
"""The user namespace is the last: in it there is no right to enter the others."""
_SETGROUPS, _SETRESUID, _SETRESGID, _SETRLIMIT = 116, 117, 119, 160
_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _SECCOMP_FILTER, _RLIMIT_NPROC = 4, 22, 2, 6
_ALL = 0xFFFFFFFF


class Form(NamedTuple):
    """Where things lie in a zygote; addresses are its own."""

    pid: int
    argv: tuple[str, ...]
    data: int
    pointers: int
    """The array that `argv` is, with the variables' behind it."""
    strings: int
    """The text that the first pointer points to; the others follow."""
    bounds: tuple[int, ...] = ()
    """What the kernel knows of its memory: code, data, heap, stack (see `memory_map`); nothing
    where the kernel does not let a process change where its arguments and variables end."""


class Wanted(NamedTuple):
    """What a copy shall be."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    keep: frozenset[int] | None
    """Capabilities that it may have at most; None sets no limit."""
    last_capability: int
    switches: bool = False
    """Whether the user namespace has another user 0 than the zygote's."""
    filter: bytes = b""
    """What looks at its system calls."""
    processes: int = 0
    """How many its user may have; 0 sets no limit."""


def encoded(text: str) -> bytes:
    """Return a text as a program finds it: bytes that are no UTF-8 as they were, and a zero."""
    return text.encode("utf-8", "surrogateescape") + b"\0"


def length(texts: Sequence[str]) -> int:
    """Return the bytes of texts, each with its terminating zero."""
    return sum(len(encoded(text)) for text in texts)


def environment() -> dict[str, str]:
    """Return the variables that a zygote is started with: room for those of its copies."""
    each, rest = divmod(ROOM, SLOTS)
    rooms = [each + (index < rest) for index in range(SLOTS)]
    return {f"_{index:04}": "-" * (room - 7) for index, room in enumerate(rooms)}


def fits(form: Form, argv: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a copy can have these arguments and variables. As many and as long as the zygote's
    the arguments must be where their bounds cannot be changed."""
    texts = [f"{name}={value}" for name, value in env.items()]
    same = (len(argv), length(argv)) == (len(form.argv), length(form.argv))
    more = len(argv) + 1 if len(argv) != len(form.argv) else 0
    return (
        argv[0] == form.argv[0]
        and (bool(form.bounds) or same)
        and len(texts) + more <= SLOTS
        and length(argv) + length(texts) <= length(form.argv) + ROOM
        and not any(name.startswith(_BEFORE_MAIN) for name in env)
    )


def messages(form: Form, wanted: Wanted) -> tuple[bytes, bytes, bytes, bytes]:
    """Return what a copy is told, to be sent in this order. The caller saw that it fits."""
    pointers, text, main = _arguments(form, wanted)
    return _program(form, wanted, len(pointers), len(text)), pointers, text, main


def _arguments(form: Form, wanted: Wanted) -> tuple[bytes, bytes, bytes]:
    """Return pointers and text of arguments and variables, and what `main` gets of them.

    The variables stay where the program's loader found them. Arguments of another number than the
    zygote's have their pointers behind those of the variables.
    """
    groups, text = list[list[int]](), b""
    for group in (wanted.argv, [f"{name}={value}" for name, value in wanted.env.items()]):
        groups.append([])
        for item in group:
            groups[-1].append(form.strings + len(text))
            text += encoded(item)
    arguments, variables = groups
    at, count = form.pointers, len(form.argv)
    addresses = [*(arguments * count)[:count], 0, *variables, 0]
    if len(arguments) != count:
        at += 8 * len(addresses)
        addresses += [*arguments, 0]
    main = struct.pack("<QQ", len(arguments), at)
    return struct.pack(f"<{len(addresses)}Q", *addresses), text, main


def memory_map(bounds: Sequence[int], strings: int, arguments: int, variables: int) -> bytes:
    """Return a `struct prctl_mm_map` by which arguments and variables take so many bytes from
    `strings` on; `bounds` are its first seven fields."""
    end = strings + arguments
    places = (*bounds, strings, end, end, end + variables)
    return struct.pack("<11Q Q I i", *places, 0, 0, -1)


class _Text:
    """Bytes that calls point to; each piece begins at a multiple of 8."""

    def __init__(self, address: int) -> None:
        self._address = address
        self.data = b""

    def add(self, piece: bytes) -> int:
        """Return the address that a piece will have."""
        self.data = self.data.ljust(len(self.data) + -len(self.data) % 8, b"\0")
        self.data += piece
        return self._address + len(self.data) - len(piece)


def _program(form: Form, wanted: Wanted, pointers: int, strings: int) -> bytes:
    """Return the system calls between the fork and `main`, in the order of `shim.spawn`."""
    text = _Text(form.data + PROGRAM + _TEXT)
    place = text.add(encoded(wanted.cwd or "/"))
    calls: list[tuple[int, ...]] = [
        (_RECVFROM, SOCKET, form.pointers, pointers),
        (_RECVFROM, SOCKET, form.strings, strings),
        (_RECVFROM, SOCKET, form.data + MAIN, 16),
        (_SETSID,),
    ]
    calls += [(_SETNS, fd, kind) for fd, kind in _NAMESPACES]
    if wanted.switches:
        calls += [(_SETGROUPS, 0, 0), (_SETRESGID, 0, 0, 0), (_SETRESUID, 0, 0, 0)]
    # Another user makes the kernel hide a process, until it becomes another program: a copy is it.
    calls.append((_PRCTL, _PR_SET_DUMPABLE, 1, 0, 0, 0))
    if form.bounds:
        own = length(wanted.argv)
        bounds = memory_map(form.bounds, form.strings, own, strings - own)
        calls.append((*SET_MEMORY_MAP, text.add(bounds), len(bounds), 0))
    calls += _limits(wanted, text)
    calls.append((_CHDIR, place))
    calls += [(_DUP2, fd, number) for number, fd in enumerate((STDIN, STDOUT, STDERR))]
    calls += [(_UMASK, 0o022), (_CLOSE_RANGE, CONTROL, _ALL)]
    steps = b"".join(_STEP.pack(*call, *(0,) * (8 - len(call))) for call in calls) + _END
    if len(steps) > _TEXT or len(text.data) > PAGE:
        raise ValueError("more than a copy can be told")
    return steps.ljust(_TEXT, b"\0") + text.data


def _limits(wanted: Wanted, text: _Text) -> list[tuple[int, ...]]:
    """Return the calls by which a copy gives up rights, as `shim.spawn` does it."""
    calls = list[tuple[int, ...]]()
    if wanted.processes:
        bound = struct.pack("<QQ", wanted.processes, wanted.processes)
        calls.append((_SETRLIMIT, _RLIMIT_NPROC, text.add(bound)))
    if wanted.keep is not None:
        every = range(wanted.last_capability + 1)
        calls += [(_PRCTL, _PR_CAPBSET_DROP, one) for one in every if one not in wanted.keep]
    if wanted.filter:
        filter_at = text.add(wanted.filter)
        given = struct.pack("<HxxxxxxQ", len(wanted.filter) // 8, filter_at)
        calls.append((_PRCTL, _PR_SET_SECCOMP, _SECCOMP_FILTER, text.add(given)))
    if wanted.keep is not None:
        bits = sum(1 << one for one in wanted.keep)
        low, high = bits & _ALL, bits >> 32
        # What `execve` would leave of them: permitted and effective, nothing to inherit.
        header = text.add(struct.pack("<II6I", _CAPABILITY_VERSION, 0, low, low, 0, high, high, 0))
        calls.append((_CAPSET, header, header + 8))
    return calls


def encode(form: Form) -> bytes:
    """Return a form as the maker sends it to the shim."""
    return json.dumps(form._asdict()).encode()


def decode(data: bytes) -> Form:
    """Read a form back. Raises ValueError, TypeError."""
    raw = json.loads(data)
    return Form(**{**raw, "argv": tuple(raw["argv"]), "bounds": tuple(raw["bounds"])})
