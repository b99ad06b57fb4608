"""Capture files in the classic pcap format."""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_MICRO, _NANO = 0xA1B2C3D4, 0xA1B23C4D


class FormatError(Exception):
    """The file is no capture that can be read."""


class Header(NamedTuple):
    """What a file says about all of its packets."""

    link: int
    snapshot: int
    order: str
    nanoseconds: bool


def write_header(file: BinaryIO, link: int, snapshot: int) -> None:
    """Begin a file of this machine's byte order, with microseconds."""
    file.write(struct.pack("=IHHiIII", _MICRO, 2, 4, 0, 0, snapshot, link))


def write_packet(file: BinaryIO, time: int, data: bytes, wire: int) -> None:
    """Add a packet; `time` in nanoseconds, `wire` its length before truncation."""
    seconds, rest = divmod(time, 1_000_000_000)
    file.write(struct.pack("=IIII", seconds, rest // 1000, len(data), wire) + data)


def read_header(file: BinaryIO) -> Header:
    """Read the beginning of a file. Raises FormatError."""
    raw = file.read(24)
    if len(raw) < 24:
        raise FormatError(
            f"truncated dump file; tried to read 24 file header bytes, got {len(raw)}"
        )
    for order in "<>":
        (magic,) = struct.unpack_from(f"{order}I", raw)
        if magic in (_MICRO, _NANO):
            snapshot, link = struct.unpack_from(f"{order}II", raw, 16)
            return Header(link & 0xFFFF, snapshot, order, magic == _NANO)
    raise FormatError("unknown file format")


def read_packets(file: BinaryIO, header: Header) -> Iterator[tuple[int, bytes, int]]:
    """Yield time (nanoseconds), data and length on the wire. Raises FormatError."""
    unit = 1 if header.nanoseconds else 1000
    while raw := file.read(16):
        if len(raw) < 16:
            raise FormatError(
                f"truncated dump file; tried to read 16 header bytes, only got {len(raw)}"
            )
        seconds, rest, captured, wire = struct.unpack(f"{header.order}IIII", raw)
        data = file.read(captured)
        if len(data) < captured:
            raise FormatError(
                f"truncated dump file; tried to read {captured} captured bytes,"
                f" only got {len(data)}"
            )
        yield seconds * 1_000_000_000 + rest * unit, data, wire
