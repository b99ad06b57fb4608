"""The four services of Istio's Bookinfo example: the same paths, JSON and calls to each other."""

import base64
import http.client
import json
import os
import random
import socket
import time
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

from lateen.base import byname
from lateen.node.standins import query
from lateen.node.standins.http1 import Site, SiteRequest, SiteResponse
from lateen.node.standins.sites.pages import http_date

_PORT = 9080
_DELAY = 7.0
_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)
_PASSED_ON = (
    "x-request-id", "x-ot-span-context", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid",
    "x-b3-sampled", "x-b3-flags", "b3", "traceparent", "tracestate", "x-cloud-trace-context",
    "grpc-trace-bin", "sw8", "user-agent", "cookie", "authorization", "jwt", "end-user",
)  # fmt: skip
_RATINGS = {"Reviewer1": 5, "Reviewer2": 4}
_REVIEWS = {
    "Reviewer1": "Two pairs of twins, one harbour, and no end of mistakes. Read it aloud.",
    "Reviewer2": "Short, loud and quick. The last act is worth the confusion before it.",
}
_DETAILS = {
    "author": "William Shakespeare",
    "year": 1595,
    "type": "paperback",
    "pages": 200,
    "publisher": "PublisherA",
    "language": "English",
    "ISBN-10": "1234567890",
    "ISBN-13": "123-1234567890",
}
_PRODUCT = {
    "id": 0,
    "title": "The Comedy of Errors",
    "descriptionHtml": "One of Shakespeare's early plays: twins, mistaken for each other.",
}


def _json(body: Any, status: int = 200) -> SiteResponse:
    headers = [("Content-Type", "application/json"), ("Date", http_date())]
    return SiteResponse(status, headers, json.dumps(body).encode())


def _html(body: str, *more: tuple[str, str], status: int = 200) -> SiteResponse:
    page = (
        "<!DOCTYPE html>\n<html>\n<head>\n<title>Simple Bookstore App</title>\n</head>\n"
        f"<body>\n{body}</body>\n</html>\n"
    )
    headers = [("Content-Type", "text/html; charset=utf-8"), ("Date", http_date()), *more]
    return SiteResponse(status, headers, page.encode())


def call(service: str, path: str, request: SiteRequest, seconds: float) -> tuple[int, Any]:
    """Ask another service, passing the trace and the user on; 500 and None if it cannot be
    reached in time. `DETAILS_HOSTNAME`, `SERVICES_DOMAIN` and the like say where it is."""
    name = service.upper()
    host = os.environ.get(f"{name}_HOSTNAME") or service
    if domain := os.environ.get("SERVICES_DOMAIN"):
        host = f"{host}.{domain}"
    port = os.environ.get(f"{name}_SERVICE_PORT") or str(_PORT)
    headers = {n: v for n in _PASSED_ON if (v := request.header(n))}
    connection = http.client.HTTPConnection(
        host, int(port) if port.isdigit() else _PORT, timeout=seconds
    )
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    except (OSError, ValueError, http.client.HTTPException):
        return 500, None
    finally:
        connection.close()


def _number(path: str, prefix: str) -> int | None:
    text = path.removeprefix(prefix)
    return int(text) if path.startswith(prefix) and text.isdigit() else None


def _details(options: Mapping[str, str]) -> Site:
    def serve(request: SiteRequest) -> SiteResponse:
        if request.path == "/health":
            return _json({"status": "Details is healthy"})
        number = _number(request.path, "/details/")
        if number is None:
            return _json({"error": "please provide numeric product id"}, 400)
        return _json({"id": number, **_DETAILS})

    return serve


def _ratings(options: Mapping[str, str]) -> Site:
    """v1 keeps ratings in memory, v2 reads them from a database, the others fail in their ways."""
    version = options.get("version", "v1")
    kept: dict[int, Any] = {}
    begun = time.monotonic()

    def ails() -> bool:
        """Tell whether this request is one that the version fails."""
        if version == "v-unavailable":  # well for a minute, ill for the next
            return int((time.monotonic() - begun) / 60) % 2 == 1
        if version == "v-unhealthy":
            return int((time.monotonic() - begun) / 900) % 2 == 1
        return version in ("v-faulty", "v-delayed") and random.random() < 0.5

    def serve(request: SiteRequest) -> SiteResponse:
        ill = ails()
        if request.path == "/health":
            if ill and version == "v-unhealthy":
                return _json({"status": "Ratings is not healthy"}, 500)
            return _json({"status": "Ratings is healthy"})
        number = _number(request.path, "/ratings/")
        if number is None:
            return _json({"error": "please provide numeric product ID"}, 400)
        if request.method == "POST":
            return _rated(request, number, version, kept)
        if ill and version == "v-delayed":
            time.sleep(_DELAY)
        elif ill:
            return _json({"error": "Service unavailable"}, 503)
        if version == "v2":
            return _stored_ratings(number)
        return _json({"id": number, "ratings": kept.get(number, _RATINGS)})

    return serve


def _rated(request: SiteRequest, number: int, version: str, kept: dict[int, Any]) -> SiteResponse:
    try:
        given = json.loads(request.body)
    except ValueError:
        return _json({"error": "please provide valid ratings JSON"}, 400)
    if version == "v2":
        return _json({"error": "Post not implemented for database backed ratings"}, 501)
    kept[number] = given
    return _json({"id": number, "ratings": given})


def _stored_ratings(number: int) -> SiteResponse:
    """Ask the database that the variables name: MySQL with `DB_TYPE: mysql`, else MongoDB."""
    named = os.environ
    try:
        if named.get("DB_TYPE") == "mysql":
            mysql = byname.module("lateen.node.standins.tcp.mysql")
            place = named.get("MYSQL_DB_HOST", "mysqldb"), int(named.get("MYSQL_DB_PORT", "3306"))
            user = named.get("MYSQL_DB_USER", "root"), named.get("MYSQL_DB_PASSWORD", "")
            found = mysql.ratings(*place, *user)
        else:
            mongo = byname.module("lateen.node.standins.tcp.mongo")
            url = named.get("MONGO_DB_URL", "mongodb://mongodb:27017/test")
            host, _, port = url.partition("://")[2].partition("/")[0].partition(":")
            found = mongo.ratings(host, int(port or 27017))
    except (OSError, EOFError, ValueError, LookupError):
        return _json({"error": "could not connect to ratings database"}, 500)
    first, second = (*found, 0, 0)[:2]
    return _json({"id": number, "ratings": {"Reviewer1": first, "Reviewer2": second}})


def _reviews(options: Mapping[str, str]) -> Site:
    """v1 shows no stars, v2 asks ratings for black ones, v3 for red ones."""
    color = {"v2": "black", "v3": "red"}.get(options.get("version", "v1"), "")
    pod = os.environ.get("HOSTNAME") or socket.gethostname()

    def serve(request: SiteRequest) -> SiteResponse:
        if request.path == "/health":
            return _json({"status": "Reviews is healthy"})
        number = _number(request.path, "/reviews/")
        if number is None:
            return _json({"error": "please provide numeric product ID"}, 400)
        stars: dict[str, int] = {}
        if color:
            patience = 10.0 if color == "black" else 2.5
            _, answer = call("ratings", f"/ratings/{number}", request, patience)
            stars = answer.get("ratings", {}) if isinstance(answer, dict) else {}
        told = []
        for reviewer, text in _REVIEWS.items():
            review: dict[str, Any] = {"reviewer": reviewer, "text": text}
            if color and reviewer in stars:
                review["rating"] = {"stars": stars[reviewer], "color": color}
            elif color:
                review["rating"] = {"error": "Ratings service is currently unavailable"}
            told.append(review)
        return _json({"id": str(number), "podname": pod, "clustername": "null", "reviews": told})

    return serve


def _productpage(options: Mapping[str, str]) -> Site:
    def serve(request: SiteRequest) -> SiteResponse:
        path = request.path.rstrip("/") or "/"
        if path == "/":
            return _html('<h1>Bookstore</h1>\n<p><a href="/productpage">Product page</a></p>\n')
        if path == "/health":
            return _html("Product page is healthy\n")
        if path.startswith("/static/"):
            return _static(path)
        if path == "/productpage":
            return _page(_signed_in(request))
        if path == "/login":
            user = dict(query.pairs(request.body.decode("utf-8", "replace"))).get("username", "")
            cookie = f"session={_plain(user)}; HttpOnly; Path=/"
            return _html("", ("Location", "/productpage"), ("Set-Cookie", cookie), status=302)
        if path == "/logout":
            cookie = "session=; Max-Age=0; Path=/"
            return _html("", ("Location", "/productpage"), ("Set-Cookie", cookie), status=302)
        return _products(path, _signed_in(request))

    return serve


def _static(path: str) -> SiteResponse:
    """A style sheet or picture of the page: of its type, and with nothing to see in it."""
    kinds = {"css": "text/css", "js": "text/javascript", "png": "image/png"}
    kind = kinds.get(path.rsplit(".", 1)[-1])
    if kind is None:
        return _html("<h1>Not Found</h1>\n", status=404)
    headers = [("Content-Type", kind), ("Date", http_date()), ("Cache-Control", "no-cache")]
    return SiteResponse(200, headers, _PIXEL if kind == "image/png" else b"/* a stand-in */\n")


def _products(path: str, request: SiteRequest) -> SiteResponse:
    if path == "/api/v1/products":
        return _json([_PRODUCT])
    parts = path.removeprefix("/api/v1/products/").split("/")
    if not path.startswith("/api/v1/products/") or not parts[0].isdigit() or len(parts) > 2:
        return _html("<h1>Not Found</h1>\n", status=404)
    service = parts[1] if len(parts) == 2 else "details"
    if service not in ("details", "reviews", "ratings"):
        return _html("<h1>Not Found</h1>\n", status=404)
    status, answer = call(service, f"/{service}/{parts[0]}", request, 3.0)
    sorry = {"error": f"Sorry, product {service} are currently unavailable for this book."}
    return _json(answer if status == 200 else sorry, status)


def _signed_in(request: SiteRequest) -> SiteRequest:
    """Return the request with the user who logged in as its `end-user`."""
    user = query.cookies(request.header("cookie")).get("session", "")
    if not user:
        return request
    return request._replace(headers=[*request.headers, ("end-user", user)])


def _plain(name: str) -> str:
    return "".join(letter for letter in name if letter.isalnum() or letter in "-_.@")


def _page(request: SiteRequest) -> SiteResponse:
    user = request.header("end-user")
    parts = [f"<p>User: {escape(user)}</p>\n"] if user else []
    parts.append(f"<h3>{_PRODUCT['title']}</h3>\n<p>{_PRODUCT['descriptionHtml']}</p>\n")
    status, details = call("details", "/details/0", request, 3.0)
    parts.append("<h4>Book Details</h4>\n")
    if status == 200 and isinstance(details, dict):
        rows = "".join(
            f"<dt>{escape(str(name))}</dt><dd>{escape(str(value))}</dd>\n"
            for name, value in details.items()
            if name != "id"
        )
        parts.append(f"<dl>\n{rows}</dl>\n")
    else:
        parts.append(
            "<p>Error fetching product details!</p>\n<p>Sorry, product details are currently"
            " unavailable for this book.</p>\n"
        )
    parts.append("<h4>Book Reviews</h4>\n")
    for _ in range(2):  # the example asks for reviews twice before it gives up
        status, reviews = call("reviews", "/reviews/0", request, 3.0)
        if status == 200 and isinstance(reviews, dict):
            parts += _shown(reviews)
            break
    else:
        parts.append(
            "<p>Error fetching product reviews!</p>\n<p>Sorry, product reviews are currently"
            " unavailable for this book.</p>\n"
        )
    return _html("".join(parts))


def _shown(reviews: Mapping[str, Any]) -> list[str]:
    lines = []
    for review in reviews.get("reviews", []):
        lines.append(f"<blockquote>{escape(str(review.get('text')))}\n")
        rating = review.get("rating", {})
        if "stars" in rating:
            color = escape(str(rating.get("color")))
            star = '<span class="glyphicon glyphicon-star"></span>'
            stars = f'<font color="{color}">{star * int(rating["stars"])}</font>'
            lines.append(f'<div class="text-{color}-500">{stars}</div>\n')
        elif "error" in rating:
            lines.append(f"<p><i>{escape(str(rating['error']))}</i></p>\n")
        lines.append(f"<small>{escape(str(review.get('reviewer')))}</small></blockquote>\n")
    lines.append(f"<p>Reviews served by: {escape(str(reviews.get('podname')))}</p>\n")
    return lines


SITES: dict[str, Callable[[Mapping[str, str]], Site]] = {
    "bookinfo-details": _details,
    "bookinfo-ratings": _ratings,
    "bookinfo-reviews": _reviews,
    "bookinfo-productpage": _productpage,
}
"""How to make each site, given its options."""
