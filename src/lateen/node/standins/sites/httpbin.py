"""httpbin: answers that say what was asked, in the shape of the Python or of the Go program."""

import base64
import functools
import gzip
import json
import random
import re
import socket
import time
import uuid
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lateen.node.standins import query
from lateen.node.standins.http1 import REASONS, Site, SiteRequest, SiteResponse
from lateen.node.standins.sites.pages import http_date

MAX_DELAY = 10.0
_METHODS = ("get", "post", "put", "patch", "delete")


class Httpbin:
    """One httpbin. `many` gives every header and argument a list of values, as Go's does."""

    def __init__(self, *, many: bool) -> None:
        self.many = many
        """Whether this is Go's."""
        self._routes = [
            (re.compile(pattern), methods, handler) for pattern, methods, handler in _routes(self)
        ]

    def __call__(self, request: SiteRequest) -> SiteResponse:
        """Answer one request."""
        path = query.unquote(request.path)
        for pattern, methods, handler in self._routes:
            if (match := pattern.fullmatch(path)) is None:
                continue
            if request.method == "OPTIONS":
                return self._headed(SiteResponse(200, [("Allow", methods)]))
            if methods != "*" and request.method not in methods.split(", "):
                return self._headed(SiteResponse(405, [("Allow", methods)]))
            return self._headed(handler(request, *match.groups()))
        return self._headed(_html(404, "<h1>Not Found</h1>\n<p>There is nothing here.</p>\n"))

    def json(self, body: Any, status: int = 200) -> SiteResponse:
        """Answer with JSON as the program writes it."""
        encoded = json.dumps(body, indent=2, sort_keys=True).encode() + b"\n"
        kind = "application/json; charset=utf-8" if self.many else "application/json"
        return SiteResponse(status, [("Content-Type", kind)], encoded)

    def headers(self, request: SiteRequest) -> dict[str, Any]:
        """Return the request's headers in canonical spelling."""
        return self._joined([(_canonical(name), value) for name, value in request.headers])

    def told(self, request: SiteRequest) -> dict[str, Any]:
        """Return what every request is told about itself."""
        host = request.header("host", "localhost")
        scheme = request.header("x-forwarded-proto") or request.scheme
        about = {
            "args": self._joined(query.pairs(request.query), lists=self.many),
            "headers": self.headers(request),
            "origin": origin(request),
            "url": f"{scheme}://{host}{request.target}",
        }
        return {**about, "method": request.method} if self.many else about

    def sent(self, request: SiteRequest) -> dict[str, Any]:
        """Return what came in the body."""
        kind = request.header("content-type").partition(";")[0].strip().lower()
        text = request.body.decode("utf-8", "replace")
        form: dict[str, Any] = {}
        parsed = None
        data = text
        if kind == "application/x-www-form-urlencoded":
            form, data = self._joined(query.pairs(text), lists=self.many), ""
        elif request.body:
            try:
                parsed = json.loads(text)
            except ValueError:
                parsed = None
        return {"data": data, "files": {}, "form": form, "json": parsed}

    def _joined(self, pairs: list[tuple[str, str]], *, lists: bool = False) -> dict[str, Any]:
        values: dict[str, list[str]] = {}
        for name, value in pairs:
            values.setdefault(name, []).append(value)
        if self.many:
            return dict(values)
        return {name: each[0] if len(each) == 1 else each for name, each in values.items()}

    def _headed(self, response: SiteResponse) -> SiteResponse:
        names = {name.lower() for name, _ in response.headers}
        headers = [("Date", http_date()), *response.headers]
        if not self.many:
            headers.insert(0, ("Server", "gunicorn/19.9.0"))
        if "content-type" not in names and response.body:
            headers.append(("Content-Type", "text/plain; charset=utf-8"))
        headers.append(("Access-Control-Allow-Origin", "*"))
        headers.append(("Access-Control-Allow-Credentials", "true"))
        return SiteResponse(response.status, headers, response.body)


def origin(request: SiteRequest) -> str:
    """Return the client as httpbin names it: X-Forwarded-For, or the peer's address."""
    return request.header("x-forwarded-for") or request.remote


def _canonical(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def _html(status: int, body: str) -> SiteResponse:
    page = f"<!DOCTYPE html>\n<html>\n<body>\n{body}</body>\n</html>\n"
    return SiteResponse(status, [("Content-Type", "text/html; charset=utf-8")], page.encode())


def _index(request: SiteRequest) -> SiteResponse:
    return _html(200, "<h1>httpbin</h1>\n<p>A stand-in for the httpbin image, by lateen.</p>\n")


def _page(request: SiteRequest) -> SiteResponse:
    return _html(200, "<h1>A page</h1>\n<p>It has a heading and this paragraph.</p>\n")


_TEAPOT = '''
    -=[ teapot ]=-

       _...._
     .'  _ _ `.
    | ."` ^ `". _,
    \\_;`"---"`|//
      |       ;/
      \\_     _/
        `"""`
'''
_MORE = [("X-More-Info", "http://tools.ietf.org/html/rfc2324")]


def _status(bin_: Httpbin, request: SiteRequest, codes: str) -> SiteResponse:
    choices, weights = [], []
    for part in codes.split(","):
        code, _, weight = part.partition(":")
        if not code.strip().isdigit() or not 100 <= int(code) <= 599:
            return SiteResponse(400, [], b"Invalid status code")
        choices.append(int(code))
        weights.append(float(weight or 1))
    status = random.choices(choices, weights)[0]
    if 300 <= status < 400 and status != 304:
        return SiteResponse(status, [("Location", "/redirect/1")])
    if status == 401:
        return SiteResponse(status, [("WWW-Authenticate", 'Basic realm="Fake Realm"')])
    if status == 418:
        return SiteResponse(status, _MORE, b"I'm a teapot!" if bin_.many else _TEAPOT.encode())
    return SiteResponse(status)


def _redirect(request: SiteRequest, count: str) -> SiteResponse:
    left = int(count) - 1
    target = "/get" if left <= 0 else f"/relative-redirect/{left}"
    if request.path.startswith("/absolute"):
        target = f"{request.scheme}://{request.header('host')}" + (
            "/get" if left <= 0 else f"/absolute-redirect/{left}"
        )
    return SiteResponse(302, [("Location", target)])


def _redirect_to(request: SiteRequest) -> SiteResponse:
    asked = dict(query.pairs(request.query))
    code = asked.get("status_code", "302")
    status = int(code) if code.isdigit() and 300 <= int(code) < 400 else 302
    return SiteResponse(status, [("Location", asked.get("url", "/"))])


def _bytes(request: SiteRequest, count: str) -> SiteResponse:
    seed = dict(query.pairs(request.query)).get("seed")
    source = random.Random(seed) if seed else random.Random()
    size = min(int(count), 100 * 1024)
    return SiteResponse(200, [("Content-Type", "application/octet-stream")], source.randbytes(size))


def _drip(request: SiteRequest) -> SiteResponse:
    asked = dict(query.pairs(request.query))
    seconds = min(float(asked.get("duration", 2)), MAX_DELAY)
    count = min(int(asked.get("numbytes", 10)), 10 * 1024)
    time.sleep(min(float(asked.get("delay", 0)), MAX_DELAY))

    def parts() -> Iterator[bytes]:
        for _ in range(count):
            yield b"*"
            time.sleep(seconds / count)

    headers = [("Content-Type", "application/octet-stream")]
    return SiteResponse(int(asked.get("code", 200)), headers, parts())


def _basic_auth(request: SiteRequest, user: str, password: str) -> SiteResponse:
    wanted = base64.b64encode(f"{user}:{password}".encode()).decode()
    if request.header("authorization") != f"Basic {wanted}":
        return SiteResponse(401, [("WWW-Authenticate", 'Basic realm="Fake Realm"')])
    body = {"authenticated": True, "user": user}
    return SiteResponse(
        200, [("Content-Type", "application/json")], json.dumps(body, indent=2).encode() + b"\n"
    )


def _cookies_set(request: SiteRequest) -> SiteResponse:
    headers = [("Location", "/cookies")]
    for name, value in query.pairs(request.query):
        headers.append(("Set-Cookie", f"{name}={value}; Path=/"))
    return SiteResponse(302, headers)


def _cookies_delete(request: SiteRequest) -> SiteResponse:
    headers = [("Location", "/cookies")]
    for name, _ in query.pairs(request.query):
        headers.append(
            ("Set-Cookie", f"{name}=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/")
        )
    return SiteResponse(302, headers)


def _cache(request: SiteRequest) -> SiteResponse | None:
    if request.header("if-modified-since") or request.header("if-none-match"):
        return SiteResponse(304)
    return None


def _etag(request: SiteRequest, tag: str) -> SiteResponse | None:
    known = request.header("if-none-match")
    if known and (known == "*" or tag in known.replace('"', "").split(", ")):
        return SiteResponse(304, [("ETag", f'"{tag}"')])
    return None


def _decoded(request: SiteRequest, text: str) -> SiteResponse:
    try:
        return SiteResponse(200, [], base64.urlsafe_b64decode(text))
    except ValueError:
        return SiteResponse(200, [], b"Incorrect Base64 data")


Handler = Callable[..., SiteResponse]


def _about(bin_: Httpbin) -> list[tuple[str, str, Handler]]:
    """The routes that tell about the request itself."""

    def told(request: SiteRequest, *rest: str) -> SiteResponse:
        body = bin_.told(request)
        if request.method not in ("GET", "HEAD"):
            body |= bin_.sent(request)
        return bin_.json(body)

    def anything(request: SiteRequest, *rest: str) -> SiteResponse:
        body = {**bin_.told(request), **bin_.sent(request), "method": request.method}
        return bin_.json(body)

    def delay(request: SiteRequest, seconds: str) -> SiteResponse:
        time.sleep(min(float(seconds), MAX_DELAY))
        return bin_.json({**bin_.told(request), **bin_.sent(request)})

    def agent(request: SiteRequest) -> SiteResponse:
        return bin_.json({"user-agent": request.header("user-agent")})

    def cookies(request: SiteRequest) -> SiteResponse:
        found = query.cookies(request.header("cookie"))
        return bin_.json({"cookies": found})

    verbs = [
        (f"/{name}", "GET, HEAD" if name == "get" else name.upper(), told) for name in _METHODS
    ]
    return [
        *verbs,
        (r"/anything(?:/.*)?", "*", anything),
        (r"/delay/(\d+(?:\.\d+)?)", "*", delay),
        ("/headers", "GET, HEAD", lambda request: bin_.json({"headers": bin_.headers(request)})),
        ("/ip", "GET, HEAD", lambda request: bin_.json({"origin": origin(request)})),
        ("/user-agent", "GET, HEAD", agent),
        ("/hostname", "GET, HEAD", lambda request: bin_.json({"hostname": socket.gethostname()})),
        ("/cookies", "GET, HEAD", cookies),
        ("/uuid", "GET, HEAD", lambda request: bin_.json({"uuid": str(uuid.uuid4())})),
    ]


def _shaped(bin_: Httpbin) -> list[tuple[str, str, Handler]]:
    """The routes whose answer has the shape that was asked for."""

    def response_headers(request: SiteRequest) -> SiteResponse:
        asked = query.pairs(request.query)
        answer = bin_.json(dict(asked))
        return SiteResponse(200, [*answer.headers, *asked], answer.body)

    def stream(request: SiteRequest, count: str) -> SiteResponse:
        told = bin_.told(request)

        def lines() -> Iterator[bytes]:
            for number in range(min(int(count), 100)):
                yield json.dumps({**told, "id": number}).encode() + b"\n"

        return SiteResponse(200, [("Content-Type", "application/json")], lines())

    def packed(name: str, pack: Callable[[bytes], bytes]) -> Handler:
        def handler(request: SiteRequest) -> SiteResponse:
            mark = "gzipped" if name == "gzip" else "deflated"
            answer = bin_.json({**bin_.told(request), mark: True, "method": request.method})
            assert isinstance(answer.body, bytes)
            headers = [*answer.headers, ("Content-Encoding", name)]
            return SiteResponse(200, headers, pack(answer.body))

        return handler

    def cached(request: SiteRequest, seconds: str = "") -> SiteResponse:
        if not seconds and (fresh := _cache(request)) is not None:
            return fresh
        answer = bin_.json(bin_.told(request))
        more = ("Cache-Control", f"public, max-age={seconds}") if seconds else ("ETag", '"1"')
        return SiteResponse(200, [*answer.headers, more], answer.body)

    def tagged(request: SiteRequest, tag: str) -> SiteResponse:
        answer = bin_.json(bin_.told(request))
        return _etag(request, tag) or SiteResponse(
            200, [*answer.headers, ("ETag", f'"{tag}"')], answer.body
        )

    def bearer(request: SiteRequest) -> SiteResponse:
        scheme, _, token = request.header("authorization").partition(" ")
        if scheme != "Bearer" or not token:
            return SiteResponse(401, [("WWW-Authenticate", "Bearer")])
        return bin_.json({"authenticated": True, "token": token})

    return [
        ("/response-headers", "GET, POST, HEAD", response_headers),
        (r"/stream/(\d+)", "GET, HEAD", stream),
        ("/gzip", "GET, HEAD", packed("gzip", gzip.compress)),
        ("/deflate", "GET, HEAD", packed("deflate", zlib.compress)),
        ("/cache", "GET, HEAD", cached),
        (r"/cache/(\d+)", "GET, HEAD", cached),
        ("/etag/([^/]+)", "GET, HEAD", tagged),
        ("/bearer", "GET, HEAD", bearer),
    ]


def _routes(bin_: Httpbin) -> list[tuple[str, str, Handler]]:
    return [
        ("/", "GET, HEAD", _index),
        *_about(bin_),
        *_shaped(bin_),
        ("/html", "GET, HEAD", _page),
        (r"/status/([^/]+)", "*", functools.partial(_status, bin_)),
        (r"/(?:relative-|absolute-)?redirect/(\d+)", "GET, HEAD", _redirect),
        ("/redirect-to", "*", _redirect_to),
        (r"/(?:stream-)?bytes/(\d+)", "GET, HEAD", _bytes),
        ("/drip", "GET, HEAD", _drip),
        ("/(?:hidden-)?basic-auth/([^/]+)/([^/]+)", "GET, HEAD", _basic_auth),
        ("/cookies/set", "GET, HEAD", _cookies_set),
        ("/cookies/delete", "GET, HEAD", _cookies_delete),
        ("/base64/(.+)", "GET, HEAD", _decoded),
        (
            "/robots.txt",
            "GET, HEAD",
            lambda request: SiteResponse(200, [], b"User-agent: *\nDisallow: /deny\n"),
        ),
        ("/health", "GET, HEAD", lambda request: SiteResponse(200, [], REASONS[200].encode())),
    ]


def _python(options: Mapping[str, str]) -> Site:
    return Httpbin(many=False)


def _go(options: Mapping[str, str]) -> Site:
    return Httpbin(many=True)


SITES: dict[str, Callable[[Mapping[str, str]], Site]] = {"httpbin": _python, "go-httpbin": _go}
"""How to make each site, given its options."""
