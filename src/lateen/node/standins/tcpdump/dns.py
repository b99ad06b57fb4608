"""How a DNS message is written."""

import socket
import struct

_TYPES = {1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 12: "PTR", 15: "MX", 16: "TXT", 28: "AAAA",
          33: "SRV", 41: "OPT", 64: "SVCB", 65: "HTTPS", 255: "ANY"}  # fmt: skip
_ERRORS = ("", " FormErr", " ServFail", " NXDomain", " NotImp", " Refused")
_OPT = 41
_OPCODES = ("", " inv_q", " stat", " op3", " notify", " update")


class _CutError(Exception):
    """The message ends too early."""


def describe(data: bytes, verbose: int = 0) -> str:
    """Write a message: its id, question or answers, and length; `[|domain]` if it is cut.

    `verbose` 1 adds whose the answers are, 2 what was asked and the other sections, 3 how long
    records hold."""
    if len(data) < 12:
        return f"domain [length {len(data)} < 12] (invalid)"
    try:
        return _message(data, verbose)
    except (_CutError, struct.error, IndexError):
        return "[|domain]"


def _message(data: bytes, verbose: int) -> str:
    ident, flags, questions, answers, authorities, extra = struct.unpack_from(">6H", data)
    opcode = flags >> 11 & 15
    operation = _OPCODES[opcode] if opcode < len(_OPCODES) else f" op{opcode}"
    at = 12
    asked = []
    for _ in range(questions):
        name, at = _name(data, at)
        kind, _ = struct.unpack_from(">HH", data, at)
        at += 4
        asked.append(f" {_type(kind)}? {name}")
    if not flags & 0x8000:
        marks = "+" if flags & 0x0100 else ""
        marks += "%" if flags & 0x0010 else ""
        counts = "".join(
            f" [{count}{letters}]"
            for count, letters in ((answers, "a"), (authorities, "n"), (extra, "au"))
            if count
        )
        return f"{ident}{operation}{marks}{counts}{''.join(asked)} ({len(data)})"
    marks = "".join(mark for bit, mark in ((0x0400, "*"), (0x0200, "|")) if flags & bit) + (
        "" if flags & 0x0080 else "-"
    )
    marks += "$" if flags & 0x0020 else ""
    code = flags & 15
    error = _ERRORS[code] if code < len(_ERRORS) else f" Resp{code}"
    told, at = _records(data, at, answers, verbose)
    counts = f" {answers}/{authorities}/{extra}"
    if verbose > 1:
        counts = f" q:{','.join(asked)}{counts}"
        for label, number in (("ns", authorities), ("ar", extra)):
            more, at = _records(data, at, number, verbose)
            told += f" {label}:{more}" if more else ""
    return f"{ident}{operation}{error}{marks}{counts}{told} ({len(data)})"


def _records(data: bytes, at: int, number: int, verbose: int) -> tuple[str, int]:
    found = []
    for _ in range(number):
        record, at = _record(data, at, verbose)
        found.append(f" {record}")
    return ",".join(found), at


def _lasts(seconds: int) -> str:
    """Write a time as tcpdump does: 1h30m."""
    text = ""
    for unit, size in (("w", 604800), ("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def _record(data: bytes, at: int, verbose: int) -> tuple[str, int]:
    owner, at = _name(data, at)
    kind, wide, life, size = struct.unpack_from(">HHIH", data, at)
    at += 10
    value = data[at : at + size]
    if len(value) < size:
        raise _CutError
    text = f"{owner} " if verbose else ""
    text += f"[{_lasts(life)}] " if verbose > 2 and kind != _OPT else ""
    text += _type(kind)
    if kind == 1 and size == 4:
        text += f" {socket.inet_ntop(socket.AF_INET, value)}"
    elif kind == 28 and size == 16:
        text += f" {socket.inet_ntop(socket.AF_INET6, value)}"
    elif kind in (2, 5, 12):
        text += f" {_name(data, at)[0]}"
    elif kind == 6 and verbose:
        mname, end = _name(data, at)
        rname, end = _name(data, end)
        text += " ".join(("", mname, rname, *map(str, struct.unpack_from(">5I", data, end))))
    elif kind == _OPT:
        text += f" UDPsize={wide}{' DO' if life & 0x8000 else ''}"
    elif kind == 15:
        text += f" {_name(data, at + 2)[0]} {int.from_bytes(value[:2], 'big')}"
    elif kind == 33:
        text += f" {_name(data, at + 6)[0]}:{struct.unpack_from('>H', data, at + 4)[0]}"
        text += " {} {}".format(*struct.unpack_from(">HH", data, at))
    elif kind == 16:
        text += f' "{value[1 : 1 + value[0]].decode("latin-1")}"'
    return text, at + size


def _name(data: bytes, at: int) -> tuple[str, int]:
    labels: list[str] = []
    end = 0
    for _ in range(128):
        size = data[at]
        if size >= 0xC0:
            end = end or at + 2
            at = (size & 0x3F) << 8 | data[at + 1]
        elif size:
            labels.append(data[at + 1 : at + 1 + size].decode("latin-1"))
            at += 1 + size
        else:
            return ".".join(labels) + ".", end or at + 1
    raise _CutError


def _type(kind: int) -> str:
    return _TYPES.get(kind, f"Type{kind}")
