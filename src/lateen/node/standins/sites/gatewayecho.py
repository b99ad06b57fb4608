"""The Gateway API's `echo-basic`: an HTTP server that tells of requests as JSON, and a gRPC one."""

import os
import re
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from lateen.node.standins import goserver, grpcmessage, query, websocket
from lateen.node.standins.grpcmessage import field
from lateen.node.standins.http1 import ResetError, Site, SiteRequest, SiteResponse
from lateen.node.standins.sites.pages import http_date

GRPC_SERVICE = "gateway_api_conformance.echo_basic.grpcecho.GrpcEcho"
_STATUS = re.compile(r"/status/(\d\d\d)")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A header's name."""
_JSON = [("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff")]
_UNFIT_FOR_RESET = "response writer does not support hijacking"


def pod_facts() -> dict[str, str]:
    """Return who answers, by the variables that a pod is given."""
    variables = ("NAMESPACE", "INGRESS_NAME", "SERVICE_NAME", "POD_NAME")
    names = ("namespace", "ingress", "service", "pod")
    return {
        name: os.environ.get(variable, "") for name, variable in zip(names, variables, strict=True)
    }


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _failed(error: Exception) -> SiteResponse:
    return SiteResponse(
        500, [*_JSON, *_dated()], goserver.encoded({"message": str(error)}).encode()
    )


def _dated() -> list[tuple[str, str]]:
    return [("Date", http_date())]


def _asked(request: SiteRequest) -> dict[str, str]:
    """Return the query's parameters, the first of each name."""
    found: dict[str, str] = {}
    for name, value in query.pairs(request.query):
        found.setdefault(name, value)
    return found


def _echoed(request: SiteRequest, http_port: str) -> SiteResponse:
    _say(
        f"Echoing back request made to {request.target} to client"
        f" ({request.remote}:{request.remote_port})"
    )
    if delay := _asked(request).get("delay"):
        try:
            time.sleep(max(0.0, goserver.seconds(delay)))
        except ValueError as error:
            return _failed(error)
    told: dict[str, Any] = {
        "path": request.target,
        "host": request.header("host"),
        "method": request.method,
        "proto": request.version,
        "headers": goserver.headers(request.headers),
        "httpPort": http_port,
        **pod_facts(),
    }
    if request.secured is not None:
        told["tls"] = goserver.facts(request.secured)
    body = goserver.encoded(told, indent=1).encode()
    return SiteResponse(200, [*_wanted_headers(request), *_JSON, *_dated()], body)


def _wanted_headers(request: SiteRequest) -> list[tuple[str, str]]:
    """Return the headers that `X-Echo-Set-Header: Name:value,Other:value` asks for."""
    found: dict[str, str] = {}
    for name, line in request.headers:
        if name.lower() != "x-echo-set-header":
            continue
        for each in line.split(","):
            key, _, value = each.strip().partition(":")
            if not _TOKEN.fullmatch(key):
                continue  # Go writes no header without a name
            found[key] = f"{found[key]},{value.strip()}" if key in found else value
    return list(found.items())


class _Retries:
    """Fails the first requests of each `uuid`, and echoes those after them."""

    def __init__(self, http_port: str) -> None:
        self._http_port = http_port
        self._attempts: dict[str, int] = {}
        self._lock = threading.Lock()

    def answer(self, request: SiteRequest) -> SiteResponse:
        asked = _asked(request)
        uuid, wanted = asked.get("uuid", ""), asked.get("succeedAfter", "")
        if not uuid:
            return SiteResponse(400, _dated(), b"uuid is required")
        if not wanted.removeprefix("-").isdigit():
            return SiteResponse(400, _dated(), b"succeedAfter is required")
        with self._lock:
            if self._attempts.get(uuid, 0) >= int(wanted):
                return _echoed(request, self._http_port)
            self._attempts[uuid] = self._attempts.get(uuid, 0) + 1
            try:
                time.sleep(max(0.0, goserver.seconds(asked.get("delayRetry") or "0")))
            except ValueError as error:
                return _failed(error)
        code = asked.get("responseCode", "")
        if code.isdigit():
            return SiteResponse(int(code), _dated())
        if request.version == "HTTP/2.0":
            return _failed(ValueError(_UNFIT_FOR_RESET))
        raise ResetError


def _http(options: Mapping[str, str]) -> Site:
    """The options `port` (told in every answer) and `h2c` (the port that takes HTTP/2 alone)."""
    http_port, h2c_port = options.get("port", "3000"), options.get("h2c", "3001")
    retries = _Retries(http_port)

    def serve(request: SiteRequest) -> SiteResponse:
        if request.local_port == int(h2c_port):
            if request.version != "HTTP/2.0":
                return SiteResponse(400, _dated(), b"Expected h2c request")
            return _echoed(request, http_port)
        path = request.path.replace("//", "/")
        if path == "/health":
            return SiteResponse(200, _dated(), b"OK")
        if path.startswith("/status/"):
            match = _STATUS.fullmatch(request.target)
            return SiteResponse(int(match[1]) if match else 400, _dated())
        if path.startswith("/retry/"):
            return retries.answer(request)
        if path == "/ws":
            return websocket.upgrade(request, websocket.echo)
        return _echoed(request, http_port)

    return serve


def _grpc(options: Mapping[str, str]) -> Site:
    """Echo and EchoTwo tell of their call; any other method is unimplemented."""

    def serve(request: SiteRequest) -> SiteResponse:
        service, _, method = request.path.removeprefix("/").rpartition("/")
        if service != GRPC_SERVICE:
            return grpcmessage.refusal(grpcmessage.UNIMPLEMENTED, f"unknown service {service}")
        if method == "EchoThree":
            words = "method EchoThree not implemented"
            return grpcmessage.refusal(grpcmessage.UNIMPLEMENTED, words)
        if method not in ("Echo", "EchoTwo"):
            words = f"unknown method {method} for service {service}"
            return grpcmessage.refusal(grpcmessage.UNIMPLEMENTED, words)
        _say(f"Received over {'TLS' if request.secured else 'plaintext'}: ")
        return grpcmessage.answer(field(1, _assertions(request)))

    return serve


def _assertions(request: SiteRequest) -> bytes:
    pairs = [
        (":authority" if name.lower() == "host" else name.lower(), value)
        for name, value in request.headers
        if name.lower() not in ("te", "grpc-timeout")
    ]
    told = field(1, request.path)
    told += b"".join(field(2, field(1, name) + field(2, value)) for name, value in pairs)
    told += field(3, request.header("host"))
    pod = b"".join(
        field(number, value) for number, value in enumerate(pod_facts().values(), 1) if value
    )
    told += field(4, pod)
    if (secured := request.secured) is not None:
        names = (secured.version, secured.protocol, secured.server_name)
        tls = b"".join(field(number, each) for number, each in enumerate(names, 1) if each)
        tls += field(4, goserver.cipher(secured.cipher))
        tls += b"".join(field(5, goserver.pem(each)) for each in secured.certificates)
        told += field(5, tls)
    return told


SITES: dict[str, Callable[[Mapping[str, str]], Site]] = {
    "gateway-echo": _http,
    "gateway-echo-grpc": _grpc,
}
"""How to make each site, given its options."""
