"""The conformance suite's images: what its tests read of each server, over real sockets."""

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lateen.node.images import catalogue
from lateen.node.images.spec import ImageContext
from lateen.node.standins import goserver, selfsigned
from lateen.node.standins.udp import coredns
from tests import programs

FACTS = {"NAMESPACE": "infra", "POD_NAME": "backend-v1-5d7-x2x"}
ECHO = "registry.k8s.io/gateway-api/echo-basic:v1.5.1"
MESH = "registry.k8s.io/gateway-api/echo-advanced:v1.5.1"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Servers:
    """Images started as a node starts them, without its namespaces."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._running: list[subprocess.Popen[bytes]] = []
        self.certificate = str(folder / "server.pem")
        selfsigned.ensure(self.certificate, "/CN=abc.example.com", programs.require("openssl"))

    def start(
        self, image: str, args: tuple[str, ...] = (), *, ports: tuple[int, ...], **env: str
    ) -> None:
        given = {**FACTS, **env}
        row = catalogue.resolve(image)
        assert row is not None
        context = ImageContext(
            work=str(self.folder),
            cache=str(self.folder),
            python=(sys.executable,),
            args=args,
            env=given,
            root=str(self.folder),
        )
        launch = row.launch(context)
        for path, content in launch.files.items():
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            Path(path).write_text(content)
            Path(path).chmod(0o755)
        log = (self.folder / "log").open("ab")
        with log:
            self._running.append(
                subprocess.Popen(launch.argv, env={**os.environ, **given}, stdout=log)
            )
        deadline = time.monotonic() + 30
        for each in ports:
            while True:
                try:
                    socket.create_connection(("127.0.0.1", each)).close()
                    break
                except OSError:
                    assert self._running[-1].poll() is None
                    assert time.monotonic() < deadline, f"nothing listens at {each}"
                    time.sleep(0.01)

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def stop(self) -> None:
        for each in self._running:
            each.kill()
            each.wait(10)


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    found = Servers(tmp_path_factory.mktemp("gatewayapi"))
    try:
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="module")
def http(servers: Servers) -> dict[str, int]:
    ports = {"HTTP_PORT": free_port(), "H2C_PORT": free_port(), "HTTPS_PORT": free_port()}
    env = {name: str(port) for name, port in ports.items()}
    secret = {"TLS_SERVER_CERT": servers.certificate, "TLS_SERVER_PRIVKEY": servers.certificate}
    clients = {"TLS_CLIENT_CACERTS": servers.certificate}
    servers.start(ECHO, ports=tuple(ports.values()), **env, **secret, **clients)
    return ports


def curl(*words: str) -> str:
    run = subprocess.run(
        [programs.require("curl"), "-s", "-k", *words], capture_output=True, text=True
    )
    return run.stdout


def test_a_request_is_told_byte_for_byte_as_go_writes_it(http: dict[str, int]) -> None:
    port = http["HTTP_PORT"]
    told = curl(
        *("-H", "x-some: a<b&c", "-H", "User-Agent: me", "-H", "accept: */*"),
        f"http://127.0.0.1:{port}/a//b?q=1",
    )
    assert told == (
        '{\n "path": "/a//b?q=1",\n'
        f' "host": "127.0.0.1:{port}",\n "method": "GET",\n "proto": "HTTP/1.1",\n'
        ' "headers": {\n  "Accept": [\n   "*/*"\n  ],\n  "User-Agent": [\n   "me"\n  ],\n'
        '  "X-Some": [\n   "a\\u003cb\\u0026c"\n  ]\n },\n'
        f' "httpPort": "{port}",\n "namespace": "infra",\n "ingress": "",\n "service": "",\n'
        ' "pod": "backend-v1-5d7-x2x"\n}'
    )


def test_headers_of_the_answer(http: dict[str, int], servers: Servers) -> None:
    url = f"http://127.0.0.1:{http['HTTP_PORT']}/mirrored"
    head = curl("-D", "-", "-o", "/dev/null", "-H", "X-Echo-Set-Header: A:1,B:2, A:3", url)
    assert {"A: 1,3", "B: 2", "Content-Type: application/json"} <= set(head.splitlines())
    nameless = curl("-D", "-", "-o", "/dev/null", "-H", "X-Echo-Set-Header;", url)
    assert not any(line.startswith(":") for line in nameless.splitlines())
    assert "Echoing back request made to /mirrored to client (127.0.0.1:" in servers.log()


def test_paths_of_their_own(http: dict[str, int]) -> None:
    base = f"http://127.0.0.1:{http['HTTP_PORT']}"
    code = ("-o", "/dev/null", "-w", "%{http_code}")
    assert curl(f"{base}//health") == "OK"
    assert curl(*code, f"{base}/status/418") == "418"
    assert curl(*code, f"{base}/status/4180") == "400"
    retried = f"{base}/retry/x?uuid=one&succeedAfter=2&responseCode=503"
    assert [curl(*code, retried) for _ in range(3)] == ["503", "503", "200"]
    assert curl(*code, f"{base}/retry/x?uuid=two&succeedAfter=1") == "000"  # a reset
    assert json.loads(curl(f"{base}/retry/x?uuid=two&succeedAfter=1"))["path"].startswith("/retry/")
    assert json.loads(curl(f"{base}/?delay=oops"))["message"] == 'time: invalid duration "oops"'


def test_http2_without_tls_at_its_own_port(http: dict[str, int]) -> None:
    url = f"http://127.0.0.1:{http['H2C_PORT']}/"
    assert curl(url) == "Expected h2c request"
    assert json.loads(curl("--http2-prior-knowledge", url))["proto"] == "HTTP/2.0"


def test_tls_is_told(http: dict[str, int], servers: Servers) -> None:
    port = http["HTTPS_PORT"]
    url = f"https://abc.example.com:{port}/"
    resolved = ("--resolve", f"abc.example.com:{port}:127.0.0.1")
    tls = json.loads(curl(*resolved, url))["tls"]
    assert (tls["version"], tls["serverName"], tls["negotiatedProtocol"]) == (
        "TLSv1.3",
        "abc.example.com",
        "h2",
    )
    assert "peerCertificates" not in tls
    shown = json.loads(curl(*resolved, "--cert", servers.certificate, "--tls-max", "1.2", url))
    assert shown["tls"]["cipherSuite"].startswith("TLS_ECDHE_")
    (certificate,) = shown["tls"]["peerCertificates"]
    assert certificate in Path(servers.certificate).read_text()


def test_websocket_messages_come_back(http: dict[str, int]) -> None:
    with socket.create_connection(("127.0.0.1", http["HTTP_PORT"])) as stream:
        stream.sendall(
            b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
            b"\x81\x82\x00\x00\x00\x00hi"
        )
        found = b""
        while not found.endswith(b"hi"):
            data = stream.recv(4096)
            assert data, found
            found += data
    assert found.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in found
    assert found.endswith(b"\r\n\r\n\x81\x02hi")


def test_tcp_server(servers: Servers) -> None:
    port, tls_port = free_port(), free_port()
    servers.start(
        ECHO,
        ports=(port, tls_port),
        TCP_ECHO_SERVER="1",
        TCP_PORT=str(port),
        TLS_PORT=str(tls_port),
        TLS_SERVER_CERT=servers.certificate,
        TLS_SERVER_PRIV_KEY=servers.certificate,
    )
    with socket.create_connection(("127.0.0.1", port)) as stream:
        assert _lines(stream, b"PING\nIS_TLS\n", 3) == [
            "Gateway API Test TCP Server",
            "PONG",
            "false",
        ]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", tls_port)) as plain,
        context.wrap_socket(plain, server_hostname="abc.example.com") as stream,
    ):
        _, secured, told = _lines(stream, b"IS_TLS\nTEST\n", 3)
    facts = json.loads(told)
    assert secured == "true"
    assert facts["pod"] == FACTS["POD_NAME"]
    assert (facts["tls"]["version"], facts["tls"]["serverName"]) == ("TLS 1.3", "abc.example.com")


def _lines(stream: socket.socket, sent: bytes, count: int) -> list[str]:
    stream.settimeout(10)
    stream.sendall(sent)
    with stream.makefile("r") as lines:
        return [lines.readline().rstrip("\n") for _ in range(count)]


def _asked(port: int, data: bytes) -> bytes:
    """Ask until an answer comes: a datagram to a server that is still starting is lost."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.2)
        for _ in range(100):
            client.sendto(data, ("127.0.0.1", port))
            try:
                return client.recv(4096)
            except OSError:
                continue
    raise AssertionError("no answer")


def test_udp_server(servers: Servers) -> None:
    port = free_port()
    servers.start(ECHO, ports=(), UDP_ECHO_SERVER="1", UDP_PORT=str(port))
    assert json.loads(_asked(port, b"hello")) == {
        "request": "hello",
        "namespace": "infra",
        "ingress": "",
        "service": "",
        "pod": FACTS["POD_NAME"],
    }


def test_whoami_of_coredns(servers: Servers) -> None:
    port = free_port()
    corefile = servers.folder / "Corefile"
    corefile.write_text(f"foo.bar.com:{port} {{\n whoami\n}}\n.:{port} {{\n forward . 1\n}}\n")
    servers.start("registry.k8s.io/coredns/coredns:v1.12.2", ("-conf", str(corefile)), ports=())
    query = (
        b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03foo\x03bar\x03com\x00\x00\x01\x00\x01"
    )
    answer = _asked(port, query)
    assert answer[:2] == b"\x12\x34"
    assert answer[2] & 0x84 == 0x84
    assert answer[3] & 0x0F == 0
    assert socket.inet_aton("127.0.0.1") in answer
    other = coredns.reply(
        query.replace(b"bar", b"baz"),
        ("127.0.0.1", 1),
        coredns.zones(corefile.read_text(), 53)[:1],
    )
    assert other[3] & 0x0F == 5


@pytest.mark.parametrize(
    "broken", [b"", b"\x12", b"\x12\x34\x01\x00\x00\x01" + b"\0" * 6 + b"\x3f"]
)
def test_what_is_no_query_raises_nothing(broken: bytes) -> None:
    coredns.reply(broken, ("127.0.0.1", 1), coredns.zones(coredns.DEFAULT, 53))


def test_the_meshs_client_and_server(servers: Servers) -> None:
    port, grpc, tcp, tls = (free_port() for _ in range(4))
    args = (f"--tcp={tcp}", f"--port={port}", f"--grpc={grpc}", f"--port={tls}", f"--tls={tls}")
    servers.start(MESH, args, ports=(tcp, port, grpc, tls))
    client = f"{servers.folder}/usr/local/bin/client"

    def ask(*words: str) -> str:
        run = subprocess.run([client, *words], capture_output=True, text=True)
        assert run.returncode == 0, run
        return run.stdout

    url = f"http://127.0.0.1:{port}/path?x=1"
    told = ask(url, "--method=PUT", "-H", "X-One:1", "-H", "Host:echo")
    assert _first(told, "StatusCode") == "200"
    assert _first(told, "Host") == "echo"
    assert _first(told, "URL") == "/path?x=1"
    assert _first(told, "Method") == "PUT"
    assert _first(told, "Hostname") == socket.gethostname()
    assert "RequestHeader=X-One:1" in told
    assert "[0] ResponseHeader=Content-Type:text/plain; charset=utf-8" in told
    many = ask(f"https://127.0.0.1:{tls}/", "--count=20")
    assert len([part for part in many.split("\n\n") if part.strip()]) == 20
    called = ask(f"grpc://127.0.0.1:{grpc}", "-H", "one:1")
    assert _first(called, "StatusCode") == "200"
    assert _first(called, "Hostname") == socket.gethostname()
    failed = subprocess.run([client, f"http://127.0.0.1:{free_port()}/"], capture_output=True)
    assert failed.returncode == 1


def _first(text: str, field: str) -> str | None:
    """Find a field as the suite's parser does."""
    match = re.search(f"{field}=(.*)", text)
    return match[1] if match else None


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m30s", 90.0), ("500ms", 0.5), ("0", 0.0), ("1.5s", 1.5), ("-1s", -1.0)]
)
def test_durations_of_go(text: str, seconds: float) -> None:
    assert goserver.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1s 2s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="invalid duration"):
        goserver.seconds(text)


@pytest.mark.parametrize(
    ("openssl", "registered"),
    [
        ("TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"),
        ("ECDHE-RSA-AES128-GCM-SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"),
        ("ECDHE-RSA-AES256-SHA", "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA"),
        ("AES128-GCM-SHA256", "TLS_RSA_WITH_AES_128_GCM_SHA256"),
    ],
)
def test_names_of_ciphers(openssl: str, registered: str) -> None:
    assert goserver.cipher(openssl) == registered


def test_grpc_tells_of_its_call(servers: Servers) -> None:
    port = free_port()
    servers.start(ECHO, ports=(port,), GRPC_ECHO_SERVER="1", HTTP_PORT=str(port))
    path = "/gateway_api_conformance.echo_basic.grpcecho.GrpcEcho"
    words = (
        "--http2-prior-knowledge",
        "-H",
        "content-type: application/grpc",
        "-H",
        "te: trailers",
    )
    request = servers.folder / "empty"
    request.write_bytes(b"\0\0\0\0\0")

    def call(method: str) -> tuple[bytes, Any]:
        run = subprocess.run(
            [
                programs.require("curl"),
                "-s",
                "-D",
                "-",
                *words,
                "-H",
                "x-one: 1",
                "--data-binary",
                f"@{request}",
                f"http://127.0.0.1:{port}{path}/{method}",
            ],
            capture_output=True,
        )
        return run.stdout, re.search(rb"grpc-status: (\d+)", run.stdout)

    told, status = call("EchoTwo")
    assert status
    assert status[1] == b"0"
    assert f"{path}/EchoTwo".encode() in told
    assert b"x-one" in told
    assert FACTS["POD_NAME"].encode() in told
    _, refused = call("EchoThree")
    assert refused
    assert refused[1] == b"12"
