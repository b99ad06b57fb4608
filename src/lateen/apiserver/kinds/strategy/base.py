"""The Strategy interface, the generic one that every kind builds on, and refusals. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from lateen.apiserver.fieldcauses import Cause, invalid
from lateen.base.jsonvalue import Json, clone
from lateen.model.schema import decode, kinds
from lateen.model.validation import dispatch
from lateen.model.validation.kube import names

Defaults = Callable[[Json], None]
Creating = Callable[[Json], None]
Updating = Callable[[Mapping[str, Any], Mapping[str, Any], Json], None]
Check = Callable[[Mapping[str, Any]], "tuple[Cause, ...]"]
ChangeCheck = Callable[[Mapping[str, Any], Mapping[str, Any]], "tuple[Cause, ...]"]


class Strategy(Protocol):
    """What the verbs ask of a kind. No method changes its arguments; all are idempotent.

    Order on create: default, prepare_create, (admission), default, validate_create, store.
    Order on update: default, prepare_update, (admission), validate_update, then add one to
    `metadata.generation` if `generation_changed`.
    """

    @property
    def says_missing(self) -> tuple[str, ...]:
        """The fields (`spec.target`) of which `validate_create` and `validate_update` say what is
        missing in and below them, so that it is not said from the schema."""
        ...

    def default(self, obj: Mapping[str, Any]) -> Json:
        """Fill what Kubernetes fills. default(default(x)) == default(x)."""
        ...

    def prepare_create(self, obj: Mapping[str, Any]) -> Json:
        """Set server-owned fields of a new object: status dropped, generation 1."""
        ...

    def prepare_update(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
        """Carry over what a write of the main resource may not touch: status, generation."""
        ...

    def prepare_status_update(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
        """Take only the status (and metadata's resourceVersion) of `new`."""
        ...

    def validate_create(self, obj: Mapping[str, Any]) -> tuple[Cause, ...]:
        """Refusals of a new object; empty when it is fine."""
        ...

    def validate_update(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Cause, ...]:
        """Refusals of a change: immutable fields, and whatever would be refused on create."""
        ...

    def generation_changed(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Tell whether the desired state differs, so that the generation must grow."""
        ...


def nothing(_: Json) -> None:
    """Add no default."""


def accept(_: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Refuse nothing."""
    return ()


def accept_change(_: Mapping[str, Any], __: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Refuse no change."""
    return ()


def by_model(resource: str) -> Check:
    """Return the check by the rules that `model.validation` has for a kind."""
    info = kinds.KINDS[resource]

    def check(obj: Mapping[str, Any]) -> tuple[Cause, ...]:
        found = decode.decode_stored(info, obj)
        if found is None:
            return ()  # it has been read, so this is not met
        errors = dispatch.of_kind(info, found).errors
        return tuple(Cause(one.reason, one.message, one.path) for one in errors)

    return check


def keep(_: Mapping[str, Any], __: Mapping[str, Any], ___: Json) -> None:
    """Carry nothing over but what every kind carries."""


class Standard(msgspec.Struct, frozen=True, kw_only=True):
    """A Strategy put together from a kind's own functions.

    The functions work on a private copy, so they may write to what they are given.
    """

    defaults: Defaults = nothing
    creating: Creating = nothing
    updating: Updating = keep
    check: Check = accept
    check_change: ChangeCheck = accept_change
    check_new: Check = accept
    """What a new object alone is refused for."""
    says_missing: tuple[str, ...] = ()
    """The fields of which `check` says what is missing, in Kubernetes' words."""
    name_rule: names.Rule = names.subdomain
    generation: bool = True
    status: bool = True
    """Whether the kind has a status that only /status may write."""
    born_with_status: bool = False
    """Whether a new object may bring its status along, as a Node does."""

    def default(self, obj: Mapping[str, Any]) -> Json:
        """Fill defaults in a copy."""
        copy: Json = clone(obj)
        self.defaults(copy)
        return copy

    def prepare_create(self, obj: Mapping[str, Any]) -> Json:
        """Drop a status sent along, set the first generation."""
        copy: Json = clone(obj)
        if self.status and not self.born_with_status:
            copy.pop("status", None)
        if self.generation:
            copy.setdefault("metadata", {})["generation"] = 1
        self.creating(copy)
        return copy

    def prepare_update(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
        """Keep the old status and generation."""
        copy: Json = clone(new)
        if self.status:
            _carry(old, copy, "status")
        _carry(old.get("metadata", {}), copy.setdefault("metadata", {}), "generation")
        self.updating(old, new, copy)
        return copy

    def prepare_status_update(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
        """Keep everything old but the status."""
        copy: Json = clone(old)
        _carry(new, copy, "status")
        version = new.get("metadata", {}).get("resourceVersion")
        if version:
            copy["metadata"]["resourceVersion"] = version
        return copy

    def validate_create(self, obj: Mapping[str, Any]) -> tuple[Cause, ...]:
        """Check the name, then what the kind checks."""
        name = str(obj.get("metadata", {}).get("name", ""))
        detail = self.name_rule(name)
        wrong = (invalid("metadata.name", name, detail),) if detail else ()
        return wrong + self.check_new(obj) + self.check(obj)

    def validate_update(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Cause, ...]:
        """Check immutable fields, then what is checked on create."""
        return self.check_change(old, new) + self.check(new)

    def generation_changed(self, old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
        """Compare everything but metadata and status."""
        return self.generation and _desired(old) != _desired(new)


def _desired(obj: Mapping[str, Any]) -> dict[str, Any]:
    own = ("metadata", "status", "apiVersion", "kind")
    return {key: value for key, value in obj.items() if key not in own}


def _carry(source: Mapping[str, Any], target: Json, field: str) -> None:
    if field in source:
        target[field] = clone(source[field])
    else:
        target.pop(field, None)


def immutable(old: Mapping[str, Any], new: Mapping[str, Any], path: str) -> tuple[Cause, ...]:
    """Refuse a change of the field at a dotted path, in Kubernetes' words."""
    before, after = _at(old, path), _at(new, path)
    return () if before == after else (invalid(path, after, "field is immutable"),)


def _at(obj: Any, path: str) -> Any:
    for step in path.split("."):
        obj = obj.get(step) if isinstance(obj, Mapping) else None
    return obj
