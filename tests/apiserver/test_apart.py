"""Large writes are decided in a thread and stored in the loop, if nothing changed in between."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from lateen.apiserver.writing import apart, verbs
from lateen.base.clock import SystemClock
from lateen.model.client import APPLY, ApiError
from lateen.store.memory import MemoryStore
from tests import first_namespaces

MERGE = "application/merge-patch+json"
OPTIONS = verbs.WriteOptions(manager="test")


def virtual_service(routes: int) -> dict[str, Any]:
    return {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "big", "namespace": "default"},
        "spec": {
            "hosts": ["web"],
            "http": [
                {"match": [{"uri": {"prefix": f"/{n}"}}], "route": [{"destination": {"host": "a"}}]}
                for n in range(routes)
            ],
        },
    }


@pytest.fixture
def api() -> verbs.Api:
    found = verbs.Api(MemoryStore(), SystemClock())
    first_namespaces.ensure(found)
    return found


def hosts(api: verbs.Api) -> list[str]:
    spec: dict[str, Any] = api.get(big(api))["spec"]
    return list(spec["hosts"])


def big(api: verbs.Api) -> verbs.Target:
    return api.target("virtualservices.networking.istio.io", "default", "big")


def meanwhile(decide: Callable[[], verbs.Commit], *acts: Callable[[], object]) -> Any:
    """Return the decision, after each of which somebody else writes first, as long as there are
    acts; and count where it was made."""
    left, threads = list(acts), []

    def decided() -> verbs.Commit:
        threads.append(threading.current_thread() is threading.main_thread())
        commit = decide()

        def late() -> verbs.Written:
            if left:
                left.pop(0)()
            return commit()

        return late

    return decided, threads


def patch(api: verbs.Api, body: Any, media: str = MERGE) -> Callable[[], verbs.Commit]:
    return lambda: api.decide_patch(big(api), body, media, OPTIONS)


def test_what_was_decided_beside_is_what_one_step_would_have_stored(api: verbs.Api) -> None:
    body = virtual_service(300)
    decide, in_loop = meanwhile(patch(api, body, APPLY))
    written = asyncio.run(apart.write(decide))
    assert (written.created, in_loop) == (True, [False])
    other = verbs.Api(MemoryStore(), SystemClock())
    first_namespaces.ensure(other)
    same = other.patch(big(other), body, APPLY, OPTIONS)
    assert written.object["spec"] == same.object["spec"]
    assert written.object["metadata"].keys() == same.object["metadata"].keys()


def test_a_patch_is_decided_again_on_what_came_in_between(api: verbs.Api) -> None:
    api.patch(big(api), virtual_service(2), APPLY, OPTIONS)
    other = {"metadata": {"labels": {"of": "another"}}}
    decide, in_loop = meanwhile(
        patch(api, {"spec": {"hosts": ["db"]}}), lambda: api.patch(big(api), other, MERGE, OPTIONS)
    )
    written = asyncio.run(apart.write(decide))
    assert in_loop == [False, False]
    assert hosts(api) == ["db"]
    assert written.object["metadata"]["labels"] == {"of": "another"}


def test_who_is_always_late_is_served_in_one_step(api: verbs.Api) -> None:
    api.patch(big(api), virtual_service(2), APPLY, OPTIONS)

    def touch(number: int) -> Callable[[], object]:
        label = {"metadata": {"labels": {"n": str(number)}}}
        return lambda: api.patch(big(api), label, MERGE, OPTIONS)

    decide, in_loop = meanwhile(patch(api, {"spec": {"hosts": ["db"]}}), *map(touch, range(3)))
    asyncio.run(apart.write(decide))
    assert in_loop == [False, False, False, True]
    assert hosts(api) == ["db"]


def test_an_update_of_what_changed_meanwhile_is_refused(api: verbs.Api) -> None:
    """Its resourceVersion says what it was made of: deciding again must not overlook that."""
    api.patch(big(api), virtual_service(2), APPLY, OPTIONS)
    body = {**api.get(big(api)), "spec": virtual_service(3)["spec"]}
    label = {"metadata": {"labels": {"of": "another"}}}
    decide, _ = meanwhile(
        lambda: api.decide_update(big(api), body, OPTIONS),
        lambda: api.patch(big(api), label, MERGE, OPTIONS),
    )
    with pytest.raises(ApiError) as refused:
        asyncio.run(apart.write(decide))
    assert refused.value.code == 409
    assert api.get(big(api))["metadata"]["labels"] == {"of": "another"}


def test_what_somebody_created_first_exists(api: verbs.Api) -> None:
    body = virtual_service(2)
    decide, _ = meanwhile(
        lambda: api.decide_create(big(api), body, OPTIONS),
        lambda: api.create(big(api), body, OPTIONS),
    )
    with pytest.raises(ApiError) as refused:
        asyncio.run(apart.write(decide))
    assert refused.value.reason == "AlreadyExists"


def test_large_is_what_is_made_of_many_parts(api: verbs.Api) -> None:
    assert apart.worth(big(api))
    assert not apart.worth(api.target("configmaps", "default", "x"))
    assert not apart.worth(api.target("services", "default", "x"))
