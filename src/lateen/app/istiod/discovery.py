"""Discovery for tools: what `istioctl proxy-status` asks of istiod over xDS.

Proxies have sockets of their own (`xds.service`) and never come here; nobody is served any
configuration by this server.
"""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import grpc
from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError

from lateen.apiserver.access import auth
from lateen.app.istiod import debug, dumps, facts as plane, sync_status
from lateen.model import wellknown

AUDIENCE = "istio-ca"
"""Whom a token must be for."""
_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
_DEBUG = "istio.io/debug"
_GRACE_SECONDS = 0.2
_NONCE = "lateen-1"
_OPTIONS = (("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0))

Look = Callable[[], plane.Facts]


class ToolServer:
    """A gRPC server on a Unix socket, with TLS and tokens or without both."""

    def __init__(self, path: Path, look: Look, authenticator: auth.Authenticator | None) -> None:
        self._path, self._look, self._authenticator = path, look, authenticator
        self._server = grpc.aio.server(options=_OPTIONS)

    async def start(self, key_pem: str = "", chain_pem: str = "") -> None:
        """Listen; with a key by TLS. Raises OSError if the socket cannot be made."""
        self._path.unlink(missing_ok=True)
        streamed = grpc.stream_stream_rpc_method_handler(self._stream)
        rows = {"StreamAggregatedResources": streamed}
        handlers = grpc.method_handlers_generic_handler(_SERVICE, rows)
        self._server.add_generic_rpc_handlers((handlers,))
        address = f"unix:{self._path}"
        if key_pem:
            pair = (key_pem.encode(), chain_pem.encode())
            made = self._server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
        else:
            made = self._server.add_insecure_port(address)
        if not made:
            raise OSError(f"cannot listen on {self._path}")
        self._path.chmod(0o600)
        await self._server.start()

    async def stop(self) -> None:
        """End every stream, then stop listening."""
        await self._server.stop(_GRACE_SECONDS)
        self._path.unlink(missing_ok=True)

    async def _stream(self, requests: AsyncIterator[bytes], context: Any) -> None:
        namespace = await self._namespace(context)
        async for data in requests:
            request = _read(data)
            if request is None:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "not a discovery request")
                return
            if request.response_nonce == _NONCE:
                continue  # an acknowledgement; some clients begin with a nonce of their own
            if not request.type_url.startswith(_DEBUG):
                words = f"{request.type_url}: this is the plane's door for tools, {_DEBUG}/… only"
                await context.abort(grpc.StatusCode.UNIMPLEMENTED, words)
            seen = self._look() if namespace == wellknown.ISTIO_SYSTEM else self._own(namespace)
            await context.write(respond(seen, request).SerializeToString())

    def _own(self, namespace: str) -> plane.Facts:
        return plane.of_namespace(self._look(), namespace)

    async def _namespace(self, context: Any) -> str:
        """Return whose proxies a client may see: its ServiceAccount's namespace."""
        if self._authenticator is None:
            return wellknown.ISTIO_SYSTEM
        sent = {str(name): str(value) for name, value in context.invocation_metadata()}
        token = auth.bearer(sent.get("authorization", ""))
        user = self._authenticator.authenticate(token, AUDIENCE) if token else None
        words = user.name.split(":") if user is not None else []
        if words[:2] != ["system", "serviceaccount"]:
            why = f"a ServiceAccount's token for {AUDIENCE} is needed"
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, why)
        return words[2]


def _read(data: bytes) -> discovery_pb2.DiscoveryRequest | None:
    try:
        return discovery_pb2.DiscoveryRequest.FromString(data)
    except DecodeError:
        return None


def respond(
    facts: plane.Facts, request: discovery_pb2.DiscoveryRequest
) -> discovery_pb2.DiscoveryResponse:
    """Return the answer to a request of one of istiod's debug types."""
    made = discovery_pb2.DiscoveryResponse(
        type_url=request.type_url,
        version_info="1",
        nonce=_NONCE,
        resources=_resources(facts, request),
    )
    made.control_plane.identifier = json.dumps(identity(facts))
    return made


def identity(facts: plane.Facts) -> Mapping[str, object]:
    """Return who answers, as istiod says it."""
    info = {
        "version": facts.version,
        "revision": "lateen",
        "golang_version": "",
        "status": "Clean",
        "tag": facts.version,
    }
    return {"Component": "istiod", "ID": facts.pod, "Info": info}


def _resources(facts: plane.Facts, request: discovery_pb2.DiscoveryRequest) -> list[any_pb2.Any]:
    first = request.resource_names[0] if request.resource_names else ""
    name = request.type_url.removeprefix(_DEBUG).lstrip("/") or first
    if request.type_url == f"{_DEBUG}/syncz":
        found = []
        for each in sync_status.client_configs(facts):
            one = any_pb2.Any()
            one.Pack(each)
            found.append(one)
        return found
    if request.type_url == f"{_DEBUG}/config_dump":
        return dumps.packed(facts.configs.get(plane.proxy_named(first)))
    answered = debug.answer(facts, f"/debug/{name}")
    return [any_pb2.Any(type_url=request.type_url, value=answered.body)]
