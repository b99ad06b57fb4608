"""The client of Istio's test application `echo`, which the Gateway API's mesh tests type in a pod.

    client SCHEME://HOST[:PORT][/PATH] [--method=M] [-H NAME:VALUE]… [--count=N] [--timeout=D]

`http`, `https` and `grpc`; a connection for each request, redirects are told and not followed.
"""

import contextlib
import http.client
import socket
import ssl
import sys
import time
from typing import NamedTuple

import h2.config
import h2.connection
import h2.events

from lateen.node.standins import goserver, grpcmessage
from lateen.node.standins.grpcmessage import field, fields
from lateen.node.standins.sites.meshecho import GRPC_METHOD

_TIMEOUT = 5.0
_LONG_FLAGS = ("method", "count", "timeout", "header", "msg")


class ClientWords(NamedTuple):
    """The command line, read."""

    scheme: str
    host: str
    port: int
    authority: str
    target: str
    method: str
    headers: tuple[tuple[str, str], ...]
    times: int
    timeout: float

    @property
    def url(self) -> str:
        """The address as it was typed."""
        return f"{self.scheme}://{self.authority}{self.target}"


def read(words: list[str]) -> ClientWords:
    """Read the command line. Raises ValueError."""
    url, values, headers = "", {"method": "GET", "count": "1", "timeout": ""}, []
    rest = iter(words)
    for word in rest:
        if word == "-H":
            headers.append(_header(next(rest, "")))
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            if name not in _LONG_FLAGS:
                raise ValueError(f"unknown flag: --{name}")
            value = value if equals else next(rest, "")
            if name == "header":
                headers.append(_header(value))
            values[name] = value
        else:
            url = word
    scheme, mark, rest_of_url = url.partition("://")
    if not mark or scheme not in ("http", "https", "grpc"):
        raise ValueError(f"no address of http, https or grpc: {url!r}")
    authority, slash, path = rest_of_url.partition("/")
    host, colon, port = authority.rpartition(":")
    if not colon or not port.isdigit():
        host, port = authority, "443" if scheme == "https" else "80"
    return ClientWords(
        scheme,
        host.strip("[]"),
        int(port),
        authority,
        slash + path,
        values["method"] or "GET",
        tuple(headers),
        int(values["count"]),
        goserver.seconds(values["timeout"]) if values["timeout"] else _TIMEOUT,
    )


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"invalid header format: {text}")
    return name, value.strip()


def _secured() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _http(words: ClientWords, index: int) -> list[str]:
    """Ask once; return the lines told. Raises OSError, HTTPException."""
    connection: http.client.HTTPConnection
    if words.scheme == "https":
        connection = http.client.HTTPSConnection(
            words.host, words.port, timeout=words.timeout, context=_secured()
        )
    else:
        connection = http.client.HTTPConnection(words.host, words.port, timeout=words.timeout)
    sent = {"Host": words.authority, "User-Agent": "Go-http-client/1.1", "Connection": "close"}
    sent.update((goserver.canonical(name), value) for name, value in words.headers)
    started = time.monotonic()
    with contextlib.closing(connection):
        connection.request(words.method, words.target or "/", headers=sent)
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace")
    mark = f"[{index}]"
    headers = sorted((goserver.canonical(name), value) for name, value in answer.getheaders())
    return [
        f"{mark} Url={words.url}",
        *(f"{mark} Header={name}:{value}" for name, value in words.headers),
        f"{mark} Latency={(time.monotonic() - started) * 1000:.3f}ms",
        f"{mark} StatusCode={answer.status}",
        *(f"{mark} ResponseHeader={name}:{value}" for name, value in headers),
        *_body_lines(index, body),
    ]


def _body_lines(index: int, body: str) -> list[str]:
    return [f"[{index} body] {line}" for line in body.split("\n") if line]


def _grpc(words: ClientWords, index: int) -> list[str]:
    """Call once; return the lines told. Raises OSError with the status of a call that failed."""
    connection = h2.connection.H2Connection(
        h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
    )
    head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", GRPC_METHOD),
        (":authority", words.authority),
        ("content-type", "application/grpc"),
        ("user-agent", "grpc-go/1.81.1"),
        ("te", "trailers"),
        *((name.lower(), value) for name, value in words.headers),
    ]
    with socket.create_connection((words.host, words.port), words.timeout) as stream:
        connection.initiate_connection()
        connection.send_headers(1, head)
        connection.send_data(1, grpcmessage.framed(field(1, f"request #{index}")), end_stream=True)
        stream.sendall(connection.data_to_send())
        body, answered = _answer(connection, stream)
    if answered.get("grpc-status", "0") != "0":
        raise OSError(
            f"rpc error: code = {answered['grpc-status']} desc = {answered.get('grpc-message', '')}"
        )
    message = dict(fields(grpcmessage.unframed(body))).get(1, b"").decode("utf-8", "replace")
    return _body_lines(index, message)


def _answer(
    connection: h2.connection.H2Connection, stream: socket.socket
) -> tuple[bytes, dict[str, str]]:
    body, found = bytearray(), dict[str, str]()
    while data := stream.recv(65536):
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                found.update((str(name), str(value)) for name, value in event.headers)
            elif isinstance(event, h2.events.DataReceived):
                body += event.data
                connection.acknowledge_received_data(event.flow_controlled_length, 1)
            elif isinstance(event, h2.events.StreamReset):
                raise OSError(f"stream reset: {event.error_code}")
            elif isinstance(event, h2.events.StreamEnded):
                return bytes(body), found
        if waiting := connection.data_to_send():
            stream.sendall(waiting)
    raise OSError("the connection ended before the answer")


def main(arguments: list[str]) -> int:
    """Ask as often as the command line says; 1 if any request failed."""
    try:
        words = read(arguments)
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    failed, ask = 0, _grpc if words.scheme == "grpc" else _http
    for index in range(words.times):
        try:
            told = ask(words, index)
        except (OSError, ValueError, http.client.HTTPException) as error:
            failed += 1
            told = [f"[{index}] Error: {error}"]
        sys.stdout.write("\n".join([*told, "", ""]))
    sys.stdout.flush()
    if failed:
        sys.stderr.write(f"Error {failed}/{words.times} requests had errors\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
