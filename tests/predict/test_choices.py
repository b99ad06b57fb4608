"""Every way that lots can fall is walked once, and their shares add up."""

from hypothesis import given, strategies as st

from lateen.predict.connection import choices
from lateen.predict.connection.choices import Choices, Option

TREES = st.recursive(
    st.just(None), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=20
)


def leaves(tree: object) -> int:
    return 1 if tree is None else sum(map(leaves, tree))


@given(TREES)
def test_all_leaves_are_reached_once(tree: object) -> None:
    def walk(drawn: Choices) -> tuple[int, ...]:
        node, way = tree, []
        while node is not None:
            options = [Option(str(n), 1 / len(node)) for n in range(len(node))]
            way.append(drawn.choose(options))
            node = node[way[-1]]
        return tuple(way)

    found, complete = choices.every(walk)
    ways = [way for _, way in found]
    assert complete
    assert len(ways) == len(set(ways)) == leaves(tree)
    assert abs(sum(drawn.share or 0 for drawn, _ in found) - 1) < 1e-9


def test_what_lies_beyond_the_limit_is_said_to_be_open() -> None:
    def walk(drawn: Choices) -> None:
        for _ in range(10):
            drawn.choose((Option("a", 0.5), Option("b", 0.5)))

    found, complete = choices.every(walk, most=7)
    assert (len(found), complete) == (7, False)


def test_a_fact_has_no_share() -> None:
    found, _ = choices.every(lambda drawn: drawn.choose((Option("a"), Option("b"))))
    assert [drawn.share for drawn, _ in found] == [None, None]
