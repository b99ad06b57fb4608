"""The stand-ins for curl and nc: beside the real curl where it is installed, and by themselves."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.node.images import speech, web
from lateen.node.standins.clients import curlhttp, curlwords, nc
from tests import programs

CURL = [sys.executable, "-m", "lateen.node.standins.clients.curl"]
NC = [sys.executable, "-m", "lateen.node.standins.clients.nc"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, int]]:
    """httpbin's port without TLS and one with it."""
    plain, tls = free_port(), free_port()
    listens = (speech.plaintext("httpbin", plain), speech.secured("nginx-demo", tls))
    argv = [sys.executable, "-m", web.MODULE, "--kind", "httpbin", *web.listening(listens)]
    argv += ["--certificate", str(tmp_path_factory.mktemp("c") / "x.pem")]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    for port in (plain, tls):
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    yield plain, tls
    process.terminate()
    assert process.wait(10) == 0


def ran(argv: list[str], ports: tuple[int, int], stdin: str = "") -> tuple[int, str, str]:
    """Return exit code, output and errors; what differs by moment or program is taken out."""
    filled = [word.replace("PLAIN", str(ports[0])).replace("TLS", str(ports[1])) for word in argv]
    done = subprocess.run(filled, input=stdin, capture_output=True, text=True, timeout=30)
    output = re.sub(r"curl/[0-9.]+", "curl/N", done.stdout)
    output = re.sub(r"(?m)^Date: .*$", "Date: D", output)
    return done.returncode, output, re.sub(r"after \d+ ", "after N ", done.stderr)


URL = "http://127.0.0.1:PLAIN"
ALIKE = [
    ["-s", f"{URL}/get?a=1"],
    ["-s", "-i", f"{URL}/status/418"],
    ["-sI", f"{URL}/get"],
    ["-s", "-d", "a=1", "-d", "b=2", f"{URL}/post"],
    ["-s", "-X", "PUT", "-H", "Content-Type: text/plain", "--data-raw", "@x", f"{URL}/put"],
    ["-s", "-H", "Accept:", "-H", "X-Empty;", "-H", "User-Agent: me", f"{URL}/headers"],
    ["-s", "-A", "me/1", "-e", "http://there/", "-b", "a=1", f"{URL}/headers"],
    ["-s", "-u", "me:pw", f"{URL}/basic-auth/me/pw"],
    ["-s", "-G", "-d", "q=1", f"{URL}/get?x=y"],
    ["-s", "-G", "--data-urlencode", "q=a b&c", f"{URL}/get"],
    ["-s", "--json", '{"a": 1}', f"{URL}/post"],
    ["-sL", "-w", "%{http_code} %{num_redirects} %{url_effective}\\n", f"{URL}/redirect/3"],
    [
        "-s",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code} %{http_version} %{size_download}\\n",
        f"{URL}/ip",
    ],
    ["-s", f"{URL}/stream/3"],
    ["-s", f"{URL}/status/[200-202]", "-w", "%{http_code} "],
    ["-s", f"{URL}/{{ip,uuid/none}}", "-o", "/dev/null", "-w", "%{http_code} "],
    ["-sf", f"{URL}/status/503"],
    ["-sSf", f"{URL}/status/404"],
    ["-s", "--resolve", "a.example:PLAIN:127.0.0.1", "http://a.example:PLAIN/headers"],
    ["-s", "--connect-to", "::127.0.0.1:PLAIN", "http://b.example/headers"],
    ["-s", "-m", "0.3", f"{URL}/delay/3"],
    ["-sS", "-m", "0.3", f"{URL}/delay/3"],
    ["-sk", "https://127.0.0.1:TLS/ip", "-w", "%{http_code}"],
    ["-s", "https://127.0.0.1:TLS/ip", "-w", "%{http_code}"],
    ["-s", "http://127.0.0.1:1/"],
    ["-s", "http://no-such-name.invalid/"],
    ["-s", "-w", "%{http_code}", "https://127.0.0.1:PLAIN/"],
]


@pytest.mark.parametrize("arguments", ALIKE, ids=" ".join)
def test_it_says_what_curl_says(arguments: list[str], ports: tuple[int, int]) -> None:
    code, output, _ = ran([*CURL, *arguments], ports)
    real_code, real_output, _ = ran([programs.require("curl"), *arguments], ports)
    assert (code, output) == (real_code, real_output)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["http://127.0.0.1:1/"], 7, "curl: (7) Failed to connect to 127.0.0.1 port 1 after"),
        (["http://no.invalid/"], 6, "curl: (6) Could not resolve host: no.invalid"),
        (["https://127.0.0.1:TLS/"], 60, "curl: (60) SSL certificate problem: self-signed"),
        (["-m", "0.2", f"{URL}/delay/3"], 28, "curl: (28) Operation timed out after N millisec"),
        (["-f", f"{URL}/status/500"], 22, "curl: (22) The requested URL returned error: 500"),
        (["--none", f"{URL}/"], 2, "curl: option --none: is unknown"),
        ([], 2, "no URL specified"),
        (["https://127.0.0.1:PLAIN/"], 35, "curl: (35) "),
    ],
)
def test_what_fails_has_curls_code_and_words(
    arguments: list[str], code: int, said: str, ports: tuple[int, int]
) -> None:
    found, _, errors = ran([*CURL, *arguments], ports)
    assert found == code
    assert said in errors
    assert "Traceback" not in errors


def test_a_server_that_says_nothing_is_an_empty_reply(ports: tuple[int, int]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: listener.accept()[0].close(), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        code, _, errors = ran([*CURL, "-sS", url], ports)
    assert code in (52, 56)
    assert errors.startswith("curl: (5")


@given(st.lists(st.text(max_size=12), max_size=6))
def test_no_command_line_raises_but_what_it_says(arguments: list[str]) -> None:
    try:
        curlwords.read(arguments)
    except curlwords.CurlUsageError:
        return


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        found = curlhttp.address(text)
    except curlhttp.CurlError:
        return
    assert found.host
    assert 0 < found.port < 65536


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("a/[1-3]", ["a/1", "a/2", "a/3"]),
        ("a/[08-10]", ["a/08", "a/09", "a/10"]),
        ("[a-c]", ["a", "b", "c"]),
        ("{x,y}/[1-5:2]", ["x/1", "x/3", "x/5", "y/1", "y/3", "y/5"]),
        ("http://[::1]/", ["http://[::1]/"]),
        ("plain", ["plain"]),
    ],
)
def test_globs(url: str, expected: list[str]) -> None:
    assert sorted(curlwords.globbed(url)) == sorted(expected)


def test_nc_asks_a_tcp_server_and_ends_with_it() -> None:
    port = free_port()
    argv = [sys.executable, "-m", "lateen.node.standins.tcp.echo", str(port), "hello"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert "listening" in server.stdout.readline()
        asked = subprocess.run(
            [*NC, "127.0.0.1", str(port)],
            input="world\n",
            capture_output=True,
            text=True,
            timeout=20,
        )
        looked = subprocess.run(
            [*NC, "-zv", "127.0.0.1", str(port)], capture_output=True, text=True, timeout=20
        )
        server.kill()
    assert (asked.returncode, asked.stdout) == (0, "hello world\n")
    assert looked.returncode == 0
    assert f"127.0.0.1 {port} port [tcp/*] succeeded!" in looked.stderr


def test_nc_listens_for_another_nc() -> None:
    port = free_port()
    with subprocess.Popen(
        [*NC, "-lv", "-p", str(port)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr is not None
        assert "Listening" in server.stderr.readline()
        sent = [*NC, "127.0.0.1", str(port)]
        subprocess.run(sent, input="text\n", text=True, check=True, timeout=20)
        assert server.communicate(timeout=20)[0] == "text\n"
    assert server.returncode == 0


def test_nc_says_what_it_cannot() -> None:
    closed = subprocess.run(
        [*NC, "-zvw", "1", "127.0.0.1", "1"], capture_output=True, text=True, timeout=20
    )
    assert closed.returncode == 1
    assert "connect to 127.0.0.1 port 1 (tcp) failed: Connection refused" in closed.stderr
    wrong = subprocess.run([*NC, "-Y"], capture_output=True, text=True, timeout=20)
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr


@given(st.lists(st.text("-lkzvw159 ", max_size=5), max_size=4))
def test_nc_reads_or_refuses_any_words(arguments: list[str]) -> None:
    try:
        nc.read(arguments)
    except ValueError:
        return


def test_a_machine_without_them_gets_them(tmp_path: Path) -> None:
    from lateen.node.images import tools

    assert {"curl", "nc"} <= set(tools.scripts(("/py",), {}))
    assert not {"curl", "nc"} & set(tools.scripts(("/py",), {"curl": "/c", "nc": "/n"}))
