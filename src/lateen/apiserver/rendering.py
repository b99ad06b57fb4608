"""Objects and lists to bytes, in the form the client asked for. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from lateen.apiserver import ingest, listing, negotiate, tables
from lateen.apiserver.resources import Target
from lateen.model.client import Json
from lateen.store.api import Entry

encode = msgspec.json.Encoder().encode


def body(value: Any, form: negotiate.Form) -> bytes:
    """Encode a ready-made answer: JSON, or YAML where that was asked for."""
    if form.media == "application/yaml":
        return msgspec.yaml.encode(value)
    return encode(value) + b"\n"


def one(
    target: Target, value: Mapping[str, Any], form: negotiate.Form, now: datetime, include: str
) -> bytes:
    """Encode one object as itself, as PartialObjectMetadata or as a Table of one row."""
    if form.as_kind == "Table":
        return encode(table(target, [value], form, now, include, _version_of(value)))
    if form.as_kind.startswith("PartialObjectMetadata"):
        return encode(partial(value, form.as_version))
    return body(ingest.served(target, value), form)


def many(
    target: Target, listed: listing.Listed, form: negotiate.Form, now: datetime, include: str
) -> bytes:
    """Encode a list as itself, as PartialObjectMetadataList or as a Table."""
    metadata = _list_metadata(listed)
    values = [entry.value for entry in listed.entries]
    if form.as_kind == "Table":
        answer = table(target, values, form, now, include, str(listed.revision))
        answer["metadata"] = metadata
        return encode(answer)
    if form.as_kind.startswith("PartialObjectMetadata"):
        return encode(
            {
                "kind": "PartialObjectMetadataList",
                "apiVersion": f"meta.k8s.io/{form.as_version}",
                "metadata": metadata,
                "items": [partial(value, form.as_version) for value in values],
            }
        )
    if form.media == "application/yaml":
        return msgspec.yaml.encode(_plain_list(target, values, metadata))
    return encode(_plain_list(target, values, metadata)) + b"\n"


def _plain_list(target: Target, values: Iterable[Mapping[str, Any]], metadata: Json) -> Json:
    return {
        "kind": target.info.kind + "List",
        "apiVersion": target.api_version,
        "metadata": metadata,
        "items": [ingest.served(target, value) for value in values],
    }


def _list_metadata(listed: listing.Listed) -> Json:
    metadata: Json = {"resourceVersion": str(listed.revision)}
    if listed.token:
        metadata["continue"] = listed.token
    if listed.remaining:
        metadata["remainingItemCount"] = listed.remaining
    return metadata


def _version_of(value: Mapping[str, Any]) -> str:
    return str(value["metadata"].get("resourceVersion", ""))


def partial(value: Mapping[str, Any], version: str = "v1") -> Json:
    """Return only an object's metadata."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": f"meta.k8s.io/{version}",
        "metadata": value["metadata"],
    }


def table(
    target: Target,
    values: list[Mapping[str, Any]],
    form: negotiate.Form,
    now: datetime,
    include: str,
    revision: str,
) -> Json:
    """Return a Table. `include` is what each row carries: None, Metadata (the default), Object."""
    columns, rows = _cells(target, values, now)
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{form.as_version}",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": columns,
        "rows": [
            _row(target, value, cells, include, form.as_version)
            for value, cells in zip(values, rows, strict=True)
        ],
    }


def _cells(
    target: Target, values: list[Mapping[str, Any]], now: datetime
) -> tuple[list[Json], list[list[Any]]]:
    """Return columns and rows. An object whose fields are of other types than its kind has there
    (a kind without a struct is kept as it is sent) still shows its name."""
    try:
        return tables.table(target.info, values, now, True)
    except _MISSHAPEN:
        columns, _ = tables.table(target.info, [], now, True)
        return columns, [_cells_of(target, value, now, len(columns)) for value in values]


_MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def _cells_of(target: Target, value: Mapping[str, Any], now: datetime, width: int) -> list[Any]:
    try:
        return tables.table(target.info, [value], now, True)[1][0]
    except _MISSHAPEN:
        return [value["metadata"]["name"], *["<unknown>"] * (width - 1)]


def _row(target: Target, value: Mapping[str, Any], cells: Any, include: str, version: str) -> Json:
    row: Json = {"cells": cells}
    if include == "Object":
        row["object"] = ingest.served(target, value)
    elif include != "None":
        row["object"] = partial(value, version)
    return row


class Frames:
    """Watch frames as bytes. Each change is encoded once for all who watch it in the same form."""

    def __init__(self, capacity: int = 4096) -> None:
        self._capacity = capacity
        self._made: dict[tuple[Any, ...], bytes] = {}

    def frame(
        self,
        target: Target,
        kind: str,
        entry: Entry,
        form: negotiate.Form,
        now: datetime,
        include: str,
    ) -> bytes:
        """Return the line of one event."""
        name = (kind, entry.revision, entry.key, target.version, form, include)
        if (made := self._made.get(name)) is not None and form.as_kind != "Table":
            return made
        made = self._make(target, kind, entry, form, now, include)
        if len(self._made) >= self._capacity:
            for old in list(self._made)[: self._capacity // 4]:
                del self._made[old]
        self._made[name] = made
        return made

    def _make(
        self,
        target: Target,
        kind: str,
        entry: Entry,
        form: negotiate.Form,
        now: datetime,
        include: str,
    ) -> bytes:
        value: Any
        if form.as_kind == "Table":
            value = table(target, [entry.value], form, now, include, str(entry.revision))
        elif form.as_kind:
            value = partial(entry.value, form.as_version)
        else:
            value = ingest.served(target, entry.value)
        return encode({"type": kind, "object": value}) + b"\n"
