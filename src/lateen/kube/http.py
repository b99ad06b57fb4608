"""The ApiClient over HTTP: on the lab's Unix socket or on TLS. Standard library only.

It is imported by the command line and the agent, so it must load fast: asyncio streams and a
small HTTP/1.1 reader instead of an HTTP library.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError, WatchEvent

ATTEMPTS = 2
"""A kept connection may have been closed by the server: one more try on a fresh one."""


class ApiEndpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Where the server is: a Unix socket's path, or host and port with the CA to trust."""

    token: str
    socket: str = ""
    host: str = "127.0.0.1"
    port: int = 0
    ca_pem: str = ""

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open a connection. Raises OSError."""
        if self.socket:
            return await asyncio.open_unix_connection(self.socket, limit=1 << 22)
        context = ssl.create_default_context(cadata=self.ca_pem) if self.ca_pem else None
        return await asyncio.open_connection(self.host, self.port, ssl=context, limit=1 << 22)


class _Answer(msgspec.Struct):
    status: int
    headers: Mapping[str, str]
    reader: asyncio.StreamReader

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body's pieces. Raises ConnectionError when the server goes away in it."""
        try:
            async for piece in self._pieces():
                yield piece
        except (asyncio.IncompleteReadError, ValueError):
            raise ConnectionResetError("the API server closed the connection") from None

    async def _pieces(self) -> AsyncIterator[bytes]:
        if self.headers.get("transfer-encoding", "").lower() != "chunked":
            length = int(self.headers.get("content-length", "0"))
            if length:
                yield await self.reader.readexactly(length)
            return
        while True:
            size = int((await self.reader.readline()).split(b";")[0], 16)
            if size:
                yield await self.reader.readexactly(size)
            await self.reader.readline()
            if not size:
                return


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class HttpClient:
    """An ApiClient over HTTP/1.1 with kept connections. Close it when done."""

    def __init__(self, endpoint: ApiEndpoint, *, manager: str = "lateen") -> None:
        self._endpoint = endpoint
        self._manager = manager
        self._idle: list[Connection] = []
        self._routes: dict[str, tuple[str, bool]] = {}

    async def close(self) -> None:
        """Close kept connections."""
        for _, writer in self._idle:
            writer.close()
        self._idle.clear()

    async def get(self, resource: str, namespace: str, name: str) -> Json:
        """Return one object."""
        return await self._json("GET", await self._path(resource, namespace, name))

    async def list(
        self, resource: str, namespace: str = "", *, labels: str = "", fields: str = ""
    ) -> tuple[list[Json], str]:
        """Return the objects and the list's resourceVersion."""
        query = _query(labelSelector=labels, fieldSelector=fields)
        body = await self._json("GET", await self._path(resource, namespace) + query)
        return body["items"], body["metadata"]["resourceVersion"]

    async def create(self, resource: str, namespace: str, body: Json) -> Json:
        """POST."""
        path = await self._path(resource, namespace) + self._book()
        return await self._json("POST", path, body)

    async def update(self, resource: str, namespace: str, name: str, body: Json) -> Json:
        """PUT."""
        path = await self._path(resource, namespace, name) + self._book()
        return await self._json("PUT", path, body)

    async def update_status(self, resource: str, namespace: str, name: str, body: Json) -> Json:
        """PUT on /status."""
        path = await self._path(resource, namespace, name, "status") + self._book()
        return await self._json("PUT", path, body)

    async def patch(
        self,
        resource: str,
        namespace: str,
        name: str,
        patch: Any,
        *,
        content_type: str = "application/merge-patch+json",
        subresource: str = "",
        field_manager: str = "",
        force: bool = False,
    ) -> Json:
        """PATCH."""
        path = await self._path(resource, namespace, name, subresource)
        path += self._book(field_manager, force="true" if force else "")
        return await self._json("PATCH", path, patch, content_type)

    async def delete(
        self,
        resource: str,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        propagation: str = "",
        uid: str = "",
    ) -> Json:
        """DELETE; the answer is the object while it is going, a Status once it is gone."""
        options: Json = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if propagation:
            options["propagationPolicy"] = propagation
        if uid:
            options["preconditions"] = {"uid": uid}
        return await self._json("DELETE", await self._path(resource, namespace, name), options)

    async def watch(
        self,
        resource: str,
        namespace: str = "",
        *,
        after: str = "",
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[WatchEvent]:
        """Follow changes; without `after` existing objects come first."""
        path = await self._path(resource, namespace) + _query(
            watch="true",
            resourceVersion=after,
            labelSelector=labels,
            fieldSelector=fields,
            allowWatchBookmarks="true",
            timeoutSeconds="86400",
        )
        reader, writer = await self._endpoint.connect()
        try:
            answer = await self._ask((reader, writer), "GET", path, b"", "")
            if answer.status != 200:
                raise await _refusal(answer)
            async for event in _events(answer):
                yield event
        finally:
            writer.close()

    async def raw(self, path: str) -> bytes:
        """GET any path; return the body."""
        return await self._request("GET", path, b"", "")

    async def post(self, path: str, body: Json) -> Json:
        """POST to a path, such as a ServiceAccount's token subresource."""
        return await self._json("POST", path, body)

    async def _json(
        self, method: str, path: str, body: Any = None, media: str = "application/json"
    ) -> Json:
        data = b"" if body is None else json.dumps(body).encode()
        answer: Json = json.loads(await self._request(method, path, data, media if data else ""))
        return answer

    async def _request(self, method: str, path: str, body: bytes, media: str) -> bytes:
        for attempt in range(ATTEMPTS):
            kept = self._kept()
            connection = kept or await self._endpoint.connect()
            try:
                answer = await self._ask(connection, method, path, body, media)
            except (OSError, ValueError):
                connection[1].close()
                # Only a kept connection may have been stale, and only a repeatable call is tried
                # again: the server may have acted on the first.
                if kept is not None and attempt == 0 and method in ("GET", "PUT", "DELETE"):
                    continue
                raise
            except asyncio.CancelledError:
                connection[1].close()
                raise
            return await self._finish(connection, answer)
        raise AssertionError("unreachable: the last attempt raises or returns")

    def _kept(self) -> Connection | None:
        """Return a kept connection that the server has not closed meanwhile, if there is one."""
        while self._idle:
            reader, writer = self._idle.pop()
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
            writer.close()
        return None

    async def _finish(self, connection: Connection, answer: _Answer) -> bytes:
        try:
            if answer.status >= 400:
                raise await _refusal(answer)
            data = b"".join([chunk async for chunk in answer.chunks()])
        except BaseException as error:
            if not isinstance(error, ApiError):
                connection[1].close()
                raise
            self._idle.append(connection)
            raise
        self._idle.append(connection)
        return data

    async def _ask(
        self, connection: Connection, method: str, path: str, body: bytes, media: str
    ) -> _Answer:
        reader, writer = connection
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: lateen",
            f"Authorization: Bearer {self._endpoint.token}",
            "Accept: application/json",
            f"User-Agent: {self._manager}",
            f"Content-Length: {len(body)}",
        ]
        if media:
            lines.append(f"Content-Type: {media}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await writer.drain()
        return await _head(reader)

    def _book(self, manager: str = "", **more: str) -> str:
        return _query(fieldManager=manager or self._manager, **more)

    async def _path(
        self, resource: str, namespace: str, name: str = "", subresource: str = ""
    ) -> str:
        base, namespaced = await self._route(resource)
        plural = resource.partition(".")[0]
        parts = [base]
        if namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)

    async def _route(self, resource: str) -> tuple[str, bool]:
        """Return where a resource is served in its storage version, asking discovery once."""
        if resource not in self._routes:
            await self._discover(resource)
        route = self._routes.get(resource)
        if route is None:
            raise ApiError(404, "NotFound", f"the server does not know the resource {resource!r}")
        return route

    async def _discover(self, resource: str) -> None:
        plural, _, group = resource.partition(".")
        bases = ["/api/v1"]
        if group:
            found = json.loads(await self._request("GET", f"/apis/{group}", b"", ""))
            bases = [f"/apis/{one['groupVersion']}" for one in found["versions"]]
        for base in bases:
            listed = json.loads(await self._request("GET", base, b"", ""))
            for row in listed["resources"]:
                if row["name"] == plural:
                    self._routes[resource] = (base, row["namespaced"])
                    return


def _query(**values: str) -> str:
    given = {name: value for name, value in values.items() if value}
    return f"?{urlencode(given)}" if given else ""


async def _head(reader: asyncio.StreamReader) -> _Answer:
    line = await reader.readline()
    if not line:
        raise ConnectionResetError("the API server closed the connection")
    status = int(line.split(b" ", 2)[1])
    headers: dict[str, str] = {}
    while (line := await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return _Answer(status, headers, reader)


async def _refusal(answer: _Answer) -> ApiError:
    data = b"".join([chunk async for chunk in answer.chunks()])
    try:
        body = json.loads(data)
    except ValueError:
        body = {}
    if not isinstance(body, dict) or body.get("kind") != "Status":
        return ApiError(answer.status, "", f"the server answered {answer.status}")
    return ApiError(
        int(body.get("code", answer.status)),
        body.get("reason", ""),
        body.get("message", ""),
        body.get("details"),
    )


async def _events(answer: _Answer) -> AsyncIterator[WatchEvent]:
    rest = b""
    async for chunk in answer.chunks():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if not line:
                continue
            event = json.loads(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise ApiError(status["code"], status["reason"], status["message"])
            yield WatchEvent(event["type"], event["object"])
