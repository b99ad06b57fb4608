"""The state machine of what is published: every event in every state, and any order of them."""

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from lateen.app.mesh import turns
from lateen.app.mesh.publication import Publication, Refused, Stage
from tests.app.test_turns import ACCEPTS, D, P, meshes, views

NAMES = ("s0", "s1", "c", "g")
START = views(((P, P), (P, P)))


def whole(publication, now=0.0, busy=frozenset()):
    """Publish turn after turn, as far as it goes."""
    while publication.stage is Stage.DUE:
        publication = publication.begin()
        while publication.turn:
            publication = publication.published(next(iter(publication.turn)))
        if publication.stage is Stage.PUBLISHING:
            publication = publication.end(busy, now)
    return publication


def states():
    """One publication in each state, between the same two meshes."""
    resting = whole(Publication().wish(START))
    due = resting.wish(views(((D, P), (P, P))))
    publishing = due.begin()
    return {
        Stage.RESTING: resting,
        Stage.DUE: due,
        Stage.PUBLISHING: publishing,
        Stage.WAITING: whole(due, busy=frozenset(NAMES)),
    }


EVENTS = {
    "wish": lambda made: made.wish(START),
    "begin": lambda made: made.begin(),
    "published": lambda made: made.published(next(iter(made.turn), "c")),
    "failed": lambda made: made.failed(next(iter(made.turn), "c")),
    "end": lambda made: made.end(frozenset(), 0.0),
    "give_up": lambda made: made.give_up(made.late(1.0)),
    "answered": lambda made: made.answered("g"),
    "forget": lambda made: made.forget(NAMES),
}
NO = None
TABLE = {
    Stage.RESTING: ("resting", NO, NO, NO, NO, NO, "resting", "resting"),
    Stage.DUE: ("resting", "publishing", NO, NO, NO, NO, "due", "resting"),
    Stage.PUBLISHING: (NO, NO, "publishing", "publishing", NO, NO, "publishing", "publishing"),
    Stage.WAITING: ("due", NO, NO, NO, NO, "due", "due", "resting"),
}


@pytest.mark.parametrize("state", list(Stage))
def test_each_state_stands_where_it_says(state):
    assert states()[state].stage is state


@pytest.mark.parametrize(
    ("state", "event", "expected"),
    [
        (state, event, after)
        for state, row in TABLE.items()
        for event, after in zip(EVENTS, row, strict=True)
    ],
)
def test_every_event_in_every_state(state, event, expected):
    made = states()[state]
    if expected is NO:
        with pytest.raises(Refused):
            EVENTS[event](made)
    else:
        assert EVENTS[event](made).stage.value == expected


def test_a_refusal_names_the_event_and_the_state():
    with pytest.raises(Refused, match="begin in state resting"):
        Publication().begin()
    with pytest.raises(Refused, match="published of c, whose turn it is not"):
        states()[Stage.PUBLISHING].published("c")


def test_a_turn_ends_when_all_of_it_is_published():
    made = states()[Stage.PUBLISHING]
    with pytest.raises(Refused, match="not over"):
        made.end(frozenset(), 0.0)
    made = made.published("g").published("s0")
    assert made.end(frozenset("g"), 5.0).choosing == {"g": 5.0}


def test_who_waits_keeps_the_moment_it_began_to():
    made = whole(states()[Stage.DUE], 3.0, frozenset({"g"}))
    assert made.choosing["g"] == 3.0
    assert made.late(2.9) == ()
    assert "g" in made.late(3.0)
    assert whole(made.wish(views(((D, D), (P, P)))), 9.0, frozenset({"g"})).choosing["g"] == 3.0


def test_one_that_fails_holds_nobody_up():
    made = states()[Stage.DUE].begin()
    assert list(made.turn) == ["g", "s0"]
    made = whole(made.failed("g").published("s0").end(frozenset(), 0.0))
    assert made.stage is Stage.RESTING
    assert made.sent["g"] == START["g"]
    assert made.sent["s0"].inbound.ports[0].mode.mode is D


def test_after_a_silence_all_others_have_one_turn():
    made = states()[Stage.WAITING]
    made = made.give_up(made.late(0.0))
    assert made.hasty
    assert set(made.begin().turn) >= set(made.wanted) - {"s0"}
    assert not whole(made).hasty


class Publishing(RuleBasedStateMachine):
    """Proxies that answer when they please, fail and go; servers and clients never disagree."""

    @initialize(mesh=meshes)
    def start(self, mesh):
        self.made, self.now = whole(Publication().wish(views(mesh))), 0.0
        self.newest = views(mesh)
        self.busy = set()
        self.may_use = {name: [view] for name, view in self.newest.items()}

    @precondition(lambda self: self.made.stage is not Stage.PUBLISHING)
    @rule(mesh=meshes)
    def wish(self, mesh):
        known = {n: self.made.sent.get(n) for n in NAMES}
        self.newest = {n: known[n] if known[n] == v else v for n, v in views(mesh).items()}
        self.made = self.made.wish(self.newest)

    @precondition(lambda self: self.made.stage is Stage.DUE)
    @rule()
    def begin(self):
        self.made = self.made.begin()

    @precondition(lambda self: self.made.turn)
    @rule(which=st.integers(0, 3))
    def publish(self, which):
        names = list(self.made.turn)
        name = names[which % len(names)]
        self.may_use.setdefault(name, []).append(self.made.turn[name])
        self.busy.add(name)
        self.made = self.made.published(name)

    @precondition(lambda self: self.made.stage is Stage.PUBLISHING and not self.made.turn)
    @rule(later=st.floats(0, 2))
    def end(self, later):
        self.now += later
        self.made = self.made.end(frozenset(self.busy), self.now)

    @rule(name=st.sampled_from(NAMES))
    def answer(self, name):
        self.may_use[name] = self.may_use.get(name, [])[-1:]
        self.busy.discard(name)
        self.made = self.made.answered(name)

    @invariant()
    def no_client_sends_what_a_server_may_refuse(self):
        for uses in getattr(self, "may_use", {}).values():
            for each in (e for view in uses for e in (view.outbound or view.gateway).endpoints):
                server, port = each.cluster.split("|")
                for listening in self.may_use[server]:
                    mode = turns.mode_at(listening.inbound, int(port)).mode
                    assert each.mtls[0] in ACCEPTS[mode]

    @invariant()
    def the_state_says_what_counts(self):
        made = getattr(self, "made", Publication())
        assert (made.stage is Stage.RESTING) == (not made.wanted and not self._in_turn(made))
        assert not made.turn or made.stage is Stage.PUBLISHING
        assert made.stage is not Stage.WAITING or made.opening or made.choosing

    def _in_turn(self, made):
        return made.stage is Stage.PUBLISHING

    def teardown(self):
        if not hasattr(self, "made"):
            return
        for _ in range(40):
            while self.made.turn:
                self.publish(0)
            if self.made.stage is Stage.PUBLISHING:
                self.end(0.0)
            for name in NAMES:
                self.answer(name)
            if self.made.stage is Stage.DUE:
                self.made = self.made.begin()
        assert self.made.stage is Stage.RESTING
        assert self.made.sent == self.newest


TestPublishing = Publishing.TestCase
TestPublishing.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
