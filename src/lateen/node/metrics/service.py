"""Port 15020 of a pod: its proxy's metrics with the application's, as Istio's agent serves them."""

import asyncio
import contextlib
import json
import logging
import re
import socket

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.compiler.backend import bootstrap, names
from lateen.node.metrics import pods, text
from lateen.node.shim.client import ShimClient, ShimError

log = logging.getLogger(__name__)

MERGED = "/stats/prometheus"
APPLICATION = "ISTIO_PROMETHEUS_ANNOTATIONS"
"""The proxy's variable that says where the application's metrics are, as JSON: `scrape`, `path`
and `port`."""
_SECONDS = 10.0
_LIMIT = 16 * 1024 * 1024
_HEAD_LIMIT = 65536
_CONTENT = "text/plain; version=0.0.4; charset=utf-8"
_CHUNK = re.compile(rb"([0-9a-fA-F]+)[^\r\n]*\r\n")


class ScrapedPod(msgspec.Struct, frozen=True):
    """Whose metrics are served."""

    pod: str
    """Its uid."""
    body: JsonView
    cluster: str
    version: str
    """Istio's, of the proxy."""


class AnswerError(Exception):
    """What was asked did not answer, or not with 200; the text says how."""


async def serve(shim: ShimClient, target: ScrapedPod, known: pods.Pods) -> None:
    """Answer on the pod's port until cancelled. The socket lives in the pod's network. Raises
    OSError where the port is taken."""
    listener = await shim.open_socket(target.pod, socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", names.AGENT_PORT))
        answering = _Answering(shim, target, known)
        server = await asyncio.start_server(answering.answer, sock=listener, limit=_HEAD_LIMIT)
        async with server:
            await server.serve_forever()


class _Answering:
    """Answers the requests of one pod's port."""

    def __init__(self, shim: ShimClient, target: ScrapedPod, known: pods.Pods) -> None:
        self._shim, self._target, self._known = shim, target, known

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request and close."""
        try:
            async with asyncio.timeout(_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].split(b"?")[0].decode("latin-1")
                status, body = await self._found(path)
                writer.write(_response(status, body))
                await writer.drain()
        except (OSError, EOFError, ValueError, LookupError, TimeoutError) as error:
            log.debug("metrics of pod %s: %s", self._target.pod, error)
        finally:
            writer.close()

    async def _found(self, path: str) -> tuple[str, str]:
        try:
            if path == MERGED:
                return "200 OK", text.merged([await self._proxy(), *await self._application()])
            if path == bootstrap.OWN_METRICS:
                return "200 OK", await self._proxy()
            if path == "/healthz/ready":
                return "200 OK", await self._ask(names.ADMIN_PORT, "/ready")
        except (AnswerError, OSError) as error:
            return "503 Service Unavailable", f"{error}\n"
        return "404 Not Found", "404 page not found\n"

    async def _proxy(self) -> str:
        told = await self._ask(names.ADMIN_PORT, "/stats/prometheus")
        target = self._target
        own = pods.workload(pods.seen(target.body), target.cluster)
        made = text.labelled(told, own, self._known.peer)
        labels = f'component="proxy",tag="{target.version}"'
        return f"# TYPE istio_build gauge\nistio_build{{{labels}}} 1\n{made}"

    async def _application(self) -> list[str]:
        """Return the application's metrics, if it has any; that it does not answer is no fault of
        the proxy's, whose own are served all the same."""
        try:
            wanted = json.loads(pods.variable(self._target.body, APPLICATION) or "{}")
            if str(wanted.get("scrape", "")).lower() != "true":
                return []
            port, path = int(wanted.get("port") or 80), str(wanted.get("path") or "/metrics")
            return [await self._ask(port, path)]
        except (AnswerError, OSError, ValueError, AttributeError) as error:
            log.info("metrics of the application in pod %s: %s", self._target.pod, error)
            return []

    async def _ask(self, port: int, path: str) -> str:
        """Return what a port of the pod answers. Raises AnswerError, OSError."""
        sock = await self._shim.open_socket(self._target.pod, socket.AF_INET, socket.SOCK_STREAM)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            reader, writer = await asyncio.open_connection(sock=sock)
        except BaseException:
            sock.close()
            raise
        try:
            host = f"localhost:{port}"
            lines = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/plain\r\n"
            writer.write(f"{lines}Connection: close\r\n\r\n".encode("latin-1", "replace"))
            answer = bytearray()
            while part := await reader.read(262144):
                answer += part
                if len(answer) > _LIMIT:
                    raise AnswerError(f"port {port} answers more than {_LIMIT} bytes")
        finally:
            writer.transport.abort()
        return _body(bytes(answer), port)


def _body(answer: bytes, port: int) -> str:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    if status.split(" ")[1:2] != ["200"]:
        raise AnswerError(f"port {port} answers {status or 'nothing'}")
    if any(line.lower().replace(" ", "") == "transfer-encoding:chunked" for line in fields):
        body = _joined(body)
    return body.decode("utf-8", "replace")


def _joined(body: bytes) -> bytes:
    """Return the chunks of a body without their lengths."""
    out, at = bytearray(), 0
    while (length := _CHUNK.match(body, at)) and (size := int(length[1], 16)):
        out += body[length.end() : length.end() + size]
        at = length.end() + size + 2
    return bytes(out)


def _response(status: str, body: str) -> bytes:
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {_CONTENT}\r\nContent-Length: {len(data)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + data


async def kept(shim: ShimClient, target: ScrapedPod, known: pods.Pods) -> None:
    """Serve as `serve`; a port that is taken is said once, in the log."""
    try:
        await serve(shim, target, known)
    except (ShimError, OSError) as error:
        log.warning("no metrics at port %s of pod %s: %s", names.AGENT_PORT, target.pod, error)
