"""Turns: no client ever sends what a server may refuse, whoever answers when."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings, strategies as st
from msgspec.structs import replace

from lateen.app.mesh import turns
from lateen.compiler.frontend import versions
from lateen.compiler.ir.proxy import (
    ClusterEndpoints,
    GatewayConfig,
    Inbound,
    InboundPort,
    MeshSettings,
    Node,
    Outbound,
    PortMode,
    ProxyKind,
    ProxyView,
)
from lateen.compiler.ir.workload import (
    Endpoint,
    Mode,
    MtlsMode,
    Port,
    Protocol,
    Resolution,
    Service,
)
from lateen.model.meta import ObjectRef, Source

SETTINGS = MeshSettings(features=versions.features())
D, P, S = MtlsMode.DISABLE, MtlsMode.PERMISSIVE, MtlsMode.STRICT
ACCEPTS = {D: {False}, P: {False, True}, S: {True}}
PORTS = (80, 81)
SOURCE = Source(ObjectRef("Service", "default", "s"), "spec")
SERVICE = Service(
    hostname="s.default.svc.cluster.local",
    name="s",
    namespace="default",
    resolution=Resolution.EDS,
    vips=(),
    ports=tuple(
        Port(number=n, name="", protocol=Protocol.HTTP, target=n, source=SOURCE) for n in PORTS
    ),
    source=SOURCE,
)

modes = st.sampled_from([D, P, S])
meshes = st.tuples(st.tuples(modes, modes), st.tuples(modes, modes))
"""The modes of two ports of two servers."""


def mode(value, path="spec.mtls.mode"):
    return Mode(mode=value, source=Source(ObjectRef("PeerAuthentication", "default", value), path))


def inbound(general, ports=(), others=()):
    made = tuple(
        InboundPort(
            port=number,
            protocol=Protocol.HTTP,
            mode=mode(value),
            service=SERVICE,
            service_port=number,
            source=SOURCE,
        )
        for number, value in ports
    )
    listed = tuple(PortMode(port=number, mode=mode(value)) for number, value in others)
    return Inbound(mode=mode(general), ports=made, port_modes=listed)


def node(name, kind=ProxyKind.SIDECAR):
    return Node(
        kind=kind, pod=name, namespace="default", ip="10.0.0.1", identity="", labels=(), workload=""
    )


def seen(mesh):
    """What every client sees of the servers: Istio's choice for each port."""
    return tuple(
        ClusterEndpoints(
            cluster=f"s{server}|{port}",
            endpoints=(Endpoint(address=f"10.0.1.{server}", port=port),),
            mtls=(value is not D,),
        )
        for server, values in enumerate(mesh)
        for port, value in zip(PORTS, values, strict=True)
    )


def views(mesh):
    """Two servers, which are clients of each other too, one more client, and a gateway."""
    outbound = Outbound(clusters=(), endpoints=seen(mesh), http=(), tcp=(), tables=())
    gateway = GatewayConfig(listeners=(), tables=(), clusters=(), endpoints=seen(mesh))
    made = {
        f"s{number}": ProxyView(
            node=node(f"s{number}"),
            settings=SETTINGS,
            outbound=outbound,
            inbound=inbound(P, zip(PORTS, values, strict=True)),
        )
        for number, values in enumerate(mesh)
    }
    idle = inbound(P)
    made["c"] = ProxyView(node=node("c"), settings=SETTINGS, outbound=outbound, inbound=idle)
    made["g"] = ProxyView(node=node("g", ProxyKind.ROUTER), settings=SETTINGS, gateway=gateway)
    return made


@dataclass
class Lab:
    """Proxies that take what they were sent when they please, and what each may still use."""

    sent: dict = field(default_factory=dict)
    may_use: dict = field(default_factory=dict)
    wanted: dict = field(default_factory=dict)
    opening: frozenset = frozenset()
    choosing: frozenset = frozenset()
    published: list = field(default_factory=list)

    def want(self, newest):
        kept = {n: self.sent[n] if self.sent.get(n) == v else v for n, v in newest.items()}
        self.wanted = {n: v for n, v in kept.items() if self.sent.get(n) is not v}
        self.go_on()

    def go_on(self):
        for _ in range(20):
            turn = turns.next_turn(self.sent, self.wanted, self.opening, self.choosing)
            self.opening, self.choosing = turn.opening, turn.choosing
            for name, view in turn.views.items():
                self.sent[name] = view
                self.may_use.setdefault(name, []).append(view)
                self.published.append(name)
            self.wanted = {n: v for n, v in self.wanted.items() if self.sent.get(n) != v}
            self.check()
            if not turn.views:
                return
        raise AssertionError("turns without end")

    def answer(self, name):
        if len(self.may_use.get(name, ())) > 1:
            self.may_use[name] = self.may_use[name][-1:]
        self.opening -= {name}
        self.choosing -= {name}
        self.go_on()

    def check(self):
        """Whatever a client may send, every acceptance that a server may be at takes."""
        for client in self.may_use.values():
            for view in client:
                for each in (view.outbound or view.gateway).endpoints:
                    server, port = each.cluster.split("|")
                    for listening in self.may_use[server]:
                        accepted = ACCEPTS[turns.mode_at(listening.inbound, int(port)).mode]
                        assert each.mtls[0] in accepted, (each.cluster, accepted)


steps = st.lists(
    st.one_of(meshes, st.sampled_from(["s0", "s1", "c", "g"])), min_size=1, max_size=30
)


@settings(max_examples=300, deadline=None)
@given(start=meshes, script=steps)
def test_no_client_sends_what_a_server_may_refuse_and_all_end_as_wanted(start, script):
    lab = Lab()
    lab.want(views(start))
    for name in lab.sent:
        lab.answer(name)
    newest = views(start)
    for step in script:
        if isinstance(step, str):
            lab.answer(step)
        else:
            newest = views(step)
            lab.want(newest)
    for _ in range(12):
        for name in newest:
            lab.answer(name)
    assert lab.sent == newest
    assert not lab.wanted


@given(start=meshes, then=meshes)
def test_who_is_not_concerned_is_sent_nothing(start, then):
    lab = Lab()
    lab.want(views(start))
    lab.published.clear()
    other = replace(views(start)["c"], node=node("other"))
    lab.sent["other"] = other
    lab.want(views(then))
    for _ in range(12):
        for name in views(then):
            lab.answer(name)
    same = {name for name, view in views(start).items() if view == views(then)[name]}
    assert not same & set(lab.published)
    assert "other" not in lab.published


def order(start, then):
    """Who is sent something, turn by turn, when everybody answers at once."""
    lab = Lab()
    mesh = ((start, P), (P, P))
    lab.want(views(mesh))
    for name in lab.sent:
        lab.answer(name)
    lab.published.clear()
    lab.want(views(((then, P), (P, P))))
    for _ in range(12):
        for name in ("s0", "s1", "c", "g"):
            lab.answer(name)
    return lab.published


@pytest.mark.parametrize(
    ("start", "then", "expected"),
    [
        (P, D, ["g", "s0", "s1", "c", "s0"]),
        (D, P, ["s0", "g", "s0", "s1", "c"]),
        (P, S, ["s0"]),
        (S, P, ["s0"]),
        (S, D, ["s0", "g", "s0", "s1", "c", "s0"]),
        (D, S, ["s0", "g", "s0", "s1", "c", "s0"]),
    ],
)
def test_the_order_of_each_change(start, then, expected):
    assert order(start, then) == expected


def test_a_proxy_without_a_view_before_is_sent_the_newest_at_once():
    made = views(((S, S), (D, D)))
    turn = turns.next_turn({}, made, frozenset(), frozenset())
    assert turn.views == made
    assert not turn.opening | turn.choosing


def test_what_is_no_choice_waits_for_nobody():
    """Another route, another endpoint: published while a server is still opening."""
    before, after = views(((P, P), (P, P))), views(((P, P), (P, P)))
    more = (*after["c"].outbound.endpoints, ClusterEndpoints(cluster="x", endpoints=(), mtls=()))
    after["c"] = replace(after["c"], outbound=replace(after["c"].outbound, endpoints=more))
    turn = turns.next_turn(before, {"c": after["c"]}, frozenset({"s0"}), frozenset({"g"}))
    assert turn.views == {"c": after["c"]}


def test_a_server_keeps_what_else_changed_with_its_mode():
    before, after = views(((P, P), (P, P))), views(((D, P), (P, P)))
    after["s0"] = replace(after["s0"], settings=replace(SETTINGS, mesh_id="other"))
    turn = turns.next_turn(before, after, frozenset(), frozenset())
    assert turn.views["s0"].settings.mesh_id == "other"
    assert turn.views["s0"].inbound is before["s0"].inbound


@pytest.mark.parametrize(
    ("old", "new", "port", "expected"),
    [
        (inbound(D), inbound(S), 9, P),
        (inbound(D, others=[(9, S)]), inbound(D), 9, P),
        (inbound(D), inbound(D, others=[(9, S)]), 9, P),
        (inbound(S, [(80, D)]), inbound(S), 80, P),
        (inbound(S, others=[(9, D)]), inbound(S, others=[(9, D)]), 9, D),
        (inbound(P, [(80, S)]), inbound(P, [(80, D)]), 80, P),
    ],
)
def test_widened_accepts_what_both_do(old, new, port, expected):
    made = turns.widened(old, new)
    assert turns.mode_at(made, port).mode is expected
    for number in (port, 7, 80):
        both = ACCEPTS[turns.mode_at(old, number).mode] | ACCEPTS[turns.mode_at(new, number).mode]
        assert ACCEPTS[turns.mode_at(made, number).mode] == both


def test_widened_is_one_of_both_where_that_accepts_enough():
    old, new = inbound(P, [(80, P)]), inbound(P, [(80, D)])
    assert turns.widened(old, new) is old
    assert turns.widened(new, old) is old
