"""Pods that run: which containers are added to them, which gates are lifted."""

from typing import Any

import pytest

from lateen.apiserver.kinds.strategy import ephemeral, registry

Json = dict[str, Any]


def pod(**spec: Any) -> Json:
    strategy = registry.strategy_for("pods")
    body = {
        "metadata": {"name": "x"},
        "spec": {"containers": [{"name": "app", "image": "nginx"}], **spec},
    }
    return strategy.prepare_create(strategy.default(body))


LOOK: Json = {"name": "look", "image": "busybox", "targetContainerName": "app"}
ADDED = [
    ("first", [], [LOOK], ""),
    ("one more", [LOOK], [LOOK, {"name": "b", "image": "c"}], ""),
    ("removed", [LOOK], [], 'existing ephemeral containers "look" may not be removed'),
    (
        "changed",
        [LOOK],
        [{**LOOK, "image": "other"}],
        'spec.ephemeralContainers[0]: Forbidden: existing ephemeral containers "look" may not be '
        "changed",
    ),
    ("name taken", [], [{**LOOK, "name": "app"}], 'name: Duplicate value: "app"'),
    ("no image", [], [{"name": "b"}], "spec.ephemeralContainers[0].image: Required value"),
    (
        "no target",
        [],
        [{**LOOK, "targetContainerName": "none"}],
        'spec.ephemeralContainers[0].targetContainerName: Not found: "none"',
    ),
    (
        "ports",
        [],
        [{**LOOK, "ports": [{"containerPort": 1}]}],
        "spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container",
    ),
    (
        "limits",
        [],
        [{**LOOK, "resources": {"limits": {"cpu": "1"}}}],
        "resources: Forbidden: cannot be set for an Ephemeral Container",
    ),
]


@pytest.mark.parametrize(
    ("before", "after", "message"), [row[1:] for row in ADDED], ids=[row[0] for row in ADDED]
)
def test_containers_are_added_to_a_pod(before: list[Json], after: list[Json], message: str) -> None:
    old = pod(ephemeralContainers=before)
    sent = {**pod(ephemeralContainers=after, nodeName="elsewhere")}
    new = registry.strategy_for("pods").default(ephemeral.taken(old, sent))
    causes = [str(one) for one in ephemeral.check_change(old, new)]
    assert len(causes) == bool(message)
    assert message in "".join(causes)
    assert new["spec"].get("nodeName") is None, "nothing else is taken"


def test_a_new_pod_brings_no_added_containers() -> None:
    strategy = registry.strategy_for("pods")
    causes = strategy.validate_create(strategy.default(pod(ephemeralContainers=[LOOK])))
    assert [str(one) for one in causes] == [
        "spec.ephemeralContainers: Forbidden: cannot be set on create"
    ]


def test_scheduling_gates_are_lifted_and_not_put_up() -> None:
    strategy = registry.strategy_for("pods")
    held, free = pod(schedulingGates=[{"name": "a.b/c"}]), pod()
    assert strategy.validate_update(held, free) == ()
    assert strategy.validate_update(held, held) == ()
    assert [str(one) for one in strategy.validate_update(free, held)] == [
        "spec.schedulingGates: Forbidden: only deletion is allowed, but found new scheduling gate "
        "'a.b/c'"
    ]
