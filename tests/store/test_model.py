"""Both stores do, step by step, what a dictionary and a list of its old copies would do."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from lateen.store import api
from lateen.store.memory import MemoryStore
from lateen.store.sqlite import SqliteStore

KEYS = st.builds(
    api.Key,
    st.sampled_from(["pods", "services"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["a", "b", "c"]),
)
VALUES = st.fixed_dictionaries({"spec": st.integers(0, 2)})
HISTORY = 6


class Stores(RuleBasedStateMachine):
    @initialize()
    def start(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "store.db"
        self.memory = MemoryStore(history=HISTORY)
        self.sqlite = SqliteStore(self.path, history=HISTORY)
        self.model: dict[api.Key, tuple[int, int]] = {}
        self.past: list[dict[api.Key, tuple[int, int]]] = [{}]

    def both(self, act: Any) -> Any:
        """Do it to both; their answers, or kinds of refusal, must be equal."""
        answers = []
        for store in (self.memory, self.sqlite):
            try:
                answers.append(act(store))
            except api.StoreError as error:
                answers.append((type(error), str(error)))
        assert answers[0] == answers[1]
        return answers[0]

    def wrote(self) -> int:
        self.past.append(dict(self.model))
        return len(self.past) - 1

    @rule(key=KEYS, value=VALUES)
    def create(self, key: api.Key, value: dict[str, Any]) -> None:
        answer = self.both(lambda store: store.create(key, value))
        if key in self.model:
            assert answer[0] is api.AlreadyExistsError
        else:
            self.model[key] = (len(self.past), value["spec"])
            assert answer.revision == self.wrote()

    @rule(key=KEYS, value=VALUES, lag=st.integers(-1, 1))
    def update(self, key: api.Key, value: dict[str, Any], lag: int) -> None:
        revision, spec = self.model.get(key, (0, 0))
        expected = max(0, revision + lag) if lag >= 0 else 0
        answer = self.both(lambda store: store.update(key, value, expected=expected))
        if not revision:
            assert answer[0] is api.NotFoundError
        elif expected not in (0, revision):
            assert answer[0] is api.ConflictError
        elif spec == value["spec"]:
            assert answer.revision == revision
        else:
            self.model[key] = (len(self.past), value["spec"])
            assert answer.revision == self.wrote()

    @rule(key=KEYS)
    def delete(self, key: api.Key) -> None:
        answer = self.both(lambda store: store.delete(key))
        if self.model.pop(key, None):
            assert answer.revision == self.wrote()
        else:
            assert answer[0] is api.NotFoundError

    @rule(back=st.integers(0, 10), namespace=st.sampled_from(["", "x"]), limit=st.integers(0, 2))
    def list_the_past(self, back: int, namespace: str, limit: int) -> None:
        at = max(1, len(self.past) - 1 - back)
        if self.memory.revision == 0:
            return
        after, found = None, {}
        while True:
            page = self.both(
                lambda store, after=after: store.list(
                    "pods", namespace, limit=limit, after=after, revision=at
                )
            )
            if isinstance(page, tuple):
                assert page[0] is api.ExpiredError
                assert back >= HISTORY
                return
            found |= {each.key: (each.revision, each.value["spec"]) for each in page.entries}
            if (after := page.continue_after) is None:
                break
        assert found == {
            key: state
            for key, state in self.past[at].items()
            if key.resource == "pods" and namespace in ("", key.namespace)
        }

    @rule()
    def reopen(self) -> None:
        self.sqlite.close()
        self.sqlite = SqliteStore(self.path, history=HISTORY)

    @invariant()
    def same_state(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.memory.revision == self.sqlite.revision == len(self.past) - 1
        for resource in ("pods", "services"):
            listing = self.both(lambda store, resource=resource: store.list(resource))
            expected = {k: v for k, v in self.model.items() if k.resource == resource}
            found = {each.key: (each.revision, each.value["spec"]) for each in listing.entries}
            assert found == expected

    def teardown(self) -> None:
        if hasattr(self, "sqlite"):
            self.sqlite.close()
            self.folder.cleanup()


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestStores.pytestmark = [pytest.mark.timeout(60)]
