"""Views of every shape there is, and a real Envoy to give them to."""

import asyncio
import contextlib
import itertools
import json
import shutil
import socket
import subprocess
from pathlib import Path
from types import SimpleNamespace

import envoy
import msgspec
import pytest

from lateen.base.clock import SystemClock
from lateen.compiler.backend import bootstrap, secrets
from lateen.compiler.ir import policy, proxy, routing, workload
from lateen.compiler.output import ResourceSet, ResourceType
from lateen.model.meta import ObjectRef, Source
from lateen.pki.authority import Authority
from lateen.xds.hub import Hub
from lateen.xds.service import XdsServer

BINARY = Path(envoy.__path__[0]) / "_bin" / "envoy"
HOST = "helloworld.default.svc.cluster.local"
SVC = Source(ObjectRef("Service", "default", "helloworld"), "spec.ports[0]")
PA = Source(ObjectRef("PeerAuthentication", "default", "strict"), "spec.mtls.mode")
VS = Source(ObjectRef("VirtualService", "default", "routes"), "spec.http[0]")
DR = Source(ObjectRef("DestinationRule", "default", "rule"), "spec.trafficPolicy")
GATEWAY = Source(ObjectRef("Gateway", "default", "gateway"), "spec.servers[0]")
ID = "spiffe://cluster.local/ns/default/sa/default"
SETTINGS = proxy.MeshSettings(features=proxy.Features(version="1.32"))
PROXY = "default/a"
Protocol, Match = workload.Protocol, routing.StringMatch


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def cluster(protocol, port, **fields):
    entry = workload.Port(number=port, name="p", protocol=protocol, target=port, source=SVC)
    known = {"resolution": workload.Resolution.EDS, **fields.pop("service", {})}
    service = workload.Service(
        hostname=HOST,
        name="helloworld",
        namespace="default",
        vips=("10.96.0.20",),
        ports=(entry,),
        source=SVC,
        **known,
    )
    return proxy.OutboundCluster(
        service=service,
        port=port,
        protocol=protocol,
        subset=fields.pop("subset", ""),
        policy=policy.TrafficPolicy(**fields),
        auto_mtls=True,
        sans=(ID,),
        source=SVC,
    )


def endpoints(source):
    endpoint = workload.Endpoint(
        address="10.244.0.20",
        port=80,
        identity=ID,
        workload="w",
        namespace="default",
        pod="p",
        locality="region/zone/sub",
    )
    return proxy.ClusterEndpoints(cluster=source.name, endpoints=(endpoint,), mtls=(True,))


def tls(mode, **fields):
    return policy.ClientTls(mode=policy.TlsMode(mode), source=DR, **fields)


def every_cluster():
    """One cluster per protocol, and one per policy."""
    ports = itertools.count(8000)
    pool = policy.ConnectionPool(
        max_connections=5,
        connect_timeout=1,
        max_connection_duration=60,
        keepalive=(3, 10, 5),
        http1_max_pending=4,
        max_requests_per_connection=2,
        http_idle_timeout=30,
        max_concurrent_streams=7,
        use_client_protocol=True,
    )
    ejection = policy.OutlierDetection(
        consecutive_5xx=3,
        consecutive_gateway_errors=2,
        split_local_origin_errors=True,
        consecutive_local_origin_failures=4,
        interval=5,
        base_ejection_time=30,
        max_ejection_percent=50,
        min_health_percent=10,
    )
    blocks = [
        {"connection_pool": pool, "outlier_detection": ejection},
        {"connection_pool": policy.ConnectionPool(h2_upgrade="UPGRADE")},
        {"load_balancer": policy.LoadBalancer(policy="RING_HASH")},
        {"load_balancer": policy.LoadBalancer(policy="MAGLEV")},
        {"load_balancer": policy.LoadBalancer(policy="ROUND_ROBIN", warmup=10)},
        {"load_balancer": policy.LoadBalancer(policy="PASSTHROUGH")},
        {"load_balancer": policy.LoadBalancer(policy="RANDOM")},
        {"tls": tls("DISABLE")},
        {"tls": tls("SIMPLE", ca=policy.SYSTEM_ROOTS, auto_sni=True, auto_san=True)},
        {"tls": tls("SIMPLE", insecure_skip_verify=True, sni="a.example")},
        {
            "tls": tls(
                "MUTUAL",
                certificate="kubernetes://cred",
                ca="kubernetes://cred-cacert",
                sans=("a.example",),
            )
        },
        {"tls": tls("ISTIO_MUTUAL")},
        {"service": {"resolution": workload.Resolution.PASSTHROUGH}},
        {"service": {"resolution": workload.Resolution.DNS, "external_name": "localhost"}},
    ]
    http = [cluster(protocol, next(ports)) for protocol in Protocol if protocol is not Protocol.UDP]
    return (*http, *(cluster(Protocol.HTTP, next(ports), **block) for block in blocks))


def every_route(name):
    """Routes that use every match and action there is."""
    edits = routing.HeaderOps(set=(("x-a", "%REQ(:path)%"),), add=(("x-b", "1"),), remove=("x-c",))
    to = (routing.Destination(cluster=name),)
    header = routing.HeaderMatch(name="x-h", match=Match(kind="regex", value="a+"), invert=True)
    match = routing.RouteMatch(
        path=Match(kind="regex", value="/r[0-9]+"),
        headers=(
            header,
            routing.HeaderMatch(name=":method", match=Match(kind="exact", value="GET")),
        ),
        query=(("q", Match(kind="present")), ("p", Match(kind="prefix", value="x"))),
    )
    fault = routing.Fault(delay=0.1, delay_ppm=1000, abort_grpc=14, abort_ppm=1000)
    cors = routing.Cors(origins=(Match(kind="regex", value=".*"),), methods=("GET",), expose=("x",))
    retries = routing.RetryPolicy(
        status_codes=(503,), per_try_timeout=1, backoff=0.1, remote_localities=True
    )
    keys = tuple(
        policy.HashKey(kind=k, name="n", ttl=1.0)
        for k in ("header", "cookie", "query", "source_ip")
    )
    shares = (
        routing.Destination(cluster=name, weight=1, request=edits, host_rewrite="h"),
        routing.Destination(cluster="outbound|1||missing", weight=2, response=edits),
    )

    def route(**fields):
        base = {"name": "r", "match": match, "source": VS, "destinations": to}
        return routing.Route(**{**base, **fields})

    nowhere = {"destinations": ()}
    return (
        route(
            fault=fault,
            cors=cors,
            retries=retries,
            timeout=3,
            hash_keys=keys,
            request=edits,
            response=edits,
            mirrors=(routing.Mirror(cluster=name, ppm=10),),
            decorator="d",
        ),
        route(destinations=shares, rewrite=routing.Rewrite(regex="^/r", substitution="/s")),
        route(rewrite=routing.Rewrite(uri="/", authority="other")),
        route(
            **nowhere,
            redirect=routing.Redirect(prefix="/n", scheme="https", port=8443),
            match=routing.RouteMatch(path=Match(kind="prefix", value="/o")),
        ),
        route(**nowhere, redirect=routing.Redirect(uri="/n", code=307)),
        route(
            **nowhere,
            direct_response=routing.DirectResponse(status=200, body=b"hello"),
            match=routing.RouteMatch(),
        ),
    )


def table(name, *routes):
    host = routing.VirtualHost(name=f"h:{name}", domains=("*",), routes=routes, source=VS)
    return routing.RouteTable(name=name, hosts=(host,))


NODE = proxy.Node(
    kind=proxy.ProxyKind.SIDECAR,
    pod="a",
    namespace="default",
    ip="10.244.0.10",
    identity=ID,
    peer_metadata="Q2c=",
)


def sidecar(mode, protocol):
    """A sidecar with every kind of listener, its own port in one mode and protocol."""
    clusters = every_cluster()
    plain = routing.TcpRoute(destinations=(routing.Destination(cluster=clusters[0].name),))
    named = msgspec.structs.replace(plain, sni_hosts=("*.a.example", "b.example"))
    ranged = msgspec.structs.replace(plain, cidrs=("10.0.0.0/8",))
    outbound = proxy.Outbound(
        clusters=clusters,
        endpoints=tuple(map(endpoints, clusters)),
        http=(proxy.HttpListener(port=80, route_table="80"),),
        tcp=(
            proxy.TcpListener(
                bind="10.96.0.20", port=81, routes=(named, ranged, plain), source=SVC
            ),
            proxy.TcpListener(
                bind="10.96.0.20",
                port=82,
                routes=(plain,),
                source=SVC,
                sniffed=True,
                route_table=f"{HOST}:82",
            ),
        ),
        tables=(
            table(
                "80",
                *every_route(clusters[0].name),
                *(
                    routing.Route(
                        name="c",
                        match=routing.RouteMatch(),
                        source=VS,
                        destinations=(routing.Destination(cluster=c.name),),
                    )
                    for c in clusters
                ),
            ),
            table(f"{HOST}:82", *every_route(clusters[0].name)),
        ),
    )
    wanted = workload.Mode(mode=workload.MtlsMode(mode), source=PA)
    port = proxy.InboundPort(
        port=80,
        protocol=protocol,
        mode=wanted,
        service=clusters[0].service,
        service_port=80,
        source=SVC,
    )
    inbound = proxy.Inbound(
        mode=wanted, ports=(port,), port_modes=(proxy.PortMode(port=9000, mode=wanted),)
    )
    return proxy.ProxyView(node=NODE, settings=SETTINGS, outbound=outbound, inbound=inbound)


def gateway(ports, *, route=None):
    """A gateway: HTTP, HTTPS by name, mutual TLS, bytes."""
    answer = route or every_route(cluster(Protocol.HTTP, 8080).name)[-1]
    clusters = (cluster(Protocol.HTTP, 8080),)
    plain = routing.TcpRoute(destinations=(routing.Destination(cluster=clusters[0].name),))

    def chain(**fields):
        return proxy.GatewayChain(source=GATEWAY, **{"sni": (), **fields})

    simple = proxy.ServerTls(
        mode=policy.TlsMode.SIMPLE, secrets=("kubernetes://cred",), min_version="TLSV1_2"
    )
    mutual = proxy.ServerTls(
        mode=policy.TlsMode.MUTUAL,
        secrets=("kubernetes://cred",),
        ca="kubernetes://cred-cacert",
        sans=("client.example",),
    )
    istio = proxy.ServerTls(mode=policy.TlsMode.ISTIO_MUTUAL, secrets=())
    listeners = (
        (chain(route_table="http.80"),),
        (
            chain(route_table="http.80", tls=simple, sni=("simple.example",)),
            chain(route_table="http.80", tls=mutual, sni=("*.mutual.example",)),
            chain(route_table="http.80", tls=istio, sni=("istio.example",)),
            chain(tcp=(msgspec.structs.replace(plain, sni_hosts=("pass.example",)),)),
        ),
        (chain(tcp=(plain,)),),
    )
    config = proxy.GatewayConfig(
        listeners=tuple(
            proxy.GatewayListener(bind="127.0.0.1", port=port, chains=chains)
            for port, chains in zip(ports, listeners, strict=True)
        ),
        tables=(table("http.80", answer),),
        clusters=clusters,
        endpoints=tuple(map(endpoints, clusters)),
    )
    node = msgspec.structs.replace(NODE, kind=proxy.ProxyKind.ROUTER)
    return proxy.ProxyView(node=node, settings=SETTINGS, gateway=config)


def private(made):
    """The bootstrap without ports of its own: several may run on one machine."""
    made["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}}}
    made["static_resources"]["listeners"] = []
    return made


@contextlib.asynccontextmanager
async def running(directory, node):
    """One Envoy on its own socket, with its identity; ends with it stopped."""
    happened = asyncio.Event()
    entries = []

    def sink(_proxy, new):
        entries.extend(new)
        happened.set()

    hub = Hub(SystemClock())
    hub.subscribe(lambda _proxy: happened.set())
    server = XdsServer(hub, sink)
    # Sockets have short paths: pytest's own directories are too long for some.
    path = directory / "s"
    await server.open(PROXY, node.id, path)
    authority = Authority.open(directory / "ca", SystemClock())
    config = directory / "bootstrap.json"
    config.write_text(json.dumps(private(bootstrap.bootstrap(node, SETTINGS, str(path)))))
    output = (directory / "envoy.log").open("wb")
    process = subprocess.Popen(
        [BINARY, "-c", config, *bootstrap.arguments()], stdout=output, stderr=output
    )

    async def until(condition):
        async with asyncio.timeout(15):
            while not condition():
                happened.clear()
                await happened.wait()

    try:
        yield SimpleNamespace(
            hub=hub, entries=entries, until=until, authority=authority, log=directory / "envoy.log"
        )
    finally:
        process.terminate()
        process.wait()
        output.close()
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


def own_secrets(authority, *, host="simple.example"):
    svid = authority.issue(ID)
    server = authority.server_certificate([host])
    made = (
        secrets.svid_resource(svid.chain_pem, svid.key_pem),
        secrets.root_resource(authority.root_pem),
        secrets.certificate_resource("kubernetes://cred", server.chain_pem, server.key_pem),
        secrets.ca_resource("kubernetes://cred-cacert", authority.root_pem),
    )
    return ResourceSet({ResourceType.SECRET: {each.name: each for each in made}})


def problems(hub):
    status = hub.status(PROXY)
    return {kind.name: entry.error for kind, entry in status.types.items() if entry.error}


@pytest.fixture
def directory(tmp_path_factory):
    """A directory with a path short enough for a socket."""
    return tmp_path_factory.mktemp("e")


@pytest.fixture(scope="session")
def lab():
    """Views of every shape, a running Envoy, and what reads its answers."""
    return SimpleNamespace(
        PROXY=PROXY,
        NODE=NODE,
        VS=VS,
        every_route=every_route,
        free_port=free_port,
        gateway=gateway,
        own_secrets=own_secrets,
        problems=problems,
        running=running,
        sidecar=sidecar,
    )
