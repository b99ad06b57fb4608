"""fortio's stand-ins: the client's flags and summary, against the echo server."""

import re
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from lateen.node.images import catalogue
from lateen.node.images.spec import ImageContext
from lateen.node.standins.clients import fortio
from lateen.node.standins.sites import fortio as echo
from tests.node.test_standins_web import free_port


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "lateen.node.standins.web", "--kind", "fortio"]
    running = subprocess.Popen([*command, "--port", str(port)], stdout=subprocess.DEVNULL)
    client = fortio.Client(fortio.parse([f"http://127.0.0.1:{port}/"]))
    pause = threading.Event()
    while client.ask()[0] != 200:
        pause.wait(0.02)
    yield f"http://127.0.0.1:{port}"
    running.terminate()
    running.wait()


def run(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "lateen.node.standins.clients.fortio", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_flags_are_read_as_go_reads_them() -> None:
    flags = fortio.parse(["-c", "3", "--qps=0", "-quiet", "-H", "A: b", "-n", "30", "host:80/x"])
    assert flags.values["c"] == "3"
    assert flags.number("qps", 8) == 0
    assert flags.headers == (("A", "b"),)
    assert flags.url == "http://host:80/x"


@pytest.mark.parametrize(
    ("text", "found"), [("5s", 5.0), ("1m30s", 90.0), ("250ms", 0.25), ("soon", 7.0), ("", 7.0)]
)
def test_durations(text: str, found: float) -> None:
    assert fortio.duration(text, 7.0) == found


def test_a_load_counts_codes_and_sockets(server: str) -> None:
    done = run("load", "-c", "2", "-qps", "0", "-n", "20", "-loglevel", "Warning", f"{server}/get")
    assert done.returncode == 0
    assert "Code 200 : 20 (100.0 %)" in done.stdout
    assert "Sockets used: 2 (for perfect keepalive, would be 2)" in done.stdout
    assert re.search(r"All done 20 calls \(plus 0 warmup\) [\d.]+ ms avg, [\d.]+ qps", done.stdout)


def test_a_failure_costs_a_socket(server: str) -> None:
    done = run("load", "-c", "1", "-qps", "0", "-n", "5", f"{server}/?status=503")
    assert "Code 503 : 5 (100.0 %)" in done.stdout
    assert "Sockets used: 5 (for perfect keepalive, would be 1)" in done.stdout
    assert "Error cases : count 5" in done.stdout


def test_no_answer_is_code_minus_one() -> None:
    done = run("load", "-c", "1", "-qps", "0", "-n", "2", f"http://127.0.0.1:{free_port()}/")
    assert "Code  -1 : 2 (100.0 %)" in done.stdout


def test_curl_prints_head_and_body(server: str) -> None:
    done = run("curl", "-quiet", "-payload", "hello", f"{server}/echo")
    assert done.stdout.startswith("HTTP/1.1 200 OK\n")
    assert done.stdout.endswith("\n\nhello")
    assert run("curl", f"{server}/?status=404").returncode == 1


def test_the_server_answers_what_is_asked(server: str) -> None:
    client = fortio.Client(fortio.parse([f"{server}/?size=10&header=X-A:b"]))
    code, head, body = client.ask()
    assert (code, body) == (200, b"x" * 10)
    assert b"X-A: b" in head


def test_shares_are_drawn_by_their_percentages() -> None:
    found = [echo.drawn("503:30,404:20") for _ in range(2000)]
    assert 450 < found.count("503") < 750
    assert 280 < found.count("404") < 520


def test_the_image_brings_its_client_along() -> None:
    image = catalogue.resolve("docker.io/fortio/fortio:latest_release")
    assert image is not None
    launch = image.launch(ImageContext(work="/w", cache="/c", python=("py", "-I")))
    assert [port.port for port in launch.listens or ()] == [8080]
    (script,) = launch.files.values()
    assert script.startswith("#!/bin/sh\nexec py -I -m ")
    assert list(launch.files) == ["/usr/bin/fortio"]
