"""The TCP server of the Gateway API's `echo-basic`.

    python -m lateen.node.standins.tcp.gatewayecho

The variables of its pod say the rest: TCP_PORT, TLS_PORT, TLS_SERVER_CERT, TLS_SERVER_PRIV_KEY.
"""

import os
import socket
import ssl
import sys
import threading
from typing import Any

from lateen.node.standins import goserver
from lateen.node.standins.http1 import TlsSession
from lateen.node.standins.tcp.echo import serve_tcp

WELCOME = b"Gateway API Test TCP Server\n"


class _Server:
    def __init__(self, port: str, tls_port: str, context: ssl.SSLContext | None) -> None:
        self._context = context
        variables = ("NAMESPACE", "INGRESS_NAME", "SERVICE_NAME", "POD_NAME")
        namespace, ingress, service, pod = (os.environ.get(name, "") for name in variables)
        self._facts = {
            "namespace": namespace,
            "ingress": ingress,
            "service": service,
            "pod": pod,
            "tcpport": port,
            "tlsport": tls_port,
        }

    def plain(self, connection: socket.socket) -> None:
        self._answer(connection, {**self._facts, "isTLS": False})

    def secured(self, connection: socket.socket) -> None:
        assert self._context is not None
        with self._context.wrap_socket(connection, server_side=True) as stream:
            self._answer(stream, {**self._facts, "isTLS": True, "tls": _agreed(stream)})

    def _answer(self, stream: socket.socket, told: dict[str, Any]) -> None:
        stream.sendall(WELCOME)
        answers = {
            b"TEST": goserver.encoded(told).encode() + b"\n",
            b"IS_TLS": b"true\n" if told["isTLS"] else b"false\n",
            b"PING": b"PONG\n",
        }
        with stream.makefile("rb") as lines:
            for line in lines:
                if answer := answers.get(line.rstrip(b"\r\n")):
                    stream.sendall(answer)


def _agreed(stream: Any) -> dict[str, str]:
    agreed = TlsSession(
        version=(stream.version() or "").replace("TLSv", "TLS "),
        server_name=getattr(stream, "told_server_name", ""),
        protocol=stream.selected_alpn_protocol() or "",
        cipher=stream.cipher()[0],
    )
    return goserver.facts(agreed)


def _remember_server_name(stream: Any, name: str | None, context: Any) -> None:
    stream.told_server_name = name or ""


def main() -> int:
    """Serve until killed."""
    port, tls_port = os.environ.get("TCP_PORT") or "3000", os.environ.get("TLS_PORT") or "8443"
    certificate = os.environ.get("TLS_SERVER_CERT")
    key = os.environ.get("TLS_SERVER_PRIV_KEY")
    context = None
    try:
        if certificate and key:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            context.sni_callback = _remember_server_name
        server = _Server(port, tls_port, context)
        if context is not None:
            secured = (int(tls_port), server.secured)
            threading.Thread(target=serve_tcp, args=secured, daemon=True).start()
        return serve_tcp(int(port), server.plain)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Failed to start tcp server: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
