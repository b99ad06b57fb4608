"""Text tables in kubectl's layout: upper-case heads, three spaces between columns. Pure."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from lateen.cli.terminal import width

_GAP = "   "
_CUT = 4
"""Of a column where not even the heads fit."""
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
    the next line. Heads are in capitals. They stay whole where columns that stand closer to each
    other make that possible."""
    first = [cell.upper() for cell in head]
    lines = [first, *rows]
    widths = [max(width.columns(row[i]) for row in lines) for i in range(len(head))]
    gap = _GAP
    if limit:
        least = [max(len(cell), 8) if w > 8 else w for cell, w in zip(first, widths, strict=True)]
        room = limit - sum(least)
        while len(gap) > 1 and len(gap) * (len(head) - 1) > room:
            gap = gap[1:]
        if len(gap) * (len(head) - 1) > room:
            least = [min(w, _CUT) for w in widths]
        widths = width.narrowed(widths, least, limit, len(gap))
    return "\n".join(line for row in lines for line in _lines(row, widths, gap))


def _lines(row: Sequence[str], widths: Sequence[int], gap: str) -> Iterator[str]:
    cells = [width.cell(text, w) for text, w in zip(row, widths, strict=True)]
    for parts in itertools.zip_longest(*cells, fillvalue=""):
        padded = (
            part + " " * (w - width.columns(part)) for part, w in zip(parts, widths, strict=True)
        )
        yield gap.join(padded).rstrip()


class StreamingTable:
    """A table whose rows come one by one: as in kubectl, no column gets narrower again."""

    def __init__(self, *, header: bool = True) -> None:
        self._widths: list[int] = []
        self._header = header

    def add(self, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
        """Return the lines of more rows, below the heads if they are the first."""
        lines = [[cell.upper() for cell in head], *rows] if self._header else list(rows)
        self._header = False
        before = self._widths or [_NARROWEST] * len(head)
        self._widths = [max(w, *(len(row[i]) for row in lines)) for i, w in enumerate(before)]
        return "\n".join(
            _GAP.join(c.ljust(w) for c, w in zip(row, self._widths, strict=True)).rstrip()
            for row in lines
        )


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
    """Lay out a meta.k8s.io/v1 Table; see `cells`."""
    head, rows = cells(
        table, wide=wide, namespace=namespace, prefix=prefix, labels=labels, all_labels=all_labels
    )
    return layout(head, rows, header=header)


def cells(
    table: dict[str, Any],
    *,
    wide: bool,
    namespace: bool,
    prefix: str = "",
    labels: Sequence[str] = (),
    all_labels: bool = False,
) -> tuple[list[str], list[list[str]]]:
    """Return the heads and rows of a meta.k8s.io/v1 Table; columns of priority above 0 only when
    wide. `labels` get a column each at the end, all of them another."""
    columns = table["columnDefinitions"]
    shown = [i for i, c in enumerate(columns) if wide or not c.get("priority")]
    head = [columns[i]["name"] for i in shown]
    head += [label.rpartition("/")[2] for label in labels] + ["labels"] * all_labels
    rows = []
    for row in table.get("rows") or []:
        made = [_cell(row["cells"][i]) for i in shown]
        if prefix:
            made[0] = f"{prefix}/{made[0]}"
        own = row["object"]["metadata"].get("labels") or {}
        made += [own.get(label, "") for label in labels]
        if all_labels:
            made.append(",".join(sorted(f"{k}={v}" for k, v in own.items())) or "<none>")
        if namespace:
            made.insert(0, row["object"]["metadata"].get("namespace", ""))
        rows.append(made)
    return (["NAMESPACE", *head] if namespace else head), rows


def _cell(value: Any) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
