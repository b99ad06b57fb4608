"""Real Envoy as the judge: everything rendered is accepted, rejections are seen, TLS serves."""

import asyncio
import itertools
import ssl

import msgspec
import pytest

from lateen.compiler.backend import render
from lateen.compiler.ir import routing, workload
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.xds.status import SyncState

Protocol = workload.Protocol


def test_every_sidecar_is_accepted(lab, directory):
    async def scenario():
        renderer = render.Renderer()
        async with lab.running(directory, lab.NODE) as it:
            it.hub.publish(lab.PROXY, "secrets", lab.own_secrets(it.authority))
            for mode, protocol in itertools.product(
                ("DISABLE", "PERMISSIVE", "STRICT"),
                (Protocol.HTTP, Protocol.GRPC_WEB, Protocol.TCP, Protocol.AUTO),
            ):
                it.hub.publish(lab.PROXY, "mesh", renderer.render(lab.sidecar(mode, protocol)))
                await it.until(lambda: it.hub.status(lab.PROXY).synced or lab.problems(it.hub))
                assert lab.problems(it.hub) == {}, (mode, protocol)

    asyncio.run(scenario())


async def reach(port, **tls):
    """Connect, as soon as the proxy's worker listens."""
    for _ in range(2000):
        try:
            return await asyncio.open_connection("127.0.0.1", port, **tls)
        except ConnectionRefusedError:
            await asyncio.sleep(0.005)
    raise AssertionError(f"nothing listens on {port}")


async def request(port, *, context=None, name="simple.example"):
    """Send one request; return status, headers and body (read by its length), and the peer."""
    reader, writer = await reach(port, ssl=context, server_hostname=name if context else None)
    writer.write(f"GET /x HTTP/1.1\r\nhost: {name}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
    body = await reader.readexactly(length)
    peer = writer.get_extra_info("ssl_object")
    certificate = peer.getpeercert(binary_form=True) if peer else None
    writer.close()
    return int(head.split()[1]), head, body, certificate


def trusting(authority):
    context = ssl.create_default_context(cadata=authority.root_pem)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def test_a_gateway_serves_plain_and_tls_and_rotates_while_it_runs(lab, directory):
    async def scenario():
        ports = [lab.free_port() for _ in range(3)]
        view = lab.gateway(ports)
        async with lab.running(directory, view.node) as it:
            it.hub.publish(lab.PROXY, "secrets", lab.own_secrets(it.authority))
            it.hub.publish(lab.PROXY, "mesh", render.Renderer().render(view))
            await it.until(lambda: it.hub.status(lab.PROXY).synced or lab.problems(it.hub))
            assert lab.problems(it.hub) == {}
            status, head, body, _ = await request(ports[0])
            assert (status, body) == (200, b"hello")
            assert "server: istio-envoy" in head
            context = trusting(it.authority)
            status, _, _, first = await request(ports[1], context=context)
            assert status == 200
            it.hub.publish(lab.PROXY, "secrets", lab.own_secrets(it.authority))
            await it.until(lambda: it.hub.status(lab.PROXY).synced)
            status, _, _, second = await request(ports[1], context=context)
            assert status == 200
            assert first != second
            with pytest.raises((ssl.SSLError, ConnectionError)):
                await request(ports[1], context=context, name="nobody.example")
            await it.until(lambda: any(e.log == "listener" for e in it.entries))
            await it.until(lambda: sum(e.log == "http" for e in it.entries) == 3)
            plain = next(e for e in it.entries if e.log == "http" and not e.downstream.version)
            assert plain.tags["source"] == str(lab.VS)
            assert plain.http.status == 200
            secure = next(e for e in it.entries if e.log == "http" and e.downstream.version)
            assert secure.downstream.sni == "simple.example"
            refused = next(e for e in it.entries if e.log == "listener")
            assert (refused.flags, refused.downstream.sni) == ("NR", "nobody.example")

    asyncio.run(scenario())


def test_a_rejection_keeps_the_last_good_configuration_and_is_told(lab, directory):
    async def scenario():
        ports = [lab.free_port() for _ in range(3)]
        good = lab.gateway(ports)
        match = routing.RouteMatch(path=routing.StringMatch(kind="regex", value="(?!look)"))
        bad_route = msgspec.structs.replace(lab.every_route("c")[-1], match=match)
        renderer = render.Renderer()
        async with lab.running(directory, good.node) as it:
            it.hub.publish(lab.PROXY, "secrets", lab.own_secrets(it.authority))
            it.hub.publish(lab.PROXY, "mesh", renderer.render(good))
            await it.until(lambda: it.hub.status(lab.PROXY).synced)
            it.hub.publish(lab.PROXY, "mesh", renderer.render(lab.gateway(ports, route=bad_route)))
            await it.until(lambda: lab.problems(it.hub))
            entry = it.hub.status(lab.PROXY).types[ResourceType.ROUTE]
            assert entry.state is SyncState.NACK
            assert (
                "route table http.80 (made from VirtualService/default/routes" in entry.explanation
            )
            assert "RE2" in entry.explanation
            assert (await request(ports[0]))[0] == 200, "the last good one still serves"
            it.hub.publish(lab.PROXY, "mesh", renderer.render(good))
            await it.until(lambda: it.hub.status(lab.PROXY).synced)
            assert lab.problems(it.hub) == {}

    asyncio.run(scenario())


def test_a_name_nobody_published_holds_nothing_up(lab, directory):
    """A route table, endpoints and a secret that do not exist must not warm for ever."""

    def answered(hub):
        types = hub.status(lab.PROXY).types
        return types[ResourceType.ROUTE].state is SyncState.SYNCED

    async def scenario():
        ports = [lab.free_port() for _ in range(3)]
        view = lab.gateway(ports)
        made = render.Renderer().render(view)
        by_type = {**made.by_type, ResourceType.ENDPOINT: {}, ResourceType.ROUTE: {}}
        async with lab.running(directory, view.node) as it:
            it.hub.publish(lab.PROXY, "mesh", ResourceSet(by_type))
            await it.until(lambda: answered(it.hub))
            reader, writer = await reach(ports[0])
            writer.write(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
            assert (await reader.readline()).split()[1] == b"404"
            writer.close()
            late = ResourceSet({**by_type, ResourceType.ROUTE: made.of(ResourceType.ROUTE)})
            it.hub.publish(lab.PROXY, "mesh", late)
            await it.until(
                lambda: it.hub.status(lab.PROXY).types[ResourceType.ROUTE].acknowledged == 1
            )
            await it.until(lambda: answered(it.hub))
            assert (await request(ports[0]))[0] == 200

    asyncio.run(scenario())
