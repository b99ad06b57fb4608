"""Garbage collection by owner references: background, foreground, orphan. Pure.

Owners and dependents of every kind are followed. An object goes when none of its owners is left,
which a live look confirms (`actions.Collect`), since one watch may run ahead of another.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.controllers.engine import actions, cache, controller, fields

Resolve = Callable[[str, str], "tuple[str, bool] | None"]
"""From apiVersion and kind to (resource, whether namespaced)."""

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


class Collector(msgspec.Struct, frozen=True):
    """Follows owner references; kinds it cannot resolve are left alone."""

    resolve: Resolve

    def reconcile(
        self, key: controller.Name, known: cache.Cache, now: datetime
    ) -> actions.Reconciled:
        """Look at one object: as an owner that is going, then as a dependent."""
        resource, space, name = key
        obj = known.get(resource, space, name)
        if obj is None:
            return actions.NOTHING
        where = cache.Key(resource, space, name)
        finalizers = fields.meta(obj).get("finalizers") or ()
        if fields.dying(obj):
            if ORPHAN in finalizers:
                return _orphan(where, obj, known)
            if FOREGROUND in finalizers:
                return _foreground(where, obj, known)
            return actions.NOTHING
        return self._dependent(where, obj, known)

    def _dependent(self, where: cache.Key, obj: JsonView, known: cache.Cache) -> actions.Reconciled:
        references = fields.owners(obj)
        if not references or any(known.by_uid(str(one.get("uid", ""))) for one in references):
            return actions.NOTHING
        owners: list[actions.Owner] = []
        for one in references:
            found = self.resolve(str(one.get("apiVersion")), str(one.get("kind")))
            if found is None:
                return actions.NOTHING
            resource, namespaced = found
            space = where.namespace if namespaced else ""
            owner = actions.Owner(resource, space, str(one.get("name")), str(one.get("uid")))
            owners.append(owner)
        return actions.Reconciled((actions.Collect(_delete(where, obj), tuple(owners)),))

    def controller(self) -> controller.Controller:
        """Return the row for the loop."""
        return controller.Controller(
            name="garbage-collector", watches={"*": _keys}, reconcile=self.reconcile
        )


def _keys(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    before, after = change.before, change.after
    if after is None:
        for key, _ in known.dependents(fields.uid(before or {})):
            yield tuple(key)
        yield from _waiting_owners(before or {}, known)
        return
    if (fields.dying(after) and fields.meta(after).get("finalizers")) or any(
        known.by_uid(str(one.get("uid", ""))) is None for one in fields.owners(after)
    ):
        yield tuple(change.key)
    if before is not None and fields.owners(before) != fields.owners(after):
        yield from _waiting_owners(before, known)


def _waiting_owners(obj: JsonView, known: cache.Cache) -> Iterable[controller.Name]:
    """Yield the owners whose foreground deletion may have waited for this object."""
    for one in fields.owners(obj):
        key = known.by_uid(str(one.get("uid", "")))
        if key is not None:
            yield tuple(key)


def _delete(where: cache.Key, obj: JsonView, propagation: str = "") -> actions.Delete:
    return actions.Delete(where.resource, where.namespace, where.name, fields.uid(obj), propagation)


def _orphan(where: cache.Key, obj: JsonView, known: cache.Cache) -> actions.Reconciled:
    """Cut the dependents loose, then let the owner go."""
    todo: list[actions.Action] = []
    for key, dependent in known.dependents(fields.uid(obj)):
        todo.append(_without_owner(key, dependent, fields.uid(obj)))
    return actions.Reconciled((*todo, _without_finalizer(where, obj, ORPHAN)))


def _without_owner(where: cache.Key, dependent: JsonView, uid: str) -> actions.Patch:
    kept = [dict(one) for one in fields.owners(dependent) if one.get("uid") != uid]
    meta = {"uid": fields.uid(dependent), "ownerReferences": kept or None}
    return actions.Patch(where.resource, where.namespace, where.name, {"metadata": meta})


def _foreground(where: cache.Key, obj: JsonView, known: cache.Cache) -> actions.Reconciled:
    """Delete the dependents first; the owner goes when none is left that blocks it."""
    blocking = [
        (key, dependent)
        for key, dependent in known.dependents(fields.uid(obj))
        if _blocks(dependent, fields.uid(obj))
    ]
    if not blocking:
        return actions.Reconciled((_without_finalizer(where, obj, FOREGROUND),))
    todo: list[actions.Action] = []
    for key, dependent in known.dependents(fields.uid(obj)):
        if _only_owner(dependent, fields.uid(obj), known):
            if not fields.dying(dependent):
                todo.append(_delete(key, dependent, "Foreground"))
        else:  # another owner keeps it: this one lets it go, and waits for it no longer
            todo.append(_without_owner(key, dependent, fields.uid(obj)))
    return actions.Reconciled(tuple(todo))


def _blocks(dependent: JsonView, uid: str) -> bool:
    return any(
        one.get("uid") == uid and one.get("blockOwnerDeletion") for one in fields.owners(dependent)
    )


def _only_owner(dependent: JsonView, uid: str, known: cache.Cache) -> bool:
    """Tell whether no other owner holds the dependent: one that itself waits for its dependents
    to go holds none."""
    others = (str(one.get("uid", "")) for one in fields.owners(dependent))
    return not any(one != uid and _holds(one, known) for one in others)


def _holds(uid: str, known: cache.Cache) -> bool:
    key = known.by_uid(uid)
    owner = known.get(*key) if key is not None else None
    if owner is None:
        return False
    waits = FOREGROUND in (fields.meta(owner).get("finalizers") or ())
    return not (fields.dying(owner) and waits)


def _without_finalizer(where: cache.Key, obj: JsonView, name: str) -> actions.Patch:
    kept = [one for one in fields.meta(obj).get("finalizers") or () if one != name]
    meta = {"uid": fields.uid(obj), "finalizers": kept or None}
    return actions.Patch(where.resource, where.namespace, where.name, {"metadata": meta})
