"""Text tables in kubectl's layout: upper-case heads, three spaces between columns."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from lateen.cli import width

_GAP = "   "
_NARROWEST = 3
"""Of a column, as kubectl has it: it tells where a column without its head is narrow."""


def layout(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    header: bool = True,
) -> str:
    """Lay out a table with heads in capitals; the last column is not padded."""
    first = [cell.upper() for cell in head]
    lines = [first, *rows] if header else list(rows)
    if not lines:
        return ""
    widths = [max(_NARROWEST, *(len(row[i]) for row in lines)) for i in range(len(head) - 1)]
    return "\n".join(
        "   ".join((*(c.ljust(w) for c, w in zip(row[:-1], widths, strict=True)), row[-1]))
        for row in lines
    )


def fitted(head: Sequence[str], rows: Sequence[Sequence[str]], limit: int) -> str:
    """Lay out a table in `limit` columns (0: as wide as it is); cells that are too long go on in
    the next line. Heads are in capitals and stay whole."""
    first = [cell.upper() for cell in head]
    lines = [first, *rows]
    widths = [max(width.columns(row[i]) for row in lines) for i in range(len(head))]
    if limit:
        least = [max(len(cell), 8) if w > 8 else w for cell, w in zip(first, widths, strict=True)]
        widths = width.narrowed(widths, least, limit, len(_GAP))
    return "\n".join(line for row in lines for line in _lines(row, widths))


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    cells = [width.cell(text, w) for text, w in zip(row, widths, strict=True)]
    for parts in itertools.zip_longest(*cells, fillvalue=""):
        padded = (
            part + " " * (w - width.columns(part)) for part, w in zip(parts, widths, strict=True)
        )
        yield _GAP.join(padded).rstrip()


def from_server(
    table: dict[str, Any],
    *,
    wide: bool,
    namespace: bool,
    header: bool,
    prefix: str = "",
    labels: Sequence[str] = (),
    all_labels: bool = False,
) -> str:
    """Lay out a meta.k8s.io/v1 Table; columns of priority above 0 only when wide. `labels` get a
    column each at the end, all of them another."""
    columns = table["columnDefinitions"]
    shown = [i for i, c in enumerate(columns) if wide or not c.get("priority")]
    head = [columns[i]["name"] for i in shown]
    head += [label.rpartition("/")[2] for label in labels] + ["labels"] * all_labels
    rows = []
    for row in table.get("rows") or []:
        cells = [_cell(row["cells"][i]) for i in shown]
        if prefix:
            cells[0] = f"{prefix}/{cells[0]}"
        own = row["object"]["metadata"].get("labels") or {}
        cells += [own.get(label, "") for label in labels]
        if all_labels:
            cells.append(",".join(sorted(f"{k}={v}" for k, v in own.items())) or "<none>")
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
