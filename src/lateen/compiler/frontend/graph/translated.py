"""A snapshot as the rest of the front end reads it: with what the Gateway API's objects come to.
Pure.

Where nobody uses the Gateway API it is the snapshot itself. What did not change keeps its identity,
as everywhere.
"""

from collections.abc import Mapping
from typing import Any

from lateen.compiler.frontend.gatewayapi import objects as gateway_objects, translation
from lateen.compiler.frontend.gatewayapi.translation import Translation
from lateen.compiler.frontend.graph.collections import (
    GATEWAYS,
    RULES,
    VIRTUAL_SERVICES,
    Key,
    Objects,
)

_NOTHING: Mapping[Key, Any] = {}


class TranslatedObjects:
    """Objects, some kinds of which have more than the snapshot."""

    def __init__(self, snapshot: Objects, joined: Mapping[str, Mapping[Key, Any]]) -> None:
        self._snapshot, self._joined = snapshot, joined

    def of(self, resource: str) -> Mapping[Key, Any]:
        """Return the objects of one kind; the same mapping while none of them changed."""
        found = self._joined.get(resource)
        return self._snapshot.of(resource) if found is None else found


class Translator:
    """Translates again when something that it reads has changed."""

    def __init__(self, domain: str) -> None:
        self._domain = domain
        self._read: tuple[Mapping[Key, Any], ...] = ()
        self._made: dict[str, Mapping[Key, Any]] = {}
        self._written: dict[str, Mapping[Key, Any]] = {}
        self._joined: dict[str, Mapping[Key, Any]] = {}
        self.last: Translation | None = None
        """What the objects came to; None where nobody uses the Gateway API."""

    def over(self, snapshot: Objects) -> Objects:
        """Return the objects of a snapshot with the translated ones."""
        if not gateway_objects.in_use(snapshot):
            self.last, self._read, self._made = None, (), {}
            return snapshot
        read = tuple(snapshot.of(resource) for resource in gateway_objects.READ)
        if len(read) != len(self._read) or any(
            new is not old for new, old in zip(read, self._read, strict=True)
        ):
            self._read = read
            self.last = translation.of(gateway_objects.read(snapshot, self._domain))
            self._keep(GATEWAYS, self.last.gateways)
            self._keep(VIRTUAL_SERVICES, self.last.virtual_services)
            self._keep(RULES, self.last.policies.rules)
        for resource, made in self._made.items():
            written = snapshot.of(resource)
            if self._written.get(resource) is not written or resource not in self._joined:
                self._written[resource] = written
                self._joined[resource] = {**written, **made}
        return TranslatedObjects(snapshot, dict(self._joined))

    def _keep(self, resource: str, made: Mapping[Key, Any]) -> None:
        """Take over made objects; those that are equal stay the same."""
        old = self._made.get(resource, _NOTHING)
        kept = {key: same if (same := old.get(key)) == obj else obj for key, obj in made.items()}
        self._made[resource] = kept
        self._joined.pop(resource, None)
