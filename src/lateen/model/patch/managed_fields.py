"""metadata.managedFields: who owns which fields of an object. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from lateen.model.patch import fieldset
from lateen.model.patch.fieldset import FieldSet
from lateen.model.patch.problem import PatchError

APPLY = "Apply"
UPDATE = "Update"


class Manager(NamedTuple):
    """What tells one owner from another. An applier is the same in every version of the API."""

    name: str
    operation: str
    api_version: str
    subresource: str = ""


class Owned(msgspec.Struct, frozen=True):
    """One owner's fields, since when, and in terms of which API version."""

    fields: FieldSet
    time: str
    api_version: str


Managers = Mapping[Manager, Owned]


def manager(name: str, operation: str, api_version: str, subresource: str = "") -> Manager:
    """Return the identity under which a write is booked."""
    version = "" if operation == APPLY else api_version
    return Manager(name or "unknown", operation, version, subresource)


def read(obj: Mapping[str, Any]) -> Managers | None:
    """Return the owners that an object names; None if it was reset (`[{}]`).

    Raises PatchError if the entries cannot be read."""
    entries = (obj.get("metadata") or {}).get("managedFields") or []
    if len(entries) == 1 and entries[0] == {}:
        return None
    found: dict[Manager, Owned] = {}
    for entry in entries:
        if not isinstance(entry, Mapping) or entry.get("operation") not in (APPLY, UPDATE):
            raise PatchError("metadata.managedFields: an entry's operation is Apply or Update")
        if entry.get("fieldsType", "FieldsV1") != "FieldsV1":
            raise PatchError("metadata.managedFields: the only fieldsType is FieldsV1")
        version = entry.get("apiVersion", "")
        who = manager(
            entry.get("manager", ""), entry["operation"], version, entry.get("subresource", "")
        )
        fields = fieldset.decode(entry.get("fieldsV1") or {})
        if who in found:
            fields |= found[who].fields
        found[who] = Owned(fields, entry.get("time", ""), version)
    return found


def write(obj: Mapping[str, Any], managers: Managers) -> dict[str, Any]:
    """Return the object with these owners: appliers first, then by time and name."""
    metadata = {
        key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"
    }
    entries = [
        _entry(who, owned)
        for who, owned in sorted(
            managers.items(), key=lambda item: (item[0].operation, item[1].time, item[0])
        )
        if owned.fields
    ]
    if entries:
        metadata["managedFields"] = entries
    return {**obj, "metadata": metadata}


def take(managers: Managers, fields: FieldSet) -> dict[Manager, Owned]:
    """Return the owners after these fields were taken from all of them."""
    return {
        who: owned if not owned.fields & fields else replace(owned, fields=owned.fields - fields)
        for who, owned in managers.items()
    }


def stamp(now: datetime) -> str:
    """Write a moment as managedFields does."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _entry(who: Manager, owned: Owned) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "apiVersion": owned.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldset.encode(owned.fields),
        "manager": who.name,
        "operation": who.operation,
    }
    if who.subresource:
        entry["subresource"] = who.subresource
    if owned.time:
        entry["time"] = owned.time
    return entry
