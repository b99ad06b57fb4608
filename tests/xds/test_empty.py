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
