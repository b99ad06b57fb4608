"""Findings as JSON between a lab and a command, and back. Pure."""

from typing import Any

import msgspec

from lateen.model.labapi.findings import FindingRecord
from lateen.model.messages.diagnostics import Diagnostic, Level
from lateen.model.meta import parse_source


def written(found: Diagnostic) -> FindingRecord:
    """Return a finding as it is sent."""
    return FindingRecord(
        code=found.code,
        level=found.level.value,
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
            Level(each.level),
            parse_source(each.source),
            each.message,
            each.remedy,
            each.location,
        )
        for each in msgspec.convert(body, list[FindingRecord])
    ]
