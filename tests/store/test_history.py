import msgspec
import pytest

from lateen.store import api
from lateen.store.history import History, obsolete


def event(
    revision: int, name: str, kind: str = "ADDED", before: int = 0, resource: str = "pods"
) -> api.Event:
    key = api.Key(resource, "default", name)
    previous = api.Entry(key, before, {"at": before}) if before else None
    return api.Event(api.EventType(kind), api.Entry(key, revision, {"at": revision}), previous)


def filled() -> History:
    history = History(capacity=4)
    for each in (
        event(1, "a"),
        event(2, "b"),
        event(3, "a", "MODIFIED", before=1),
        event(4, "x", resource="services"),
        event(5, "b", "DELETED", before=2),
    ):
        history.append(each)
    return history


@pytest.mark.parametrize(
    ("after", "resource", "expected"),
    [
        (0, "*", [1, 2, 3, 4, 5]),
        (2, "pods", [3, 5]),
        (0, "services", [4]),
        (4, "services", []),
        (5, "*", []),
    ],
)
def test_since(after: int, resource: str, expected: list[int]) -> None:
    assert [each.revision for each in filled().since(after, resource)] == expected


def test_undo_gives_the_state_then() -> None:
    changed = filled().undo(1, "pods")
    then = {key.name: entry and entry.revision for key, entry in changed.items()}
    assert then == {"b": None, "a": 1}


def test_large_events_leave_earlier() -> None:
    history = History(capacity=1000, room=100)
    for revision in range(1, 5):
        history.append(msgspec.structs.replace(event(revision, "a"), size=30))
    assert not history.overdue
    history.append(msgspec.structs.replace(event(5, "a"), size=30))
    assert history.overdue
    assert [each.revision for each in history.compact()] == [1, 2]
    assert (history.floor, history.newest) == (2, 5)
    assert not history.overdue
    history.append(msgspec.structs.replace(event(6, "a"), size=1000))
    assert [each.revision for each in history.compact()] == [3, 4, 5]
    assert not history.overdue, "the newest stays, however large"
    with pytest.raises(api.ExpiredError):
        history.check(4)


def test_compaction_keeps_the_newest() -> None:
    history = filled()
    assert history.overdue
    assert [each.revision for each in history.compact()] == [1]
    assert (history.floor, history.newest, history.overdue) == (1, 5, False)
    assert [each.revision for each in history.since(1)] == [2, 3, 4, 5]
    with pytest.raises(api.ExpiredError, match="oldest kept is 1"):
        history.since(0)


def test_gaps_are_refused() -> None:
    history = filled()
    with pytest.raises(ValueError, match="7 does not follow 5"):
        history.append(event(7, "c"))


def test_obsolete_rows_are_old_states_and_deletions() -> None:
    assert obsolete([event(1, "a"), event(3, "a", "MODIFIED", before=1)]) == (1,)
    assert obsolete([event(5, "b", "DELETED", before=2)]) == (2, 5)
