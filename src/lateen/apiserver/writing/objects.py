"""What the server owns in an object's metadata, over create, update and delete. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.access import auth
from lateen.apiserver.fieldcauses import Cause
from lateen.base import clock
from lateen.base.jsonvalue import Json
from lateen.model import wellknown
from lateen.model.schema.kindinfo import KindInfo

SUFFIX_LETTERS = "bcdfghjklmnpqrstvwxz2456789"
"""Kubernetes' alphabet for generated names: no vowels, no look-alikes."""

ORPHAN = "orphan"
FOREGROUND = "foregroundDeletion"
_MAX_GENERATED_BASE = 58


def born(metadata: Mapping[str, Any], now: datetime, uid: str, suffix: str) -> Json:
    """Return the metadata of a new object: name from generateName, uid, creationTimestamp."""
    fresh = {key: value for key, value in metadata.items() if key not in _SERVER_OWNED}
    if not fresh.get("name") and fresh.get("generateName"):
        fresh["name"] = str(fresh["generateName"])[:_MAX_GENERATED_BASE] + suffix
    fresh["uid"] = uid
    fresh["creationTimestamp"] = clock.rfc3339(now)
    return fresh


def generated(body: Any) -> bool:
    """Tell whether the server chooses the name of an object that is to be created."""
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    if not isinstance(metadata, Mapping):
        return False
    return bool(metadata.get("generateName")) and not metadata.get("name")


_SERVER_OWNED = frozenset(
    {
        "resourceVersion",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
    }
)
_CARRIED = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def carried(info: KindInfo, old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """Return the metadata of an update: what clients may not change comes from the stored object.

    Raises ApiError 409 when a uid or resourceVersion is given that is not the stored one.
    """
    before: Mapping[str, Any] = old["metadata"]
    after = {key: value for key, value in (new.get("metadata") or {}).items() if key != "selfLink"}
    name = before["name"]
    if after.get("uid") and after["uid"] != before.get("uid"):
        raise errors.conflict(
            info,
            name,
            f"Precondition failed: UID in precondition: {after['uid']}, "
            f"UID in object meta: {before.get('uid')}",
        )
    if after.get("resourceVersion") and after["resourceVersion"] != before["resourceVersion"]:
        raise errors.conflict(info, name)
    after["resourceVersion"] = before["resourceVersion"]
    for key in _CARRIED:
        if key in before:
            after[key] = before[key]
        else:
            after.pop(key, None)
    after["name"] = name
    if before.get("namespace"):
        after["namespace"] = before["namespace"]
    if before.get("deletionTimestamp"):
        _no_new_finalizers(info, before, after)
    return after


def requested(info: KindInfo, obj: Json, user: auth.User) -> Json:
    """Return a new object with what the server notes of who asks: of a certificate, by whom."""
    if info.resource != "certificatesigningrequests.certificates.k8s.io":
        return obj
    noted: Json = {"username": user.name, "groups": list(user.groups)}
    return {**obj, "spec": {**(obj.get("spec") or {}), **noted}}


def _no_new_finalizers(info: KindInfo, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    added = sorted(set(after.get("finalizers") or ()) - set(before.get("finalizers") or ()))
    if added:
        cause = Cause(
            "FieldValueForbidden",
            "Forbidden: no new finalizers can be added if the object is being deleted, "
            f"found new finalizers {added!r}",
            "metadata.finalizers",
        )
        raise errors.invalid(info, before["name"], [cause])


class DeleteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to delete. `grace` is in seconds, None for the object's own."""

    grace: int | None = None
    propagation: str = ""
    uid: str = ""
    resource_version: str = ""
    dry_run: bool = False


_POLICIES = ("", "Background", "Foreground", "Orphan")


def delete_options(body: Any, query: Mapping[str, str]) -> DeleteOptions:
    """Read a DeleteOptions body, or the query parameters of the same names.

    Raises ApiError 400.
    """
    given: dict[str, Any] = dict(query)
    if body is not None:
        if not isinstance(body, dict) or body.get("kind") not in (None, "", "DeleteOptions"):
            raise errors.bad_request("the body of a delete must be a DeleteOptions object")
        given.update(body)
    preconditions = given.get("preconditions") or {}
    if not isinstance(preconditions, dict):
        raise errors.bad_request("preconditions must be an object")
    policy = given.get("propagationPolicy") or ""
    if given.get("orphanDependents") in (True, "true"):
        policy = "Orphan"
    if policy not in _POLICIES:
        raise errors.bad_request(
            f"invalid propagationPolicy {policy!r}: use Background, Foreground or Orphan"
        )
    dry = given.get("dryRun") or []
    if dry not in ([], ["All"], "All"):
        raise errors.bad_request(f"invalid dryRun {dry!r}: only All is known")
    return DeleteOptions(
        grace=_grace(given.get("gracePeriodSeconds")),
        propagation=policy,
        uid=str(preconditions.get("uid") or ""),
        resource_version=str(preconditions.get("resourceVersion") or ""),
        dry_run=bool(dry),
    )


def _grace(value: Any) -> int | None:
    if value is None:
        return None
    try:
        seconds = int(value)
    except (TypeError, ValueError):
        raise errors.bad_request(f"invalid gracePeriodSeconds {value!r}: not a number") from None
    if not 0 <= seconds < 2**31:
        raise errors.bad_request(f"invalid gracePeriodSeconds {seconds}: must not be negative")
    return seconds


class Deletion(msgspec.Struct, frozen=True):
    """What a DELETE does: remove the object now, or store it marked as going."""

    remove: bool
    object: Json


def delete(
    info: KindInfo, old: Mapping[str, Any], options: DeleteOptions, now: datetime
) -> Deletion:
    """Decide a deletion: preconditions, propagation marks, grace, finalizers.

    Raises ApiError 409 when a precondition fails.
    """
    metadata = dict(old["metadata"])
    _preconditions(info, metadata, options)
    _mark_propagation(metadata, options.propagation)
    grace = _grace_seconds(info, old, options.grace)
    marked: Json = {**old, "metadata": metadata}
    if info.resource == "namespaces":
        held = list((old.get("spec") or {}).get("finalizers") or ())
        marked["status"] = {**(old.get("status") or {}), "phase": "Terminating"}
    else:
        held = []
    if not (grace or held or metadata.get("finalizers")):
        return Deletion(True, marked)
    due = now + timedelta(seconds=grace)
    before = metadata.get("deletionTimestamp")
    if before is None:
        if "generation" in metadata:
            metadata["generation"] += 1
        metadata["deletionTimestamp"] = clock.rfc3339(due)
        metadata["deletionGracePeriodSeconds"] = grace
    elif grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionTimestamp"] = clock.rfc3339(due)
        metadata["deletionGracePeriodSeconds"] = grace
    return Deletion(False, marked)


def _preconditions(info: KindInfo, metadata: Mapping[str, Any], options: DeleteOptions) -> None:
    for label, wanted, field in (
        ("UID", options.uid, "uid"),
        ("ResourceVersion", options.resource_version, "resourceVersion"),
    ):
        if wanted and wanted != metadata.get(field):
            raise errors.conflict(
                info,
                metadata["name"],
                f"Precondition failed: {label} in precondition: {wanted}, "
                f"{label} in object meta: {metadata.get(field)}",
            )


def _mark_propagation(metadata: Json, policy: str) -> None:
    if not policy:
        return
    wanted = {"Orphan": ORPHAN, "Foreground": FOREGROUND}.get(policy)
    kept = [one for one in metadata.get("finalizers") or () if one not in (ORPHAN, FOREGROUND)]
    if wanted:
        kept.append(wanted)
    if kept:
        metadata["finalizers"] = kept
    else:
        metadata.pop("finalizers", None)


def _grace_seconds(info: KindInfo, old: Mapping[str, Any], asked: int | None) -> int:
    """Pods stop gracefully once they are scheduled; nothing else has a grace period."""
    if info.resource != "pods":
        return 0
    spec = old.get("spec") or {}
    if not spec.get("nodeName") or wellknown.has_ended(old):
        return 0
    own = spec.get("terminationGracePeriodSeconds")
    return asked if asked is not None else int(30 if own is None else own)


def finished(info: KindInfo, obj: Mapping[str, Any]) -> bool:
    """Tell whether a marked object has nothing left that holds it, so that a write removes it."""
    metadata = obj["metadata"]
    if not metadata.get("deletionTimestamp") or metadata.get("finalizers"):
        return False
    if info.resource == "namespaces":
        return not (obj.get("spec") or {}).get("finalizers")
    return not metadata.get("deletionGracePeriodSeconds")
