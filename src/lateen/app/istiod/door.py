"""The ports of istiod's pod, each a Unix socket of the plane that is made when it is first asked.

Only the API server reaches them, for whoever may forward ports of the pod or run commands in it:
no socket of these is in the lab's network.
"""

import asyncio
import errno
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from lateen.apiserver.access import auth
from lateen.apiserver.serving import http, serve
from lateen.app.istiod import debug, scopes
from lateen.app.istiod.discovery import Look, ToolServer
from lateen.app.reach.planestreams import CommandResult
from lateen.model import wellknown
from lateen.pki import svid
from lateen.pki.authority import Authority

MONITORING, DEBUG, CONTROLZ = 15014, 8080, 9876
PLAIN, SECURE, WEBHOOK = 15010, 15012, 15017
_HTTP = (MONITORING, DEBUG, CONTROLZ)
_HOST = f"istiod.{wellknown.ISTIO_SYSTEM}.svc"
_MOST = 3 * 1024 * 1024
"""Bytes of a request: an object of the API server's largest size, and its review."""


Inject = Callable[[bytes], debug.Answer]
"""What answers an AdmissionReview."""


class _Server(Protocol):
    """What listens on a port."""

    def stop(self) -> Awaitable[None]: ...


class Door:
    """Opens the ports."""

    def __init__(
        self,
        directory: Path,
        look: Look,
        inject: Inject,
        authenticator: auth.Authenticator,
        authority: Authority,
    ) -> None:
        self._directory, self.look, self._inject = directory, look, inject
        self._authenticator, self._authority = authenticator, authority
        self._servers: dict[int, _Server] = {}
        self._lock = asyncio.Lock()

    async def connect(self, port: int) -> socket.socket:
        """Return a socket connected to a port. Raises OSError where nothing listens."""
        if port not in (*_HTTP, PLAIN, SECURE, WEBHOOK):
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        path = self._directory / f"istiod-{port}.sock"
        async with self._lock:
            if port not in self._servers:
                self._servers[port] = await self._open(port, path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(made, str(path))
        except BaseException:
            made.close()
            raise
        return made

    async def _open(self, port: int, path: Path) -> _Server:
        if port in _HTTP:
            opened = _Pages(_controlz if port == CONTROLZ else self._page)
            await opened.start(path)
            return opened
        if port == WEBHOOK:
            opened = _Pages(self._webhook)
            await opened.start(path, self._certificate())
            return opened
        tools = ToolServer(path, self.look, self._authenticator if port == SECURE else None)
        if port == SECURE:
            made = self._certificate()
            await tools.start(made.key_pem, made.chain_pem)
        else:
            await tools.start()
        return tools

    def _certificate(self) -> svid.Certificate:
        return self._authority.server_certificate([_HOST, "localhost", "127.0.0.1"])

    async def _webhook(self, method: str, target: str, body: bytes) -> debug.Answer:
        """The webhook: the path of the registered one, and those below it that name a cluster."""
        if target.partition("?")[0].strip("/").partition("/")[0] != "inject":
            return debug.Answer(b"404 page not found\n", 404, "text/plain")
        if method != "POST":
            return debug.Answer(b"", 405)
        return self._inject(body)

    async def _page(self, method: str, target: str, _: bytes) -> debug.Answer:
        if method != "GET":
            return debug.Answer(b"", 405)
        return debug.answer(self.look(), target)

    def run(self, command: Sequence[str]) -> CommandResult | None:
        """Run a command of istiod's image: `pilot-discovery request GET PATH`, or `version`; None
        for a program that is not there."""
        if command[0].rpartition("/")[2] != "pilot-discovery":
            return None
        match command[1:]:
            case [("request"), ("GET" | "get"), path]:
                found = debug.answer(self.look(), path)
                bad = found.status >= 400
                words = f"Error: received non-success status code {found.status}\n" if bad else ""
                return CommandResult(found.body, words.encode(), int(bad))
            case ["version", *_]:
                return CommandResult(f"{self.look().version}-lateen-Clean\n".encode())
            case words:
                text = f"Error: '{' '.join(words)}' is not understood: request GET PATH, version\n"
                return CommandResult(b"", text.encode(), 1)

    async def stop(self) -> None:
        """Close every port."""
        for server in self._servers.values():
            await server.stop()


async def _controlz(method: str, target: str, body: bytes) -> debug.Answer:
    """The one topic of ControlZ that tools ask for."""
    name = target.partition("?")[0].removeprefix("/scopej").strip("/")
    try:
        if not target.startswith("/scopej"):
            return debug.Answer(b"only /scopej/ is served here\n", 404, "text/plain")
        if method == "PUT":
            scopes.put(name, body)
            return debug.Answer(b"", 202)
        return debug.Answer(scopes.one(name) if name else scopes.shown())
    except scopes.ScopeError as error:
        return debug.Answer(f"{error}\n".encode(), 404, "text/plain")


Page = Callable[[str, str, bytes], Awaitable[debug.Answer]]


class _Pages:
    """An HTTP server of a few pages."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._server = serve.ApiServer(self)

    async def start(self, path: Path, certificate: svid.Certificate | None = None) -> None:
        """Listen on a Unix socket, by TLS where a certificate is given. Raises OSError."""
        self._path = path
        if certificate is None:
            await self._server.listen(serve.unix(path))
            return
        with TemporaryDirectory(dir=path.parent) as folder:
            tls = serve.Tls(certificate=Path(folder) / "cert.pem", key=Path(folder) / "key.pem")
            tls.certificate.write_text(certificate.chain_pem)
            tls.key.touch(0o600)
            tls.key.write_text(certificate.key_pem)
            await self._server.listen(serve.unix(path), tls)

    async def stop(self) -> None:
        """Stop listening."""
        await self._server.close()
        self._path.unlink(missing_ok=True)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        body = await http.read_body(receive, {}, _MOST)
        query = scope["query_string"].decode("latin-1")
        target = scope["path"] + (f"?{query}" if query else "")
        found = await self._page(scope["method"], target, body)
        headers = [(b"content-type", found.content_type.encode())]
        await send({"type": "http.response.start", "status": found.status, "headers": headers})
        await send({"type": "http.response.body", "body": found.body})
