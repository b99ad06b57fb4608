"""Istio's test application `echo`, which the Gateway API's mesh tests use: HTTP and gRPC."""

import functools
import os
import socket
import threading
import uuid
from collections.abc import Callable, Mapping

from lateen.node.standins import goserver, grpcmessage
from lateen.node.standins.grpcmessage import field, fields
from lateen.node.standins.http1 import Site, SiteRequest, SiteResponse
from lateen.node.standins.sites.pages import http_date
from lateen.node.standins.tcp.echo import serve_tcp

GRPC_METHOD = "/proto.EchoTestService/Echo"


def _server(request: SiteRequest, version: str) -> list[str]:
    lines = [f"ServiceVersion={version}", f"ServicePort={request.local_port}"]
    if name := os.environ.get("CLUSTER_ID"):
        lines.append(f"Cluster={name}")
    return lines


def _headers(request: SiteRequest) -> list[str]:
    found = goserver.headers(request.headers)
    return [f"RequestHeader={name}:{value}" for name in found for value in found[name]]


def _told(request: SiteRequest, version: str) -> list[str]:
    """Return what the server says of a request over HTTP, in its order."""
    alpn = [f"Alpn={request.secured.protocol}"] if request.secured else []
    return [
        *_server(request, version),
        f"Host={request.header('host')}",
        f"URL={request.target}",
        f"Method={request.method}",
        f"Proto={request.version}",
        *alpn,
        f"IP={request.remote}",
        *_headers(request),
        f"Hostname={socket.gethostname()}",
    ]


def _grpc(request: SiteRequest, version: str) -> SiteResponse:
    if request.path != GRPC_METHOD:
        return grpcmessage.refusal(grpcmessage.UNIMPLEMENTED, f"unknown method {request.path}")
    sent = next(
        (value for number, value in fields(grpcmessage.unframed(request.body)) if number == 1), b""
    )
    metadata = [
        f"RequestHeader={name.lower()}:{value}"
        for name, value in request.headers
        if name.lower() not in ("host", "te", "grpc-timeout")
    ]
    lines = [
        f"RequestHeader=:authority:{request.header('host')}",
        *metadata,
        f"Host={request.header('host')}",
        "StatusCode=200",
        *_server(request, version),
        "Proto=GRPC",
        f"Echo={sent.decode('utf-8', 'replace')}",
        f"IP={request.remote}",
        f"Hostname={socket.gethostname()}",
        "",
    ]
    return grpcmessage.answer(field(1, "\n".join(lines)))


def _tcp(version: str, connection: socket.socket) -> None:
    """Tell of the connection when its first bytes come, and send them and all others back."""
    port = connection.getsockname()[1]
    peer = connection.getpeername()[0].removeprefix("::ffff:")
    told = ["StatusCode=200", f"ServiceVersion={version}", f"ServicePort={port}", "Proto=TCP"]
    told += [f"IP={peer}", f"Hostname={socket.gethostname()}", ""]
    head = "\n".join(told).encode()
    while data := connection.recv(65536):
        connection.sendall(head + b"Echo=" + data if head else data)
        head = b""


def _site(options: Mapping[str, str]) -> Site:
    """The option `version` is told in every answer, `tcp` is a port for what is no HTTP."""
    version = options.get("version", "")
    if port := options.get("tcp"):
        arguments = (int(port), functools.partial(_tcp, version))
        threading.Thread(target=serve_tcp, args=arguments, daemon=True).start()

    def serve(request: SiteRequest) -> SiteResponse:
        if request.header("content-type").startswith("application/grpc"):
            return _grpc(request, version)
        identity = ("X-Request-Id", request.header("x-request-id") or str(uuid.uuid4()))
        headers = [identity, ("Content-Type", "text/plain; charset=utf-8"), ("Date", http_date())]
        body = "\n".join([*_told(request, version), ""])
        return SiteResponse(200, headers, body.encode())

    return serve


SITES: dict[str, Callable[[Mapping[str, str]], Site]] = {"mesh-echo": _site}
"""How to make the site, given its options."""
