"""Metadata over an object's life: deletion in all its ways, and what an update may not touch."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.apiserver.writing import objects
from lateen.model.client import ApiError
from lateen.model.schema import kinds
from lateen.model.schema.kindinfo import KindInfo

NOW = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)
PODS, MAPS, SPACES = (kinds.KINDS[name] for name in ("pods", "configmaps", "namespaces"))


def thing(spec: dict[str, Any] | None = None, **metadata: Any) -> dict[str, Any]:
    base = {"name": "x", "namespace": "d", "uid": "u1", "resourceVersion": "5"}
    return {"metadata": base | metadata, "spec": spec or {}}


RUNS = {"nodeName": "n", "terminationGracePeriodSeconds": 30}


@pytest.mark.parametrize(
    ("info", "obj", "options", "removed", "grace", "finalizers"),
    [
        (MAPS, thing(), {}, True, None, []),
        (MAPS, thing(), {"grace": 30}, True, None, []),
        (MAPS, thing(finalizers=["a/b"]), {}, False, 0, ["a/b"]),
        (MAPS, thing(), {"propagation": "Background"}, True, None, []),
        (MAPS, thing(), {"propagation": "Orphan"}, False, 0, ["orphan"]),
        (MAPS, thing(), {"propagation": "Foreground"}, False, 0, ["foregroundDeletion"]),
        (MAPS, thing(finalizers=["orphan"]), {"propagation": "Background"}, True, None, []),
        (PODS, thing(), {}, True, None, []),
        (PODS, thing(RUNS), {}, False, 30, []),
        (PODS, thing(RUNS), {"grace": 5}, False, 5, []),
        (PODS, thing(RUNS), {"grace": 0}, True, None, []),
        (PODS, thing(RUNS, finalizers=["a/b"]), {"grace": 0}, False, 0, ["a/b"]),
        (PODS, {**thing(RUNS), "status": {"phase": "Failed"}}, {}, True, None, []),
        (SPACES, thing({"finalizers": ["kubernetes"]}), {}, False, 0, []),
        (SPACES, thing(), {}, True, None, []),
    ],
)
def test_deletion(
    info: KindInfo,
    obj: dict[str, Any],
    options: dict[str, Any],
    removed: bool,
    grace: int | None,
    finalizers: list[str],
) -> None:
    done = objects.delete(info, obj, objects.DeleteOptions(**options), NOW)
    metadata = done.object["metadata"]
    assert done.remove is removed
    assert metadata.get("deletionGracePeriodSeconds") == grace
    assert metadata.get("finalizers", []) == finalizers
    assert ("deletionTimestamp" in metadata) is not removed
    assert "deletionTimestamp" not in obj["metadata"]


def test_grace_can_be_shortened_but_not_prolonged() -> None:
    going = objects.delete(PODS, thing(RUNS), objects.DeleteOptions(grace=20), NOW).object
    assert going["metadata"]["deletionTimestamp"] == "2026-11-24T08:00:20Z"
    longer = objects.delete(PODS, going, objects.DeleteOptions(grace=60), NOW).object
    assert longer["metadata"]["deletionGracePeriodSeconds"] == 20
    sooner = objects.delete(PODS, going, objects.DeleteOptions(grace=1), NOW).object
    assert sooner["metadata"]["deletionTimestamp"] == "2026-11-24T08:00:01Z"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"uid": "u2"}, "UID in precondition: u2, UID in object meta: u1"),
        ({"resource_version": "4"}, "ResourceVersion in precondition: 4"),
    ],
)
def test_preconditions(options: dict[str, str], words: str) -> None:
    with pytest.raises(ApiError, match=words) as caught:
        objects.delete(MAPS, thing(), objects.DeleteOptions(**options), NOW)
    assert caught.value.code == 409


@pytest.mark.parametrize(
    ("body", "query", "expected"),
    [
        (None, {}, objects.DeleteOptions()),
        ({"gracePeriodSeconds": 3}, {}, objects.DeleteOptions(grace=3)),
        (None, {"gracePeriodSeconds": "3"}, objects.DeleteOptions(grace=3)),
        ({"propagationPolicy": "Orphan"}, {}, objects.DeleteOptions(propagation="Orphan")),
        ({"orphanDependents": True}, {}, objects.DeleteOptions(propagation="Orphan")),
        ({"dryRun": ["All"]}, {}, objects.DeleteOptions(dry_run=True)),
        ({"preconditions": {"uid": "u"}}, {}, objects.DeleteOptions(uid="u")),
    ],
)
def test_options(body: Any, query: dict[str, str], expected: objects.DeleteOptions) -> None:
    assert objects.delete_options(body, query) == expected


def test_an_update_keeps_what_is_the_servers() -> None:
    old = thing(creationTimestamp="2026-01-01T00:00:00Z", deletionTimestamp="t", finalizers=["a/b"])
    sent = {"metadata": {"name": "x", "labels": {"a": "b"}, "deletionTimestamp": "other"}}
    kept = objects.carried(MAPS, old, sent)
    assert kept["creationTimestamp"] == "2026-01-01T00:00:00Z"
    assert (kept["deletionTimestamp"], kept["uid"], kept["labels"]) == ("t", "u1", {"a": "b"})
    with pytest.raises(ApiError, match="no new finalizers can be added"):
        objects.carried(MAPS, old, {"metadata": {"finalizers": ["a/b", "c/d"]}})
    with pytest.raises(ApiError, match="UID in precondition: u9"):
        objects.carried(MAPS, old, {"metadata": {"uid": "u9"}})


def test_a_new_object_gets_its_own_metadata() -> None:
    sent = {"generateName": "y" * 80, "uid": "mine", "resourceVersion": "7", "selfLink": "/x"}
    made = objects.born(sent, NOW, "u7", "abcde")
    assert made["name"] == "y" * 58 + "abcde"
    assert (made["uid"], made["creationTimestamp"]) == ("u7", "2026-11-24T08:00:00Z")
    assert "resourceVersion" not in made
