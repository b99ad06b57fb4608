"""Classic BPF programs for packet sockets: what the kernel hands over and what it leaves. Pure.

Frames begin with an Ethernet header, on the loopback too. The loopback shows each packet twice,
as it leaves and as it arrives: every program here keeps the arrival.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

_LD_H, _LD_B, _LD_W, _LD_H_X, _LD_B_X = 0x28, 0x30, 0x20, 0x48, 0x50
_LDX_HEADER = 0xB1
"""X = 4 * (byte & 0x0f): the length of an IPv4 header."""
_JEQ, _JSET = 0x15, 0x45
_AND, _RSH, _ADD_X, _TAX, _RET = 0x54, 0x74, 0x0C, 0x07, 0x06
_ANCILLARY = 0xFFFFF000
_PACKET_TYPE, _HARDWARE_TYPE = _ANCILLARY + 4, _ANCILLARY + 28
_OUTGOING, _LOOPBACK = 4, 772
_IPV4, _IPV6, _TCP = 0x0800, 0x86DD, 6
_FIN_SYN_RST = 0x07
_WHOLE = 0x40000
_LABELS = {"keep": _WHOLE, "drop": 0}


class Instruction(NamedTuple):
    """One instruction, `struct sock_filter`."""

    code: int
    yes: int
    no: int
    k: int


Program = tuple[Instruction, ...]
_Step = tuple[str, int, int, str, str]
"""Label (or empty), code, k, where to go on yes, on no (a label, or empty for the next step)."""


def packed(program: Program) -> bytes:
    """Return the program as the kernel reads it, an array of `struct sock_filter`."""
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def _assembled(steps: Sequence[_Step]) -> Program:
    """Turn labels into distances; `keep` and `drop` are added at the end."""
    ends = [(label, _RET, size, "", "") for label, size in _LABELS.items()]
    every = [*steps, *ends]
    places = {label: number for number, (label, *_) in enumerate(every) if label}
    made = []
    for number, (_, code, k, yes, no) in enumerate(every):
        yes_by, no_by = (places[to] - number - 1 if to else 0 for to in (yes, no))
        made.append(Instruction(code, yes_by, no_by, k))
    return tuple(made)


_ONCE: tuple[_Step, ...] = (
    ("", _LD_W, _HARDWARE_TYPE, "", ""),
    ("", _JEQ, _LOOPBACK, "", "kind"),
    ("", _LD_W, _PACKET_TYPE, "", ""),
    ("", _JEQ, _OUTGOING, "drop", ""),
    ("kind", _LD_H, 12, "", ""),
    ("", _JEQ, _IPV4, "four", ""),
    ("", _JEQ, _IPV6, "six", "drop"),
)


def all_tcp(*ports: int) -> Program:
    """Return a program that keeps TCP over IPv4 and IPv6, from or to one of the ports if any are
    given (a few dozen at most: a jump goes no further than 255 instructions).

    IPv6 packets with extension headers are kept whatever they carry; later fragments of IPv4
    packets, which no longer name a port, are not.
    """
    found = "ports" if ports else "keep"
    steps: list[_Step] = [
        *_ONCE,
        ("four", _LD_B, 23, "", ""),
        ("", _JEQ, _TCP, "", "drop"),
        ("", _LD_H, 20, "", ""),
        ("", _JSET, 0x1FFF, "drop", "ports4" if ports else "keep"),
    ]
    if ports:
        steps += [
            ("ports4", _LDX_HEADER, 14, "", ""),
            ("", _LD_H_X, 14, "", ""),
            *(("", _JEQ, port, "keep", "") for port in ports),
            ("", _LD_H_X, 16, "", ""),
            *(("", _JEQ, port, "keep", "") for port in ports[:-1]),
            ("", _JEQ, ports[-1], "keep", "drop"),
        ]
    steps += [
        ("six", _LD_B, 20, "", ""),
        ("", _JEQ, _TCP, found, ""),
        *(("", _JEQ, kind, "keep", "") for kind in (0, 43)),
        ("", _JEQ, 60, "keep", "drop"),
    ]
    if ports:
        steps += [
            ("ports", _LD_H, 54, "", ""),
            *(("", _JEQ, port, "keep", "") for port in ports),
            ("", _LD_H, 56, "", ""),
            *(("", _JEQ, port, "keep", "") for port in ports[:-1]),
            ("", _JEQ, ports[-1], "keep", "drop"),
        ]
    return _assembled(steps)


def _payload_tests(load: int) -> tuple[_Step, ...]:
    """Test the payload at `X + load` for the records and the preface of an opening."""
    return (
        ("", _LD_H_X, load, "", ""),
        ("", _JEQ, 0x1603, "keep", ""),
        ("", _JEQ, 0x1403, "keep", ""),
        ("", _JEQ, 0x1503, "keep", ""),
        ("", _JEQ, 0x5052, "keep", "drop"),
    )


_ALL_STEPS: tuple[_Step, ...] = (
    *_ONCE,
    ("four", _LD_B, 23, "", ""),
    ("", _JEQ, _TCP, "", "drop"),
    ("", _LD_H, 20, "", ""),
    ("", _JSET, 0x1FFF, "drop", ""),
    ("", _LDX_HEADER, 14, "", ""),
    ("", _LD_B_X, 27, "", ""),
    ("", _JSET, _FIN_SYN_RST, "keep", ""),
    ("", _LD_B_X, 26, "", ""),
    ("", _AND, 0xF0, "", ""),
    ("", _RSH, 2, "", ""),
    ("", _ADD_X, 0, "", ""),
    ("", _TAX, 0, "", ""),
    *_payload_tests(14),
    ("six", _LD_B, 20, "", ""),
    ("", _JEQ, _TCP, "", "drop"),
    ("", _LD_B, 67, "", ""),
    ("", _JSET, _FIN_SYN_RST, "keep", ""),
    ("", _LD_B, 66, "", ""),
    ("", _AND, 0xF0, "", ""),
    ("", _RSH, 2, "", ""),
    ("", _TAX, 0, "", ""),
    *_payload_tests(54),
)

ALL_TCP = all_tcp()
"""Every TCP segment."""

OPENING = _assembled(_ALL_STEPS)
"""Segments that open or end a connection (SYN, FIN, RST), and those whose payload begins with a
TLS handshake, change-cipher or alert record or with HTTP/2's preface (`PR`). A load past the end
of a packet ends a program with `drop`, so segments without payload are left."""

NOTHING: Program = (Instruction(_RET, 0, 0, 0),)
"""Keeps nothing: attached first, so that the queue can be emptied of what came before."""
