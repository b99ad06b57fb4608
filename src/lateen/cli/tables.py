"""Text tables in kubectl's layout: upper-case heads, three spaces between columns."""

from collections.abc import Sequence
from typing import Any

_NARROWEST = 3
"""Of a column, as kubectl has it: it tells where a column without its head is narrow."""


def layout(head: Sequence[str], rows: Sequence[Sequence[str]], *, header: bool = True) -> str:
    """Lay out a table; the last column is not padded."""
    lines = [[cell.upper() for cell in head], *rows] if header else list(rows)
    if not lines:
        return ""
    widths = [max(_NARROWEST, *(len(row[i]) for row in lines)) for i in range(len(head))]
    return "\n".join(
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    )


def from_server(
    table: dict[str, Any], *, wide: bool, namespace: bool, header: bool, prefix: str = ""
) -> str:
    """Lay out a meta.k8s.io/v1 Table; columns of priority above 0 only when wide."""
    columns = table["columnDefinitions"]
    shown = [i for i, c in enumerate(columns) if wide or not c.get("priority")]
    head = [columns[i]["name"] for i in shown]
    rows = []
    for row in table.get("rows") or []:
        cells = [_cell(row["cells"][i]) for i in shown]
        if prefix:
            cells[0] = f"{prefix}/{cells[0]}"
        if namespace:
            cells.insert(0, row["object"]["metadata"].get("namespace", ""))
        rows.append(cells)
    return layout(["NAMESPACE", *head] if namespace else head, rows, header=header)


def _cell(value: Any) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
