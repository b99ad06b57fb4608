"""Why a request went as it did, as lines: for every command that shows a verdict."""

from collections.abc import Iterator

from lateen.base.jsonvalue import Json
from lateen.cli.terminal import screen

WEAKENS = " (less secure)"
"""Follows a remedy that accepts, sends or allows what was not before."""


def advice(verdict: Json, margin: str) -> Iterator[str]:
    """Yield a line for each remedy, with the places of its edits, and one for each hint."""
    for remedy in verdict["remedies"]:
        mark = WEAKENS if remedy.get("weakens") else ""
        yield f"{margin}remedy: {screen.visible(remedy['text'])}{mark}"
        for edit in remedy["edits"]:
            if edit["location"]:
                yield f"{margin}  {edit['location']}"
    for hint in verdict["hints"]:
        yield f"{margin}hint: {screen.visible(hint)}"
