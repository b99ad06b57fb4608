"""The hub: layers, what counts as a change, statuses, and words for a rejection."""

from datetime import UTC, datetime

import pytest

from lateen.base.clock import ManualClock
from lateen.compiler.output import Resource, ResourceSet, ResourceType
from lateen.model.meta import ObjectRef, Source
from lateen.xds.hub import Hub
from lateen.xds.status import SyncState

CLUSTER, ENDPOINT, LISTENER, ROUTE, SECRET, EXTENSION, RUNTIME = ResourceType
PROXY = "default/a"


class Recorder:
    """A stream that remembers what it was told and is as far as a test says."""

    def __init__(self):
        self.told = []
        self.behind = set()

    def publish(self, config, touched):
        self.told.append({kind: set(names) for kind, names in touched.items()})
        self.behind.update(touched)

    def waiting(self, kind):
        return kind in self.behind

    def subscribed(self, kind):
        return kind is not SECRET


def resource(kind, name, body=b"1", source=None):
    return Resource(kind, name, body, (source,) if source else ())


def content(*resources):
    by_type = {}
    for each in resources:
        by_type.setdefault(each.type, {})[each.name] = each
    return ResourceSet(by_type)


@pytest.fixture
def hub():
    made = Hub(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    made.add_proxy(PROXY)
    return made


def test_layers_are_merged_by_type(hub):
    hub.publish(PROXY, "mesh", content(resource(CLUSTER, "a")))
    hub.publish(PROXY, "secrets", content(resource(SECRET, "default")))
    hub.publish(PROXY, "credentials", content(resource(SECRET, "kubernetes://x")))
    config = hub.config(PROXY)
    assert set(config[SECRET]) == {"default", "kubernetes://x"}
    hub.publish(PROXY, "credentials", content())
    assert set(hub.config(PROXY)[SECRET]) == {"default"}


def test_only_what_changed_reaches_only_the_stream_it_concerns(hub):
    hub.add_proxy("default/b")
    a, b = Recorder(), Recorder()
    same = resource(CLUSTER, "same")
    hub.publish(PROXY, "mesh", content(same, resource(CLUSTER, "x"), resource(ROUTE, "r")))
    hub.attach(PROXY, a)
    hub.attach("default/b", b)
    changed = hub.publish(
        PROXY, "mesh", content(same, resource(CLUSTER, "y"), resource(ROUTE, "r"))
    )
    assert changed
    assert a.told == [{CLUSTER: {"x", "y"}}]
    assert b.told == []


def test_equal_bytes_are_no_change(hub):
    stream = Recorder()
    hub.publish(PROXY, "mesh", content(resource(CLUSTER, "a")))
    hub.attach(PROXY, stream)
    assert not hub.publish(PROXY, "mesh", content(resource(CLUSTER, "a")))
    assert stream.told == []


def test_how_far_a_proxy_is(hub):
    assert not hub.status(PROXY).connected
    stream = Recorder()
    hub.attach(PROXY, stream)
    hub.publish(PROXY, "mesh", content(resource(CLUSTER, "a"), resource(LISTENER, "l")))
    status = hub.status(PROXY)
    assert status.types[CLUSTER].state is SyncState.STALE
    assert status.types[SECRET].state is SyncState.NOT_SENT
    assert not status.synced
    stream.behind.clear()
    for kind in (CLUSTER, LISTENER):
        hub.settled(PROXY, kind, ("a",), None)
    status = hub.status(PROXY)
    assert status.types[CLUSTER].state is SyncState.SYNCED
    assert status.types[CLUSTER].acknowledged == status.types[CLUSTER].version == 1
    assert status.synced
    hub.detach(PROXY, stream)
    assert not hub.status(PROXY).synced


def test_a_rejection_is_shown_and_explained_until_the_next_acknowledgement(hub):
    source = Source(ObjectRef("VirtualService", "default", "routes"), "spec.http[0].match[0].uri")
    stream = Recorder()
    hub.attach(PROXY, stream)
    hub.publish(PROXY, "mesh", content(resource(ROUTE, "80", source=source)))
    stream.behind.clear()
    hub.settled(PROXY, ROUTE, ("80",), "route 80: Invalid regex '(': missing )")
    status = hub.status(PROXY)
    entry = status.types[ROUTE]
    assert entry.state is SyncState.NACK
    assert entry.error == "route 80: Invalid regex '(': missing )"
    assert str(source) in entry.explanation
    assert "RE2" in entry.explanation
    assert "last good configuration" in entry.explanation
    assert status.errors == (entry,)
    hub.settled(PROXY, ROUTE, ("80",), None)
    assert hub.status(PROXY).types[ROUTE].state is SyncState.SYNCED


def test_a_rejection_stays_until_what_was_rejected_is_accepted_or_gone(hub):
    """Envoy acknowledges what comes after, and still runs without what it refused."""
    stream = Recorder()
    hub.attach(PROXY, stream)
    every = [resource(CLUSTER, name) for name in ("a", "b", "c")]
    hub.publish(PROXY, "mesh", content(*every))
    stream.behind.clear()
    hub.settled(PROXY, CLUSTER, ("a", "b"), "Error adding/updating cluster(s) b: no such mode")
    hub.settled(PROXY, CLUSTER, ("c",), None)
    assert hub.status(PROXY).types[CLUSTER].state is SyncState.NACK
    assert "cluster b" in hub.status(PROXY).types[CLUSTER].explanation
    hub.publish(PROXY, "mesh", content(every[0], every[2]))
    stream.behind.clear()
    assert hub.status(PROXY).types[CLUSTER].state is SyncState.SYNCED
    hub.settled(PROXY, CLUSTER, ("a",), "wrong")
    hub.settled(PROXY, CLUSTER, ("c",), None)
    hub.settled(PROXY, CLUSTER, ("a",), None)
    assert hub.status(PROXY).types[CLUSTER].state is SyncState.SYNCED


def test_who_came_answered_or_left_is_announced():
    seen = []
    hub = Hub(ManualClock(datetime(2026, 1, 1, tzinfo=UTC)))
    hub.subscribe(seen.append)
    hub.add_proxy(PROXY)
    hub.publish(PROXY, "mesh", content(resource(CLUSTER, "a")))
    assert seen == []
    stream = Recorder()
    hub.attach(PROXY, stream)
    hub.settled(PROXY, CLUSTER, ("a",), None)
    hub.detach(PROXY, stream)
    assert seen == [PROXY] * 3


def test_a_reconnected_stream_outlives_the_one_it_replaced(hub):
    old, new = Recorder(), Recorder()
    hub.attach(PROXY, old)
    hub.attach(PROXY, new)
    hub.detach(PROXY, old)
    assert hub.status(PROXY).connected


def test_an_unknown_proxy(hub):
    with pytest.raises(KeyError):
        hub.publish("default/nobody", "mesh", content())
    hub.settled("default/nobody", CLUSTER, (), None)
    hub.remove_proxy("default/nobody")
