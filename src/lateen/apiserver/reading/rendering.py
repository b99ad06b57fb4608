"""Objects and lists to bytes, in the form the client asked for. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from lateen.apiserver.kinds import versions
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.protocol import negotiate
from lateen.apiserver.reading import listing, tables
from lateen.base.jsonvalue import Json
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
    return body(versions.served(target, value), form)


def many(
    target: Target, listed: listing.Listed, form: negotiate.Form, now: datetime, include: str
) -> bytes:
    """Encode a list as itself, as PartialObjectMetadataList or as a Table."""
    metadata = _list_metadata(listed)
    values = [entry.value for entry in listed.entries]
    if form.as_kind == "Table":
        answer = table(target, values, form, now, include, str(listed.revision))
        rows = answer.pop("rows")
        return _long({**answer, "metadata": metadata}, "rows", rows)
    if form.as_kind.startswith("PartialObjectMetadata"):
        head = {
            "kind": "PartialObjectMetadataList",
            "apiVersion": f"meta.k8s.io/{form.as_version}",
            "metadata": metadata,
        }
        return _long(head, "items", (partial(value, form.as_version) for value in values))
    head = {
        "kind": target.info.kind + "List",
        "apiVersion": target.api_version,
        "metadata": metadata,
    }
    items = (versions.served(target, value) for value in values)
    if form.media == "application/yaml":
        return msgspec.yaml.encode({**head, "items": list(items)})
    return _long(head, "items", items) + b"\n"


def _long(head: Json, name: str, items: Iterable[Any]) -> bytes:
    """Encode an object whose last field is a long list, item by item: encoded as a whole it would
    keep every other thread from working until it is done."""
    start = encode(head)[:-1] + b"," + encode(name) + b":["
    return start + b",".join([encode(item) for item in items]) + b"]}"


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
        return tables.table(target.shown, values, now, True)
    except _MISSHAPEN:
        columns, _ = tables.table(target.shown, [], now, True)
        return columns, [_cells_of(target, value, now, len(columns)) for value in values]


_MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)


def _cells_of(target: Target, value: Mapping[str, Any], now: datetime, width: int) -> list[Any]:
    try:
        return tables.table(target.shown, [value], now, True)[1][0]
    except _MISSHAPEN:
        return [value["metadata"]["name"], *["<unknown>"] * (width - 1)]


def _row(target: Target, value: Mapping[str, Any], cells: Any, include: str, version: str) -> Json:
    row: Json = {"cells": cells}
    if include == "Object":
        row["object"] = versions.served(target, value)
    elif include != "None":
        row["object"] = partial(value, version)
    return row


_BATCHES = 4


class Frames:
    """Watch frames as bytes. Each change is encoded once for all who watch it in the same form."""

    def __init__(self, capacity: int = 16 << 20) -> None:
        self._capacity = capacity
        self._made: dict[tuple[str, str, negotiate.Form, str], FormFrames] = {}

    def of(self, target: Target, form: negotiate.Form, include: str) -> "FormFrames":
        """Return the frames of a kind in a version and a form, shared by who asks for the same."""
        name = (target.info.resource, target.version, form, include)
        held = self._made.get(name)
        if held is None or held.target.kind is not target.kind:
            bare = Target(target.kind, target.version)
            held = self._made[name] = FormFrames(bare, form, include, self._capacity)
        return held


class FormFrames:
    """The frames of one kind in one form; the newest `capacity` bytes of them are kept."""

    def __init__(self, target: Target, form: negotiate.Form, include: str, capacity: int) -> None:
        self.target = target
        self._form = form
        self._include = include
        self._capacity = capacity
        self._size = 0
        self._made: dict[tuple[str, int], bytes] = {}
        self._batches: dict[tuple[Any, ...], bytes] = {}

    def frame(self, kind: str, entry: Entry, now: datetime) -> bytes:
        """Return the line of one event. Revisions are unique, so they name a change."""
        name = (kind, entry.revision)
        made = self._made.get(name)
        if made is None:
            made = encode({"type": kind, "object": self._value(entry, now)}) + b"\n"
            if self._form.as_kind != "Table":  # its ages go on
                self._keep(name, made)
        return made

    def batch(self, name: tuple[Any, ...]) -> bytes | None:
        """Return frames that were joined under a name before, if they are still held."""
        return self._batches.get(name)

    def keep_batch(self, name: tuple[Any, ...], joined: bytes) -> None:
        """Hold joined frames for who comes next; only the newest few."""
        if self._form.as_kind != "Table":
            self._batches[name] = joined
            while len(self._batches) > _BATCHES:
                del self._batches[next(iter(self._batches))]

    def _keep(self, name: tuple[str, int], made: bytes) -> None:
        self._made[name] = made
        self._size += len(made)
        while self._size > self._capacity:
            self._size -= len(self._made.pop(next(iter(self._made))))

    def _value(self, entry: Entry, now: datetime) -> Any:
        if self._form.as_kind == "Table":
            at = str(entry.revision)
            return table(self.target, [entry.value], self._form, now, self._include, at)
        if self._form.as_kind:
            return partial(entry.value, self._form.as_version)
        return versions.served(self.target, entry.value)
