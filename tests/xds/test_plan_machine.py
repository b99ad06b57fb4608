"""One client's stream under a peer that does anything at any time: what it ends with, and that
nothing travels twice unasked."""

import itertools

import pytest
from envoy.service.discovery.v3 import discovery_pb2
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from lateen.compiler.output import Resource, ResourceType
from lateen.xds import delivery, resources
from lateen.xds.delivery import Action, Delivery, DeliveryEvent
from lateen.xds.delta import DeltaSession
from lateen.xds.session import Send

NODE = "sidecar~10.244.0.2~a.default~default.svc.cluster.local"
CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, EXTENSION, RUNTIME = ResourceType
NAMES = ("a", "b")
WHOLE = tuple(resources.WILDCARD_TYPES)
kinds = st.sampled_from(list(ResourceType))
names = st.sampled_from(NAMES)
contents = st.one_of(st.none(), st.integers(0, 2))
configs = st.fixed_dictionaries(
    {kind: st.fixed_dictionaries(dict.fromkeys(NAMES, contents)) for kind in ResourceType}
)


def built(content):
    return {
        kind: {
            name: Resource(kind, name, f"{kind} {name} {version}".encode())
            for name, version in by_name.items()
            if version is not None
        }
        for kind, by_name in content.items()
    }


class Peer(RuleBasedStateMachine):
    """A client that subscribes, takes back, accepts, rejects and comes back as it likes."""

    @initialize(config=configs)
    def begin(self, config):
        self.config = built(config)
        self.has = {kind: {} for kind in ResourceType}
        self.connect()

    def connect(self):
        self.session = DeltaSession(NODE, self.config)
        self.wanted = {kind: set() for kind in ResourceType}
        self.sent, self.asked, self.answers = {}, set(), []
        for kind, held in self.has.items():
            self.request(kind, sorted(held), versions=held, first=True)

    def request(self, kind, subscribe=(), unsubscribe=(), nonce="", error="", versions=None, **of):
        whole = of.get("first") and kind in WHOLE
        subscribe = [] if whole else list(subscribe)
        message = discovery_pb2.DeltaDiscoveryRequest(type_url=kind.value, response_nonce=nonce)
        message.node.id = NODE
        message.resource_names_subscribe.extend(subscribe)
        message.resource_names_unsubscribe.extend(unsubscribe)
        message.initial_resource_versions.update(versions or {})
        if error:
            message.error_detail.message = error
        self.wanted[kind] |= {"*"} if whole else set(subscribe)
        self.asked |= {(kind, name) for name in subscribe}
        if kind is CLUSTER and versions:
            self.asked |= {(ENDPOINT, name) for name in versions}
        for name in versions or {}:
            self.sent[kind, name] = versions[name]
        if subscribe and not self.config:
            self.asked |= {(kind, name) for name in NAMES}
        self.take(self.session.receive(message.SerializeToString()))

    def take(self, outputs):
        for output in outputs:
            if isinstance(output, Send):
                message = discovery_pb2.DeltaDiscoveryResponse.FromString(output.encode())
                self.answers.append(message)
                self.check(message)

    def check(self, message):
        """Nothing travels twice unasked: what was rejected counts as sent."""
        kind = resources.BY_URL[message.type_url]
        for resource in message.resources:
            key = (kind, resource.name)
            assert self.sent.get(key) != resource.version or key in self.asked, f"twice: {key}"
            self.sent[key] = resource.version
            self.asked.discard(key)
            if kind is CLUSTER:  # it warms with its endpoints
                self.asked.add((ENDPOINT, resource.name))
        for name in message.removed_resources:
            key = (kind, name)
            assert self.sent.get(key) is not None or key in self.asked, f"not asked: {key}"
            assert kind is not EXTENSION
            self.sent[key] = None
            self.asked.discard(key)

    @rule(kind=kinds, name=names)
    def subscribe(self, kind, name):
        self.request(kind, [name])

    @rule(kind=st.sampled_from([k for k in ResourceType if k not in WHOLE]), name=names)
    def unsubscribe(self, kind, name):
        self.wanted[kind].discard(name)
        self.has[kind].pop(name, None)
        self.sent.pop((kind, name), None)
        self.asked.discard((kind, name))
        self.request(kind, unsubscribe=[name])

    @rule(config=configs)
    def publish(self, config):
        self.move(built(config))

    @rule(kind=kinds, name=names, content=contents)
    def change(self, kind, name, content):
        made = built({kind: {name: content}})[kind]
        rest = {n: r for n, r in self.config[kind].items() if n != name}
        self.move({**self.config, kind: {**rest, **made}})

    def move(self, new):
        old, self.config = self.config, new
        changed = {kind: resources.changed(old[kind], new[kind]) for kind in ResourceType}
        self.take(self.session.publish(new, {k: n for k, n in changed.items() if n}))

    @precondition(lambda self: self.answers)
    @rule(which=st.integers(0, 9))
    def accept(self, which):
        self.answer(self.answers.pop(which % len(self.answers)))

    @precondition(lambda self: self.answers)
    @rule()
    def reject(self):
        message = self.answers.pop(0)
        kind = resources.BY_URL[message.type_url]
        self.request(kind, nonce=message.nonce, error="no")

    def answer(self, message):
        kind = resources.BY_URL[message.type_url]
        for resource in message.resources:
            if self.wanted[kind] & {"*", resource.name}:
                self.has[kind][resource.name] = resource.version
        for name in message.removed_resources:
            self.has[kind].pop(name, None)
        self.request(kind, nonce=message.nonce)

    @rule()
    def release(self):
        self.take(self.session.release())

    @rule()
    def reconnect(self):
        self.connect()

    def teardown(self):
        if not hasattr(self, "config"):
            return
        self.rest()
        self.take(self.session.release())  # of a cluster whose endpoints the peer never wants
        self.rest()
        for kind, name in itertools.product(ResourceType, NAMES):
            if self.wanted[kind] & {"*", name}:
                self.ended(kind, name)
        assert not any(self.session.plan.waiting(kind) for kind in ResourceType)

    def rest(self):
        for _ in range(200):
            if not self.answers:
                return
            self.answer(self.answers.pop(0))
        raise AssertionError("never comes to rest")

    def ended(self, kind, name):
        """The last that travelled is what is published, or what its type has for none."""
        sent, published = self.sent.get((kind, name)), self.config[kind].get(name)
        if published is not None:
            assert sent == published.version, (kind, name)
        elif kind in (*WHOLE, SECRET):
            assert sent is None, (kind, name)
        elif kind is RUNTIME or (kind is ENDPOINT and name in self.config[CLUSTER]):
            assert sent == resources.placeholder(kind, name).version, (kind, name)
        elif kind is not EXTENSION:
            assert sent is not None, f"never answered: {kind, name}"


TestPeer = Peer.TestCase
TestPeer.settings = settings(max_examples=50, stateful_step_count=30, deadline=None)


@pytest.mark.parametrize("kind", ResourceType)
def test_the_table_says_what_comes_of_everything_that_can_happen(kind):
    """Its gaps are what cannot be: see `Delivery` and `DeliveryEvent`."""
    table = delivery.TABLES[kind]
    states = {Delivery.UNTOLD} | {state for state, _ in table.values()}
    missing = {(s, e) for s, e in itertools.product(states, DeliveryEvent) if (s, e) not in table}
    impossible = {(s, DeliveryEvent.SAME) for s in (Delivery.UNTOLD, Delivery.DENIED)}
    orderly = {
        (s, e)
        for s, e in itertools.product(states, (DeliveryEvent.SETTLED, DeliveryEvent.ORPHANED))
        if s is not Delivery.LEAVING or (e is DeliveryEvent.ORPHANED and kind is not ENDPOINT)
    }
    assert missing <= impossible | orderly
    assert {state for state, _ in table} == states


@pytest.mark.parametrize("kind", ResourceType)
def test_what_is_sent_is_held_and_what_is_denied_is_not(kind):
    for state, action in delivery.TABLES[kind].values():
        assert (action in (Action.SEND, Action.EMPTY)) <= (state is Delivery.HELD)
        assert (action in (Action.DENY, Action.REMOVE)) <= (state is Delivery.DENIED)
