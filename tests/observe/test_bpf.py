"""The programs, run by a small machine of our own on hand-made frames, and by the kernel."""

import struct

import pytest

from lateen.observe.packets import bpf

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
KEPT, DROPPED = 0x40000, 0


LOADS = {
    0x28: lambda frame, k, x: struct.unpack_from(">H", frame, k)[0],
    0x48: lambda frame, k, x: struct.unpack_from(">H", frame, k + x)[0],
    0x30: lambda frame, k, x: frame[k],
    0x50: lambda frame, k, x: frame[k + x],
}
SUMS = {0x54: lambda a, x, k: a & k, 0x74: lambda a, x, k: a >> k, 0x0C: lambda a, x, k: a + x}


def run(program: bpf.Program, frame: bytes, packet_type: int = 0, hardware: int = 1) -> int:
    """Interpret a program as the kernel does; a load past the end gives 0."""
    a = x = at = 0
    while program[at].code != 0x06:
        code, yes, no, k = program[at]
        at += 1
        try:
            if code in LOADS:
                a = LOADS[code](frame, k, x)
            elif code == 0xB1:
                x = 4 * (frame[k] & 15)
        except (IndexError, struct.error):
            return 0
        if code == 0x20:
            a = {0xFFFFF004: packet_type, 0xFFFFF01C: hardware}[k]
        elif code in (0x15, 0x45):
            at += yes if (a == k if code == 0x15 else a & k) else no
        elif code == 0x07:
            x = a
        elif code in SUMS:
            a = SUMS[code](a, x, k)
    return program[at].k


def tcp(flags: int, payload: bytes = b"", *, options: int = 0, ports: tuple[int, int] = (4711, 80)):
    head = struct.pack(">HHIIBBHHH", *ports, 1, 2, (5 + options) << 4, flags, 1000, 0, 0)
    return head + b"\x01" * (4 * options) + payload


def four(body: bytes, *, protocol: int = 6, options: int = 0, fragment: int = 0) -> bytes:
    size = 20 + 4 * options + len(body)
    head = struct.pack(
        ">BBHHHBBH4s4s",
        0x45 + options,
        0,
        size,
        0,
        fragment,
        64,
        protocol,
        0,
        b"\n\0\0\1",
        b"\n\0\0\2",
    )
    return b"\0" * 12 + b"\x08\0" + head + b"\0" * (4 * options) + body


def six(body: bytes, *, following: int = 6) -> bytes:
    head = struct.pack(">IHBB", 0x60000000, len(body), following, 64) + b"\1" * 32
    return b"\0" * 12 + b"\x86\xdd" + head + body


HELLO, ALERT, SPEC, DATA = (
    b"\x16\x03\x01\0",
    b"\x15\x03\x03\0",
    b"\x14\x03\x03\0",
    b"\x17\x03\x03\0",
)

OPENINGS = {
    "a SYN": (tcp(SYN), True),
    "a SYN with options": (tcp(SYN, options=5), True),
    "a SYN's answer": (tcp(SYN | ACK), True),
    "a FIN": (tcp(FIN | ACK), True),
    "an RST": (tcp(RST), True),
    "a bare ACK": (tcp(ACK), False),
    "a handshake": (tcp(ACK | PSH, HELLO), True),
    "a handshake after options": (tcp(ACK | PSH, HELLO, options=3), True),
    "an alert": (tcp(ACK, ALERT), True),
    "a change of cipher": (tcp(ACK, SPEC), True),
    "encrypted data": (tcp(ACK, DATA), False),
    "HTTP/1": (tcp(ACK | PSH, b"GET / HTTP/1.1\r\n\r\n"), False),
    "HTTP/2's preface": (tcp(ACK | PSH, b"PRI * HTTP/2.0"), True),
    "one byte": (tcp(ACK, b"\x16"), False),
}


@pytest.mark.parametrize("case", OPENINGS)
def test_opening_keeps_what_opens_and_ends_a_connection(case: str) -> None:
    segment, kept = OPENINGS[case]
    wanted = KEPT if kept else DROPPED
    assert run(bpf.OPENING, four(segment)) == wanted
    assert run(bpf.OPENING, four(segment, options=3)) == wanted
    assert run(bpf.OPENING, six(segment)) == wanted


def test_nothing_but_first_fragments_of_tcp_passes() -> None:
    for program in (bpf.OPENING, bpf.ALL_TCP):
        assert run(program, four(tcp(SYN), protocol=17)) == DROPPED
        assert run(program, four(tcp(SYN), fragment=5)) == DROPPED
        assert run(program, six(tcp(SYN), following=17)) == DROPPED
        assert run(program, b"\0" * 12 + b"\x08\x06" + b"\0" * 28) == DROPPED
        assert run(program, b"") == DROPPED
    assert run(bpf.ALL_TCP, four(tcp(ACK))) == KEPT
    assert run(bpf.ALL_TCP, six(tcp(ACK))) == KEPT


def test_loopback_gives_each_packet_once() -> None:
    for program in (bpf.OPENING, bpf.ALL_TCP, bpf.all_tcp(80)):
        assert run(program, four(tcp(SYN)), packet_type=4, hardware=772) == DROPPED
        assert run(program, four(tcp(SYN)), packet_type=0, hardware=772) == KEPT
        assert run(program, four(tcp(SYN)), packet_type=4, hardware=1) == KEPT


@pytest.mark.parametrize("wrap", [four, six])
def test_a_port_is_either_ends(wrap) -> None:
    program = bpf.all_tcp(80)
    assert run(program, wrap(tcp(ACK, ports=(80, 4711)))) == KEPT
    assert run(program, wrap(tcp(ACK, ports=(4711, 80)))) == KEPT
    assert run(program, wrap(tcp(ACK, ports=(4711, 8080)))) == DROPPED
    several = bpf.all_tcp(80, 443, 15001)
    for port in (80, 443, 15001):
        assert run(several, wrap(tcp(ACK, ports=(port, 4711)))) == KEPT
        assert run(several, wrap(tcp(ACK, ports=(4711, port)))) == KEPT
    assert run(several, wrap(tcp(ACK, ports=(4711, 8080)))) == DROPPED


MANY = bpf.all_tcp(*range(1, 33))
"""As many ports as the command takes."""


def test_programs_end_and_jump_within_themselves() -> None:
    for program in (bpf.OPENING, bpf.ALL_TCP, bpf.all_tcp(65535), MANY, bpf.NOTHING):
        assert program[-1].code == 6
        assert len(bpf.packed(program)) == 8 * len(program)
        for number, step in enumerate(program):
            assert number + 1 + max(step.yes, step.no) < len(program) or step.code == 6
