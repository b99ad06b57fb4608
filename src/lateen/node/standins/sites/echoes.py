"""Servers that send a request back: whoami and the various echo servers."""

import fcntl
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Mapping
from typing import Any

from lateen.node.standins import goserver, query
from lateen.node.standins.http1 import Site, SiteRequest, SiteResponse
from lateen.node.standins.sites.pages import http_date, text

_SIOCGIFADDR = 0x8915


def addresses() -> list[str]:
    """Return the IPv4 addresses of this network namespace, by interface."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(probe, _SIOCGIFADDR, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def _json(body: Any, status: int = 200, *, indent: int | None = None) -> SiteResponse:
    encoded = json.dumps(body, indent=indent).encode()
    headers = [("Content-Type", "application/json; charset=utf-8"), ("Date", http_date())]
    return SiteResponse(status, headers, encoded)


def _lower(request: SiteRequest) -> dict[str, str]:
    """Names in lower case, repeated ones joined: what Node shows of a request."""
    found: dict[str, str] = {}
    for name, value in request.headers:
        key = name.lower()
        glue = "; " if key == "cookie" else ", "
        found[key] = f"{found[key]}{glue}{value}" if key in found else value
    return found


def _body(request: SiteRequest) -> Any:
    if not request.body:
        return {}
    content = request.body.decode("utf-8", "replace")
    kind = request.header("content-type").partition(";")[0]
    if kind == "application/x-www-form-urlencoded":
        return dict(query.pairs(content))
    try:
        return json.loads(content)
    except ValueError:
        return content


def _head(request: SiteRequest) -> list[str]:
    """The request as Go's net/http writes it down: Host first, the rest by name."""
    lines = [f"{request.method} {request.target} HTTP/1.1", f"Host: {request.header('host')}"]
    rest = sorted(
        (goserver.canonical(name), value)
        for name, value in request.headers
        if name.lower() != "host"
    )
    return lines + [f"{name}: {value}" for name, value in rest]


def _whoami(options: Mapping[str, str]) -> Site:
    name = options.get("name", "")

    def serve(request: SiteRequest) -> SiteResponse:
        host = socket.gethostname()
        remote = f"{request.remote}:{request.remote_port}"
        if request.path == "/health":
            return SiteResponse(200, [("Date", http_date())])
        if request.path == "/bench":
            return text(200, "1")
        if request.path == "/api":
            headers: dict[str, list[str]] = {}
            for each, value in request.headers:
                headers.setdefault(goserver.canonical(each), []).append(value)
            about = {
                "hostname": host,
                "ip": addresses(),
                "headers": headers,
                "url": request.target,
                "host": request.header("host"),
                "method": request.method,
                "remoteAddr": remote,
            }
            return _json({**about, "name": name} if name else about)
        lines = [f"Name: {name}"] if name else []
        lines += [f"Hostname: {host}", *(f"IP: {each}" for each in addresses())]
        lines += [f"RemoteAddr: {remote}", *_head(request), "", ""]
        return text(200, "\n".join(lines))

    return serve


def _echo_json(options: Mapping[str, str]) -> Site:
    """The shape of ealen/echo-server, with its `echo_code`, `echo_time` and `echo_body`."""

    def serve(request: SiteRequest) -> SiteResponse:
        asked = dict(query.pairs(request.query))
        headers = _lower(request)
        delay = asked.get("echo_time") or headers.get("x-echo-time", "")
        if delay.isdigit():
            time.sleep(min(int(delay), 60_000) / 1000)
        code = asked.get("echo_code") or headers.get("x-echo-code", "")
        status = int(code) if code.isdigit() and 200 <= int(code) <= 599 else 200
        if (body := asked.get("echo_body") or headers.get("x-echo-body", "")) != "":
            return _json(body, status)
        about = {
            "host": {
                "hostname": request.header("host").partition(":")[0],
                "ip": request.remote,
                "ips": [],
            },
            "http": {
                "method": request.method,
                "baseUrl": "",
                "originalUrl": request.target,
                "protocol": request.scheme,
            },
            "request": {
                "params": {"0": request.path},
                "query": asked,
                "cookies": query.cookies(headers.get("cookie", "")),
                "body": _body(request),
                "headers": headers,
            },
            "environment": dict(os.environ),
        }
        return _json(about, status)

    return serve


def _echo_mendhak(options: Mapping[str, str]) -> Site:
    """The shape of mendhak/http-https-echo."""

    def serve(request: SiteRequest) -> SiteResponse:
        headers = _lower(request)
        about = {
            "path": request.path,
            "headers": headers,
            "method": request.method,
            "body": request.body.decode("utf-8", "replace"),
            "fresh": False,
            "hostname": request.header("host").partition(":")[0],
            "ip": headers.get("x-forwarded-for", request.remote).partition(",")[0],
            "ips": [each.strip() for each in headers.get("x-forwarded-for", "").split(",") if each],
            "protocol": headers.get("x-forwarded-proto", request.scheme),
            "query": dict(query.pairs(request.query)),
            "subdomains": [],
            "xhr": headers.get("x-requested-with", "").lower() == "xmlhttprequest",
            "os": {"hostname": socket.gethostname()},
            "connection": {},
        }
        parsed = _body(request)
        return _json(
            {**about, "json": parsed} if isinstance(parsed, dict) and parsed else about, indent=2
        )

    return serve


def _echo_text(options: Mapping[str, str]) -> Site:
    """The shape of jmalloc/echo-server."""

    def serve(request: SiteRequest) -> SiteResponse:
        first, *rest = _head(request)
        lines = [f"Request served by {socket.gethostname()}", "", first, "", *rest, "", ""]
        return text(200, "\n".join(lines) + request.body.decode("utf-8", "replace"))

    return serve


def _echo_k8s(options: Mapping[str, str]) -> Site:
    """The shape of the echoserver that Kubernetes' own examples use."""

    def serve(request: SiteRequest) -> SiteResponse:
        host = request.header("host")
        headers = sorted((name.lower(), value) for name, value in request.headers)
        body = request.body.decode("utf-8", "replace")
        lines = ["", "", f"Hostname: {socket.gethostname()}", "", "Pod Information:"]
        lines += ["\t-no pod information available-", "", "Server values:"]
        lines += ["\tserver_version=lateen", "", "Request Information:"]
        lines += [f"\tclient_address={request.remote}", f"\tmethod={request.method}"]
        lines += [f"\treal path={request.target}", f"\tquery={request.query}"]
        lines += [f"\trequest_version={request.version.removeprefix('HTTP/')}"]
        lines += [f"\trequest_scheme={request.scheme}"]
        lines += [f"\trequest_uri={request.scheme}://{host}{request.target}", ""]
        lines += ["Request Headers:", *(f"\t{name}={value}" for name, value in headers), ""]
        lines += ["Request Body:", f"\t{body}" if body else "\t-no body in request-", "", ""]
        return text(200, "\n".join(lines))

    return serve


SITES: dict[str, Callable[[Mapping[str, str]], Site]] = {
    "whoami": _whoami,
    "echo-json": _echo_json,
    "echo-mendhak": _echo_mendhak,
    "echo-text": _echo_text,
    "echo-k8s": _echo_k8s,
}
"""How to make each site, given its options."""
