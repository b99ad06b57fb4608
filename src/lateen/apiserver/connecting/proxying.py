"""The proxy subresource: plain HTTP requests to a port of a pod or of a service's pod."""

import asyncio
import socket
from typing import Any

import h11

from lateen.apiserver import errors
from lateen.apiserver.connecting import streams
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.protocol import exchange
from lateen.apiserver.writing import verbs
from lateen.base.jsonvalue import Json
from lateen.model import wellknown

MAX_ANSWER = 16 * 1024 * 1024
SECONDS = 30.0
_DROPPED = frozenset(
    {
        "authorization",
        "connection",
        "content-length",
        "host",
        "transfer-encoding",
        "upgrade",
        "accept-encoding",
    }
)


async def serve(
    api: verbs.Api,
    pods: streams.PodStreams,
    call: exchange.Call,
    target: Target,
    obj: Json,
) -> exchange.Response:
    """Pass one request on and return what comes back. Raises ApiError 400, 503."""
    pod, port = obj, _pod_port(obj, target.name)
    if target.info.resource == "services":
        pod, port = service_endpoint(api, obj, target.name)
    try:
        async with asyncio.timeout(SECONDS):
            with await pods.port_forward(pod, port) as made:
                return await _ask(made, call, f"{target.name}:{port}")
    except (OSError, TimeoutError) as error:
        raise errors.unavailable(
            f"error trying to reach {pod['metadata']['name']}:{port}: {str(error) or 'timed out'}"
        ) from None


def split_name(name: str) -> tuple[str, str]:
    """Split `[scheme:]name[:port]` into name and port. Raises ApiError 400 for https."""
    parts = name.split(":")
    if len(parts) == 3:
        if parts[0] not in ("", "http"):
            raise errors.bad_request(f"the proxy speaks plain HTTP only, not {parts[0][:20]!r}")
        parts = parts[1:]
    return parts[0], parts[1] if len(parts) > 1 else ""


def _pod_port(obj: Json, name: str) -> int:
    port = split_name(name)[1]
    if port.isascii() and port.isdigit() and 0 < int(port) < 65536:
        return int(port)
    for container in (obj.get("spec") or {}).get("containers") or ():
        for one in container.get("ports") or ():
            if not port or one.get("name") == port:
                return int(one["containerPort"])
    return 80


def service_endpoint(api: verbs.Api, service: Json, name: str) -> tuple[Json, int]:
    """Return a ready pod behind a service and the port to ask there. Raises ApiError 503."""
    wanted = split_name(name)[1]
    metadata = service["metadata"]
    listed = api.store.list("endpointslices.discovery.k8s.io", metadata["namespace"])
    for entry in listed.entries:
        labels = entry.value["metadata"].get("labels") or {}
        if labels.get(wellknown.SERVICE_NAME) != metadata["name"]:
            continue
        number = _slice_port(service, entry.value, wanted)
        for endpoint in entry.value.get("endpoints") or ():
            reference = endpoint.get("targetRef") or {}
            ready = (endpoint.get("conditions") or {}).get("ready") is not False
            if number and ready and reference.get("kind") == "Pod":
                target = api.target("pods", metadata["namespace"], reference["name"])
                return api.get(target), number
    raise errors.unavailable(f'no endpoints available for service "{name}"')


def _slice_port(service: Json, endpoint_slice: Any, wanted: str) -> int:
    names = {
        port.get("name", "")
        for port in (service.get("spec") or {}).get("ports") or ()
        if not wanted or wanted in (str(port.get("port")), port.get("name"))
    }
    for port in endpoint_slice.get("ports") or ():
        if port.get("name", "") in names:
            return int(port["port"])
    return 0


async def _ask(made: socket.socket, call: exchange.Call, host: str) -> exchange.Response:
    reader, writer = await asyncio.open_connection(sock=made)
    connection = h11.Connection(h11.CLIENT)
    headers = [(k, v) for k, v in call.headers.items() if k not in _DROPPED]
    headers += [("Host", host), ("Connection", "close"), ("Content-Length", str(len(call.body)))]
    query = f"?{call.info.raw_query}" if call.info.raw_query else ""
    ask = h11.Request(method=call.method, target=(call.info.rest or "/") + query, headers=headers)
    try:
        writer.write(connection.send(ask) or b"")
        if call.body:
            writer.write(connection.send(h11.Data(data=call.body)) or b"")
        connection.send(h11.EndOfMessage())
        await writer.drain()
        return await _answer(connection, reader)
    except h11.RemoteProtocolError as error:
        raise errors.unavailable(f"the pod's answer is not HTTP: {error}") from None
    finally:
        writer.close()


async def _answer(connection: h11.Connection, reader: asyncio.StreamReader) -> exchange.Response:
    status, kind, body = 502, "application/octet-stream", bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(64 * 1024))
        elif isinstance(event, h11.Response):
            status = event.status_code
            found = {
                name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers
            }
            kind = found.get("content-type", kind)
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > MAX_ANSWER:
                raise errors.unavailable(f"the answer is longer than {MAX_ANSWER} bytes")
        elif isinstance(event, (h11.EndOfMessage, h11.ConnectionClosed)):
            return exchange.Response(status=status, body=bytes(body), content_type=kind)
