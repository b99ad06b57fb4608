"""Label selectors, and who controls whom. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.model.schema import objectmeta, selectors as model


def matches(selector: JsonView, labels: Mapping[str, str]) -> bool:
    """Tell whether a LabelSelector accepts the labels; an empty one accepts nothing here,
    because a controller with an empty selector would take every pod of its namespace."""
    try:
        chosen = model.of(msgspec.convert(selector, objectmeta.LabelSelector))
    except ValueError:
        return False
    return bool(chosen.requirements) and chosen.matches(labels)


class Claim(msgspec.Struct, frozen=True):
    """The objects that a controller owns, and the patches by which it adopts or releases some."""

    objects: tuple[JsonView, ...]
    actions: tuple[actions.Action, ...]


def claim(owner: JsonView, resource: str, known: cache.Cache) -> Claim:
    """Find the objects of a resource that `owner` controls: those that name it and fit its
    selector, and those that fit and have no controller (unless the owner is going away)."""
    selector = fields.spec(owner).get("selector") or {}
    mine = [one for one in known.owned(fields.uid(owner), resource) if _controls(owner, one)]
    kept = [one for one in mine if _fits(selector, one)]
    todo: list[actions.Action] = [
        _release(resource, owner, one) for one in mine if not _fits(selector, one)
    ]
    if not fields.dying(owner):
        for one in known.strays(resource, fields.namespace(owner)):
            if not fields.dying(one) and _fits(selector, one):
                kept.append(one)
                todo.append(_adopt(resource, owner, one))
    return Claim(tuple(kept), tuple(todo))


def _fits(selector: JsonView, obj: JsonView) -> bool:
    return matches(selector, fields.labels(obj))


def _controls(owner: JsonView, obj: JsonView) -> bool:
    reference = fields.controller_of(obj)
    return reference is not None and reference.get("uid") == fields.uid(owner)


def _adopt(resource: str, owner: JsonView, obj: JsonView) -> actions.Patch:
    references = [*fields.owners(obj), fields.owner_reference(owner)]
    return _patch_owners(resource, obj, references)


def _release(resource: str, owner: JsonView, obj: JsonView) -> actions.Patch:
    kept = [one for one in fields.owners(obj) if one.get("uid") != fields.uid(owner)]
    return _patch_owners(resource, obj, kept)


def _patch_owners(resource: str, obj: JsonView, references: Iterable[JsonView]) -> actions.Patch:
    meta = {"uid": fields.uid(obj), "ownerReferences": [dict(one) for one in references] or None}
    return actions.Patch(resource, fields.namespace(obj), fields.name(obj), {"metadata": meta})


def selecting(owner_resource: str) -> controller.Keys:
    """Keys of the controllers of a resource that would adopt the changed object: it has no
    controller and their selector accepts it."""

    def keys(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
        obj = change.after
        if obj is None or fields.controller_of(obj) is not None:
            return
        for owner in known.within(owner_resource, change.key.namespace):
            if matches(fields.spec(owner).get("selector") or {}, fields.labels(obj)):
                yield (fields.namespace(owner), fields.name(owner))

    return keys


def both(*parts: controller.Keys) -> controller.Keys:
    """Join the keys of several functions."""

    def keys(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
        for part in parts:
            yield from part(change, known)

    return keys
