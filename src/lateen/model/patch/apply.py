"""Server-side apply, and the bookkeeping of ownership that goes with every other write. Pure."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from lateen.model.patch import apply_merge, fieldset, last_applied, managed_fields
from lateen.model.patch.descent import UNKNOWN
from lateen.model.patch.fieldset import FieldSet
from lateen.model.patch.managed_fields import APPLY, UPDATE, Manager, Managers, Owned
from lateen.model.patch.problem import PatchError
from lateen.model.schema.describe import Schema

_BEFORE_FIRST_APPLY = "before-first-apply"
_KUBECTL = "kubectl"


class Conflict(msgspec.Struct, frozen=True):
    """A field that another manager owns with another value."""

    manager: str
    operation: str
    api_version: str
    subresource: str
    field: str
    """As in messages: `.spec.replicas`."""


class Applied(msgspec.Struct, frozen=True):
    """What an apply leads to: the new object, or the conflicts that stand against it (then
    `object` is the live one)."""

    object: Mapping[str, Any]
    conflicts: tuple[Conflict, ...] = ()


def server_side_apply(
    live: Mapping[str, Any] | None,
    applied: Mapping[str, Any],
    manager: str,
    force: bool,
    schema: Schema = UNKNOWN,
    now: datetime | None = None,
    *,
    subresource: str = "",
) -> Applied:
    """Merge what a manager applies into the live object (None: there is none yet).

    Fields that the manager applied before and does not name now are removed unless somebody else
    owns them too. Raises PatchError if the applied object carries managedFields, has list items
    that cannot be told apart, or names no manager.
    """
    if not manager:
        raise PatchError("fieldManager is required for apply patch")
    if (applied.get("metadata") or {}).get("managedFields"):
        raise PatchError("metadata.managedFields must be nil")
    config = _without_nulls(applied)
    if (twice := fieldset.duplicates(config, schema)) is not None:
        raise PatchError(f"duplicate entries for key {fieldset.describe(twice)}")
    who = managed_fields.manager(manager, APPLY, _version(applied), subresource)
    time = managed_fields.stamp(now) if now else ""
    if live is None:
        owned = Owned(fieldset.of(config, schema), time, _version(applied))
        return Applied(managed_fields.write(config, {who: owned}))
    result = _apply(live, config, who, force, schema, time)
    if result.conflicts and manager == _KUBECTL and _all_last_applied(live, result, schema):
        result = _apply(live, config, who, True, schema, time)
    return result


def track_update(
    old: Mapping[str, Any] | None,
    new: Mapping[str, Any],
    manager: str,
    operation: str,
    now: datetime,
    schema: Schema = UNKNOWN,
    *,
    subresource: str = "",
) -> dict[str, Any]:
    """Return `new` with metadata.managedFields brought up to date after an ordinary write.

    The writer owns what it added or changed, everybody loses what it changed or removed. A new
    object may carry managedFields of its own (kubectl moves owners that way; `[{}]` resets them).
    Raises PatchError if they cannot be read.
    """
    told = managed_fields.read(new)
    if told is None:
        return managed_fields.write(new, {})
    managers = told or (managed_fields.read(old) or {} if old is not None else {})
    changed, gone = fieldset.compare(_bare(old or {}), _bare(new), schema)
    who = managed_fields.manager(manager, operation or UPDATE, _version(new), subresource)
    left = managed_fields.take(managers, changed | gone)
    mine = managers[who].fields if who in managers else fieldset.EMPTY
    fields = (mine - gone) | changed
    if changed or fields != mine:
        left[who] = Owned(fields, managed_fields.stamp(now), _version(new))
    return managed_fields.write(new, left)


def message(conflicts: tuple[Conflict, ...]) -> str:
    """Write the conflicts as the API server's message does, by manager."""
    count = f"{len(conflicts)} conflict{'s' if len(conflicts) != 1 else ''}"
    groups: dict[str, list[str]] = {}
    for each in conflicts:
        via = f' with subresource "{each.subresource}"' if each.subresource else ""
        using = f" using {each.api_version}" if each.operation == UPDATE else ""
        groups.setdefault(f'"{each.manager}"{via}{using}', []).append(each.field)
    head = f"Apply failed with {count}: "
    if len(conflicts) == 1:
        ((who, fields),) = groups.items()
        return f"{head}conflict with {who}: {fields[0]}"
    parts = [
        f"conflicts with {who}:\n" + "\n".join(f"- {name}" for name in fields)
        for who, fields in groups.items()
    ]
    return head + "\n".join(parts)


def _apply(
    live: Mapping[str, Any],
    config: Mapping[str, Any],
    who: Manager,
    force: bool,
    schema: Schema,
    time: str,
) -> Applied:
    managers = dict(managed_fields.read(live) or _seed(live, schema, time))
    before = managers.pop(who, None)
    wanted = fieldset.of(config, schema)
    given_up = (before.fields if before else fieldset.EMPTY) - wanted
    others: FieldSet = frozenset().union(*(each.fields for each in managers.values()))
    merged = apply_merge.merge(_bare(live), config, schema)
    merged = apply_merge.prune(merged, schema, given_up - others, wanted | others)
    changed, gone = fieldset.compare(_bare(live), merged, schema)
    against = _conflicts(managers, changed)
    if against and not force:
        return Applied(live, against)
    left = managed_fields.take(managers, changed | gone)
    quiet = before is not None and before.fields == wanted and not changed and not gone
    left[who] = before if before and quiet else Owned(wanted, time, _version(config))
    merged = _restored(live, merged)
    if who.name == _KUBECTL:
        merged = _remembered(merged, config)
    result = managed_fields.write(merged, left)
    return Applied(live if result == live else result)


def _conflicts(managers: Managers, changed: FieldSet) -> tuple[Conflict, ...]:
    return tuple(
        Conflict(
            who.name, who.operation, owned.api_version, who.subresource, fieldset.describe(path)
        )
        for who, owned in sorted(managers.items())
        for path in sorted(owned.fields & changed)
    )


def _seed(live: Mapping[str, Any], schema: Schema, time: str) -> dict[Manager, Owned]:
    """Who owns an object that was written before anybody kept books."""
    version = _version(live)
    who = managed_fields.manager(_BEFORE_FIRST_APPLY, UPDATE, version)
    return {who: Owned(fieldset.of(_bare(live), schema), time, version)}


def _all_last_applied(live: Mapping[str, Any], result: Applied, schema: Schema) -> bool:
    """Tell whether every conflict is about a field that client-side apply had set: then kubectl
    is taking over from itself."""
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(last_applied.ANNOTATION)
    try:
        last = json.loads(text) if text else None
    except ValueError:
        return False
    if not isinstance(last, Mapping):
        return False
    fields = {fieldset.describe(path) for path in fieldset.of(_without_nulls(last), schema)}
    return all(each.field in fields for each in result.conflicts)


def _bare(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object without the bookkeeping that no field set covers."""
    metadata = {
        key: value for key, value in (obj.get("metadata") or {}).items() if key != "managedFields"
    }
    return {**obj, "metadata": metadata} if metadata else dict(obj)


def _restored(live: Mapping[str, Any], merged: Mapping[str, Any]) -> dict[str, Any]:
    """Return the merged object with what an applier cannot change taken from the live one."""
    kept = {
        name: value
        for name, value in (live.get("metadata") or {}).items()
        if name in ("uid", "resourceVersion", "generation", "creationTimestamp")
    }
    return {**merged, "metadata": {**(merged.get("metadata") or {}), **kept}}


def _remembered(merged: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the object with client-side apply's memory renewed, if it has one, so that a later
    `kubectl apply` without --server-side starts from the truth."""
    annotations = (merged.get("metadata") or {}).get("annotations") or {}
    if last_applied.ANNOTATION not in annotations:
        return merged
    metadata = {
        **merged["metadata"],
        "annotations": {**annotations, last_applied.ANNOTATION: last_applied.text(config)},
    }
    return {**merged, "metadata": metadata}


def _version(obj: Mapping[str, Any]) -> str:
    return str(obj.get("apiVersion", ""))


def _without_nulls(value: Any) -> Any:
    kind = type(value)
    if kind is str:  # most are, and to ask an abstract class takes longer than all the rest
        return value
    if kind is dict or isinstance(value, Mapping):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_nulls(each) for each in value]
    return value
