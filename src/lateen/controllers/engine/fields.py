"""Reading and writing the parts of a JSON object that every controller touches. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from lateen.base import clock
from lateen.base.jsonvalue import Json, JsonView


def meta(obj: JsonView) -> JsonView:
    """Return the metadata."""
    found: JsonView = obj.get("metadata") or {}
    return found


def name(obj: JsonView) -> str:
    """Return metadata.name."""
    return str(meta(obj).get("name", ""))


def namespace(obj: JsonView) -> str:
    """Return metadata.namespace, empty for a cluster-wide object."""
    return str(meta(obj).get("namespace", ""))


def uid(obj: JsonView) -> str:
    """Return metadata.uid."""
    return str(meta(obj).get("uid", ""))


def labels(obj: JsonView) -> Mapping[str, str]:
    """Return metadata.labels."""
    found: Mapping[str, str] = meta(obj).get("labels") or {}
    return found


def annotations(obj: JsonView) -> Mapping[str, str]:
    """Return metadata.annotations."""
    found: Mapping[str, str] = meta(obj).get("annotations") or {}
    return found


def spec(obj: JsonView) -> JsonView:
    """Return spec."""
    found: JsonView = obj.get("spec") or {}
    return found


def status(obj: JsonView) -> JsonView:
    """Return status."""
    found: JsonView = obj.get("status") or {}
    return found


def owners(obj: JsonView) -> Sequence[JsonView]:
    """Return metadata.ownerReferences."""
    found: Sequence[JsonView] = meta(obj).get("ownerReferences") or ()
    return found


def controller_of(obj: JsonView) -> JsonView | None:
    """Return the owner reference that is marked as the controller."""
    return next((one for one in owners(obj) if one.get("controller")), None)


def dying(obj: JsonView) -> bool:
    """Tell whether a deletion was asked for."""
    return bool(meta(obj).get("deletionTimestamp"))


def owner_reference(owner: JsonView) -> Json:
    """Return the reference by which `owner` controls another object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": name(owner),
        "uid": uid(owner),
        "controller": True,
        "blockOwnerDeletion": True,
    }


def created(obj: JsonView) -> str:
    """Return metadata.creationTimestamp; RFC 3339 texts of UTC compare as times do."""
    return str(meta(obj).get("creationTimestamp", ""))


def seconds_since(text: object, now: datetime) -> float | None:
    """Return how long ago an RFC 3339 time was, in seconds; None when it is none."""
    read = clock.moment(text)
    return None if read is None else (now - read).total_seconds()


def condition(obj: JsonView, kind: str) -> JsonView | None:
    """Return the status condition of that type."""
    found = (one for one in status(obj).get("conditions") or () if one.get("type") == kind)
    return next(found, None)


def is_true(obj: JsonView, kind: str) -> bool:
    """Tell whether the condition of that type is True."""
    one = condition(obj, kind)
    return one is not None and one.get("status") == "True"


def without_zeros(counts: Mapping[str, int]) -> dict[str, int]:
    """Leave out zero counts, as Kubernetes does when it writes a status."""
    return {key: value for key, value in counts.items() if value}


def with_status(obj: JsonView, new: JsonView) -> Json:
    """Return the object with another status."""
    return {**obj, "status": dict(new)}
