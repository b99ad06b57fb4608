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


def test_a_client_that_returns_before_the_first_publication_keeps_what_it_has() -> None:
    """The server was started again: nothing that is there already may be taken for gone."""
    made = {
        kind: Resource(kind, "a", b"x")
        for kind in ResourceType
        if kind not in (ResourceType.EXTENSION, ResourceType.RUNTIME)
    }
    plan = Plan({})
    for kind, resource in made.items():
        plan.has(kind, {"a": resource.version, "old": "1"})
        if kind in (ResourceType.CLUSTER, ResourceType.LISTENER):
            plan.subscribe_all(kind)
        else:
            plan.subscribe(kind, ["a"])
    assert plan.next() == []
    config = {kind: {"a": resource} for kind, resource in made.items()}
    plan.publish({**NOTHING, **config}, {kind: ["a"] for kind in made})
    nonce, removed = 0, []
    while batches := plan.next():
        for batch in batches:
            nonce += 1
            plan.mark(batch, str(nonce))
            assert "a" not in batch.removed
            assert all(resource.body for resource in batch.resources), "an empty one"
            removed += [(batch.kind, name) for name in batch.removed]
        for number, batch in enumerate(batches):
            plan.settle(batch.kind, str(nonce - len(batches) + 1 + number), None)
    assert removed == [(ResourceType.LISTENER, "old"), (ResourceType.CLUSTER, "old")]


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


def test_runtime_values_are_answered_before_anything_else_is_known():
    """A proxy asks for them first, and for nothing else before it has them."""
    plan = Plan({})
    plan.subscribe(ResourceType.RUNTIME, ["lateen"])
    (batch,) = plan.next()
    assert [resource.name for resource in batch.resources] == ["lateen"]
    plan.mark(batch, "1")
    plan.settle(ResourceType.RUNTIME, "1", None)
    values = Resource(ResourceType.RUNTIME, "lateen", b"x")
    plan.publish({ResourceType.RUNTIME: {"lateen": values}}, {ResourceType.RUNTIME: ["lateen"]})
    assert [batch.resources for batch in plan.next()] == [(values,)]
