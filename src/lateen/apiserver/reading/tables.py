"""Tables: what `kubectl get` prints, made on the server as on a cluster. Pure.

Built-in kinds have printers of their own; other kinds print the columns of their row in
`model.schema.kinds` (for custom resources: of their definition), which are JSON paths.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from lateen.apiserver.reading.printers import cells, network, objects, pods, workloads
from lateen.base.jsonvalue import Json, JsonView
from lateen.model.schema.kindinfo import AGE, Column, KindInfo

PRINTERS: Mapping[str, cells.TablePrinter] = {
    **pods.PRINTERS,
    **workloads.PRINTERS,
    **network.PRINTERS,
    **objects.PRINTERS,
}

_HELP = {
    "Name": "Name of the object, unique in its namespace.",
    "Age": "How long ago the object was created.",
    "Created At": "When the object was created.",
}
_DEFAULT = (AGE,)
_STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]+)\]")


def table(
    info: KindInfo, found: Iterable[JsonView], now: datetime, wide: bool = True
) -> tuple[list[Json], list[list[Any]]]:
    """Return the column definitions and a row of cells for each object.

    A server sends the wide columns always, marked by their priority; without `wide` they are
    left out.
    """
    printer = PRINTERS.get(info.resource) or _by_paths(info.columns or _DEFAULT)
    return _by(printer, found, now, wide)


def _by(
    printer: cells.TablePrinter, found: Iterable[JsonView], now: datetime, wide: bool = True
) -> tuple[list[Json], list[list[Any]]]:
    shown = [index for index, one in enumerate(printer.columns) if wide or not one.wide]
    definitions = [_definition(printer.columns[index]) for index in shown]
    rows = [printer.cells(one, now) for one in found]
    return definitions, [[row[index] for index in shown] for row in rows]


def render(info: KindInfo, found: Sequence[JsonView], now: datetime) -> Json:
    """Return a whole meta.k8s.io/v1 Table; each row carries the object's metadata."""
    return _whole(*table(info, found, now), found)


def scale(obj: JsonView, now: datetime) -> Json:
    """Return the Table of a Scale."""
    return _whole(*_by(workloads.SCALE, [obj], now), [obj])


def _whole(definitions: list[Json], rows: list[list[Any]], found: Sequence[JsonView]) -> Json:
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {},
        "columnDefinitions": definitions,
        "rows": [
            {
                "cells": row,
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": obj.get("metadata") or {},
                },
            }
            for obj, row in zip(found, rows, strict=True)
        ],
    }


def _definition(column: cells.Column) -> Json:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": _HELP.get(column.name, f"{column.name} of the object."),
        "priority": 1 if column.wide else 0,
    }


def _by_paths(declared: Sequence[Column]) -> cells.TablePrinter:
    """Return the printer of a custom resource: its name, then a cell per JSON path."""
    columns = (
        cells.Column("Name", format="name"),
        *(cells.Column(one.name, one.type, wide=one.wide) for one in declared),
    )

    def row(obj: JsonView, now: datetime) -> cells.Cells:
        return [cells.name(obj), *(_cell(obj, one, now) for one in declared)]

    return cells.TablePrinter(columns, row)


def _cell(obj: JsonView, column: Column, now: datetime) -> Any:
    value = at(obj, column.path)
    if column.type == "date":
        return cells.since(value, now) if value else cells.UNKNOWN
    if value is None or (isinstance(value, int | float) and column.type in ("integer", "number")):
        return value
    if isinstance(value, bool):
        return str(value).lower() if column.type == "string" else value
    if isinstance(value, str):
        return value
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def at(obj: Any, path: str) -> Any:
    """Return what is at a JSON path such as `.spec.hosts`, `.status.conditions[0].type` or
    `.status.conditions[?(@.type=="Ready")].status`; None if nothing is."""
    for step in _STEP.finditer(path.replace("\\.", "\0")):
        name, bracket = step.group(1), step.group(2)
        if name is not None:
            obj = obj.get(name.replace("\0", ".")) if isinstance(obj, Mapping) else None
        else:
            obj = _bracket(obj, bracket.replace("\0", "."))
        if obj is None:
            return None
    return obj


_FILTER = re.compile(r"""\?\(@\.([\w./-]+)\s*==\s*["']?([^"')]*)["']?\)""")


def _bracket(obj: Any, inside: str) -> Any:
    if isinstance(obj, Mapping):
        return obj.get(inside.strip("'\""))
    if not isinstance(obj, list | tuple):
        return None
    if inside == "*":
        return obj[0] if obj else None
    if (wanted := _FILTER.fullmatch(inside)) is not None:
        field, value = wanted.groups()
        return next((one for one in obj if str(at(one, f".{field}")) == value), None)
    try:
        return obj[int(inside)]
    except (ValueError, IndexError):
        return None
