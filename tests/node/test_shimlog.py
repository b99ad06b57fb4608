"""Log files: CRI lines whatever the pieces, rotation, and a disk that is full for a while."""

import itertools
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.node.container import logs
from lateen.node.shim import output as shimlog
from lateen.node.shim.listeners import Listener

LINE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (stdout|stderr) [FP] ")


def texts(lines: list[bytes]) -> bytes:
    """Put CRI lines together again: `P` goes on without a newline."""
    whole = b""
    for line in lines:
        _, _, tag, text = line[:-1].split(b" ", 3)
        whole += text + (b"\n" if tag == b"F" else b"")
    return whole


def test_the_stamp_has_nanoseconds() -> None:
    stamp = shimlog.Stamp()
    assert stamp(1_795_509_057_000_000_001) == "2026-11-24T08:30:57.000000001Z"
    assert stamp(1_795_509_057_999_999_999) == "2026-11-24T08:30:57.999999999Z"
    assert stamp(1_795_509_058_000_000_000) == "2026-11-24T08:30:58.000000000Z"


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_no_byte_is_lost_however_output_is_cut(pieces: list[bytes]) -> None:
    cutter = shimlog.LineCutter("stdout")
    lines = [line for piece in pieces for line in cutter.feed(piece, "T")]
    lines += cutter.end("T")
    whole = b"".join(pieces)
    if whole and not whole.endswith(b"\n"):
        whole += b"\n"
    assert texts(lines) == whole


@pytest.mark.parametrize("ended", [True, False])
def test_long_lines_are_written_in_parts(ended: bool) -> None:
    cutter = shimlog.LineCutter("stderr")
    text = b"x" * (shimlog.PARTIAL_AT * 2 + 5)
    lines = cutter.feed(text + (b"\n" if ended else b""), "T") + cutter.end("T")
    assert [line.split(b" ", 3)[2] for line in lines] == [b"P", b"P", b"F"]
    assert texts(lines) == text + b"\n"


def test_files_are_rotated_and_the_oldest_goes(tmp_path: Path) -> None:
    file = shimlog.OutputFile(str(tmp_path / "c" / "0.log"), rotate_at=100)
    for number in range(30):
        file.append([b"%040d\n" % number], "T")
    file.close()
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "c").iterdir()}
    assert set(sizes) == {"0.log", "0.log.1", "0.log.2"}
    assert max(sizes.values()) <= 100
    assert (tmp_path / "c" / "0.log").read_bytes().endswith(b"%040d\n" % 29)


def test_output_goes_to_log_and_listener(tmp_path: Path) -> None:
    clock = itertools.count(1_795_509_057_000_000_000).__next__
    source, writer = os.pipe()
    heard, listener = os.pipe()
    path = tmp_path / "0.log"
    output = shimlog.Output(str(path), {source: "stdout"}, clock)
    output.listen(Listener(listener, os.dup(listener), patient=False))
    os.write(writer, b"one\ntw")
    assert output.read(source)
    os.write(writer, b"o")
    os.close(writer)
    assert not output.read(source)
    output.close()
    os.close(source)
    with os.fdopen(heard, "rb") as got:
        assert got.read() == b"one\ntwo"
    lines = path.read_text().splitlines()
    assert all(LINE.match(line) for line in lines)
    assert [line.split(" ", 3)[3] for line in lines] == ["one", "two"]


def test_a_listener_that_does_not_read_holds_nothing_up(tmp_path: Path) -> None:
    source, writer = os.pipe()
    heard, listener = os.pipe()
    output = shimlog.Output(str(tmp_path / "0.log"), {source: "stdout"}, lambda: 0)
    output.listen(Listener(listener, os.dup(listener), patient=False))
    for _ in range(40):
        os.write(writer, b"x" * 8191 + b"\n")
        assert output.read(source)
    output.close()
    for fd in (source, writer, heard):
        os.close(fd)
    assert (tmp_path / "0.log").read_text().count("\n") == 40


FULL_DISK = """
import os, sys
from lateen.node.shim import output as shimlog, syscalls
disk, errors = sys.argv[1], []
syscalls.mount("tmpfs", disk, "tmpfs", 0, "size=64k")
file = shimlog.OutputFile(f"{disk}/c/0.log")
file.append([b"T stdout F first\\n"], "T")
filler = os.open(f"{disk}/filler", os.O_CREAT | os.O_WRONLY)
try:
    while True:
        os.write(filler, b"x" * 4096)
except OSError:
    pass
for number in range(1000):
    file.append([b"T stdout F %0100d\\n" % number], "T")
dropped = file.dropped
os.ftruncate(filler, 0)
file.append([b"T stdout F last\\n"], "T")
file.close()
rows = open(f"{disk}/c/0.log").read().splitlines()
assert rows[0] == "T stdout F first", rows[:2]
assert rows[-1] == "T stdout F last", rows[-1]
assert dropped > 900, dropped
assert f"{dropped} log lines were dropped" in rows[-2], rows[-2]
assert all(len(row.split(" ", 3)) == 4 for row in rows)
assert len(rows) == 1 + (1000 - dropped) + 1 + 1
print("survived")
"""


@pytest.mark.netns
def test_a_full_disk_is_survived(tmp_path: Path) -> None:
    """A tmpfs of 64 kB in a mount namespace of its own, filled up and emptied."""
    enter = [sys.executable, "-m", "lateen.node.shim.enter", "--lab", "full", "--"]
    done = subprocess.run(
        [*enter, sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True
    )
    assert done.stdout == "survived\n", done.stderr


def test_where_logs_are(tmp_path: Path) -> None:
    directory = logs.directory(tmp_path, "ns", "pod", "uid")
    assert directory.name == "ns_pod_uid"
    assert logs.newest_attempt(directory / "app") is None
    for attempt in range(12):
        path = logs.path(directory, "app", attempt)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"2026-11-24T08:30:57.1Z stdout F run {attempt}\nT stderr F no more\n")
        Path(f"{path}.1").touch()
    assert logs.newest_attempt(directory / "app") == 11
    assert logs.last_words(path) == "run 11\nno more"
    assert logs.last_words(path, lines=1) == "no more"
    logs.prune(directory / "app", 11)
    left = sorted(p.name for p in (directory / "app").iterdir())
    assert left == ["10.log", "10.log.1", "11.log", "11.log.1"]
    (tmp_path / "agent.log").touch()
    logs.directory(tmp_path, "ns", "other", "uid-2").mkdir()
    logs.remove_others(tmp_path, {"uid"})
    assert {p.name for p in tmp_path.iterdir()} == {"ns_pod_uid", "agent.log"}
