"""What is noticed when the state of a mesh is shown, found once per state and beside the loop.

Thousands of Services take longer to look through than anybody who asks something else should wait.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from lateen.app.api import report
from lateen.compiler.frontend.diagnostics import status
from lateen.model.labapi.status import FindingLine
from lateen.model.messages.diagnostics import Diagnostic, worst_first
from lateen.model.snapshot import Snapshot


class FindingSet(msgspec.Struct, frozen=True):
    """What one state shows of itself."""

    lines: tuple[FindingLine, ...]
    """The diagnostics with their places, the worst first."""
    found: Sequence[Diagnostic]
    """The diagnostics themselves, in the same order."""
    lagging: bool
    """Whether a ready pod is not yet a ready endpoint."""


def look(snapshot: Snapshot, known: Sequence[Diagnostic], root_namespace: str) -> FindingSet:
    """Look through a state; `known` is what was noticed of it before."""
    found = worst_first((*known, *status.findings(snapshot, root_namespace)))
    lines = report.diagnostic_lines(found, snapshot)
    return FindingSet(lines, found, report.lagging(snapshot))


class Noticing:
    """Looks through the newest state, for all who ask at a time together."""

    def __init__(self, root_namespace: str) -> None:
        self._root_namespace = root_namespace
        self._lock = asyncio.Lock()
        self._seen: tuple[Snapshot, tuple[Diagnostic, ...], FindingSet] | None = None

    async def of(self, snapshot: Snapshot, known: tuple[Diagnostic, ...]) -> FindingSet:
        """Return what a state shows, from a thread of its own unless it was looked through last."""
        async with self._lock:
            if self._seen is not None:
                before, said, noticed = self._seen
                if before is snapshot and said == known:
                    return noticed
            made = await asyncio.to_thread(look, snapshot, known, self._root_namespace)
            self._seen = (snapshot, known, made)
            return made
