"""Laws of both protocol variants, against a pure model of a client."""

import pytest
from hypothesis import given, settings, strategies as st

from lateen.compiler.output import ResourceType

CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, EXTENSION, RUNTIME = ResourceType
VARIANTS = ("delta", "sotw")

clusters = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3), min_size=1)


@st.composite
def worlds(draw):
    """Some clusters, and listeners that lead to them."""
    known = draw(clusters)
    target = st.tuples(st.integers(0, 3), st.sampled_from(sorted(known)))
    return known, draw(st.dictionaries(st.sampled_from("xyz"), target))


steps = st.lists(st.one_of(st.sampled_from(["up", "down"]), worlds()), min_size=1, max_size=40)


def play(talk, script, model):
    for step in script:
        if step == "up":
            talk.up_one()
        elif step == "down":
            talk.down_one()
        else:
            talk.publish(model.config(*step))
    talk.drain()


def contents(current):
    return {
        kind: {name: r.body.partition(b"\0")[2] for name, r in current[kind].items()}
        for kind in ResourceType
    }


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=60, deadline=None)
@given(start=worlds(), script=steps)
def test_client_ends_with_exactly_what_was_published(model, variant, start, script):
    talk = getattr(model, variant)(model.config(*start))
    play(talk, script, model)
    assert talk.client.has == contents(talk.current)
    assert not any(talk.session.plan.waiting(kind) for kind in ResourceType)


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=60, deadline=None)
@given(start=worlds(), script=steps)
def test_a_route_never_arrives_before_its_cluster_is_usable(model, variant, start, script):
    talk = getattr(model, variant)(model.config(*start))
    play(talk, script, model)
    assert talk.client.broken == []


@pytest.mark.parametrize("variant", VARIANTS)
@settings(max_examples=60, deadline=None)
@given(start=worlds(), script=steps, rejected=st.sampled_from(["a", "x", "r-y"]))
def test_a_rejected_resource_does_not_loop_and_the_rest_goes_on(
    model, variant, start, script, rejected
):
    talk = getattr(model, variant)(model.config(*start), frozenset({rejected}))
    play(talk, script, model)
    sent = len(talk.client.history)
    talk.publish(talk.current)
    talk.drain()
    assert len(talk.client.history) == sent


@pytest.mark.parametrize("variant", VARIANTS)
def test_endpoints_follow_a_changed_cluster_although_they_did_not_change(model, variant):
    talk = getattr(model, variant)(model.config({"a": 0, "b": 0}, {}))
    talk.drain()
    changed = dict(talk.current)
    changed[CLUSTER] = {**talk.current[CLUSTER], "a": model.made(CLUSTER, "a", "new")}
    talk.client.history.clear()
    talk.publish(changed)
    talk.drain()
    kinds = [kind for kind, _ in talk.client.history]
    assert kinds == [CLUSTER, ENDPOINT]
    assert talk.client.history[1] == (ENDPOINT, ("a",))


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_asked_for_endpoint_is_answered_even_if_nobody_has_it(model, variant):
    current = model.config({"a": 0}, {})
    current[ENDPOINT] = {}
    talk = getattr(model, variant)(current)
    talk.drain()
    assert talk.client.has[ENDPOINT] == {"a": b""}


def test_only_what_changed_travels_incrementally(model):
    talk = model.delta(model.config({"a": 0, "b": 0, "c": 0}, {"x": (0, "a")}))
    talk.drain()
    talk.client.history.clear()
    talk.publish(model.config({"a": 0, "b": 1, "c": 0}, {"x": (0, "a")}))
    talk.drain()
    assert talk.client.history == [(ENDPOINT, ("b",))]


def test_what_disappears_goes_last(model):
    talk = model.delta(model.config({"a": 0}, {"x": (0, "a")}))
    talk.drain()
    talk.client.history.clear()
    talk.publish(model.config({"b": 0}, {"x": (1, "b")}))
    talk.drain()
    assert talk.client.history == [
        (CLUSTER, ("b",)),
        (ENDPOINT, ("b",)),
        (ROUTE, ("r-x",)),
        (CLUSTER, ("a",)),
    ]


def test_a_stuck_cluster_holds_routes_only_until_released(model):
    talk = model.delta(model.config({"a": 0}, {"x": (0, "a")}))
    talk.drain()
    talk.client.history.clear()
    talk.publish(model.config({"a": 0, "b": 0}, {"x": (1, "b")}))
    talk.down_one()  # the cluster; its acknowledgement never leaves the client
    assert talk.session.plan.holding
    assert [kind for kind, _ in talk.client.history] == [CLUSTER]
    outputs = talk.session.release()
    assert [output.kind for output in outputs] == [ROUTE]
    assert not talk.session.plan.holding


def test_a_client_that_returns_gets_only_what_it_lacks(model):
    from envoy.service.discovery.v3 import discovery_pb2

    from lateen.xds.delta import DeltaSession

    current = model.config({"a": 0, "b": 0}, {})
    session = DeltaSession(model.node, current)
    request = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER.value)
    request.node.id = model.node
    request.initial_resource_versions["a"] = current[CLUSTER]["a"].version
    request.initial_resource_versions["gone"] = "1"
    (send,) = session.receive(request.SerializeToString())
    assert send.names == ("b",)
    reply = discovery_pb2.DeltaDiscoveryRequest(type_url=CLUSTER.value, response_nonce="1")
    ends = discovery_pb2.DeltaDiscoveryRequest(type_url=ENDPOINT.value)
    ends.resource_names_subscribe.extend(["a", "b"])
    for name in ("a", "b"):
        ends.initial_resource_versions[name] = current[ENDPOINT][name].version
    assert [o.names for o in session.receive(reply.SerializeToString())] == [("b",)]
    (resent,) = session.receive(ends.SerializeToString())
    assert set(resent.names) == {"a", "b"}, "what warms is sent again"
    last = discovery_pb2.DeltaDiscoveryRequest(type_url=ENDPOINT.value, response_nonce="2")
    assert [o.names for o in session.receive(last.SerializeToString())][-1] == ("gone",)


def test_a_secret_nobody_has_is_answered_as_absent_and_sent_when_it_comes(model):
    talk = model.delta(model.config({}, {}))
    talk.drain()
    assert (SECRET, ("default", "missing")) in talk.client.history
    new = dict(talk.current)
    new[SECRET] = {**talk.current[SECRET], "missing": model.made(SECRET, "missing", "late")}
    talk.publish(new)
    talk.drain()
    assert talk.client.has[SECRET]["missing"] == b"late"


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("claimed", ["", "sidecar~10.244.0.3~b.default~default.svc.cluster.local"])
def test_a_client_cannot_be_another_node(model, variant, claimed):
    from envoy.service.discovery.v3 import discovery_pb2

    talk = getattr(model, variant)(model.config({}, {}))
    kind = (
        discovery_pb2.DeltaDiscoveryRequest
        if variant == "delta"
        else discovery_pb2.DiscoveryRequest
    )
    request = kind(type_url=CLUSTER.value)
    if claimed:
        request.node.id = claimed
    with pytest.raises(PermissionError):
        talk.session.receive(request.SerializeToString())


def test_an_answer_to_an_older_response_changes_nothing_wanted(model):
    from envoy.service.discovery.v3 import discovery_pb2

    talk = model.sotw(model.config({"a": 0}, {"x": (0, "a")}))
    talk.drain()
    stale = discovery_pb2.DiscoveryRequest(type_url=ENDPOINT.value, response_nonce="0")
    assert talk.session.receive(stale.SerializeToString()) == []
    assert talk.session.plan.names(ENDPOINT) == {"a"}


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_cluster_that_lost_its_endpoints_is_emptied(model, variant):
    talk = getattr(model, variant)(model.config({"a": 0}, {}))
    talk.drain()
    talk.publish({**talk.current, ENDPOINT: {}})
    talk.drain()
    assert talk.client.has[ENDPOINT] == {"a": b""}


def test_a_removed_listeners_routes_are_left_to_connections_that_drain(model):
    talk = model.delta(model.config({"a": 0}, {"x": (0, "a")}))
    talk.drain()
    talk.client.history.clear()
    talk.publish(model.config({"a": 0}, {}))
    talk.drain()
    assert talk.client.history == [(LISTENER, ("x",))]
