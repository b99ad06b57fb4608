"""Rendering as a whole: names that exist, sharing, and being a function of the view."""

import gc

import msgspec
import pytest
from envoy.extensions.filters.network.tcp_proxy.v3.tcp_proxy_pb2 import TcpProxy
from hypothesis import given, settings, strategies as st

from lateen.compiler.backend import render
from lateen.compiler.ir import policy, proxy, routing, telemetry, workload
from lateen.compiler.output import ResourceType

CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, EXTENSION, _ = ResourceType
Protocol = workload.Protocol


def bodies(resources):
    return {
        (kind, name): resource.body
        for kind in ResourceType
        for name, resource in resources.of(kind).items()
    }


def test_a_sidecars_resources_have_istios_names(mesh):
    made = render.Renderer().render(mesh.sidecar())
    assert set(made.of(LISTENER)) == {
        "virtualInbound",
        "virtualOutbound",
        "0.0.0.0_8080",
        "0.0.0.0_8081",
        "10.96.0.20_8082",
        "10.96.0.20_8083",
    }
    fixed = {"BlackHoleCluster", "PassthroughCluster", "InboundPassthroughCluster"}
    assert fixed | {"inbound|80||"} < set(made.of(CLUSTER))
    assert set(made.of(ROUTE)) == {"8080", "8081", f"{mesh.HOST}:8082"}
    assert not made.of(SECRET)


def test_a_gateway_has_no_passthrough(mesh):
    table = mesh.table("http.80", mesh.route(mesh.cluster().name))
    chain = proxy.GatewayChain(sni=(), source=mesh.GATEWAY, route_table="http.80")
    listener = proxy.GatewayListener(bind="0.0.0.0", port=80, chains=(chain,))
    made = render.Renderer().render(mesh.router(listener, tables=(table,)))
    assert set(made.of(LISTENER)) == {"0.0.0.0_80"}
    assert "PassthroughCluster" not in made.of(CLUSTER)
    assert "BlackHoleCluster" in made.of(CLUSTER)
    assert mesh.dangling(made) == set()


modes = st.sampled_from(["DISABLE", "PERMISSIVE", "STRICT"])
protocols = st.sampled_from([p for p in Protocol if p is not Protocol.UDP])
tls_modes = st.sampled_from([None, "DISABLE", "SIMPLE", "ISTIO_MUTUAL"])


@st.composite
def clusters(draw, mesh):
    tls = draw(tls_modes)
    client = tls and policy.ClientTls(mode=policy.TlsMode(tls), source=mesh.DR)
    resolution = draw(st.sampled_from(list(workload.Resolution)))
    return mesh.cluster(
        draw(protocols),
        draw(st.integers(1, 9)),
        draw(st.sampled_from(["", "v1"])),
        tls=client or None,
        auto_mtls=draw(st.booleans()),
        service_changes={"resolution": resolution},
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_nothing_dangles_whatever_the_mesh(mesh, data):
    drawn = data.draw(st.lists(clusters(mesh), max_size=5, unique_by=lambda c: c.name))
    known = data.draw(st.lists(st.sampled_from(drawn), unique_by=lambda c: c.name)) if drawn else []
    base = mesh.sidecar(data.draw(modes), data.draw(protocols))
    outbound = msgspec.structs.replace(
        base.outbound,
        clusters=(*base.outbound.clusters, *drawn),
        endpoints=(*base.outbound.endpoints, *map(mesh.endpoints, known)),
    )
    view = msgspec.structs.replace(base, outbound=outbound)
    made = render.Renderer().render(view)
    assert mesh.dangling(made) == set()
    again = render.Renderer().render(msgspec.structs.replace(view))
    assert bodies(again) == bodies(made), "a function of the view alone"


def test_an_equal_view_is_the_same_set(mesh):
    renderer = render.Renderer()
    view = mesh.sidecar()
    made = renderer.render(view)
    assert renderer.render(view) is made
    assert renderer.render(mesh.sidecar()) is made


def changed(old, new):
    return {
        (kind.name, name)
        for kind in ResourceType
        for name in {*old.of(kind), *new.of(kind)}
        if old.of(kind).get(name) is not new.of(kind).get(name)
    }


def test_only_what_changed_is_a_new_object(mesh):
    renderer = render.Renderer()
    view = mesh.sidecar()
    before = renderer.render(view)
    first = view.outbound.clusters[0]
    moved = mesh.endpoints(first, address="10.244.0.99")
    outbound = msgspec.structs.replace(
        view.outbound, endpoints=(moved, *view.outbound.endpoints[1:])
    )
    after = renderer.render(msgspec.structs.replace(view, outbound=outbound))
    assert changed(before, after) == {("ENDPOINT", first.name)}


def test_a_mode_change_touches_the_inbound_listener_alone(mesh):
    renderer = render.Renderer()
    view = mesh.sidecar("STRICT")
    before = renderer.render(view)
    inbound = mesh.inbound((80, Protocol.HTTP, "DISABLE"), value="DISABLE")
    after = renderer.render(msgspec.structs.replace(view, inbound=inbound))
    assert {name for _, name in changed(before, after)} <= {"virtualInbound", "inbound|80||"}
    assert before.of(CLUSTER)["inbound|80||"].version == after.of(CLUSTER)["inbound|80||"].version


def test_a_cluster_that_turns_to_user_tls_changes_its_routes_too(mesh):
    renderer = render.Renderer()
    view = mesh.sidecar()
    before = renderer.render(view)
    simple = policy.ClientTls(mode=policy.TlsMode.SIMPLE, source=mesh.DR)
    clusters = (mesh.cluster(tls=simple), *view.outbound.clusters[1:])
    outbound = msgspec.structs.replace(view.outbound, clusters=clusters)
    after = renderer.render(msgspec.structs.replace(view, outbound=outbound))
    assert changed(before, after) == {("CLUSTER", clusters[0].name), ("ROUTE", "8080")}


def test_proxies_of_one_scope_share_what_does_not_name_them(mesh):
    renderer = render.Renderer()
    one = mesh.sidecar()
    two = msgspec.structs.replace(one, node=mesh.node(pod="b", ip="10.244.0.11"))
    first, second = renderer.render(one), renderer.render(two)
    assert first.of(ENDPOINT) is second.of(ENDPOINT)
    own = {"virtualInbound", "0.0.0.0_8080", "0.0.0.0_8081", "10.96.0.20_8082"}
    assert {name for _, name in changed(first, second)} == own


def test_nothing_is_kept_of_a_mesh_that_is_gone(mesh):
    renderer = render.Renderer()
    renderer.render(mesh.sidecar())
    gc.collect()
    kept = renderer._mesh
    assert kept is not None
    assert len(kept.views) == 0


def test_a_resource_names_the_fields_that_made_it(mesh):
    made = render.Renderer().render(mesh.sidecar("STRICT"))
    assert mesh.PA in made.of(LISTENER)["virtualInbound"].sources
    assert mesh.VS in made.of(ROUTE)["8080"].sources
    assert mesh.SVC in made.of(CLUSTER)[mesh.cluster().name].sources


@pytest.mark.parametrize("allow", [True, False])
def test_unknown_traffic_goes_out_or_nowhere(mesh, allow):
    settings_ = msgspec.structs.replace(mesh.SETTINGS, allow_any=allow)
    made = render.Renderer().render(msgspec.structs.replace(mesh.sidecar(), settings=settings_))
    listener = mesh.parse(made.of(LISTENER)["virtualOutbound"])
    target = b"PassthroughCluster" if allow else b"BlackHoleCluster"
    assert target in listener.filter_chains[1].filters[0].typed_config.value


def test_sni_and_address_ranges_choose_tcp_chains(mesh):
    routes = (
        routing.TcpRoute(
            destinations=(routing.Destination(cluster="a"),), sni_hosts=("a.example",)
        ),
        routing.TcpRoute(destinations=(routing.Destination(cluster="b"),), cidrs=("10.0.0.0/8",)),
        routing.TcpRoute(
            destinations=(
                routing.Destination(cluster="c", weight=1),
                routing.Destination(cluster="d", weight=3),
            ),
            source=mesh.VS,
        ),
    )
    listener = proxy.TcpListener(bind="10.96.0.20", port=8083, routes=routes, source=mesh.SVC)
    view = mesh.sidecar()
    outbound = msgspec.structs.replace(view.outbound, tcp=(listener,))
    made = render.Renderer().render(msgspec.structs.replace(view, outbound=outbound))
    parsed = mesh.parse(made.of(LISTENER)["10.96.0.20_8083"])
    first, second, last = (chain.filter_chain_match for chain in parsed.filter_chains)
    assert list(first.server_names) == ["a.example"]
    assert second.prefix_ranges[0].prefix_len.value == 8
    assert not last.server_names
    assert not last.prefix_ranges
    assert [f.name for f in parsed.listener_filters] == ["envoy.filters.listener.tls_inspector"]
    proxies = [mesh.unpack(c.filters[-1].typed_config, TcpProxy) for c in parsed.filter_chains]
    assert [p.stat_prefix for p in proxies] == ["a", "b", "routes.default"]


@pytest.mark.parametrize("sniffed", [True, False])
def test_on_every_address_what_is_for_nobody_passes_through(mesh, sniffed):
    """An address of one's own takes everything that is dialled there; 0.0.0.0 must not."""
    named = routing.TcpRoute(
        destinations=(routing.Destination(cluster="a"),), sni_hosts=("a.example",)
    )
    view = mesh.sidecar()
    (table, *_) = view.outbound.tables
    listener = proxy.TcpListener(
        bind="0.0.0.0",
        port=8080,
        routes=(named,),
        source=mesh.SVC,
        sniffed=sniffed,
        route_table=table.name if sniffed else "",
    )
    outbound = msgspec.structs.replace(view.outbound, tcp=(listener,), http=())
    made = render.Renderer().render(msgspec.structs.replace(view, outbound=outbound))
    parsed = mesh.parse(made.of(LISTENER)["0.0.0.0_8080"])
    assert parsed.default_filter_chain.name == "PassthroughFilterChain"
    assert [mesh.manager(c) is not None for c in parsed.filter_chains] == (
        [True] if sniffed else []
    ) + [False]


@pytest.mark.parametrize("known", [True, False])
def test_spans_go_to_a_cluster_that_the_proxy_has_or_nothing_is_traced(mesh, known):
    """Envoy refuses a whole listener that names a cluster it does not have."""
    view = mesh.sidecar()
    host, port = view.outbound.clusters[0].name.split("|")[3], view.outbound.clusters[0].port
    tracer = telemetry.Tracer(kind="zipkin", host=host if known else "gone.example", port=port)
    signals = telemetry.Signals(tracer=tracer)
    node = msgspec.structs.replace(
        view.node, telemetry=telemetry.Telemetry(client=signals, server=signals)
    )
    made = render.Renderer().render(msgspec.structs.replace(view, node=node))
    body = made.of(LISTENER)["0.0.0.0_8080"].body
    assert (tracer.cluster.encode() in body) is known
    assert (b"envoy.tracers.zipkin" in body) is known
    assert mesh.dangling(made) == set()
