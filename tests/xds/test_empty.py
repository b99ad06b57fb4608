"""A client that asks for everything is answered even when there is nothing."""

from lateen.compiler.output import Resource, ResourceType
from lateen.xds.plan import Plan

NOTHING = {kind: {} for kind in ResourceType}


def test_an_empty_type_is_answered_once() -> None:
    cluster = Resource(ResourceType.CLUSTER, "a", b"x")
    plan = Plan({**NOTHING, ResourceType.CLUSTER: {"a": cluster}})
    plan.subscribe_all(ResourceType.LISTENER)
    (batch,) = plan.next()
    assert (batch.kind, batch.resources, batch.removed) == (ResourceType.LISTENER, (), ())
    plan.mark(batch, "1")
    plan.settle(ResourceType.LISTENER, "1", None)
    assert plan.next() == []


def test_nothing_is_answered_before_anything_was_published() -> None:
    plan = Plan({})
    plan.subscribe_all(ResourceType.LISTENER)
    assert plan.next() == []
    plan.publish(NOTHING, {})
    assert [batch.kind for batch in plan.next()] == [ResourceType.LISTENER]


def test_a_filter_is_never_told_that_its_configuration_is_gone():
    """Not if it never was (the listener that asks is about to be replaced), nor once it was."""
    rules = Resource(ResourceType.EXTENSION, "rules", b"x")
    known = {**NOTHING, ResourceType.EXTENSION: {"rules": rules}}
    plan = Plan(known)
    plan.subscribe(ResourceType.EXTENSION, ["rules", "other"])
    (batch,) = plan.next()
    assert (batch.resources, batch.removed) == ((rules,), ())
    plan.mark(batch, "1")
    plan.settle(ResourceType.EXTENSION, "1", None)
    plan.publish(NOTHING, {ResourceType.EXTENSION: ["rules"]})
    assert plan.next() == []
    assert not plan.waiting(ResourceType.EXTENSION)
    changed = Resource(ResourceType.EXTENSION, "rules", b"y")
    now = {**NOTHING, ResourceType.EXTENSION: {"rules": changed}}
    plan.publish(now, {ResourceType.EXTENSION: ["rules"]})
    assert [batch.resources for batch in plan.next()] == [(changed,)]
