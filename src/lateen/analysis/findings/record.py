"""Findings as JSON between a lab and a command, and back. Pure."""

from typing import Any

import msgspec

from lateen.model.messages.diagnostics import Diagnostic, Level
from lateen.model.meta import Location, parse_source


class FindingRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A finding as it travels."""

    code: str
    level: Level
    source: str
    message: str
    remedy: str = ""
    location: Location | None = None


def written(found: Diagnostic) -> FindingRecord:
    """Return a finding as it is sent."""
    return FindingRecord(
        code=found.code,
        level=found.level,
        source=str(found.source),
        message=found.message,
        remedy=found.remedy,
        location=found.location,
    )


def read(body: Any) -> list[Diagnostic]:
    """Return the findings of an answer. Raises msgspec.ValidationError, ValueError."""
    return [
        Diagnostic(
            each.code,
            each.level,
            parse_source(each.source),
            each.message,
            each.remedy,
            each.location,
        )
        for each in msgspec.convert(body, list[FindingRecord])
    ]
