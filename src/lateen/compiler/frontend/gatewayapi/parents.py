"""What a route attaches to: listeners of Gateways, services of the mesh, and why not. Pure."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import msgspec

from lateen.compiler.frontend.gatewayapi import listener_sets, listeners, objects as gateway_objects
from lateen.compiler.frontend.gatewayapi.conditions import Denial
from lateen.compiler.frontend.gatewayapi.listeners import ListenerState
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Key
from lateen.compiler.frontend.registry import hosts
from lateen.model.gatewayapi.references import GROUP, ParentReference

ENTRY_GROUP = "networking.istio.io"
_RANKS = (
    "NotAllowedByListeners",
    "NoMatchingListenerHostname",
    "ParentRefConflict",
    "NoMatchingParent",
)
"""Denials, the most telling first."""

States = Mapping[Key, tuple[ListenerState, ...]]
"""Listeners by Gateway, of those that are looked after."""


class Attachment(NamedTuple):
    """A listener that a route is attached to, and the hosts that it serves there."""

    listener: ListenerState
    hosts: tuple[str, ...]


class Parent(msgspec.Struct, frozen=True, kw_only=True):
    """One parent of a route."""

    ref: ParentReference
    attached: tuple[Attachment, ...] = ()
    """Listeners, of a Gateway."""
    services: tuple[str, ...] = ()
    """Hostnames, of a parent in the mesh."""
    denial: Denial | None = None

    @property
    def is_mesh(self) -> bool:
        """Whether it is a service of the mesh."""
        return self.ref.group != GROUP


def of_route(
    kind: str,
    namespace: str,
    refs: tuple[ParentReference, ...],
    hostnames: tuple[str, ...],
    states: States,
    objects: GatewayObjects,
) -> Iterator[Parent]:
    """Yield what a route's references come to. One to a kind that nobody knows, to a Gateway that
    is not there, or to one of another controller's, yields nothing."""
    for ref in dict.fromkeys(refs):
        where = ref.namespace or namespace
        if (ref.group, ref.kind) == (GROUP, "Gateway"):
            every = states.get((where, ref.name))
            if every is not None:
                own = tuple(state for state in every if state.in_gateway)
                yield _at_listeners(kind, namespace, ref, hostnames, _Meant(own, every))
        elif (ref.group, ref.kind) == (GROUP, "ListenerSet"):
            yield from _at_set(kind, namespace, ref, hostnames, states, objects)
        elif (ref.group, ref.kind) in (("", "Service"), (ENTRY_GROUP, "ServiceEntry")):
            yield _in_mesh(ref, where, objects)


def _in_mesh(ref: ParentReference, namespace: str, objects: GatewayObjects) -> Parent:
    if ref.kind == "Service":
        found = (namespace, ref.name) in objects.services
        hostname = gateway_objects.hostname(namespace, ref.name, objects.domain)
        services: tuple[str, ...] = (hostname,) if found else ()
    else:
        entry = objects.entries.get((namespace, ref.name))
        services = tuple(entry.spec.hosts) if entry is not None else ()
        hostname = ref.name
    if services:
        return Parent(ref=ref, services=services)
    denial = Denial("NoMatchingParent", f'parent service: "{hostname}" not found')
    return Parent(ref=ref, denial=denial)


class _Meant(NamedTuple):
    """Listeners of one parent, and all of its Gateway."""

    own: tuple[ListenerState, ...]
    every: tuple[ListenerState, ...]


def _at_set(
    kind: str,
    namespace: str,
    ref: ParentReference,
    hostnames: tuple[str, ...],
    states: States,
    objects: GatewayObjects,
) -> Iterator[Parent]:
    """Yield what a reference to a ListenerSet comes to: nothing while no Gateway takes it."""
    found = objects.listener_sets.get((ref.namespace or namespace, ref.name))
    owner = listener_sets.owner_of(found, objects) if found is not None else None
    if owner is None:
        return
    every = states.get((owner.metadata.namespace, owner.metadata.name), ())
    own = tuple(state for state in every if state.holder is found)
    if own:
        yield _at_listeners(kind, namespace, ref, hostnames, _Meant(own, every))


def _at_listeners(
    kind: str,
    namespace: str,
    ref: ParentReference,
    hostnames: tuple[str, ...],
    among: _Meant,
) -> Parent:
    found = among.own
    attached: list[Attachment] = []
    denials: list[Denial] = []
    meant = set(listeners.attached(found, ref.port, ref.section_name))
    for number, state in enumerate(found):
        if number not in meant:
            denials.append(_not_meant(ref, state))
            continue
        served = _hosts(state, hostnames)
        denial = _denial(kind, namespace, state, served)
        if denial is None:
            attached.append(Attachment(state, _isolated(served, state, among.every)))
        else:
            denials.append(denial)
    if attached:
        return Parent(ref=ref, attached=tuple(attached))
    return Parent(ref=ref, denial=_worst(denials))


def _not_meant(ref: ParentReference, state: ListenerState) -> Denial:
    if ref.port is not None and state.spec.port != ref.port:
        return Denial("NoMatchingParent", f"port {ref.port} not found")
    return Denial("NoMatchingParent", f'sectionName "{ref.section_name}" not found')


def _denial(
    kind: str, namespace: str, state: ListenerState, served: tuple[str, ...]
) -> Denial | None:
    hostname = state.spec.hostname or listeners.ANY_HOST
    if served and not state.takes(namespace):
        return Denial(
            "NotAllowedByListeners",
            f'hostnames matched parent hostname "{hostname}", but namespace "{namespace}" is not '
            "allowed by the parent",
        )
    if not served:
        message = f'no hostnames matched parent hostname "{hostname}"'
        return Denial("NoMatchingListenerHostname", message)
    if kind not in state.kinds:
        return Denial("NotAllowedByListeners", f"kind {GROUP}/{kind} is not allowed")
    return None


def _hosts(state: ListenerState, hostnames: tuple[str, ...]) -> tuple[str, ...]:
    """Return the narrower of each two hosts of a route and a listener that overlap."""
    if state.spec.protocol in ("TCP", "UDP"):
        return (listeners.ANY_HOST,)
    asked = [name.lower() for name in hostnames] or [listeners.ANY_HOST]
    found = (hosts.intersect(state.hostname, name) for name in asked)
    return tuple(dict.fromkeys(name for name in found if name is not None))


def _isolated(
    served: tuple[str, ...], state: ListenerState, every: tuple[ListenerState, ...]
) -> tuple[str, ...]:
    """Return the hosts that no other listener of the port is nearer to."""
    if not hosts.is_wildcard(state.hostname):
        return served
    nearer = [
        other.hostname
        for other in every
        if other is not state
        and (other.spec.port, other.spec.protocol) == (state.spec.port, state.spec.protocol)
        and len(other.hostname) > len(state.hostname)
    ]
    return tuple(name for name in served if not any(hosts.covers(each, name) for each in nearer))


def _worst(denials: list[Denial]) -> Denial:
    """Return the most telling denial; sentences of equal ones are joined."""
    if not denials:
        return Denial("NoMatchingParent", "the Gateway has no listeners")
    reason = min((each.reason for each in denials), key=_RANKS.index)
    messages = dict.fromkeys(each.message for each in denials if each.reason == reason)
    return Denial(reason, "; ".join(messages))
