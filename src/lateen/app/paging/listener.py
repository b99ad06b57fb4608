"""The page's address: plain HTTP on 127.0.0.1, open from `lateen page` to its `--stop`."""

import hmac
import secrets
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

import msgspec

from lateen.apiserver.access import auth
from lateen.apiserver.protocol import exchange, upgrade
from lateen.apiserver.protocol.routing import Names, Route
from lateen.apiserver.serving import http, serve
from lateen.apiserver.writing import verbs
from lateen.app.api import routes
from lateen.app.lab.paths import LabPaths
from lateen.app.paging.drafts import Drafts
from lateen.app.paging.live import Live
from lateen.base.clock import Clock
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.page import CodeGiven, PageAnswer, PageKey, PageRequest
from lateen.model.labapi.request import CurlRequest
from lateen.page import gate
from lateen.page.assets import HEADERS, Asset, Assets
from lateen.pki import files, tokens

CODE_SECONDS = 30.0
"""How long a one-time code is good."""
_MOST_CODES = 8
_DATA = (("Cache-Control", "no-store"),)
_FILE = (("Cache-Control", "public, max-age=31536000, immutable"),)
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class Pages:
    """Opens and closes the page of one lab."""

    def __init__(self, paths: LabPaths, api: verbs.Api, clock: Clock, live: Live) -> None:
        self._paths, self._api, self._clock, self.live = paths, api, clock, live
        self._drafts = Drafts(paths, api)
        self._codes: dict[str, float] = {}
        self._server: serve.ApiServer | None = None
        self._port = 0
        self._hosts: tuple[str, ...] = ()

    async def answer(self, wanted: PageRequest, given: Sequence[Route]) -> PageAnswer:
        """Open the page and return a new code, or close it. `given` are the lab's own routes.
        Raises OSError, ApiError 400 for a host that is no name."""
        if wanted.stop:
            await self.close(forget=True)
            return PageAnswer()
        hosts = tuple(map(gate.host_name, wanted.hosts))
        await self.open(given)
        if hosts:
            self._hosts = tuple(dict.fromkeys((*self._hosts, *hosts)))
            files.write_private(self._paths.page_hosts, "\n".join(self._hosts).encode())
        code, now = secrets.token_urlsafe(24), self._clock.monotonic()
        self._codes = {c: end for c, end in self._codes.items() if end > now}
        while len(self._codes) >= _MOST_CODES:
            del self._codes[next(iter(self._codes))]
        self._codes[code] = now + CODE_SECONDS
        url = f"http://127.0.0.1:{self._port}/"
        return PageAnswer(url=url, code=code, seconds=CODE_SECONDS)

    async def open(self, given: Sequence[Route]) -> None:
        """Serve the page, at the port that it had before if nobody took it. Raises OSError."""
        if self._server is not None:
            return
        token = tokens.token_file(self._paths.page_token)
        inner = http.build_app(
            self._api,
            None,
            auth.FixedTokens({token: auth.ADMIN}),
            routes=[*map(_without_secrets, given), self.live.route(), *self._drafts.routes()],
        )
        self._server = serve.ApiServer(
            _PageApp(inner, Assets(), self._key, token, lambda: self._hosts)
        )
        self._hosts = self._kept_hosts()
        listener = self._listener()
        self._port = listener.getsockname()[1]
        await self._server.listen(listener)
        files.write_private(self._paths.page_port, f"{self._port}\n".encode())

    def _kept_hosts(self) -> tuple[str, ...]:
        try:
            return tuple(self._paths.page_hosts.read_text(encoding="ascii").split())
        except (OSError, ValueError):
            return ()

    def _listener(self) -> Any:
        try:
            before = int(self._paths.page_port.read_text(encoding="ascii"))
            return serve.loopback(before)
        except (OSError, ValueError):
            return serve.loopback(0)

    def _key(self, given: CodeGiven, token: str) -> PageKey:
        now = self._clock.monotonic()
        for code, end in tuple(self._codes.items()):
            if hmac.compare_digest(code.encode(), given.code.encode()):
                del self._codes[code]
                if end > now:
                    return PageKey(token)
        raise ApiError(401, "Unauthorized", "this code was used, or is too old: `lateen page`")

    async def close(self, *, forget: bool = False) -> None:
        """Close the address; with `forget` its token is void, and a restart opens nothing."""
        server, self._server = self._server, None
        self._codes.clear()
        if server is not None:
            await server.close()
        if forget:
            paths = self._paths
            written = (paths.page_token, paths.page_port, paths.page_hosts, paths.page_opener)
            for each in written:
                each.unlink(missing_ok=True)


def _without_secrets(route: Route) -> Route:
    """Return a route that never shows what is left out otherwise."""
    if route.path != contract.REQUEST.path:
        return route

    async def redacted(call: exchange.Call, names: Names) -> exchange.Response:
        asked = msgspec.structs.replace(routes.decoded(call, CurlRequest), show_secrets=False)
        body = msgspec.json.encode(asked)
        return await route.serve(msgspec.structs.replace(call, body=body), names)

    return msgspec.structs.replace(route, serve=redacted)


class _PageApp:
    """The gate, the files, the exchange of the code; all else is the API server's."""

    def __init__(
        self,
        inner: http.App,
        assets: Assets,
        key: Callable[[CodeGiven, str], PageKey],
        token: str,
        hosts: Callable[[], tuple[str, ...]],
    ) -> None:
        self._inner, self._assets, self._key, self._token = inner, assets, key, token
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: http.Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        headers = {n.decode("latin-1"): v.decode("latin-1") for n, v in scope["headers"]}
        try:
            gate.check(_asked(scope, headers), self._hosts())
            if scope["path"] == contract.PAGE_KEY.path:
                body = await http.read_body(receive, headers, 4096)
                await self._exchange(body, send)
                return
        except ApiError as error:
            await _send(send, exchange.refusal(error), _DATA)
            return
        if scope["path"].startswith(("/api", contract.ROOT)):
            await self._inner(scope, receive, _hardened(send))
            return
        asset = self._found(scope["path"])
        if asset is None:
            missing = ApiError(404, "NotFound", "no such file: reload the page")
            await _send(send, exchange.refusal(missing), _DATA)
            return
        caching = _DATA if asset is self._assets.shell else _FILE
        await _send(send, exchange.Response(body=asset.content, content_type=asset.media), caching)

    def _found(self, path: str) -> Asset | None:
        return self._assets.shell if gate.is_view(path) else self._assets.find(path)

    async def _exchange(self, body: bytes, send: Send) -> None:
        try:
            given = msgspec.json.decode(body, type=CodeGiven)
        except msgspec.DecodeError as error:
            raise ApiError(400, "BadRequest", str(error)) from error
        await _send(send, routes.answer(self._key(given, self._token)), _DATA)


def _asked(scope: Scope, headers: dict[str, str]) -> gate.GateRequest:
    return gate.GateRequest(
        method=scope["method"],
        raw_path=scope["raw_path"],
        raw_query=scope["query_string"],
        headers=headers,
        upgrades=bool(scope.get("extensions", {}).get(upgrade.EXTENSION)),
    )


def _hardened(send: Send) -> Send:
    """Return a `send` that adds the page's headers to what the API server answers."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [(n, v) for n, v in message["headers"] if n != b"cache-control"]
            message["headers"] = [*kept, *_lines((*HEADERS, *_DATA))]
        await send(message)

    return sending


def _lines(headers: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]


async def _send(
    send: Send, response: exchange.Response, caching: Sequence[tuple[str, str]]
) -> None:
    given = (("Content-Type", response.content_type), *response.headers, *HEADERS, *caching)
    headers = [*_lines(given), (b"content-length", str(len(response.body)).encode())]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
