"""What a controller is: which changes concern which keys, and a pure reconcile function."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from lateen.controllers.engine import actions, cache, fields

Name = tuple[str, ...]
"""What a controller works on: mostly (namespace, name)."""
Keys = Callable[[cache.ObjectChange, cache.Cache], Iterable[Name]]
Reconcile = Callable[[Name, cache.Cache, datetime], actions.Reconciled]


class Controller(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the manager's table."""

    name: str
    """Shown as the source of its Events."""
    watches: Mapping[str, Keys]
    """By resource; `*` is every resource."""
    reconcile: Reconcile
    first: tuple[Name, ...] = ()
    """Keys to look at on start although nothing changed."""


def itself(change: cache.ObjectChange, _: cache.Cache) -> Iterable[Name]:
    """The changed object is the one to reconcile."""
    yield (change.key.namespace, change.key.name)


def controlled_by(kind: str) -> Keys:
    """The changed object's controller is to be reconciled, before and after the change."""

    def keys(change: cache.ObjectChange, _: cache.Cache) -> Iterable[Name]:
        for obj in (change.before, change.after):
            owner = fields.controller_of(obj) if obj is not None else None
            if owner is not None and owner.get("kind") == kind:
                yield (change.key.namespace, str(owner.get("name", "")))

    return keys
