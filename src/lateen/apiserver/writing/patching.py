"""The four forms of patch on an object of a kind, and the books of who owns which field. Pure."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from lateen.apiserver import errors
from lateen.apiserver.kinds import versions
from lateen.apiserver.kinds.resources import Target
from lateen.apiserver.protocol import negotiate
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError
from lateen.model.patch import apply as ssa, jsonpatch, merge, strategic
from lateen.model.patch.problem import PatchError, PatchTooLargeError
from lateen.model.schema import describe

APPLY = ("application/apply-patch+yaml", "application/apply-patch+json")
MAX_OPERATIONS = 10_000
_TRACKED = ("status", "scale", "ephemeralcontainers")
"""Subresources that managedFields names."""


def merge_schema(target: Target) -> describe.Schema:
    """Return how objects of the target's kind are merged."""
    return target.kind.merge.get(target.version) or describe.of_kind(target.info)


def patched(target: Target, current: Json, patch: Any, media: str) -> Json:
    """Return the object with a JSON, merge or strategic merge patch applied.

    Raises ApiError 400, 415, 422.
    """
    try:
        if media == "application/json-patch+json":
            if isinstance(patch, list) and len(patch) > MAX_OPERATIONS:
                raise errors.too_large(MAX_OPERATIONS)
            result = jsonpatch.apply_json_patch(current, patch)
        elif media == "application/merge-patch+json":
            result = merge.apply_merge_patch(current, patch)
        elif not target.kind.strategic:
            raise errors.unsupported_media(", ".join(negotiate.patch_types(strategic=False)))
        else:
            result = strategic.apply_strategic(current, patch, merge_schema(target))
    except PatchError as error:
        raise _refused(target, error) from None
    if not isinstance(result, dict):
        raise errors.bad_request("the patch makes something of the object that is no object")
    if versions.too_deep(result):
        raise errors.bad_request(f"the patch nests deeper than {versions.MAX_DEPTH} levels")
    return result


def _refused(target: Target, error: PatchError) -> ApiError:
    if isinstance(error, PatchTooLargeError):
        return errors.too_large(jsonpatch.MAX_COPIED)
    if error.malformed:
        return errors.bad_request(f"invalid patch: {error}")
    details = errors.invalid(target.info, target.name, []).details
    message = f"the server rejected our request due to an error in our request: {error}"
    return ApiError(422, "Invalid", message, details)


def first_apply(target: Target, patch: Any, manager: str, now: datetime) -> Json:
    """Return the object that an apply of something new creates. Raises ApiError 400."""
    return apply(target, None, patch, manager, False, now)


def apply(
    target: Target, current: Json | None, patch: Any, manager: str, force: bool, now: datetime
) -> Json:
    """Return the object after a server-side apply. Raises ApiError 400; 409 on conflicts."""
    if not isinstance(patch, dict):
        raise errors.bad_request("an apply patch must be an object")
    for field, wanted in (("apiVersion", target.api_version), ("kind", target.info.kind)):
        if patch.get(field) != wanted:
            raise errors.bad_request(
                f"invalid object type: {field} {patch.get(field)!r} is not {wanted!r}"
            )
    metadata = patch.get("metadata")
    if not isinstance(metadata, dict):
        metadata = {}
    if current is None and metadata.get("uid"):
        raise errors.conflict(target.info, target.name, "uid mismatch: it is not there")
    config = {**patch, "metadata": {"name": target.name, **metadata}}
    try:
        result = ssa.server_side_apply(
            current,
            config,
            manager,
            force,
            merge_schema(target),
            now,
            subresource=target.subresource,
        )
    except PatchError as error:
        raise _refused(target, error) from None
    if result.conflicts:
        raise _conflict(result.conflicts)
    return dict(result.object)


def _conflict(conflicts: tuple[ssa.Conflict, ...]) -> ApiError:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": _about(one),
            "field": one.field,
        }
        for one in conflicts
    ]
    return ApiError(409, "Conflict", ssa.message(conflicts), {"causes": causes})


def _about(one: ssa.Conflict) -> str:
    via = f' with subresource "{one.subresource}"' if one.subresource else ""
    using = f" using {one.api_version}" if one.operation == "Update" else ""
    return f'conflict with "{one.manager}"{via}{using}'


def track_write(
    target: Target, old: Mapping[str, Any] | None, obj: Json, manager: str, now: datetime
) -> Json:
    """Bring metadata.managedFields up to date; without a manager they stay as they are.

    Who applies the same again is given no new time for it, also where defaults in what was applied
    made it look different at first: such a write changes nothing.
    """
    if old is not None and _same(old, obj):
        return {**obj, "metadata": old["metadata"]}
    if not manager:
        return obj
    try:
        return ssa.track_update(
            old,
            obj,
            manager,
            "Update",
            now,
            merge_schema(target),
            subresource=target.subresource if target.subresource in _TRACKED else "",
        )
    except PatchError as error:
        raise errors.bad_request(str(error)) from None


def _same(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Compare all but the times at which managers became owners."""
    before, after = dict(old["metadata"]), dict(new["metadata"])
    owners = [one.pop("managedFields", None) or () for one in (before, after)]
    return (
        before == after
        and {**old, "metadata": None} == {**new, "metadata": None}
        and _timeless(owners[0]) == _timeless(owners[1])
    )


def _timeless(owners: Iterable[Any]) -> list[Any]:
    listed = [{**one, "time": None} if isinstance(one, Mapping) else one for one in owners]
    return sorted(listed, key=str)
