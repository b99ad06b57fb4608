"""ARCHITECTURE's walks can be followed: every folder and module that it names is there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.structure.syntax import FILES

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "lateen"
TEXT = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
WALKS = ("One manifest", "One request", "One Pod", "Where a new kind goes")
INSIDE = ("", "compiler/frontend", "causes")
"""Where a walk's names stand: in the package, or in the room that it goes through just then."""
QUESTIONS = {
    "a VirtualService's timeout becomes Envoy's": ("compiler/backend/routes/action", "timeout"),
    'a packet becomes "TLS 1.3, SNI x"': ("observe/wire/tls", "SNI"),
    "a Pod's container is started": ("node/shim/spawn", "fork"),
    "`kubectl exec` arrives": ("apiserver/connecting/remotecommand", "Exec"),
}


def is_there(name: str) -> bool:
    places = (PACKAGE / inside / name for inside in INSIDE)
    return any(one.is_dir() or one.with_suffix(".py").is_file() for one in places) or (
        (ROOT / name).exists()
    )


def section(title: str) -> str:
    return TEXT.split(f"\n## {title}\n")[1].split("\n## ")[0]


def names(title: str) -> Iterator[str]:
    """The folders and modules of a walk: what is bold, and what is a path in backticks."""
    text = section(title)
    yield from re.findall(r"\*\*([\w/.]+)\*\*", text)
    yield from re.findall(r"`((?:\w+/)+[\w.]+)`", text)


@pytest.mark.parametrize("title", WALKS)
def test_a_walk_names_places_that_are_there(title: str) -> None:
    found = list(names(title))
    assert len(found) > 5
    served = {"lateen.dev/v1"}
    assert [name for name in found if name not in served and not is_there(name)] == []


@pytest.mark.parametrize("question", QUESTIONS)
def test_what_a_stranger_looks_for_is_where_the_names_say(question: str) -> None:
    place, word = QUESTIONS[question]
    assert f"{question} in `{place}`" in " ".join(TEXT.split())
    assert word in (PACKAGE / place).with_suffix(".py").read_text(encoding="utf-8")


def listed() -> dict[str, set[str]]:
    """The second block: each room with its inner rooms, words in parentheses left out."""
    texts: dict[str, str] = {}
    room = ""
    for line in section("Rooms").split("```\n")[3].splitlines():
        if line[:1].strip():
            room, _, line = line.partition(" ")
        texts[room] = f"{texts.get(room, '')} \n{line}"
    return {
        room: {
            word.strip()
            for word in re.split(r"[>|,:\n]| and | over ", re.sub(r"\([^()]*\)", ",", text))
            if word.strip()
        }
        for room, text in texts.items()
    }


def test_every_inner_room_that_is_listed_is_there_and_none_is_left_out() -> None:
    rooms = listed()
    assert len(rooms) > 10
    missing = {
        f"{room}/{word}"
        for room, words in rooms.items()
        for word in words
        if not any(
            (path := PACKAGE / room / inside / word).is_dir() or path.with_suffix(".py").is_file()
            for inside in ("", "frontend", "backend")
        )
    }
    assert missing == set()
    unlisted = {
        f"{room}/{one.name}"
        for room, words in rooms.items()
        for one in (PACKAGE / room).iterdir()
        if (one / "__init__.py").is_file() and one.name not in words
    }
    assert unlisted == set()


def glossary() -> list[str]:
    """The nouns of the table of words."""
    rows = [line.split("|")[1] for line in section("Words").splitlines() if line.startswith("| ")]
    return [noun.strip() for row in rows[1:] for noun in row.split(",")]


def words(name: str) -> str:
    """A name's words between spaces: `pod worker` of PodWorker and of pod_worker."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return f" {apart.replace('_', ' ').strip().lower()} "


def test_every_word_of_the_glossary_is_a_name_in_the_source() -> None:
    """In the singular or the plural; `stand-in` is written in one word."""
    defined = re.compile(r"^ *(?:class|def|async def) (\w+)", re.MULTILINE)
    named = {name for file in FILES for name in defined.findall(file.read_text(encoding="utf-8"))}
    named |= {part for file in FILES for part in file.with_suffix("").parts}
    found = {words(name) for name in named}
    everything = "\n".join(sorted(found))
    nouns = glossary()
    assert len(nouns) >= 30
    assert len(nouns) == len(set(nouns))
    gone = [
        noun for noun in nouns if not re.search(rf" {noun.lower().replace('-', '')}s? ", everything)
    ]
    assert gone == []
