"""Conditions as Istio writes them, before they have a generation and a time. Pure."""

from typing import NamedTuple

ACCEPTED = "Accepted"
PROGRAMMED = "Programmed"
RESOLVED = "ResolvedRefs"
CONFLICTED = "Conflicted"
NO_ERRORS = "No errors found"


class Aspect(NamedTuple):
    """One condition: what it is about, whether it holds, one word why, and a sentence."""

    type: str
    holds: bool
    reason: str
    message: str


class Denial(NamedTuple):
    """Why a reference does not resolve, or a field cannot be taken: a word and a sentence.

    A `hard` one takes the whole object out; another only the part.
    """

    reason: str
    message: str
    hard: bool = False
