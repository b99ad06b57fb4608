"""Which findings are told and which fail a command: thresholds, suppression, a baseline. Pure."""

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from lateen.model.messages.diagnostics import CATALOGUE, Diagnostic, Level
from lateen.model.meta import ObjectRef

Silenced = Callable[[ObjectRef], frozenset[str]]
"""The codes that an object's own annotation silences."""
_LEVELS = {level.value.lower(): level for level in Level}


class Suppression(msgspec.Struct, frozen=True):
    """One `--suppress`: a code, and objects as istioctl writes them, `Kind name.namespace`."""

    code: str
    pattern: str = "*"

    def covers(self, found: Diagnostic) -> bool:
        """Whether it silences a finding; `*` stands for any text."""
        if not fnmatch.fnmatchcase(found.code, self.code):
            return False
        return any(fnmatch.fnmatchcase(name, self.pattern) for name in _names(found.source.ref))


def _names(ref: ObjectRef) -> tuple[str, ...]:
    named = f"{ref.kind} {ref.name}"
    return (f"{named}.{ref.namespace}", named) if ref.namespace else (named,)


def suppression(text: str) -> Suppression:
    """Read `CODE=Kind name.namespace`, or `CODE` alone. Raises ValueError."""
    code, _, pattern = text.partition("=")
    code = code.strip()
    if "*" not in code and code not in CATALOGUE:
        raise ValueError(f"no message has the code {code!r}: docs/messages.md lists them")
    return Suppression(code, pattern.strip() or "*")


def level(text: str) -> Level:
    """Read a level's name in any case. Raises ValueError."""
    found = _LEVELS.get(text.lower())
    if found is None:
        raise ValueError(f"no level {text!r}: Info, Warning or Error")
    return found


def told(
    found: Iterable[Diagnostic],
    *,
    least: Level = Level.INFO,
    suppressed: Sequence[Suppression] = (),
    silenced: Silenced = lambda ref: frozenset(),
) -> list[Diagnostic]:
    """Return the findings of at least a level that nobody silences."""
    return [
        each
        for each in found
        if each.level.rank >= least.rank
        and not any(one.covers(each) for one in suppressed)
        and not {each.code, "*"} & silenced(each.source.ref)
    ]


def key(found: Diagnostic) -> str:
    """Return what tells a finding from others, whatever line it stands on."""
    return f"{found.code} {found.source} {found.message}"


def fresh(found: Iterable[Diagnostic], known: Iterable[str]) -> list[Diagnostic]:
    """Return the findings that a baseline's keys do not have; each key stands for one."""
    left = Counter(known)
    result = []
    for each in found:
        if left[key(each)] > 0:
            left[key(each)] -= 1
        else:
            result.append(each)
    return result


def failing(found: Iterable[Diagnostic], threshold: Level | None) -> bool:
    """Whether a finding is at or above the level that fails a command; None fails nothing."""
    return threshold is not None and any(each.level.rank >= threshold.rank for each in found)
