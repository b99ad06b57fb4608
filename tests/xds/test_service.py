"""The service over real sockets: who may speak, both variants, access logs, closing."""

import asyncio
import stat
from datetime import UTC, datetime
from types import SimpleNamespace

import grpc
import pytest
from envoy.data.accesslog.v3 import accesslog_pb2
from envoy.service.accesslog.v3 import als_pb2
from envoy.service.discovery.v3 import discovery_pb2

from lateen.base.clock import SystemClock
from lateen.compiler.output import Resource, ResourceSet, ResourceType
from lateen.xds.hub import Hub
from lateen.xds.service import XdsServer

CLUSTER = ResourceType.CLUSTER
PROXY = "default/a"
METHODS = {
    "delta": (
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources",
        discovery_pb2.DeltaDiscoveryRequest,
        discovery_pb2.DeltaDiscoveryResponse,
    ),
    "sotw": (
        "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources",
        discovery_pb2.DiscoveryRequest,
        discovery_pb2.DiscoveryResponse,
    ),
}


def content(**bodies):
    return ResourceSet(
        {CLUSTER: {n: Resource(CLUSTER, n, body.encode()) for n, body in bodies.items()}}
    )


def serve(tmp_path, model, scenario):
    """Run a scenario against a server with one open socket."""

    async def run():
        happened = asyncio.Event()
        entries = []

        def sink(proxy, new):
            entries.append((proxy, tuple(new)))
            happened.set()

        async def until(condition):
            while not condition():
                happened.clear()
                await happened.wait()

        hub = Hub(SystemClock())
        hub.subscribe(lambda _proxy: happened.set())
        server = XdsServer(hub, sink)
        path = tmp_path / "xds.sock"
        await server.open(PROXY, model.node, path)
        channel = grpc.aio.insecure_channel(f"unix:{path}")
        try:
            async with asyncio.timeout(10):
                await scenario(
                    SimpleNamespace(
                        hub=hub,
                        server=server,
                        channel=channel,
                        entries=entries,
                        path=path,
                        until=until,
                    )
                )
        finally:
            await channel.close()
            await server.stop()
        assert not path.exists()

    asyncio.run(run())


def stream(channel, variant):
    method, request, response = METHODS[variant]
    return channel.stream_stream(
        method,
        request_serializer=request.SerializeToString,
        response_deserializer=response.FromString,
    )()


@pytest.mark.parametrize("variant", ["delta", "sotw"])
def test_a_client_is_served_and_updated(tmp_path, model, variant):
    async def scenario(it):
        assert stat.S_IMODE(it.path.stat().st_mode) == 0o600
        it.hub.publish(PROXY, "mesh", content(a="1"))
        call = stream(it.channel, variant)
        first = METHODS[variant][1](type_url=CLUSTER.value)
        first.node.id = model.node
        await call.write(first)
        response = await call.read()
        assert len(response.resources) == 1
        await call.write(METHODS[variant][1](type_url=CLUSTER.value, response_nonce=response.nonce))
        await it.until(lambda: it.hub.status(PROXY).types[CLUSTER].state.name == "SYNCED")
        it.hub.publish(PROXY, "mesh", content(a="2"))
        response = await call.read()
        assert len(response.resources) == 1
        assert it.hub.status(PROXY).types[CLUSTER].state.name == "STALE"

    serve(tmp_path, model, scenario)


@pytest.mark.parametrize("variant", ["delta", "sotw"])
def test_a_client_that_claims_another_node_is_refused(tmp_path, model, variant):
    async def scenario(it):
        it.hub.publish(PROXY, "mesh", content(a="1"))
        call = stream(it.channel, variant)
        first = METHODS[variant][1](type_url=CLUSTER.value)
        first.node.id = "sidecar~10.244.0.9~b.default~default.svc.cluster.local"
        await call.write(first)
        assert await call.code() is grpc.StatusCode.PERMISSION_DENIED
        assert model.node in await call.details()
        await it.until(lambda: not it.hub.status(PROXY).connected)

    serve(tmp_path, model, scenario)


def logs(channel):
    return channel.stream_unary(
        "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs",
        request_serializer=als_pb2.StreamAccessLogsMessage.SerializeToString,
        response_deserializer=als_pb2.StreamAccessLogsResponse.FromString,
    )()


def test_access_logs_become_plain_values(tmp_path, model):
    entry = accesslog_pb2.HTTPAccessLogEntry(
        protocol_version=accesslog_pb2.HTTPAccessLogEntry.HTTP11
    )
    common = entry.common_properties
    common.start_time.FromDatetime(datetime(2026, 1, 2, tzinfo=UTC))
    common.duration.FromMilliseconds(5)
    common.upstream_remote_address.socket_address.address = "10.244.0.3"
    common.upstream_remote_address.socket_address.port_value = 80
    common.tls_properties.tls_version = 4
    common.tls_properties.tls_sni_hostname = "outbound_.80_._.a"
    peer = common.tls_properties.peer_certificate_properties
    peer.subject_alt_name.add(uri="spiffe://cluster.local/ns/a/sa/b")
    tags = {"connection_id": "7", "upstream_tls_version": "TLSv1.3", "source": "VirtualService/a/b"}
    common.custom_tags.update({**tags, "response_flags": "UC", "filter_chain": "-"})
    entry.request.request_method = 1
    entry.request.path = "/"
    entry.response.response_code.value = 503

    async def scenario(it):
        call = logs(it.channel)
        message = als_pb2.StreamAccessLogsMessage()
        message.identifier.node.id = model.node
        message.identifier.log_name = "http"
        message.http_logs.log_entry.append(entry)
        await call.write(message)
        await it.until(lambda: it.entries)
        ((proxy, (made,)),) = it.entries
        assert proxy == PROXY
        assert (made.log, made.flags, made.connection_id) == ("http", "UC", "7")
        assert made.duration == 0.005
        assert made.upstream_remote == "10.244.0.3:80"
        assert (made.downstream.version, made.downstream.sni) == ("TLSv1.3", "outbound_.80_._.a")
        assert made.downstream.peer_sans == ("spiffe://cluster.local/ns/a/sa/b",)
        assert made.upstream.version == "TLSv1.3"
        assert made.tags == {"source": "VirtualService/a/b"}
        assert (made.http.method, made.http.path, made.http.status) == ("GET", "/", 503)
        second = als_pb2.StreamAccessLogsMessage()
        second.tcp_logs.log_entry.add()
        await call.write(second)
        await it.until(lambda: len(it.entries) == 2)
        assert it.entries[1][1][0].log == "http"

    serve(tmp_path, model, scenario)


def test_access_logs_of_another_node_are_refused(tmp_path, model):
    async def scenario(it):
        call = logs(it.channel)
        message = als_pb2.StreamAccessLogsMessage()
        message.identifier.node.id = "somebody else"
        message.http_logs.log_entry.add()
        await call.write(message)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
        assert it.entries == []

    serve(tmp_path, model, scenario)


def test_a_closed_socket_is_gone_and_can_be_opened_again(tmp_path, model):
    async def scenario(it):
        it.hub.publish(PROXY, "mesh", content(a="1"))
        await it.server.close(PROXY)
        assert not it.path.exists()
        assert it.hub.statuses() == ()
        await it.server.open(PROXY, model.node, it.path)
        it.hub.publish(PROXY, "mesh", content(b="1"))
        call = stream(it.channel, "delta")
        first = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER.value)
        first.node.id = model.node
        await call.wait_for_connection()
        await call.write(first)
        assert [r.name for r in (await call.read()).resources] == ["b"]

    serve(tmp_path, model, scenario)


def test_a_path_too_long_for_the_kernel_is_refused_with_a_remedy(tmp_path, model):
    async def run():
        server = XdsServer(Hub(SystemClock()), lambda *_: None)
        with pytest.raises(ValueError, match="LATEEN_HOME"):
            await server.open(PROXY, model.node, tmp_path / ("x" * 120))

    asyncio.run(run())
