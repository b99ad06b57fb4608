"""What the controllers know: objects by key, by owner and by uid. No I/O.

Fed by the watches and by the answers to the controllers' own writes, so that a controller
always sees what it did itself. (Kubernetes needs "expectations" for that.) Objects in here are
shared: nobody changes them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple, TypeVar

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.controllers.engine import fields

K = TypeVar("K")


class Key(NamedTuple):
    """Where an object is."""

    resource: str
    namespace: str
    name: str


class ObjectChange(msgspec.Struct, frozen=True):
    """One object before and after; None where it was or is not there."""

    key: Key
    before: JsonView | None
    after: JsonView | None

    @property
    def object(self) -> JsonView:
        """The object as last seen."""
        return self.after if self.after is not None else self.before or {}


def key_of(resource: str, obj: JsonView) -> Key:
    """Return the key of an object of that resource."""
    return Key(resource, fields.namespace(obj), fields.name(obj))


def _label_pairs(obj: JsonView) -> Iterable[tuple[str, str]]:
    return fields.labels(obj).items()


def _selector_pair(obj: JsonView) -> Iterable[tuple[str, str]]:
    """One pair is enough to find a Service by: a pod that it selects has all of them."""
    selector: Mapping[str, str] = fields.spec(obj).get("selector") or {}
    return sorted(selector.items())[:1]


_INDEXES: Mapping[str, Callable[[JsonView], Iterable[tuple[str, str]]]] = {
    "pods": _label_pairs,
    "services": _selector_pair,
}


class Cache:
    """A cache of many resources, with the indexes that controllers ask."""

    def __init__(self) -> None:
        self._paired: dict[tuple[str, str, tuple[str, str]], dict[Key, JsonView]] = {}
        self._strays: dict[tuple[str, str], dict[Key, JsonView]] = {}
        self._objects: dict[str, dict[Key, JsonView]] = {}
        self._spaces: dict[tuple[str, str], dict[Key, JsonView]] = {}
        self._owned: dict[str, dict[Key, JsonView]] = {}
        self._uids: dict[str, Key] = {}
        self._gone: dict[Key, str] = {}

    def get(self, resource: str, namespace: str, name: str) -> JsonView | None:
        """Return an object or None."""
        return self._objects.get(resource, {}).get(Key(resource, namespace, name))

    def within(self, resource: str, namespace: str) -> list[JsonView]:
        """Return the objects of a resource in a namespace."""
        return list(self._spaces.get((resource, namespace), {}).values())

    def strays(self, resource: str, namespace: str) -> list[JsonView]:
        """Return the objects of a resource in a namespace that no controller owns."""
        return list(self._strays.get((resource, namespace), {}).values())

    def paired(self, resource: str, namespace: str, pair: tuple[str, str]) -> list[JsonView]:
        """Return pods by one of their labels, Services by the first pair of their selector."""
        return list(self._paired.get((resource, namespace, pair), {}).values())

    def all(self, resource: str) -> list[JsonView]:
        """Return the objects of a resource."""
        return list(self._objects.get(resource, {}).values())

    def owned(self, uid: str, resource: str) -> list[JsonView]:
        """Return the objects of a resource with an owner reference to that uid."""
        found = self._owned.get(uid, {})
        return [obj for key, obj in found.items() if key.resource == resource]

    def dependents(self, uid: str) -> list[tuple[Key, JsonView]]:
        """Return whatever has an owner reference to that uid."""
        return list(self._owned.get(uid, {}).items())

    def by_uid(self, uid: str) -> Key | None:
        """Return where the object of that uid is."""
        return self._uids.get(uid)

    def contents(self, namespace: str) -> list[tuple[Key, JsonView]]:
        """Return everything in a namespace."""
        return [
            item
            for (_, space), objects in self._spaces.items()
            if space == namespace
            for item in objects.items()
        ]

    def namespaced(self) -> tuple[str, ...]:
        """Return the resources of which objects in namespaces were seen."""
        return tuple(sorted({resource for resource, space in self._spaces if space}))

    def put(self, resource: str, obj: JsonView) -> ObjectChange | None:
        """Take an object as of its resourceVersion; None if that is not news."""
        key = key_of(resource, obj)
        before = self._objects.get(resource, {}).get(key)
        if self._gone.get(key) == fields.uid(obj):
            return None
        if before is not None and _version(obj) <= _version(before):
            return None
        if before is not None:
            self._forget(key, before)
        self._keep(key, obj)
        return ObjectChange(key, before, obj)

    def drop(self, resource: str, obj: JsonView, *, seen: bool) -> ObjectChange | None:
        """Take an object out. `seen` says that the watch told so, and not our own deletion, whose
        earlier events are still on the way and must not bring the object back."""
        key = key_of(resource, obj)
        if seen and self._gone.get(key) == fields.uid(obj):
            del self._gone[key]
        before = self._objects.get(resource, {}).get(key)
        if before is None or fields.uid(before) != fields.uid(obj):
            return None
        if not seen:
            self._gone[key] = fields.uid(obj)
        self._forget(key, before)
        return ObjectChange(key, before, None)

    def replace(self, resource: str, objects: Iterable[JsonView]) -> list[ObjectChange]:
        """Take a whole list: what is not in it is gone."""
        listed = {key_of(resource, obj): obj for obj in objects}
        lost = [
            self.drop(resource, obj, seen=True)
            for key, obj in list(self._objects.get(resource, {}).items())
            if key not in listed
        ]
        fresh = [self.put(resource, obj) for obj in listed.values()]
        return [change for change in (*lost, *fresh) if change is not None]

    def _keep(self, key: Key, obj: JsonView) -> None:
        self._objects.setdefault(key.resource, {})[key] = obj
        self._spaces.setdefault((key.resource, key.namespace), {})[key] = obj
        self._uids[fields.uid(obj)] = key
        if fields.controller_of(obj) is None:
            self._strays.setdefault((key.resource, key.namespace), {})[key] = obj
        if (pairs := _INDEXES.get(key.resource)) is not None:
            for pair in pairs(obj):
                self._paired.setdefault((key.resource, key.namespace, pair), {})[key] = obj
        for owner in fields.owners(obj):
            self._owned.setdefault(str(owner.get("uid", "")), {})[key] = obj

    def _forget(self, key: Key, obj: JsonView) -> None:
        self._objects[key.resource].pop(key, None)
        self._spaces[key.resource, key.namespace].pop(key, None)
        if self._uids.get(fields.uid(obj)) == key:
            del self._uids[fields.uid(obj)]
        self._strays.get((key.resource, key.namespace), {}).pop(key, None)
        if (pairs := _INDEXES.get(key.resource)) is not None:
            for pair in pairs(obj):
                _remove(self._paired, (key.resource, key.namespace, pair), key)
        for owner in fields.owners(obj):
            _remove(self._owned, str(owner.get("uid", "")), key)


def _remove(index: dict[K, dict[Key, JsonView]], value: K, key: Key) -> None:
    found = index.get(value, {})
    found.pop(key, None)
    if not found:
        index.pop(value, None)


def _version(obj: JsonView) -> int:
    """Our own server's versions are one sequence of numbers."""
    text = str(fields.meta(obj).get("resourceVersion", ""))
    return int(text) if text.isdigit() else 0
