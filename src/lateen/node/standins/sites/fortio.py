"""What fortio's echo server answers: the request's body, or what the query asks for."""

import random
import time
from collections.abc import Callable, Mapping

from lateen.node.standins import query
from lateen.node.standins.http1 import Site, SiteRequest, SiteResponse
from lateen.node.standins.sites.pages import http_date

_LONGEST = 30.0
"""Seconds that an answer is delayed at most."""
_LARGEST = 256 * 1024
_UNITS = {"us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def _echo(request: SiteRequest) -> SiteResponse:
    asked = dict(query.pairs(request.query))
    time.sleep(min(seconds(drawn(asked.get("delay", ""))), _LONGEST))
    status = drawn(asked.get("status", ""))
    headers = [("Date", http_date())]
    for line in (value for name, value in query.pairs(request.query) if name == "header"):
        name, colon, value = line.partition(":")
        if colon:
            headers.append((name.strip(), value.strip()))
    if asked.get("close") == "true":
        headers.append(("Connection", "close"))
    body = request.body
    if (size := drawn(asked.get("size", ""))).isdigit():
        body = b"x" * min(int(size), _LARGEST)
    if request.path.rstrip("/").endswith("/debug") or request.path == "/debug":
        return _told(request)
    return SiteResponse(int(status) if status.isdigit() else 200, headers, body)


def _told(request: SiteRequest) -> SiteResponse:
    lines = [
        "Φορτίο version 1 echo debug server",
        "",
        f"{request.method} {request.target} {request.version}",
        "",
    ]
    lines += [
        "headers:",
        "",
        *(f"{name}: {value}" for name, value in request.headers),
        "",
        "body:",
        "",
    ]
    text = "\n".join(lines).encode() + b"\n" + request.body + b"\n"
    return SiteResponse(200, [("Content-Type", "text/plain; charset=UTF-8")], text)


def drawn(text: str) -> str:
    """Return one of `503:20,404:10`, by the percentages; the rest of a hundred is the usual
    answer (an empty text). `503` alone is 503 always."""
    if ":" not in text:
        return text
    left = random.uniform(0.0, 100.0)
    for part in text.split(","):
        value, _, share = part.partition(":")
        try:
            left -= float(share or 100)
        except ValueError:
            continue
        if left < 0:
            return value
    return ""


def seconds(text: str) -> float:
    """Return the seconds of a Go duration of one unit, such as `150ms`; 0 for anything else."""
    for unit in ("us", "µs", "ms", "s", "m"):
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdigit():
            return float(number) * _UNITS[unit]
    return 0.0


def _make(options: Mapping[str, str]) -> Site:
    return _echo


SITES: dict[str, Callable[[Mapping[str, str]], Site]] = {"fortio": _make}
"""How to make each site, given its options."""
