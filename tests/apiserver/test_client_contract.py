"""Both clients pass one suite: in process, over the Unix socket, over TLS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lateen.apiserver.access import auth
from lateen.apiserver.serving import http, serve
from lateen.apiserver.serving.local import LocalClient
from lateen.apiserver.writing import verbs
from lateen.base.clock import SystemClock
from lateen.kube.http import ApiEndpoint, HttpClient
from lateen.model.client import ApiClient, WatchEvent
from lateen.pki.authority import Authority
from lateen.store.memory import MemoryStore
from tests import first_namespaces

Check = Callable[[ApiClient, str], Awaitable[None]]


@asynccontextmanager
async def opened(kind: str, directory: Path) -> AsyncIterator[ApiClient]:
    clock = SystemClock()
    api = verbs.Api(MemoryStore(), clock)
    first_namespaces.ensure(api)
    if kind == "local":
        yield LocalClient(api)
        return
    server = serve.ApiServer(http.build_app(api, None, auth.FixedTokens({"t": auth.ADMIN})))
    if kind == "unix":
        await server.listen(serve.unix(directory / "s"))
        client = HttpClient(ApiEndpoint(token="t", socket=str(directory / "s")))
    else:
        authority = Authority.open(directory / "ca", clock)
        made = authority.server_certificate(["127.0.0.1"])
        tls = serve.Tls(certificate=directory / "crt", key=directory / "key")
        tls.certificate.write_text(made.chain_pem)
        tls.key.write_text(made.key_pem)
        listener = serve.loopback(0)
        await server.listen(listener, tls)
        port = listener.getsockname()[1]
        client = HttpClient(ApiEndpoint(token="t", port=port, ca_pem=authority.root_pem))
    try:
        yield client
    finally:
        await client.close()
        await server.close()


@pytest.mark.parametrize("kind", ["local", "unix", "tls"])
def test_client(check: Check, kind: str, tmp_path: Path) -> None:
    async def run() -> None:
        async with opened(kind, tmp_path) as client:
            await client.create("namespaces", "", {"metadata": {"name": "suite"}})
            await check(client, "suite")

    asyncio.run(run())


def test_a_server_that_goes_away_is_told_to_the_watcher(tmp_path: Path) -> None:
    async def run() -> None:
        api = verbs.Api(MemoryStore(), SystemClock())
        first_namespaces.ensure(api)
        server = serve.ApiServer(http.build_app(api, None, auth.FixedTokens({"t": auth.ADMIN})))
        await server.listen(serve.unix(tmp_path / "s"))
        client = HttpClient(ApiEndpoint(token="t", socket=str(tmp_path / "s")))
        events = aiter(client.watch("namespaces"))
        await anext(events)
        await server.close()
        with pytest.raises(ConnectionError):
            await _read_to_the_end(events)
        with pytest.raises(OSError, match=r"."):
            await client.get("namespaces", "", "default")
        await client.close()

    asyncio.run(run())


async def _read_to_the_end(events: AsyncIterator[WatchEvent]) -> None:
    async with asyncio.timeout(10):
        async for _ in events:
            pass
