"""ListenerSets: whether their Gateways take them, and what their listeners come to. Pure.

Words and reasons of the conditions are those of Istio's controller.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.gatewayapi import listeners
from lateen.compiler.frontend.gatewayapi.conditions import ACCEPTED, PROGRAMMED, Aspect
from lateen.compiler.frontend.gatewayapi.listeners import ListenerState
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Key
from lateen.model.gatewayapi import gateway
from lateen.model.gatewayapi.references import GROUP

_NOT_TAKEN = (
    "The parent Gateway does not allow this reference; check the 'spec.allowedRoutes'"  # Istio's
)
_NONE_VALID = "None of the ListenerSet's listeners are valid"


class SetOutcome(NamedTuple):
    """What comes of one ListenerSet."""

    owner: Key
    """Its Gateway."""
    aspects: tuple[Aspect, Aspect]
    states: tuple[ListenerState, ...]
    """None where the Gateway does not take it."""


def owner_of(listener_set: gateway.ListenerSet, objects: GatewayObjects) -> gateway.Gateway | None:
    """Return a ListenerSet's Gateway, if it is there and looked after."""
    ref = listener_set.spec.parent_ref
    if (ref.group, ref.kind) != (GROUP, "Gateway"):
        return None
    found = objects.gateways.get((ref.namespace or listener_set.metadata.namespace, ref.name))
    if found is None or not objects.is_looked_after(found.spec.gateway_class_name):
        return None
    return found


def by_gateway(objects: GatewayObjects) -> Mapping[Key, tuple[gateway.ListenerSet, ...]]:
    """Return the ListenerSets that Gateways take, the oldest first."""
    found: dict[Key, list[gateway.ListenerSet]] = {}
    for one in sorted(objects.listener_sets.values(), key=precedence.age):
        owner = owner_of(one, objects)
        if owner is not None and listeners.admits(owner, one.metadata.namespace, objects):
            found.setdefault((owner.metadata.namespace, owner.metadata.name), []).append(one)
    return {key: tuple(sets) for key, sets in found.items()}


def outcomes(
    objects: GatewayObjects, states: Mapping[Key, tuple[ListenerState, ...]]
) -> Iterator[tuple[Key, SetOutcome]]:
    """Yield what comes of each ListenerSet whose Gateway is looked after."""
    for key, one in objects.listener_sets.items():
        owner = owner_of(one, objects)
        if owner is None:
            continue
        at = (owner.metadata.namespace, owner.metadata.name)
        if not listeners.admits(owner, one.metadata.namespace, objects):
            yield key, SetOutcome(at, _refused("NotAllowed", _NOT_TAKEN), ())
            continue
        own = tuple(state for state in states.get(at, ()) if state.holder is one)
        if not any(state.valid for state in own):
            yield key, SetOutcome(at, _refused("ListenersNotValid", _NONE_VALID), own)
            continue
        taken = Aspect(ACCEPTED, True, ACCEPTED, "Resource accepted")
        programmed = Aspect(PROGRAMMED, True, PROGRAMMED, "Resource programmed")
        yield key, SetOutcome(at, (taken, programmed), own)


def _refused(reason: str, message: str) -> tuple[Aspect, Aspect]:
    return (
        Aspect(ACCEPTED, False, reason, message),
        Aspect(PROGRAMMED, False, reason, message),
    )
