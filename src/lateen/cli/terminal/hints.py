"""Commands that a message advises, as this person has to type them.

A person who ran `./run demo` has no `lateen` on the PATH; one who chose a lab must choose it again.
"""

import os
import re

_ADVISED = re.compile(r"(?<![\w/.-])lateen (--?[a-z-]+|[a-z-]+)([^`;|#\n]*)")
"""A command and its words: messages put it between backquotes, before a semicolon, or on a line."""
_NO_LAB = ("completion", "decode", "diff", "image", "images", "ls", "token")
"""Commands that have no --lab: they are about no lab, or about all."""
_chosen: list[str] = []


def choose(lab: str) -> None:
    """Remember the lab that the command line names."""
    _chosen[:] = [lab]


def typed(text: str) -> str:
    """Return a text with the commands in it as they work here and now."""
    program = os.environ.get("LATEEN_COMMAND", "lateen")
    return rewritten(text, program, _chosen[0] if _chosen else "")


def rewritten(text: str, program: str, lab: str) -> str:
    """Return a text whose `lateen VERB ...` names this program, and this lab unless it names one
    already (an empty `lab`: the default)."""

    def one(found: re.Match[str]) -> str:
        verb, rest = found[1], found[2]
        if not lab or verb in _NO_LAB or verb.startswith("-") or "--lab" in rest:
            return f"{program} {verb}{rest}"
        words, dashes, command = rest.partition(" -- ")
        return f"{program} {verb}{words.rstrip()} --lab {lab}{dashes}{command}"

    return _ADVISED.sub(one, text)
