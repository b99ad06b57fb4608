"""A small web server that stands in for an image's own.

    python -m lateen.node.standins.web --kind KIND [--port N]… [--tls-port N]…
        [--bind ADDRESS] [--h2c yes] [--alpn NAME,NAME] [--strict-alpn yes]
        [--certificate FILE [--key FILE]] [--client-ca FILE] [--option name=value]…

`--h2c` takes HTTP/2 without TLS by prior knowledge (`yes`: at every port, or at the one that it
names), `--client-ca` asks clients for a certificate and verifies one that is shown,
`--strict-alpn` ends a handshake whose client offers no protocol of `--alpn`.

A thread per connection, an access log in nginx's format on the output, and on SIGTERM the
requests under way are finished first.
"""

import functools
import os
import signal
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from lateen.base import byname
from lateen.node.standins import clienthello, http1
from lateen.node.standins.http1 import ByteStream, Site, SiteRequest, SiteResponse, TlsSession

_MODULES = {
    "servers": ("nginx", "nginx-demo", "httpd"),
    "pages": ("text", "hello-app", "helloworld", "jwt-server"),
    "extauthz": ("ext-authz",),
    "httpbin": ("httpbin", "go-httpbin"),
    "fortio": ("fortio",),
    "bookinfo": (
        "bookinfo-details",
        "bookinfo-ratings",
        "bookinfo-reviews",
        "bookinfo-productpage",
    ),
    "gatewayecho": ("gateway-echo", "gateway-echo-grpc"),
    "meshecho": ("mesh-echo",),
    "echoes": ("whoami", "echo-json", "echo-mendhak", "echo-text", "echo-k8s"),
}
KINDS = tuple(kind for kinds in _MODULES.values() for kind in kinds)
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_GRACE = 5.0
_IDLE = 75.0
_ABORT = struct.pack("ii", 1, 0)
"""Closing with nothing to linger for sends a reset."""


class ListenOptions:
    """The command line, read."""

    def __init__(self, arguments: list[str]) -> None:
        self.kind = ""
        self.ports: list[int] = []
        self.tls_ports: list[int] = []
        self.certificate = ""
        self.key = ""
        self.bind = ""
        self.client_ca = ""
        self.h2c = False
        self.h2c_port = 0
        self.alpn = ["h2", "http/1.1"]
        self.strict_alpn = False
        self.site: dict[str, str] = {}
        words = iter(arguments)
        for word in words:
            value = next(words, "")
            if word == "--kind" and value in KINDS:
                self.kind = value
            elif word == "--port" and value.isdigit():
                self.ports.append(int(value))
            elif word == "--tls-port" and value.isdigit():
                self.tls_ports.append(int(value))
            elif word in ("--certificate", "--key", "--bind", "--client-ca") and value:
                setattr(self, word[2:].replace("-", "_"), value)
            elif word == "--h2c" and value.isdigit():
                self.h2c_port = int(value)
            elif word in ("--h2c", "--strict-alpn") and value == "yes":
                setattr(self, word[2:].replace("-", "_"), True)
            elif word == "--alpn" and value:
                self.alpn = value.split(",")
            elif word == "--option" and "=" in value:
                name, _, each = value.partition("=")
                self.site[name] = each
            else:
                raise ValueError(f"what is {word} {value}?")
        if not self.kind or not (self.ports or self.tls_ports):
            raise ValueError(f"--kind ({', '.join(KINDS)}) and a port are needed")
        if self.tls_ports and not self.certificate:
            raise ValueError("--tls-port needs --certificate")


class WebServer:
    """The listeners and connections of one process."""

    def __init__(self, options: ListenOptions) -> None:
        self._options = options
        self._site = make_site(options.kind, options.site)
        self._listeners: list[socket.socket] = []
        self._lock = threading.Condition()
        self._idle: set[socket.socket] = set()
        self._busy = 0
        self._draining = False
        self._tls: Any = None
        self._tls_lock = threading.Lock()

    def listen(self) -> None:
        """Bind all ports and start to accept. Raises OSError."""
        for port in self._options.ports:
            self._bind(port, tls=False)
        for port in self._options.tls_ports:
            self._bind(port, tls=True)

    def drain(self) -> None:
        """Stop accepting, let requests under way finish (for five seconds), drop the rest."""
        with self._lock:
            self._draining = True
            idle = tuple(self._idle)
        for each in (*self._listeners, *idle):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        with self._lock:
            self._lock.wait_for(lambda: not self._busy, _GRACE)

    def _bind(self, port: int, *, tls: bool) -> None:
        found = [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")]
        if bind := self._options.bind:
            found = [(socket.AF_INET6 if ":" in bind else socket.AF_INET, bind)]
        for family, address in found:
            try:
                listener = socket.create_server((address, port), family=family, backlog=511)
            except OSError:
                if address != "::":
                    raise
                continue
            self._listeners.append(listener)
            _start(self._accept, listener, tls)

    def _accept(self, listener: socket.socket, tls: bool) -> None:
        while True:
            try:
                connection, peer = listener.accept()
            except OSError:
                if self._draining:
                    return
                continue
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_IDLE)
            _start(self._connection, connection, (peer[0], peer[1]), tls)

    def _connection(self, connection: socket.socket, peer: tuple[str, int], tls: bool) -> None:
        with connection:
            try:
                if tls:
                    self._secured(connection, peer)
                else:
                    self._plain(connection, connection, peer, "http")
            except http1.ResetError:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            except OSError:  # the peer went away, was idle too long, or speaks no TLS
                return
            finally:
                with self._lock:
                    self._idle.discard(connection)

    def _secured(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        first = connection.recv(1, socket.MSG_PEEK)
        if first and first != b"\x16":
            self._refuse_plain(connection, peer)
            return
        if self._options.strict_alpn and not self._shares_protocol(connection):
            connection.sendall(clienthello.NO_APPLICATION_PROTOCOL)
            return
        stream = self._context().wrap_socket(connection, server_side=True)
        if stream.selected_alpn_protocol() == "h2":
            self._http2(stream, peer, "https")
        else:
            self._plain(stream, connection, peer, "https")

    def _shares_protocol(self, connection: socket.socket) -> bool:
        """Tell whether the client offers a protocol that is spoken here, or no list of any.

        Python's TLS goes on without a protocol where nothing is shared; nginx (1.21.4) and Node
        (20) end the handshake, which is what a mesh client's offer meets there.
        """
        length = clienthello.record_length(_peek(connection, clienthello.RECORD_HEAD))
        offered = clienthello.offered_protocols(_peek(connection, length)) if length else None
        return offered is None or not set(self._options.alpn).isdisjoint(offered)

    def _refuse_plain(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        servers = byname.module("lateen.node.standins.sites.servers")
        head = http1.RequestReader(connection).head()
        if head is None:
            return
        try:
            method, target, version, headers = http1.parse_head(head)
        except http1.BadRequestError:
            method, target, version, headers = "", "", "HTTP/1.1", []
        request = SiteRequest(method, target, version, headers, b"", *peer, "http")
        response = servers.plain_to_tls()
        self._log(request, 400, http1.write(connection, request, response, keep=False))

    def _context(self) -> Any:
        import ssl

        with self._tls_lock:
            if self._tls is None:
                options = self._options
                if not options.key:
                    selfsigned = byname.module("lateen.node.standins.selfsigned")
                    subject = options.site.get("subject", "/CN=localhost")
                    selfsigned.ensure(options.certificate, subject, _openssl())
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(options.certificate, options.key or None)
                context.set_alpn_protocols(self._options.alpn)
                context.sni_callback = _remember_server_name
                if options.client_ca:
                    context.verify_mode = ssl.CERT_OPTIONAL
                    context.load_verify_locations(options.client_ca)
                self._tls = context
            return self._tls

    def prepare(self) -> None:
        """Make the certificate before the first client needs it."""
        if self._options.tls_ports:
            self._context()

    def _plain(
        self, stream: ByteStream, connection: socket.socket, peer: tuple[str, int], scheme: str
    ) -> None:
        reader = http1.RequestReader(stream)
        keep = True
        while keep and not self._draining:
            with self._lock:
                self._idle.add(connection)
            try:
                head = reader.head()
                if head is None:
                    return
                if head.startswith(_PREFACE[:18]) and self._takes_http2(connection):
                    self._http2(stream, peer, scheme, head + bytes(reader.buffer))
                    return
                method, target, version, headers = http1.parse_head(head)
                with self._lock:
                    self._idle.discard(connection)
                    self._busy += 1
            except http1.BadRequestError as error:
                self._refuse(stream, peer, error.status)
                return
            try:
                keep = self._exchange(
                    stream, reader, (method, target, version, headers), peer, scheme
                )
            finally:
                with self._lock:
                    self._busy -= 1
                    self._lock.notify_all()

    def _takes_http2(self, connection: socket.socket) -> bool:
        """Tell whether HTTP/2 without TLS is spoken at the port that the connection came to."""
        options = self._options
        return options.h2c or bool(
            options.h2c_port and options.h2c_port == connection.getsockname()[1]
        )

    def _exchange(
        self,
        stream: ByteStream,
        reader: http1.RequestReader,
        head: tuple[str, str, str, list[tuple[str, str]]],
        peer: tuple[str, int],
        scheme: str,
    ) -> bool:
        """Answer one request; tell whether the connection goes on."""
        method, target, version, headers = head
        if any(
            name.lower() == "expect" and value.lower() == "100-continue" for name, value in headers
        ):
            stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        try:
            body = reader.body(headers)
        except EOFError:
            return False
        except http1.BadRequestError as error:
            self._refuse(stream, peer, error.status)
            return False
        request = SiteRequest(method, target, version, headers, body, *peer, scheme)
        response = self._answer(request, *_about(stream))
        keep = http1.keeps_alive(version, headers) and not self._draining
        self._log(request, response.status, http1.write(stream, request, response, keep=keep))
        if response.takes_over is not None:
            response.takes_over(stream, bytes(reader.buffer))
            return False
        return keep

    def _answer(
        self, request: SiteRequest, local_port: int, secured: TlsSession | None
    ) -> SiteResponse:
        try:
            return self._site(request._replace(local_port=local_port, secured=secured))
        except (ValueError, TypeError, KeyError) as error:
            sys.stderr.write(f"{request.method} {request.target}: {error}\n")
            return SiteResponse(500, [], b"Internal Server Error\n")

    def _refuse(self, stream: ByteStream, peer: tuple[str, int], status: int) -> None:
        servers = byname.module("lateen.node.standins.sites.servers")
        request = SiteRequest("-", "", "", [], b"", *peer, "http")
        http1.write(stream, request, servers.nginx_error(status), keep=False)

    def _http2(
        self, stream: ByteStream, peer: tuple[str, int], scheme: str, early: bytes = b""
    ) -> None:
        http2 = byname.module("lateen.node.standins.http2")
        local_port, secured = _about(stream)
        site = functools.partial(self._answer, local_port=local_port, secured=secured)
        http2.Http2Connection(stream, site, peer, scheme, self._log).serve(early)

    def _log(self, request: SiteRequest, status: int, sent: int) -> None:
        at = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        line = (
            f'{request.remote} - - [{at}] "{request.method} {request.target} {request.version}"'
            f' {status} {sent} "{request.header("referer", "-")}"'
            f' "{request.header("user-agent", "-")}" "{request.header("x-forwarded-for", "-")}"\n'
        )
        os.write(1, line.encode("utf-8", "replace"))


def make_site(kind: str, options: dict[str, str]) -> Site:
    """Return the site of a kind; only its own module is imported."""
    for module, kinds in _MODULES.items():
        if kind in kinds:
            sites = byname.module(f"lateen.node.standins.sites.{module}").SITES
            site: Site = sites[kind](options)
            return site
    raise ValueError(f"no site is of kind {kind}")


def _remember_server_name(stream: Any, name: str | None, context: Any) -> None:
    stream.told_server_name = name or ""


def _about(stream: Any) -> tuple[int, TlsSession | None]:
    """Return the port that a connection came to, and what TLS agreed on there, if it is TLS."""
    port: int = stream.getsockname()[1]
    if not hasattr(stream, "selected_alpn_protocol"):
        return port, None
    certificate = stream.getpeercert(binary_form=True)
    return port, TlsSession(
        version=stream.version() or "",
        server_name=getattr(stream, "told_server_name", ""),
        protocol=stream.selected_alpn_protocol() or "",
        cipher=(stream.cipher() or ("",))[0],
        certificates=(certificate,) if certificate else (),
    )


def _peek(connection: socket.socket, count: int) -> bytes:
    """Wait for so many bytes and leave them to be read; fewer if the peer sends no more."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
    try:
        return connection.recv(count, socket.MSG_PEEK)
    finally:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)


def _openssl() -> str:
    for folder in os.environ.get("PATH", os.defpath).split(":"):
        if os.access(f"{folder}/openssl", os.X_OK):
            return f"{folder}/openssl"
    return ""


def _start(target: Callable[..., None], *args: Any) -> None:
    threading.Thread(target=target, args=args, daemon=True).start()


def main(arguments: list[str]) -> int:
    """Serve until a signal says otherwise."""
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    threading.stack_size(256 * 1024)
    try:
        server = WebServer(ListenOptions(arguments))
        server.prepare()
        server.listen()
    except (ValueError, OSError) as error:
        sys.stderr.write(f"web: {error}\n")
        return 1
    signal.sigwait(signals)
    server.drain()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
