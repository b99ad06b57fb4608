"""python -m lateen.node.standins.tcpdump [options] [filter expression]"""

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from typing import BinaryIO

from lateen.node.standins.tcpdump import capture, filters, lines, pcapfile
from lateen.node.standins.tcpdump.lexer import FilterError
from lateen.node.standins.tcpdump.names import Names
from lateen.node.standins.tcpdump.options import TcpdumpOptions, UsageError, read
from lateen.node.standins.tcpdump.packet import ETHERNET, LINUX_SLL2, Packet, parse

_LINKS = {ETHERNET: "EN10MB (Ethernet)", LINUX_SLL2: "LINUX_SLL2 (Linux cooked v2)"}
_UP, _LOOPBACK, _RUNNING = 1, 8, 0x40


class Output:
    """Where accepted packets go: a file, or lines on the output."""

    def __init__(self, options: TcpdumpOptions, link: int, file: BinaryIO | None) -> None:
        self._file = file
        self._flush = options.flush or options.write == "-"
        self.count = 0
        if file is not None:
            pcapfile.write_header(file, link, options.snapshot)
            file.flush()
        self._printer = lines.LinePrinter(
            Names(numeric=options.numeric, short=options.short_names), options.style
        )

    def put(self, packet: Packet) -> None:
        """Take one packet. Raises OSError if nobody reads any more or the disk is full."""
        self.count += 1
        if self._file is None:
            sys.stdout.write(self._printer.write(packet))
            return
        pcapfile.write_packet(self._file, packet.time, packet.data, packet.wire)
        if self._flush:
            self._file.flush()

    def flush(self) -> None:
        """Hand on what is buffered."""
        (self._file or sys.stdout).flush()


@contextlib.contextmanager
def _output(options: TcpdumpOptions, link: int) -> Iterator[Output]:
    if not options.write:
        output = Output(options, link, None)
        yield output
        output.flush()
    elif options.write == "-":
        yield Output(options, link, sys.stdout.buffer)
        sys.stdout.flush()
    else:
        with open(options.write, "wb") as file:
            yield Output(options, link, file)


def _say(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _list_interfaces() -> int:
    number = 0
    for _, name, flags in capture.interfaces():
        marks = [
            word
            for bit, word in ((_UP, "Up"), (_RUNNING, "Running"), (_LOOPBACK, "Loopback"))
            if flags & bit
        ]
        number += 1
        sys.stdout.write(f"{number}.{name} [{', '.join(marks)}]\n")
    sys.stdout.write(
        f"{number + 1}.any (Pseudo-device that captures on all interfaces) [Up, Running]\n"
    )
    return 0


def _default_interface() -> str:
    usable = [each for each in capture.interfaces() if each[2] & _UP]
    usable.sort(key=lambda each: (bool(each[2] & _LOOPBACK), each[0]))
    return usable[0][1] if usable else "any"


def _from_file(options: TcpdumpOptions) -> int:
    with sys.stdin.buffer if options.read == "-" else open(options.read, "rb") as file:
        header = pcapfile.read_header(file)
        if header.link not in _LINKS:
            raise pcapfile.FormatError(f"link type {header.link} is not supported")
        _say(
            f"reading from file {options.read}, link-type {_LINKS[header.link]},"
            f" snapshot length {header.snapshot}\n"
        )
        if header.link == LINUX_SLL2:
            _say("Warning: interface names might be incorrect\n")
        test = filters.compile_filter(options.expression)
        with _output(options, header.link) as output:
            for packet in _stored(file, header):
                if test(packet):
                    output.put(packet)
                if options.limit and output.count == options.limit:
                    break
    return 0


def _stored(file: BinaryIO, header: pcapfile.Header) -> Iterator[Packet]:
    names = {index: name for index, name, _ in capture.interfaces()}
    for time, data, wire in pcapfile.read_packets(file, header):
        interface, direction = "", ""
        if header.link == LINUX_SLL2:
            index = int.from_bytes(data[4:8], "big")
            interface = names.get(index, "?")
            direction = capture.direction(data[10])
        yield parse(time, data, wire, header.link, interface, direction)


def _live(options: TcpdumpOptions) -> int:
    test = filters.compile_filter(options.expression)
    interface = options.interface or _default_interface()
    source = capture.LiveCapture(interface, options.snapshot, promiscuous=options.promiscuous)
    stop, wake = capture.stop_pipe()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, lambda number, frame: os.write(wake, b"x") and None)
    with _output(options, source.link) as output:
        _banner(options, interface, source.link)
        for packet in _parsed(source, stop):
            if test(packet):
                output.put(packet)
                if output.count == options.limit:
                    break
            if options.line_buffered or not source.waiting():
                output.flush()
        else:
            if not options.write:
                sys.stdout.write("\n")
    received, dropped = source.statistics()
    _say(
        f"{_counted(output.count)} captured\n{_counted(received)} received by filter\n"
        f"{_counted(dropped)} dropped by kernel\n"
    )
    return 0


def _parsed(source: capture.LiveCapture, stop: int) -> Iterator[Packet]:
    for time, data, wire, interface, direction in source.packets(stop):
        yield parse(time, data, wire, source.link, interface, direction)


def _banner(options: TcpdumpOptions, interface: str, link: int) -> None:
    if link == LINUX_SLL2:
        _say("tcpdump: data link type LINUX_SLL2\n")
    start = "tcpdump: "
    if not options.write and not options.style.verbose:
        _say("tcpdump: verbose output suppressed, use -v[v]... for full protocol decode\n")
        start = ""
    _say(
        f"{start}listening on {interface}, link-type {_LINKS[link]},"
        f" snapshot length {options.snapshot} bytes\n"
    )


def _counted(count: int) -> str:
    return f"{count} packet{'' if count == 1 else 's'}"


def main(arguments: list[str]) -> int:
    """Capture or read, and print or write."""
    try:
        options = read(arguments)
        if options.list_interfaces:
            return _list_interfaces()
        return _from_file(options) if options.read else _live(options)
    except UsageError as error:
        _say(f"{error}\n")
    except FilterError as error:
        opening = "can't parse filter expression: " if str(error) == "syntax error" else ""
        _say(f"tcpdump: {opening}{error}\n")
    except (capture.CaptureError, pcapfile.FormatError) as error:
        _say(f"tcpdump: {error}\n")
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except OSError as error:
        _say(f"tcpdump: {error.filename or 'output'}: {error.strerror}\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
