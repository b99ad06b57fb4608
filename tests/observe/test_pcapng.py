"""Files are read back by tshark, an independent reader."""

import os
import stat
import struct
import subprocess
from pathlib import Path

from lateen.cli.traffic.capturefile import CaptureFile
from lateen.observe.packets import keylog, pcapng
from lateen.observe.packets.capture_ring import Frame
from tests import programs

TIME = 1_795_514_144_123_456_789
REQUEST = b"GET /hello HTTP/1.1\r\nhost: a\r\n\r\n"


def frame(payload: bytes, seq: int = 1) -> bytes:
    tcp = struct.pack(">HHIIBBHHH", 4711, 80, seq, 2, 5 << 4, 24, 1000, 0, 0) + payload
    head = struct.pack(
        ">BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, b"\n\0\0\1", b"\n\0\0\2"
    )
    return b"\0" * 12 + b"\x08\0" + head + tcp


def tshark(file: Path, *fields: str) -> list[list[str]]:
    program = programs.require("tshark")
    argv = [program, "-r", str(file), "-T", "fields", "-E", "separator=|"]
    for name in fields:
        argv += ["-e", name]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("|") for line in done.stdout.splitlines()]


def test_a_file_names_pod_and_leg_and_keeps_the_nanosecond(tmp_path: Path) -> None:
    path = tmp_path / "made.pcapng"
    with CaptureFile(str(path), ["default/web", "default/db"], ("eth0", "lo")) as file:
        batch = [
            ("default/web", Frame(TIME, "eth0", frame(REQUEST), len(frame(REQUEST)))),
            ("default/db", Frame(TIME + 1, "lo", frame(REQUEST)[:60], len(frame(REQUEST)))),
        ]
        assert not file.write(batch)
        file.finish({"default/web": 3})
    names = ("frame.interface_name", "frame.interface_description", "frame.len", "frame.cap_len")
    size = str(len(frame(REQUEST)))
    assert tshark(path, *names) == [
        ["default/web wire", "eth0", size, size],
        ["default/db app", "lo", size, "60"],
    ]
    ((stamp, method),) = tshark(path, "frame.time_epoch", "http.request.method")[:1]
    assert (stamp, method) == ("1795514144.123456789", "GET")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_limit_ends_the_file(tmp_path: Path) -> None:
    path = tmp_path / "made.pcapng"
    with CaptureFile(str(path), ["default/web"], ("eth0",)) as file:
        one = ("default/web", Frame(TIME, "eth0", frame(REQUEST), 100))
        inside = ("default/web", Frame(TIME, "lo", frame(REQUEST), 100))
        assert file.write([inside, one, one, one], 2)
        file.finish({})
    assert len(tshark(path, "frame.number")) == 2


def test_every_block_says_its_length_twice_and_is_aligned() -> None:
    blocks = [
        pcapng.section("a", "b"),
        pcapng.interface("name", "d", "c"),
        pcapng.packet(0, TIME, b"abc", 3, "why"),
        pcapng.packet(0, TIME, b"", 0),
        pcapng.secrets(b"CLIENT_RANDOM 00 11\n"),
        pcapng.statistics(0, TIME, 1, 2),
    ]
    for block in blocks:
        (size,) = struct.unpack_from("<I", block, 4)
        assert size == len(block)
        assert size % 4 == 0
        assert struct.unpack_from("<I", block, size - 4) == (size,)


def test_the_keys_stand_before_the_packets(tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    line = f"CLIENT_RANDOM {'a' * 64} {'b' * 96}"
    log.write_text(f"{line}\nnot a key\nCLIENT_RANDOM {'c' * 64} half")
    path = tmp_path / "made.pcapng"
    with CaptureFile(str(path), ["default/web"], ("eth0",), [keylog.Reader(log)]) as file:
        file.write([("default/web", Frame(TIME, "eth0", frame(REQUEST), 100))])
        file.finish({})
    data = path.read_bytes()
    assert data.index(line.encode()) < data.index(REQUEST)
    assert b"not a key" not in data
    assert b"half" not in data
    assert len(tshark(path, "frame.number")) == 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path)
    assert not list(tmp_path.glob("*.keys"))


def test_an_unfinished_line_of_a_key_log_is_read_when_it_is_whole(tmp_path: Path) -> None:
    log = tmp_path / "keys.log"
    line = f"SERVER_TRAFFIC_SECRET_0 {'a' * 64} {'b' * 96}\n"
    log.write_text(line[:40])
    reader = keylog.Reader(log)
    assert reader.read() == b""
    log.write_text(line)
    assert reader.read() == line.encode()
    assert reader.read() == b""
