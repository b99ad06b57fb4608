"""The ASGI application: authentication, limits, bodies, compression, errors; then the handlers.

Every path but the three health checks needs a token.
"""

import asyncio
import gzip
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Protocol

from lateen.apiserver import errors
from lateen.apiserver.access import auth
from lateen.apiserver.connecting import streams
from lateen.apiserver.protocol import exchange, request, routing, upgrade
from lateen.apiserver.protocol.send_backlog import NotReadError, Unread
from lateen.apiserver.serving import handlers
from lateen.apiserver.writing import verbs
from lateen.base.tasks import TaskGroup
from lateen.model.client import ApiError
from lateen.model.labapi import contract

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

BODY_SECONDS = 30.0
"""How long a client may take to send its body."""

COMPRESS_FROM = 128 * 1024


class Health(Protocol):
    """Tells whether the plane is ready: names of checks that fail, with why."""

    def __call__(self) -> dict[str, str]: ...


class App:
    """The API server as an ASGI application."""

    def __init__(
        self,
        table: handlers.Handlers,
        authenticator: auth.Authenticator,
        routes: Sequence[routing.Route] = (),
    ) -> None:
        self._handlers = table
        self._authenticator = authenticator
        self._routes = routes
        self._tasks = TaskGroup("http")
        self._unread = Unread()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the server's start and end."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._tasks.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(scope, receive, self._user(scope))
        except ApiError as error:
            response = exchange.refusal(error)
        except Exception:
            log.exception("%s %s failed", scope["method"], scope["path"])
            response = exchange.refusal(
                errors.internal("this is a fault of Lateen; its log says more")
            )
        if response is not None:
            await self._answer(scope, receive, send, response)

    def _user(self, scope: Scope) -> auth.User:
        header = _headers(scope).get("authorization", "")
        user = self._authenticator.authenticate(auth.bearer(header)) if header else None
        if user is not None:
            acting = auth.acting_as(_headers(scope))
            if acting is None:
                return user
            if not acting.name:
                raise errors.nobody_named()
            self._handlers.check_acting(user, acting)
            return acting
        if scope["path"] in handlers.OPEN_PATHS and scope["method"] in ("GET", "HEAD"):
            return auth.User("system:anonymous", ("system:unauthenticated",))
        raise errors.unauthorized()

    async def _respond(
        self, scope: Scope, receive: Receive, user: auth.User
    ) -> exchange.Response | None:
        headers = _headers(scope)
        info = request.parse(scope["method"], scope["raw_path"], scope["query_string"])
        channel: upgrade.Upgrade | None = scope.get("extensions", {}).get(upgrade.EXTENSION)
        found = routing.find(self._routes, scope["method"], scope["path"])
        limit = found.route.limit if found else exchange.MAX_BODY
        body = b"" if channel else await read_body(receive, headers, limit)
        call = exchange.Call(
            method=scope["method"], info=info, user=user, headers=headers, body=body
        )
        if found:
            return await found.route.serve(call, found.names)
        return await self._handlers.handle(call, channel)

    async def _answer(
        self, scope: Scope, receive: Receive, send: Send, response: exchange.Response
    ) -> None:
        headers = [(b"content-type", response.content_type.encode())]
        headers += [(n.lower().encode(), v.encode("latin-1")) for n, v in response.headers]
        headers.append((b"cache-control", b"no-cache, private"))
        if scope["path"].startswith(contract.ROOT):
            headers.append(upgrade.VERSION)
        if response.chunks is not None and scope["method"] != "HEAD":
            await send(
                {"type": "http.response.start", "status": response.status, "headers": headers}
            )
            await self._stream(scope, receive, send, response)
            return
        body = response.body
        if len(body) >= COMPRESS_FROM and "gzip" in _headers(scope).get("accept-encoding", ""):
            body = await asyncio.to_thread(gzip.compress, body, 1)
            headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
        if response.status != 304:
            # A client's cache takes the headers of a 304 over into what it holds.
            headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _stream(
        self, scope: Scope, receive: Receive, send: Send, response: exchange.Response
    ) -> None:
        """Send chunks as they come, until they end or the client goes away or reads no more."""
        direct: upgrade.Chunks | None = scope.get("extensions", {}).get(upgrade.CHUNKS)
        chunks, serving = response.chunks, asyncio.current_task()
        assert serving is not None
        assert chunks is not None
        watcher = self._tasks.start(_until_gone(receive, serving), "disconnect")
        try:
            async for chunk in chunks:
                if direct is not None:
                    await direct.send(chunk, self._unread, response.unread_seconds)
                else:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        except asyncio.CancelledError:
            if not watcher.done():
                raise
        except NotReadError:
            log.info("%s: the client does not read: its connection is closed", scope["path"])
            if direct is not None:
                direct.abort()
        except Exception as error:
            # The status is sent already: all that is left is to end the answer.
            log.warning("a stream ended early: %s", error, exc_info=not isinstance(error, ApiError))
            await send({"type": "http.response.body", "body": b""})
        finally:
            watcher.cancel()
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()


async def _until_gone(receive: Receive, serving: "asyncio.Task[Any]") -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    serving.cancel()


async def read_body(
    receive: Receive, headers: dict[str, str], limit: int = exchange.MAX_BODY
) -> bytes:
    """Read a request body within the limits of size and time. Raises ApiError 400, 408, 413."""
    length = headers.get("content-length", "0")
    if length.isdigit() and int(length[:20]) > limit:
        raise errors.too_large(limit)
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise errors.bad_request("the client went away")
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise errors.too_large(limit)
                if not message.get("more_body"):
                    return _inflated(b"".join(parts), headers.get("content-encoding", ""))
    except TimeoutError:
        raise ApiError(408, "Timeout", f"the body did not arrive in {BODY_SECONDS:g} s") from None


def _inflated(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    raise errors.unsupported_media("a body without Content-Encoding")


def _headers(scope: Scope) -> dict[str, str]:
    found: MutableMapping[str, str] = scope.get("lateen.headers") or {}
    if not found:
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1"), value.decode("latin-1")
            found[key] = f"{found[key]}, {text}" if key in found else text
        scope["lateen.headers"] = found
    return dict(found)


def build_app(
    api: verbs.Api,
    pods: "streams.PodStreams | None",
    authenticator: auth.Authenticator,
    *,
    routes: Sequence[routing.Route] = (),
    issuer: auth.TokenIssuer | None = None,
    health: Health | None = None,
    address: str = "127.0.0.1",
) -> App:
    """Put the API server together; `routes` are paths of its own that it serves as well."""
    table = handlers.Handlers(api, pods, authenticator, issuer, health or dict, address)
    return App(table, authenticator, routes)
