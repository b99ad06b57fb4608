"""Helm's templates, recognized where somebody passes them unrendered. Pure."""

import re

CODE = "LTN0091"
CHART = "Chart.yaml"
"""The file that makes a folder a chart."""
_ACTION = re.compile(
    r"\{\{-?\s*(?:\$?\.(?:Values|Release|Chart|Capabilities|Template|Files)\b"
    r"|(?:include|template|define)\s+\"|if\s|range\s|with\s|end\s*-?\}\}|toYaml\s|tpl\s)"
)


def line_of(text: str) -> int | None:
    """Return the first line, from 1, with an action of Helm's template language; None if there is
    none. Braces of other templates (`{{ $labels.pod }}` of an alert) are not Helm's."""
    found = _ACTION.search(text)
    return text.count("\n", 0, found.start()) + 1 if found else None


def unrendered(where: str, command: str = "helm template NAME CHART") -> str:
    """Return the words for a template that somebody must render first."""
    return (
        f"{where}: a Helm template that is not rendered yet: pass what Helm makes of it: "
        f"`{command} | lateen apply -f -`, or `| lateen up -` [{CODE}]"
    )
