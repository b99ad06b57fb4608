"""Sites that are a page or a few: the small demonstration servers."""

import os
import socket
import time
from collections.abc import Mapping

from lateen.node.standins.http1 import Site, SiteRequest, SiteResponse

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def http_date(seconds: float | None = None) -> str:
    """Write a moment (default: now) as HTTP does, whatever the locale."""
    at = time.gmtime(seconds)
    day, month = _WEEKDAYS[at.tm_wday], _MONTHS[at.tm_mon - 1]
    return f"{day}, {at.tm_mday:02} {month} {at.tm_year} {time.strftime('%H:%M:%S', at)} GMT"


def text(status: int, body: str, *more: tuple[str, str]) -> SiteResponse:
    """Answer with plain text."""
    headers = [*more, ("Date", http_date()), ("Content-Type", "text/plain; charset=utf-8")]
    return SiteResponse(status, headers, body.encode())


def _http_echo(options: Mapping[str, str]) -> Site:
    said = options.get("text", "hello-world")
    status = int(options.get("status-code", "200"))
    names = (("X-App-Name", "http-echo"), ("X-App-Version", "1.0.0"))

    def serve(request: SiteRequest) -> SiteResponse:
        if request.path == "/health":
            return SiteResponse(200, [("Content-Type", "application/json")], b'{"status":"ok"}\n')
        return text(status, f"{said}\n", *names)

    return serve


def _hello_app(options: Mapping[str, str]) -> Site:
    version = options.get("version", "1.0.0")
    host = socket.gethostname()
    return lambda request: text(200, f"Hello, world!\nVersion: {version}\nHostname: {host}\n")


def _helloworld(options: Mapping[str, str]) -> Site:
    version = options.get("version", "v1")
    host = os.environ.get("HOSTNAME") or socket.gethostname()

    def serve(request: SiteRequest) -> SiteResponse:
        if request.path == "/hello":
            return text(200, f"Hello version: {version}, instance: {host}\n")
        if request.path == "/health":
            return text(200, "Helloworld is healthy")
        return text(404, "Not Found")

    return serve


_JWT_KEYS = (
    '{ "keys":[ {"e":"AQAB","kid":"tT_w9LRNrY7wJalGsTYSt7rutZi86Gvyc0EKR4CaQAw","kty":"RSA","n":"'
    "raJ7ZEhMfrBUo2werGKOow9an1B6Ukc6dKY2hNi10eaQe9ehJCjLpmJpePxoqaCi2VYt6gncLfhEV71JDGsodbfY"
    "MlaxwWTt6lXBcjlVXHWDXLC45rHVfi9FjSSXloHqmSStpjv3mrW3R6fx2VeVVP_mrA6ZHtcynq6ecJqO11STvVoe"
    "eM3lEsASVSWsUrKltC1Crfo0sI7YG34QjophVTEi8B9gVepAJZV-Bso5sinRABnxfLUM7DU5c8MO114uvXThgSIu"
    "AOM9PbViSC3X6Y9Gsjsy881HGO-EJaUCrwSWnwQW5sp0TktrYL70-M4_ug-X51Yt_PErmncKupx8Hw"
    '"}]}'
)
"""The public key that the demonstration tokens of Istio's samples are signed for."""


def _jwt_server(options: Mapping[str, str]) -> Site:
    return lambda request: text(200, _JWT_KEYS)


SITES = {
    "jwt-server": _jwt_server,
    "text": _http_echo,
    "hello-app": _hello_app,
    "helloworld": _helloworld,
}
"""How to make each site, given its options."""
