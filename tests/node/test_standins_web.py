"""The built-in servers, asked by curl over real sockets; nginx itself beside its stand-in."""

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from lateen.node.images import nginx, speech, web
from lateen.node.images.spec import ImageContext
from tests import programs

Start = Callable[..., "Running"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Running:
    def __init__(self, argv: list[str], port: int, tls: int, log: Path) -> None:
        self.port, self.tls, self.log = port, tls, log
        with log.open("ab") as output:
            self.process = subprocess.Popen(argv, stdout=output, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 10
        while True:
            try:
                socket.create_connection(("127.0.0.1", tls or port)).close()
                return
            except OSError:
                assert self.process.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.005)

    def curl(self, *arguments: str) -> str:
        curl = programs.require("curl")
        run = subprocess.run([curl, "-s", "-k", *arguments], capture_output=True, text=True)
        assert run.returncode == 0, run
        return run.stdout

    def get(self, path: str, *arguments: str) -> Any:
        return json.loads(self.curl(f"http://127.0.0.1:{self.port}{path}", *arguments))

    def status(self, path: str, *arguments: str) -> tuple[int, dict[str, str]]:
        text = self.curl("-i", f"http://127.0.0.1:{self.port}{path}", *arguments)
        head = text.replace("\r", "").split("\n\n")[0].split("\n")
        headers = dict(line.split(": ", 1) for line in head[1:])
        return int(head[0].split()[1]), headers

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    running: list[Running] = []

    def begin(kind: str, *options: str, tls: bool = False) -> Running:
        port, tls_port = free_port(), free_port() if tls else 0
        listens = (speech.plaintext(kind, port),)
        argv = [sys.executable, "-m", "lateen.node.standins.web", "--kind", kind]
        if tls:
            listens = (*listens, speech.secured(kind, tls_port))
            argv += ["--certificate", str(tmp_path / "c" / "x.pem")]
        argv += [*web.listening(listens), *(x for each in options for x in ("--option", each))]
        running.append(Running(argv, port, tls_port, tmp_path / f"log{len(running)}"))
        return running[-1]

    yield begin
    for each in running:
        assert each.stop() == 0


@pytest.fixture
def real_nginx(tmp_path: Path) -> Iterator[Running]:
    program, openssl = programs.require("nginx"), programs.require("openssl")
    work = tmp_path / "work"
    ctx = ImageContext(
        work=str(work),
        root=str(tmp_path / "root"),
        cache=str(tmp_path / "cache"),
        python=(sys.executable,),
        installed={"nginx": program, "openssl": openssl},
    )
    port, tls = free_port(), free_port()
    site = replace(nginx.DEMO, ports=(port,), tls_ports=(tls,))
    launch = nginx.nginx(site)(ctx, ())
    (tmp_path / "root" / "run").mkdir(parents=True)
    for path, content in launch.files.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(content)
    # One uid only, as in a lab that was not started by root.
    running = Running(["unshare", "-Ur", *launch.argv], port, tls, tmp_path / "nginx.log")
    yield running
    running.stop()


@pytest.fixture(params=["nginx", "stand-in"])
def demo(request: pytest.FixtureRequest, start: Start, tmp_path: Path) -> Running:
    if request.param == "nginx":
        running: Running = request.getfixturevalue("real_nginx")
        return running
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "index.html").write_text(nginx.DEMO.page)
    header, subject = "Strict-Transport-Security: max-age=7200", "/O=SSL EXAMPLE/CN=lb.net"
    options = (f"root={folder}", f"header={header}", f"subject={subject}")
    return start("nginx-demo", *options, tls=True)


class TestDemo:
    """What https-nginx-demo does, by nginx and by its stand-in."""

    def test_page_on_both_ports(self, demo: Running) -> None:
        for url in (f"http://127.0.0.1:{demo.port}/", f"https://127.0.0.1:{demo.tls}/"):
            assert demo.curl(url) == "<h2>Howdy</h2>\n"

    def test_http2_on_the_tls_port_only(self, demo: Running) -> None:
        version = ["-w", "%{http_version}", "-o", "/dev/null"]
        assert demo.curl("--http2", f"https://127.0.0.1:{demo.tls}/", *version) == "2"
        assert demo.curl("--http1.1", f"https://127.0.0.1:{demo.tls}/", *version) == "1.1"
        assert demo.curl("--http2", f"http://127.0.0.1:{demo.port}/", *version) == "1.1"

    def test_own_self_signed_certificate(self, demo: Running) -> None:
        pem = ssl.get_server_certificate(("127.0.0.1", demo.tls))
        context = ssl.create_default_context(cadata=pem)
        context.check_hostname = False
        with (
            socket.create_connection(("127.0.0.1", demo.tls)) as raw,
            context.wrap_socket(raw) as secured,
        ):
            assert secured.version() == "TLSv1.3"
            shown = secured.getpeercert()
        assert shown is not None
        assert shown["subject"] == (
            (("organizationName", "SSL EXAMPLE"),),
            (("commonName", "lb.net"),),
        )

    def test_protocols_that_nobody_shares_end_the_handshake(self, demo: Running) -> None:
        """What a mesh client offers (`istio`) is refused; a list with http/1.1 in it is not."""
        for offered, chosen in ((["istio"], None), (["istio", "http/1.1"], "http/1.1")):
            context = ssl._create_unverified_context()
            context.set_alpn_protocols(offered)
            with socket.create_connection(("127.0.0.1", demo.tls), timeout=5) as raw:
                if chosen is None:
                    with pytest.raises(ssl.SSLError, match=r"(?i)no.application.protocol"):
                        context.wrap_socket(raw)
                    continue
                with context.wrap_socket(raw) as secured:
                    assert secured.selected_alpn_protocol() == chosen

    def test_a_client_hello_on_the_plain_port_is_answered_at_once(self, demo: Running) -> None:
        context = ssl._create_unverified_context()
        with (
            socket.create_connection(("127.0.0.1", demo.port), timeout=5) as raw,
            pytest.raises(ssl.SSLError, match="WRONG_VERSION_NUMBER"),
        ):
            context.wrap_socket(raw)
        with socket.create_connection(("127.0.0.1", demo.port), timeout=5) as raw:
            raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            assert raw.recv(100).startswith(b"HTTP/1.1 400 Bad Request\r\nServer: nginx")

    def test_plain_http_on_the_tls_port(self, demo: Running) -> None:
        text = demo.curl("-i", f"http://127.0.0.1:{demo.tls}/").replace("\r", "")
        assert text.startswith("HTTP/1.1 400 Bad Request\nServer: nginx")
        assert "Content-Type: text/html\n" in text
        body = text.partition("\n\n")[2].splitlines()
        assert body[:5] == [
            "<html>",
            "<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>",
            "<body>",
            "<center><h1>400 Bad Request</h1></center>",
            "<center>The plain HTTP request was sent to HTTPS port</center>",
        ]

    def test_statuses_and_headers(self, demo: Running) -> None:
        status, headers = demo.status("/")
        assert (status, headers["Content-Type"], headers["Content-Length"]) == (
            200,
            "text/html",
            "15",
        )
        assert headers["Accept-Ranges"] == "bytes"
        assert headers["Strict-Transport-Security"] == "max-age=7200"
        assert re.fullmatch('"[0-9a-f]{8}-f"', headers["ETag"])
        assert demo.status("/", "-H", f"If-None-Match: {headers['ETag']}")[0] == 304
        assert demo.status("/none")[0] == 404
        assert demo.status("/", "-X", "POST")[0] == 405
        assert demo.status("/", "-I")[1]["Content-Length"] == "15"

    def test_access_log(self, demo: Running) -> None:
        url = f"http://127.0.0.1:{demo.port}/none?x=1"
        demo.curl(url, "-A", "me/1", "-e", "http://there/", "-H", "X-Forwarded-For: 10.0.0.9")
        assert demo.stop() == 0
        (line,) = [each for each in demo.log.read_text().splitlines() if "me/1" in each]
        before, _, rest = line.partition(" [")
        assert before == "127.0.0.1 - -"
        request, _, after = rest.partition("] ")[2].partition('" ')
        assert request == '"GET /none?x=1 HTTP/1.1'
        assert after.startswith("404 ")
        assert after.endswith(' "http://there/" "me/1" "10.0.0.9"')


def test_nginx_is_one_master_and_one_worker(real_nginx: Running) -> None:
    pid = real_nginx.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    assert len(children) == 1


@pytest.fixture
def httpbin(start: Start) -> Running:
    return start("httpbin")


def test_httpbin_get(httpbin: Running) -> None:
    body = httpbin.get("/get?a=1&a=2&b=x%20y", "-H", "X-Forwarded-Proto: https", "-A", "me")
    assert body["args"] == {"a": ["1", "2"], "b": "x y"}
    assert body["url"] == f"https://127.0.0.1:{httpbin.port}/get?a=1&a=2&b=x%20y"
    assert body["headers"]["User-Agent"] == "me"
    assert body["headers"]["Host"] == f"127.0.0.1:{httpbin.port}"
    assert body["origin"] == "127.0.0.1"
    assert list(body) == ["args", "headers", "origin", "url"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-d", "a=1&b=2"], {"form": {"a": "1", "b": "2"}, "data": "", "json": None}),
        (
            ["-d", '{"a":[1]}', "-H", "Content-Type: application/json"],
            {"form": {}, "data": '{"a":[1]}', "json": {"a": [1]}},
        ),
        (
            ["-d", "text", "-H", "Content-Type: text/plain", "-H", "Transfer-Encoding: chunked"],
            {"form": {}, "data": "text", "json": None},
        ),
    ],
)
def test_httpbin_bodies(
    httpbin: Running, arguments: list[str], expected: dict[str, object]
) -> None:
    for path in ("/post", "/anything/x"):
        body = httpbin.get(path, *arguments)
        assert {name: body[name] for name in expected} == expected
    assert httpbin.get("/anything/x", *arguments)["method"] == "POST"


@pytest.mark.parametrize(
    ("path", "arguments", "status", "header"),
    [
        ("/status/503", [], 503, None),
        (
            "/status/418",
            ["-X", "DELETE"],
            418,
            ("X-More-Info", "http://tools.ietf.org/html/rfc2324"),
        ),
        ("/status/x", [], 400, None),
        ("/status/204", [], 204, None),
        ("/get", ["-X", "POST"], 405, ("Allow", "GET, HEAD")),
        ("/none", [], 404, None),
        ("/redirect/3", [], 302, ("Location", "/relative-redirect/2")),
        ("/redirect/1", [], 302, ("Location", "/get")),
        ("/redirect-to?url=http://x/&status_code=307", [], 307, ("Location", "http://x/")),
        ("/response-headers?X-Mine=a%2Cb", [], 200, ("X-Mine", "a,b")),
        ("/basic-auth/me/pw", [], 401, ("WWW-Authenticate", 'Basic realm="Fake Realm"')),
        ("/basic-auth/me/pw", ["-u", "me:pw"], 200, None),
        ("/bearer", ["-H", "Authorization: Bearer t"], 200, None),
        ("/cache", ["-H", "If-None-Match: x"], 304, None),
        ("/cache/60", [], 200, ("Cache-Control", "public, max-age=60")),
        ("/etag/abc", ["-H", 'If-None-Match: "abc"'], 304, ("ETag", '"abc"')),
        ("/cookies/set?a=1", [], 302, ("Set-Cookie", "a=1; Path=/")),
        ("/html", [], 200, ("Content-Type", "text/html; charset=utf-8")),
        ("/bytes/1000", ["-o", "-"], 200, ("Content-Length", "1000")),
    ],
)
def test_httpbin_statuses(
    httpbin: Running,
    path: str,
    arguments: list[str],
    status: int,
    header: tuple[str, str] | None,
) -> None:
    if path.startswith("/bytes"):
        found, headers = httpbin.status(path, "-I")
    else:
        found, headers = httpbin.status(path, *arguments)
    assert found == status
    if header is not None:
        assert headers[header[0]] == header[1]


def test_httpbin_stream_delay_gzip(httpbin: Running) -> None:
    text = httpbin.curl(f"http://127.0.0.1:{httpbin.port}/stream/3")
    assert [json.loads(line)["id"] for line in text.splitlines()] == [0, 1, 2]
    begun = time.monotonic()
    assert httpbin.get("/delay/0.3")["args"] == {}
    assert 0.3 <= time.monotonic() - begun < 3
    assert httpbin.get("/gzip", "--compressed")["gzipped"] is True
    assert httpbin.get("/ip", "-H", "X-Forwarded-For: 9.9.9.9") == {"origin": "9.9.9.9"}
    assert httpbin.get("/cookies", "-b", "a=1; b=2")["cookies"] == {"a": "1", "b": "2"}


def test_go_httpbin_gives_lists(start: Start) -> None:
    body = start("go-httpbin").get("/get?a=1", "-A", "me")
    assert body["args"] == {"a": ["1"]}
    assert body["headers"]["User-Agent"] == ["me"]
    assert body["method"] == "GET"


def test_http2_without_tls_with_flow_control(start: Start) -> None:
    running = start("echo-text")
    url = f"http://127.0.0.1:{running.port}"
    sent = ["--http2-prior-knowledge", "-d", "x" * 100_000]
    version = ["-o", "/dev/null", "-w", "%{http_version}"]
    assert running.curl(*sent, url, *version) == "2"
    assert running.curl(*sent, url).endswith("x" * 100_000)
    assert "HTTP/2.0" in running.log.read_text()


def test_http2_without_tls_is_refused_by_what_does_not_speak_it(start: Start) -> None:
    running = start("httpbin")
    with socket.create_connection(("127.0.0.1", running.port), timeout=5) as raw:
        raw.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")


def test_keep_alive_and_pipelining(start: Start) -> None:
    running = start("whoami")
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(b"GET /bench HTTP/1.1\r\nHost: a\r\n\r\n" * 3)
        seen = b""
        while seen.count(b"\r\n\r\n1") < 3:
            seen += connection.recv(4096)
        connection.sendall(b"GET /bench HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        while data := connection.recv(4096):
            seen += data
    assert seen.count(b"HTTP/1.1 200 OK") == 4
    assert b"Connection: close" in seen


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"rubbish\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * 70_000, b"431"),
    ],
)
def test_bad_requests_are_refused(start: Start, raw: bytes, status: bytes) -> None:
    running = start("whoami")
    with socket.create_connection(("127.0.0.1", running.port)) as connection:
        connection.sendall(raw)
        answer = b""
        while not answer.endswith(b"</html>\r\n") and (data := connection.recv(4096)):
            answer += data
    assert answer.startswith(b"HTTP/1.1 " + status)


def test_whoami(start: Start) -> None:
    running = start("whoami", "name=me")
    url = f"http://127.0.0.1:{running.port}"
    text = running.curl(f"{url}/x?y=1", "-H", "x-test: 1", "-A", "me")
    lines = text.splitlines()
    assert lines[0] == "Name: me"
    assert lines[1] == f"Hostname: {socket.gethostname()}"
    assert "IP: 127.0.0.1" in lines
    assert "GET /x?y=1 HTTP/1.1" in lines
    assert lines[lines.index("GET /x?y=1 HTTP/1.1") + 1] == f"Host: 127.0.0.1:{running.port}"
    assert "X-Test: 1" in lines
    assert running.get("/api")["headers"]["Host"] == [f"127.0.0.1:{running.port}"]


@pytest.mark.parametrize(
    ("kind", "options", "path", "expected"),
    [
        ("text", ["text=hi there"], "/", "hi there\n"),
        ("hello-app", ["version=2.0.0"], "/", "Hello, world!\nVersion: 2.0.0\nHostname: {host}\n"),
        ("helloworld", ["version=v2"], "/hello", "Hello version: v2, instance: {host}\n"),
    ],
)
def test_pages(start: Start, kind: str, options: list[str], path: str, expected: str) -> None:
    running = start(kind, *options)
    host = os.environ.get("HOSTNAME") or socket.gethostname()
    wanted = expected.replace("{host}", host if kind == "helloworld" else socket.gethostname())
    assert running.curl(f"http://127.0.0.1:{running.port}{path}") == wanted


def test_echo_servers_return_headers(start: Start) -> None:
    headers = ["-H", "X-Test: abc"]
    one = start("echo-json")
    assert one.get("/p?q=1", *headers)["request"]["headers"]["x-test"] == "abc"
    assert one.get("/p?q=1")["request"]["query"] == {"q": "1"}
    assert one.status("/?echo_code=418")[0] == 418
    assert start("echo-mendhak").get("/p", *headers)["headers"]["x-test"] == "abc"
    text = start("echo-text")
    assert "\nX-Test: abc\n" in text.curl(f"http://127.0.0.1:{text.port}/", *headers)
    plain = start("echo-k8s")
    assert "\n\tx-test=abc\n" in plain.curl(f"http://127.0.0.1:{plain.port}/", *headers)


def test_sigterm_lets_a_request_finish(start: Start) -> None:
    running = start("httpbin")
    idle = http.client.HTTPConnection("127.0.0.1", running.port)
    idle.request("GET", "/ip")
    idle.getresponse().read()
    busy = http.client.HTTPConnection("127.0.0.1", running.port)
    busy.request("GET", "/drip?duration=0.5&numbytes=5&delay=0")
    answer = busy.getresponse()
    assert answer.read(1) == b"*"
    stopper = threading.Thread(target=running.stop)
    stopper.start()
    assert answer.read() == b"****"
    stopper.join()
    assert running.process.returncode == 0
    assert idle.sock is not None
    assert idle.sock.recv(1) == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--kind"),
        (["--kind", "none", "--port", "1"], "what is --kind none?"),
        (["--kind", "httpbin"], "a port"),
        (["--kind", "httpd", "--tls-port", "1"], "needs --certificate"),
    ],
)
def test_wrong_command_lines(arguments: list[str], message: str) -> None:
    argv = [sys.executable, "-m", "lateen.node.standins.web", *arguments]
    run = subprocess.run(argv, capture_output=True, text=True)
    assert run.returncode == 1
    assert message in run.stderr
    assert "Traceback" not in run.stderr


def test_port_in_use_is_said(start: Start) -> None:
    running = start("whoami")
    argv = [sys.executable, "-m", "lateen.node.standins.web", "--kind", "whoami"]
    run = subprocess.run([*argv, "--port", str(running.port)], capture_output=True, text=True)
    assert run.returncode == 1
    assert "Address already in use" in run.stderr


def test_certificate_without_openssl(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "x.pem"
    argv = [sys.executable, "-m", "lateen.node.standins.selfsigned", "--out", str(out)]
    named = ("--subject", "/O=A B/CN=demo.example")
    subprocess.run([*argv, *named, "--", "true"], check=True)
    assert out.stat().st_mode & 0o777 == 0o600
    before = out.read_bytes()
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(out)
    subprocess.run([*argv, *named], check=True)
    assert out.read_bytes() == before


def test_tcp_echo() -> None:
    port = free_port()
    argv = [sys.executable, "-m", "lateen.node.standins.tcp.echo", str(port), "hello"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "listening" in process.stdout.readline()
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(b"world\n")
            assert connection.makefile().readline() == "hello world\n"
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
