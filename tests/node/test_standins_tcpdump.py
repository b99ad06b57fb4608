"""The built-in tcpdump. The expected lines are what tcpdump 4.99 writes of the same packets, ICMP's
messages apart, which it tells more of."""

import io
import os
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.node.standins.tcpdump import filters, options, packet, pcapfile
from lateen.node.standins.tcpdump.lexer import FilterError
from lateen.node.standins.tcpdump.lines import LinePrinter, Style
from lateen.node.standins.tcpdump.names import Names
from tests import programs

CASES = Path(__file__).parent / "cases" / "tcpdump"
TCPDUMP = [sys.executable, "-m", "lateen.node.standins.tcpdump"]
OUTPUTS = sorted(CASES.glob("*/*.args"))
FILTERS = [
    (path.parent, *line.split("\t"))
    for path in sorted(CASES.glob("*/filters.txt"))
    for line in path.read_text().splitlines()
]


def load(path: Path) -> list[packet.Packet]:
    with path.open("rb") as file:
        header = pcapfile.read_header(file)
        return [
            packet.parse(time, data, wire, header.link)
            for time, data, wire in pcapfile.read_packets(file, header)
        ]


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "TZ": "UTC"}
    return subprocess.run([*TCPDUMP, *arguments], capture_output=True, text=True, env=environment)


@pytest.mark.parametrize("case", OUTPUTS, ids=lambda case: f"{case.parent.name}-{case.stem}")
def test_lines(case: Path) -> None:
    capture = case.parent / "in.pcap"
    done = run("-r", str(capture), *shlex.split(case.read_text()))
    assert done.stdout == case.with_suffix(".out").read_text()
    assert done.returncode == 0
    cooked = case.parent.name == "cooked"
    link = "LINUX_SLL2 (Linux cooked v2)" if cooked else "EN10MB (Ethernet)"
    warning = "Warning: interface names might be incorrect\n" if cooked else ""
    assert done.stderr == (
        f"reading from file {capture}, link-type {link}, snapshot length 262144\n{warning}"
    )


@pytest.mark.parametrize(("folder", "count", "expression"), FILTERS)
def test_filters(folder: Path, count: str, expression: str) -> None:
    test = filters.compile_filter(expression)
    assert sum(map(test, load(folder / "in.pcap"))) == int(count)


@pytest.mark.parametrize(
    "expression",
    [
        "host",
        "and",
        "host and",
        "port 70000",
        "(tcp",
        "tcp)",
        "127.0.0.1",
        "tcp[13",
        "tcp[13:3] = 1",
        "tcp[13] &",
        "frob[0] = 1",
        "net 10.0.0.1/8",
        "port no-such-service",
        "arp port 80",
        "ether host zz",
        "#",
        "not",
    ],
)
def test_wrong_filters(expression: str) -> None:
    with pytest.raises(FilterError):
        filters.compile_filter(expression)


@given(
    st.lists(
        st.sampled_from(
            ["tcp", "udp", "src", "dst", "host", "port", "net", "10.0.0.1", "80", "and", "or",
             "not", "(", ")", "[", "]", "&", "=", ":", "-", "portrange", "1-2", "len", "ether"]
        ),
        max_size=8,
    )
)  # fmt: skip
def test_any_words_are_a_filter_or_an_error(words: list[str]) -> None:
    try:
        test = filters.compile_filter(" ".join(words))
    except FilterError:
        return
    for each in load(CASES / "crafted" / "in.pcap"):
        assert test(each) in (True, False)


@given(st.binary(max_size=80), st.integers(0, 2))
def test_any_bytes_can_be_printed(raw: bytes, verbose: int) -> None:
    printer = LinePrinter(Names(numeric=True), Style(times=1, verbose=verbose, contents="X"))
    for head in (b"", bytes(12) + b"\x08\x00\x45", bytes(12) + b"\x86\xdd\x60"):
        frame = head + raw
        text = printer.write(packet.parse(1, frame, len(frame), packet.ETHERNET))
        assert text.endswith("\n")


@given(st.data())
def test_cut_and_changed_packets_can_be_printed(data: st.DataObject) -> None:
    packets = load(CASES / "crafted" / "in.pcap")
    whole = data.draw(st.sampled_from(packets)).data
    raw = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if raw:
            raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    printer = LinePrinter(Names(numeric=True), Style(verbose=data.draw(st.integers(0, 2))))
    assert printer.write(packet.parse(1, bytes(raw), len(whole), packet.ETHERNET)).endswith("\n")


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.binary(max_size=60))))
def test_files_are_written_and_read(packets: list[tuple[int, bytes]]) -> None:
    file = io.BytesIO()
    pcapfile.write_header(file, packet.ETHERNET, 262144)
    for seconds, data in packets:
        pcapfile.write_packet(file, seconds * 10**9 + 123_000, data, len(data) + 5)
    file.seek(0)
    header = pcapfile.read_header(file)
    assert (header.link, header.snapshot, header.nanoseconds) == (1, 262144, False)
    assert list(pcapfile.read_packets(file, header)) == [
        (seconds * 10**9 + 123_000, data, len(data) + 5) for seconds, data in packets
    ]


def test_files_of_other_machines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.pcap"
    raw = struct.pack(">IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 100, 1)
    path.write_bytes(raw + struct.pack(">IIII", 7, 9, 3, 3) + b"abc")
    assert [(each.time, each.data) for each in load(path)] == [(7 * 10**9 + 9, b"abc")]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-r", "/no/such.pcap"], "tcpdump: /no/such.pcap: No such file or directory\n"),
        (["-i", "no-such-if"], "tcpdump: no-such-if: No such device exists\n"),
        (["-c", "0"], "tcpdump: invalid packet count 0\n"),
        (["-Y"], "tcpdump: invalid option -- 'Y'\n"),
        (["-i"], "tcpdump: option requires an argument -- 'i'\n"),
        (["--spam"], "tcpdump: unrecognized option '--spam'\n"),
        (["host", "and"], "tcpdump: can't parse filter expression: syntax error\n"),
        (["-r", __file__], "tcpdump: unknown file format\n"),
        (
            ["tcp[13] & 2 != 0"],
            "tcpdump: comparing bytes takes the real tcpdump: install it on the machine",
        ),
    ],
)
def test_refusals(arguments: list[str], message: str) -> None:
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(message)
    assert "Traceback" not in done.stderr


def test_options_may_be_joined() -> None:
    read = options.read(["-nnAi", "eth0", "-c5", "-s96", "-vv", "-tttt", "dst", "port", "80"])
    assert (read.interface, read.limit, read.snapshot, read.numeric) == ("eth0", 5, 96, True)
    assert (read.style.contents, read.style.verbose, read.style.times) == ("A", 2, 4)
    assert read.expression == "dst port 80"


def test_options_may_follow_the_expression() -> None:
    read = options.read(["dst", "port", "80", "-A", "-c", "2", "or", "udp", "--", "-", "1"])
    assert (read.style.contents, read.limit) == ("A", 2)
    assert read.expression == "dst port 80 or udp - 1"


def test_filtered_copy_and_pipe(tmp_path: Path) -> None:
    source = str(CASES / "loopback" / "in.pcap")
    copy = tmp_path / "copy.pcap"
    assert run("-r", source, "-w", str(copy), "udp").returncode == 0
    assert len(load(copy)) == 4
    with subprocess.Popen([*TCPDUMP, "-r", source, "-A"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


LIVE = """
import fcntl, socket, struct, subprocess, sys

with socket.socket() as probe:
    fcntl.ioctl(probe, 0x8914, struct.pack("16sh", b"lo", 0x41))
tools = [line.split() for line in sys.argv[1:]]
runs = [subprocess.Popen(tool, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for tool in tools]
heads = []
for run in runs:
    lines = []
    while not lines or "listening on" not in lines[-1]:
        lines.append(run.stderr.readline())
        assert lines[-1], lines
    heads.append("".join(lines))
server = socket.create_server(("127.0.0.1", 80))
client = socket.create_connection(("127.0.0.1", 80))
peer, _ = server.accept()
client.sendall(b"GET /x HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n")
peer.recv(100)
peer.sendall(b"HTTP/1.1 200 OK\\r\\n\\r\\n")
client.recv(100)
client.close()
peer.recv(1)
peer.close()
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    out.sendto(b"hello", ("127.0.0.1", 9))
for run, head in zip(runs, heads):
    print(head + run.stdout.read() + run.stderr.read(), end="\\0")
    run.wait()
"""


@pytest.mark.netns
@pytest.mark.parametrize("namespaces", ["-n", "-Urn"])
def test_live_capture_says_what_tcpdump_says(namespaces: str) -> None:
    whole = namespaces == "-n"
    if whole and os.geteuid() != 0:
        pytest.skip("only root can make a network namespace alone")
    common = "-n -t -i lo -c 11"
    tools = [f"{shlex.join(TCPDUMP)} {common}", f"{shlex.join(TCPDUMP)} -n -t -i any -c 11"]
    # tcpdump sets its groups, which a user namespace made by an ordinary user forbids.
    if whole and (real := programs.installed("tcpdump").get("tcpdump")):
        tools.append(f"{real} -Z root --immediate-mode {common}")
    done = subprocess.run(
        ["unshare", namespaces, sys.executable, "-c", LIVE, *tools],
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    mine, everywhere, *theirs = done.stdout.split("\0")[:-1]
    lines = mine.splitlines()
    assert lines[:2] == [
        "tcpdump: verbose output suppressed, use -v[v]... for full protocol decode",
        "listening on lo, link-type EN10MB (Ethernet), snapshot length 262144 bytes",
    ]
    assert lines[5].endswith(" length 28: HTTP: GET /x HTTP/1.1")
    assert lines[-3] == "11 packets captured"
    assert lines[-1] == "0 packets dropped by kernel"
    assert everywhere.splitlines()[0] == "tcpdump: data link type LINUX_SLL2"
    assert everywhere.splitlines()[3].startswith("lo    In  IP 127.0.0.1.")
    for other in theirs:
        assert [x for x in other.splitlines() if "by filter" not in x] == [
            x for x in lines if "by filter" not in x
        ]
