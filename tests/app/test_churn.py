"""New endpoints may wait for each other while hundreds of proxies are told; lost ones may not."""

from typing import Any

from hypothesis import given, strategies as st

from lateen.app.mesh import churn
from lateen.store.api import Entry, Event, EventType, Key

KEY = Key(churn.SLICES, "default", "web-x")


def slice_of(endpoints: dict[str, bool | None], port: int = 8080, service: str = "web") -> Any:
    return {
        "metadata": {"name": "web-x", "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": port}],
        "endpoints": [
            {"addresses": [address], "conditions": {} if ready is None else {"ready": ready}}
            for address, ready in endpoints.items()
        ],
    }


def change(old: Any, new: Any) -> Event:
    return Event(EventType.MODIFIED, Entry(KEY, 2, new), Entry(KEY, 1, old))


ENDPOINTS = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([True, False, None]))


@given(ENDPOINTS, ENDPOINTS)
def test_what_waits_takes_nothing_away(old: dict[str, Any], new: dict[str, Any]) -> None:
    ready = {name: known for name, known in old.items() if known is not False}
    lost = [name for name in ready if name not in new or new[name] != ready[name]]
    assert churn.may_wait(change(slice_of(old), slice_of(new))) is not bool(lost)


def test_other_changes_do_not_wait() -> None:
    before = slice_of({"a": True})
    assert churn.may_wait(Event(EventType.ADDED, Entry(KEY, 1, before)))
    assert not churn.may_wait(change(before, slice_of({"a": True}, port=9090)))
    assert not churn.may_wait(change(before, slice_of({"a": True}, service="other")))
    gone = Event(EventType.DELETED, Entry(KEY, 2, before), Entry(KEY, 1, before))
    assert not churn.may_wait(gone)
    pod = Entry(Key("pods", "default", "a"), 1, {"metadata": {}})
    assert not churn.may_wait(Event(EventType.ADDED, pod))


@given(st.integers(0, 5000))
def test_few_proxies_are_never_waited_for_and_many_not_long(told: int) -> None:
    rest = churn.rest(told)
    assert rest == 0 if told < churn.FEWEST else 0 < rest <= 0.3
