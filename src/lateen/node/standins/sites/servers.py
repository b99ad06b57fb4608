"""nginx and Apache: files of a folder, and their own pages about errors, byte for byte."""

import re
from collections.abc import Callable, Mapping

from lateen.node.standins.http1 import REASONS, Site, SiteRequest, SiteResponse
from lateen.node.standins.sites import static
from lateen.node.standins.sites.pages import http_date

_NGINX = "1.27.5"
_APACHE = "Apache/2.4.63 (Unix)"
_ADDED_TO = (200, 201, 204, 206, 301, 302, 303, 304, 307, 308)
"""Statuses that nginx's `add_header` adds to."""

_HOST = re.compile(r"(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::\d*)?")
"""A Host that Apache takes (HttpProtocolOptions Strict, its default)."""


def nginx_error(status: int, release: str = _NGINX, detail: str = "") -> SiteResponse:
    """What nginx answers with a status of its own; `detail` is the page's second line, if any."""
    name = "Not Allowed" if status == 405 else REASONS[status]
    title = f"{status} {detail or name}"
    lines = [
        "<html>",
        f"<head><title>{title}</title></head>",
        "<body>",
        f"<center><h1>{status} {name}</h1></center>",
        *([f"<center>{detail}</center>"] if detail else []),
        f"<hr><center>nginx/{release}</center>",
        "</body>",
        "</html>",
        "",
    ]
    headers = [("Server", f"nginx/{release}"), ("Date", http_date()), ("Content-Type", "text/html")]
    return SiteResponse(status, headers, "\r\n".join(lines).encode())


def plain_to_tls(release: str = _NGINX) -> SiteResponse:
    """What nginx answers to plain HTTP on a port that expects TLS."""
    return nginx_error(400, release, "The plain HTTP request was sent to HTTPS port")


def _nginx(options: Mapping[str, str]) -> Site:
    root, release = options.get("root", "/usr/share/nginx/html"), options.get("version", _NGINX)
    name, _, value = options.get("header", "").partition(": ")

    def serve(request: SiteRequest) -> SiteResponse:
        if request.version == "HTTP/1.1" and not request.header("host"):
            return nginx_error(400, release)
        status, headers, body, *_ = static.found(root, request, unknown="application/octet-stream")
        added = [(name, value)] if name and status in _ADDED_TO else []
        if status in (200, 304):
            first = [("Server", f"nginx/{release}"), ("Date", http_date())]
            return SiteResponse(status, [*first, *headers, *added], body)
        answer = nginx_error(status, release)
        return SiteResponse(status, [*answer.headers, *headers, *added], answer.body)

    return serve


def _httpd(options: Mapping[str, str]) -> Site:
    root = options.get("root", "/usr/local/apache2/htdocs")

    def serve(request: SiteRequest) -> SiteResponse:
        host = request.header("host")
        if (not host and request.version != "HTTP/1.0") or (host and not _HOST.fullmatch(host)):
            return _apache_error(400, request)
        status, headers, body, *_ = static.found(root, request, unknown="")
        if status in (200, 304):
            return SiteResponse(
                status, [("Date", http_date()), ("Server", _APACHE), *headers], body
            )
        return _apache_error(status, request, *headers)

    return serve


def _apache_error(status: int, request: SiteRequest, *more: tuple[str, str]) -> SiteResponse:
    said = {
        301: f'The document has moved <a href="{dict(more).get("Location", "")}">here</a>.',
        400: "Your browser sent a request that this server could not understand.<br />\n",
        403: "You don't have permission to access this resource.",
        404: "The requested URL was not found on this server.",
        405: f"The requested method {request.method} is not allowed for this URL.",
    }.get(status, "")
    body = (
        '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n'
        f"<title>{status} {REASONS[status]}</title>\n</head><body>\n<h1>{REASONS[status]}</h1>\n"
        f"<p>{said}</p>\n</body></html>\n"
    ).encode()
    headers = [("Date", http_date()), ("Server", _APACHE), *more]
    if status == 405:
        headers.append(("Allow", "OPTIONS,HEAD,GET,POST,TRACE"))
    kind = ("Content-Type", "text/html; charset=iso-8859-1")
    return SiteResponse(status, [*headers, kind], body)


SITES: dict[str, Callable[[Mapping[str, str]], Site]] = {
    "nginx": _nginx,
    "nginx-demo": _nginx,
    "httpd": _httpd,
}
"""How to make each site, given its options."""
