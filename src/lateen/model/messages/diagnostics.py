"""Findings: what is wrong, where, why and what to do. Pure.

Every message a user sees about configuration comes from the catalogue here.
"""

import string
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from msgspec.structs import replace

from lateen.model.messages import analysis, authorization, istio, lateen, proxies, telemetry
from lateen.model.messages.lateen import Level, Row
from lateen.model.meta import Location, Source

__all__ = ["CATALOGUE", "SECTIONS", "Diagnostic", "Level", "Row", "make", "page", "worst_first"]

SECTIONS: Mapping[str, tuple[Row, ...]] = MappingProxyType(
    {
        "Manifests": lateen.MANIFESTS,
        "The lab itself": lateen.LAB,
        "What the compiler makes of them": (
            *lateen.COMPILER,
            *authorization.AUTHORIZATION,
            *proxies.PROXIES,
            *telemetry.TELEMETRY,
        ),
        "What `lateen analyze` adds": analysis.LATEEN,
        "Istio's own codes": (*istio.ISTIO, *analysis.ISTIO),
    }
)

CATALOGUE: Mapping[str, Row] = MappingProxyType(
    {row.code: row for rows in SECTIONS.values() for row in rows}
)
"""Every message by its code."""


class Diagnostic(msgspec.Struct, frozen=True):
    """One finding. `location` is filled in when it is shown: moving a manifest changes nothing."""

    code: str
    level: Level
    source: Source
    message: str
    remedy: str = ""
    location: Location | None = None

    @property
    def name(self) -> str:
        """Return the message's name, such as ReferencedResourceNotFound."""
        return CATALOGUE[self.code].name

    def located(self, location: Location | None) -> "Diagnostic":
        """Return it with the place in a file."""
        return replace(self, location=location)

    def __str__(self) -> str:
        ref = self.source.ref
        where = (
            f"{ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"
        )
        place = f"{where} {self.location or ''}".strip()
        return f"{self.level.value} [{self.code}] ({place}) {self.message}"


def make(code: str, source: Source, **arguments: Any) -> Diagnostic:
    """Return the finding of a code; `arguments` fill its template and remedy.

    Raises KeyError for an unknown code or a missing argument: both are mistakes of the caller.
    """
    row = CATALOGUE[code]
    return Diagnostic(
        code,
        row.level,
        source,
        row.template.format_map(arguments),
        row.remedy.format_map(arguments),
    )


def arguments(row: Row) -> frozenset[str]:
    """Return the names that a row's template and remedy ask for."""
    formatter = string.Formatter()
    parts = (*formatter.parse(row.template), *formatter.parse(row.remedy))
    return frozenset(name for _, name, _, _ in parts if name)


def worst_first(found: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sort findings: errors first, then by object, place and code."""
    return sorted(found, key=lambda d: (-d.level.rank, d.source.ref, d.source.path, d.code))


def page() -> str:
    """Return docs/messages.md: every code, what it says and what to do."""
    lines = [
        "# Messages",
        "",
        "Generated from `lateen.model.messages`. Codes that begin with IST are Istio's and mean",
        "what `istioctl analyze` means by them; those that begin with LTN are Lateen's own.",
    ]
    for title, rows in SECTIONS.items():
        lines += ["", f"## {title}", ""]
        for row in sorted(rows, key=lambda row: row.code):
            lines += [
                f"### {row.code} {row.name}",
                "",
                f"{row.level.value}. {_shown(row.template)}",
                "",
                f"What to do: {_shown(row.remedy)}",
                "",
            ]
    return "\n".join(lines).rstrip() + "\n"


def _shown(template: str) -> str:
    return template.replace("{", "‹").replace("}", "›").replace("_", " ")
