"""Classes of requests against brute force over small alphabets."""

import itertools
import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings, strategies as st

from lateen.predict.classes import expressions
from lateen.predict.classes.languages import Language, Languages
from lateen.predict.classes.regions import OpenError, Regions
from lateen.predict.spaces.cells import passes
from lateen.predict.values.request import Http
from lateen.predict.values.trail import PRESENT, Literal, Test

WORDS = ["".join(each) for size in range(5) for each in itertools.product("ab/", repeat=size)]
PATHS = [word for word in WORDS if word.startswith("/") and "//" not in word]

_atoms = st.sampled_from(["a", "b", "/", "[ab]", "[^a]", ".", "(?i)A", "a{2}", "b{0,2}"])
_expressions = st.recursive(
    _atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: f"(?:{p[0]})(?:{p[1]})"),
        st.tuples(inner, inner).map(lambda p: f"(?:{p[0]}|{p[1]})"),
        inner.map(lambda e: f"(?:{e})*"),
        inner.map(lambda e: f"(?:{e})+?"),
        inner.map(lambda e: f"(?:{e})?"),
    ),
    max_leaves=5,
)


def matched(expression: str, word: str) -> bool:
    plain = expression.replace("(?i)A", "[aA]")
    return re.fullmatch(plain, word, re.ASCII) is not None


@settings(max_examples=150, deadline=None)
@given(_expressions)
def test_an_expression_has_the_words_that_it_matches(expression: str) -> None:
    made = Languages()
    language = expressions.language(made, expression)
    for word in WORDS:
        assert made.holds(language, word) == matched(expression, word), word


@settings(max_examples=150, deadline=None)
@given(_expressions, _expressions)
def test_joins_are_as_sets_are_and_words_are_shortest(first: str, second: str) -> None:
    made = Languages()
    one, two = (expressions.language(made, each) for each in (first, second))
    small = expressions.language(made, "[ab/]*")
    joins: list[tuple[Language, Callable[[bool, bool], bool]]] = [
        (made.both(one, two), lambda a, b: a and b),
        (made.less(one, two), lambda a, b: a and not b),
        (made.either(one, two), lambda a, b: a or b),
    ]
    for join, wanted in joins:
        language = made.both(join, small)
        inside = [w for w in WORDS if wanted(matched(first, w), matched(second, w))]
        assert [word for word in WORDS if made.holds(language, word)] == inside
        found = made.shortest(language)
        if inside:
            assert found is not None
            assert len(found) == min(map(len, inside))
        else:
            assert found is None or len(found) > 4
        assert found is None or made.holds(language, found)


@pytest.mark.parametrize("expression", [r"a\bb", r"\pL", "(a^b)", "(?m)a", "a)", "(a", "[[:x:]]"])
def test_what_is_not_modelled_is_refused(expression: str) -> None:
    with pytest.raises(expressions.ExpressionError):
        expressions.language(Languages(), expression)


_tests = st.builds(
    Test,
    kind=st.sampled_from(["exact", "prefix", "suffix", "contains", "below", "regex"]),
    value=st.sampled_from(["/a", "/", "a", "/a/b", "b", "/ab", "/b/a"]),
    fold=st.booleans(),
).filter(lambda test: not (test.kind == "regex" and test.fold))
_notes = st.lists(st.builds(Literal, field=st.just("path"), test=_tests, answer=st.booleans()))


@settings(max_examples=300, deadline=None)
@given(_notes)
def test_a_witness_answers_all_tests_and_is_there_if_any_path_does(notes: list[Literal]) -> None:
    found = Regions().witness(notes, Http())
    fitting = [path for path in PATHS if all(passes(n.test, path) == n.answer for n in notes)]
    if found is None:
        assert not fitting
        return
    assert all(passes(note.test, found.path) == note.answer for note in notes)
    if fitting:
        assert len(found.path) <= min(map(len, fitting))


def test_headers_are_absent_unless_they_are_asked_for() -> None:
    regions, base = Regions(), Http(headers=(("accept", "*/*"),))
    there = Literal("header x", PRESENT, True)
    gold = Literal("header x", Test(kind="prefix", value="gold"), True)
    found = regions.witness([there, gold], base)
    assert found is not None
    assert found.fields == (("header x", "gold"),)
    absent = regions.witness([Literal("header accept", PRESENT, False)], base)
    assert absent is not None
    assert absent.applied(base).headers == ()
    assert regions.witness([there, Literal("header x", PRESENT, False)], base) is None


def test_a_rewritten_path_is_asked_about_the_path_that_was_sent() -> None:
    new = Test(kind="exact", value="/new/x", cut="/old", put="/new")
    found = Regions().witness([Literal("path", new, True)], Http())
    assert found is not None
    assert found.path == "/old/x"


def test_a_test_that_is_no_language_is_said_to_be_open() -> None:
    with pytest.raises(OpenError):
        Regions().witness([Literal("path", Test(kind="regex", value=r"\pL"), True)], Http())
