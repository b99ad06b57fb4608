"""What messages advise works as it is typed; what is told is no wider than a terminal."""

import pytest
from hypothesis import given, strategies as st

from lateen.cli.main import app
from lateen.cli.screen import tables
from lateen.cli.terminal import hints, width


@pytest.mark.parametrize(
    ("text", "program", "lab", "expected"),
    [
        ("Start it with `lateen up DIR`.", "lateen", "", "Start it with `lateen up DIR`."),
        ("see `lateen status`", "./run lateen", "", "see `./run lateen status`"),
        ("see `lateen get pods -n a`", "lateen", "b", "see `lateen get pods -n a --lab b`"),
        ("`lateen exec POD -- ls`", "lateen", "b", "`lateen exec POD --lab b -- ls`"),
        ("`lateen up --lab OTHER DIR`", "lateen", "b", "`lateen up --lab OTHER DIR`"),
        ("try: lateen ls; lateen down", "x", "b", "try: x ls; x down --lab b"),
        ("`helm template N C | lateen up -`", "x", "b", "`helm template N C | x up - --lab b`"),
        ("Lateen needs Linux", "x", "b", "Lateen needs Linux"),
        ("/var/lib/lateen is full; lateen.yaml", "x", "b", "/var/lib/lateen is full; lateen.yaml"),
        ("`lateen --version`", "x", "b", "`x --version`"),
    ],
)
def test_advised_commands_as_they_work_here(
    text: str, program: str, lab: str, expected: str
) -> None:
    assert hints.rewritten(text, program, lab) == expected


def test_every_other_command_can_name_a_lab() -> None:
    without = {
        name
        for name, command in app.commands.items()
        if not any("--lab" in parameter.opts for parameter in command.params)
    }
    advised = {
        name for name in app.commands if "--lab" not in hints.rewritten(f"lateen {name}", "l", "x")
    }
    assert advised == without


def test_lines_wrap_at_words_and_hang() -> None:
    assert width.fitted("  one two three four five", 20) == "  one two three four\n      five"
    assert width.fitted("short", 20) == "short"
    assert width.fitted("\x1b[1mbold words here\x1b[0m", 20) == "\x1b[1mbold words here\x1b[0m"


WORDS = st.text("ab/-.", min_size=1, max_size=12)


@given(st.lists(WORDS, max_size=30), st.integers(20, 60), st.integers(0, 4))
def test_no_line_is_wider_and_no_word_is_lost(words: list[str], limit: int, indent: int) -> None:
    line = " " * indent + " ".join(words)
    shown = width.fitted(line, limit)
    assert shown.split() == words
    assert all(width.columns(part) <= limit for part in shown.split("\n"))


CELLS = st.text("abc/- ", max_size=30).map(str.strip)


@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5), st.integers(40, 100))
def test_no_table_is_wider_and_no_letter_is_lost(
    rows: list[tuple[str, str, str]], limit: int
) -> None:
    shown = tables.fitted(["a", "b", "c"], rows, limit).split("\n")
    assert all(len(line) <= limit for line in shown)
    letters = sorted("".join(shown[1:]).replace(" ", ""))
    assert letters == sorted("".join("".join(row) for row in rows).replace(" ", ""))


def test_a_table_with_room_is_one_line_a_row() -> None:
    shown = tables.fitted(["name", "why"], [["a/b", "no reason"]], 80)
    assert shown == "NAME   WHY\na/b    no reason"


@pytest.mark.parametrize("limit", [60, 70, 78, 80, 81])
def test_the_heads_of_a_table_are_no_wider_than_the_terminal_either(limit: int) -> None:
    head = ["src", "dst", "port", "protocol", "secured", "requests", "errors", "why_no_tls"]
    row = ["default/cl", "10.0.0.1", "18099", "HTTP/1.1", "none", "1", "1", "no such endpoint"]
    shown = tables.fitted(head, [row], limit).split("\n")
    assert max(map(len, shown)) <= limit
    assert ("WHY_NO_TLS" in shown[0]) == (limit >= 70)
