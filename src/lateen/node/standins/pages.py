"""Sites that are a page or a few: nginx, Apache and the small demonstration servers."""

import os
import socket
import time
import zlib
from collections.abc import Mapping

from lateen.node.standins.http1 import REASONS, Request, Response, Site

NGINX = "nginx/1.27.5"
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

_WELCOME = b"""\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>This is lateen's stand-in for the nginx image.</p>
</body>
</html>
"""
_HOWDY = b"<h2>Howdy</h2>\n"
_WORKS = b"<html><body><h1>It works!</h1></body></html>\n"


def http_date(seconds: float | None = None) -> str:
    """Write a moment (default: now) as HTTP does, whatever the locale."""
    at = time.gmtime(seconds)
    day, month = _WEEKDAYS[at.tm_wday], _MONTHS[at.tm_mon - 1]
    return f"{day}, {at.tm_mday:02} {month} {at.tm_year} {time.strftime('%H:%M:%S', at)} GMT"


def plain_to_tls() -> Response:
    """What nginx answers to plain HTTP on a port that expects TLS."""
    return _nginx_error(400, "The plain HTTP request was sent to HTTPS port")


def bad_request(status: int) -> Response:
    """What nginx answers to what is no HTTP."""
    return _nginx_error(status, "")


def _nginx_error(status: int, detail: str) -> Response:
    title = f"{status} {detail or REASONS[status]}"
    lines = [
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{status} {REASONS[status]}</h1></center>",
        *([f"<center>{detail}</center>"] if detail else []),
        f"<hr><center>{NGINX}</center>",
        "</body>",
        "</html>",
        "",
    ]
    headers = [("Server", NGINX), ("Date", http_date()), ("Content-Type", "text/html")]
    return Response(status, headers, "\r\n".join(lines).encode())


def _page(page: bytes) -> Site:
    """A directory with an index.html in it, as nginx serves it."""
    changed = http_date()
    etag = f'"{zlib.crc32(page):x}-{len(page):x}"'

    def serve(request: Request) -> Response:
        if request.method not in ("GET", "HEAD"):
            return _nginx_error(405, "")
        if request.path not in ("/", "/index.html"):
            return _nginx_error(404, "")
        headers = [("Server", NGINX), ("Date", http_date()), ("Last-Modified", changed)]
        headers.append(("ETag", etag))
        if request.header("if-none-match") == etag:
            return Response(304, headers)
        headers += [("Accept-Ranges", "bytes"), ("Content-Type", "text/html")]
        return Response(200, headers, page)

    return serve


def _httpd(options: Mapping[str, str]) -> Site:
    nginx = _page(_WORKS)

    def serve(request: Request) -> Response:
        status, headers, body = nginx(request)
        kept = [pair for pair in headers if pair[0] != "Server"]
        if status >= 400:
            body = _apache_error(status, request.path)
            kept = [("Date", http_date()), ("Content-Type", "text/html; charset=iso-8859-1")]
        return Response(status, [("Server", "Apache/2.4.63 (Unix)"), *kept], body)

    return serve


def _apache_error(status: int, path: str) -> bytes:
    reason = REASONS[status]
    detail = "The requested URL was not found on this server."
    if status == 405:
        detail = "The requested method is not allowed for this URL."
    return (
        '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
        f"<title>{status} {reason}</title>\n</head><body>\n<h1>{reason}</h1>\n"
        f"<p>{detail}</p>\n</body></html>\n"
    ).encode()


def text(status: int, body: str, *more: tuple[str, str]) -> Response:
    """Answer with plain text."""
    headers = [*more, ("Date", http_date()), ("Content-Type", "text/plain; charset=utf-8")]
    return Response(status, headers, body.encode())


def _http_echo(options: Mapping[str, str]) -> Site:
    said = options.get("text", "hello-world")
    status = int(options.get("status-code", "200"))
    names = (("X-App-Name", "http-echo"), ("X-App-Version", "1.0.0"))

    def serve(request: Request) -> Response:
        if request.path == "/health":
            return Response(200, [("Content-Type", "application/json")], b'{"status":"ok"}\n')
        return text(status, f"{said}\n", *names)

    return serve


def _hello_app(options: Mapping[str, str]) -> Site:
    version = options.get("version", "1.0.0")
    host = socket.gethostname()
    return lambda request: text(200, f"Hello, world!\nVersion: {version}\nHostname: {host}\n")


def _helloworld(options: Mapping[str, str]) -> Site:
    version = options.get("version", "v1")
    host = os.environ.get("HOSTNAME") or socket.gethostname()

    def serve(request: Request) -> Response:
        if request.path == "/hello":
            return text(200, f"Hello version: {version}, instance: {host}\n")
        if request.path == "/health":
            return text(200, "Helloworld is healthy")
        return text(404, "Not Found")

    return serve


SITES = {
    "nginx": lambda options: _page(_WELCOME),
    "nginx-demo": lambda options: _page(_HOWDY),
    "httpd": _httpd,
    "text": _http_echo,
    "hello-app": _hello_app,
    "helloworld": _helloworld,
}
"""How to make each site, given its options."""
