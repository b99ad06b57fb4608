"""Bookinfo's two databases and what reads them, over real sockets; noise ends a connection only."""

import contextlib
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.node.standins.tcp import mongo, mysql

PASSWORD = "password"


def started(module: str) -> tuple[subprocess.Popen[bytes], int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", f"lateen.node.standins.tcp.{module}", str(port)],
        stdout=subprocess.DEVNULL,
        env={"MYSQL_ROOT_PASSWORD": PASSWORD},
    )
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return process, port
        except OSError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    running = {module: started(module) for module in ("mysql", "mongo")}
    yield {module: port for module, (_, port) in running.items()}
    for process, _ in running.values():
        process.kill()
        process.wait()


def test_mysql_is_read_with_its_password_and_not_without(ports: dict[str, int]) -> None:
    assert mysql.ratings("127.0.0.1", ports["mysql"], "root", PASSWORD) == [5, 4]
    with pytest.raises(mysql.MysqlError, match=r"Access denied for user 'root'@'127.0.0.1'"):
        mysql.ratings("127.0.0.1", ports["mysql"], "root", "wrong")


def test_mysql_speaks_first(ports: dict[str, int]) -> None:
    with socket.create_connection(("127.0.0.1", ports["mysql"]), timeout=5) as raw:
        assert raw.recv(5)[4] == 10


def test_mongo_is_read(ports: dict[str, int]) -> None:
    assert mongo.ratings("127.0.0.1", ports["mongo"]) == [5, 4]


def test_mongo_answers_the_first_message_of_older_drivers(ports: dict[str, int]) -> None:
    body = struct.pack("<i", 0) + b"admin.$cmd\x00" + struct.pack("<ii", 0, -1)
    body += mongo.encoded({"ismaster": 1})
    with socket.create_connection(("127.0.0.1", ports["mongo"]), timeout=5) as raw:
        raw.sendall(struct.pack("<iiii", len(body) + 16, 7, 0, 2004) + body)
        size, _, answers, kind = struct.unpack("<iiii", raw.recv(16))
        assert (answers, kind) == (7, 1)
        assert mongo.decoded(raw.recv(size - 16)[20:])["ismaster"] is True


@pytest.mark.parametrize("module", ["mysql", "mongo"])
def test_noise_ends_the_connection_and_nothing_else(ports: dict[str, int], module: str) -> None:
    with socket.create_connection(("127.0.0.1", ports[module]), timeout=5) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" + b"\xff" * 64)
        with contextlib.suppress(OSError):  # reset, or ended before it was shut down
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
    test_mongo_is_read(ports)


NAMES = st.characters(codec="utf-8", min_codepoint=1)
VALUES: Any = st.recursive(
    st.booleans() | st.integers(-(2**31), 2**31 - 1) | st.text(NAMES) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(NAMES), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(NAMES), VALUES))
def test_documents_come_back(document: dict[str, Any]) -> None:
    assert mongo.decoded(mongo.encoded(document)) == document


@given(st.binary(max_size=80))
def test_noise_is_no_document(data: bytes) -> None:
    try:
        mongo.decoded(data)
    except ValueError:
        return
