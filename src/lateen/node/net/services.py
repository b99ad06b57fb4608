"""kube-proxy's part: how Services reach their endpoints, as one table of rules. Pure.

Every (address, protocol, port) that a Service answers on is a key, with the number of one of its
endpoints as the last part; Services with as many endpoints as each other share a map and a rule. So
the rules are few and the same however many Services there are, and a change of endpoints is a
change of elements. What kube-proxy does with one chain a Service and one an endpoint, the kernel
finds here in one look.

Differences from kube-proxy, all for the one node that a lab is: clients keep their source address
(replies pass here anyway); ClientIP affinity is a hash of the client's address, so it lasts while
the endpoints stay, without a timeout.
"""

from collections.abc import Iterable

import msgspec

from lateen.model.kube import discovery
from lateen.model.kube.core import objects
from lateen.node.net.nft import (
    Chain,
    ChainHook,
    Condition,
    Hook,
    Jump,
    Match,
    Member,
    NewConnection,
    PacketField,
    PacketRule,
    Reject,
    Return,
    RuleTable,
    Set,
    SetKind,
    SourceNat,
    Spread,
    Translated,
    Value,
)

TABLE = "lateen-services"
_NAT = -100
_SOURCE_NAT = 100
_FILTER = 0
_KEY = (SetKind.ADDRESS, SetKind.PROTOCOL, SetKind.PORT)
_ENDPOINT = (SetKind.ADDRESS, SetKind.PORT)
_PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}

Address = tuple[str, int]


class NodeAddresses(msgspec.Struct, frozen=True):
    """Addresses of the lab's root namespace that the rules must know."""

    ip: str
    """The node's own address; source of what a pod sends to itself through a Service."""
    port_addresses: tuple[str, ...]
    """Addresses on which node ports answer."""
    own: tuple[str, ...] = ()
    """Virtual addresses that the root namespace answers on itself: the cluster DNS."""
    virtual: tuple[str, ...] = ()
    """Networks that are routed to lo: of addresses that exist as rules only, and of pods, whose
    own routes are longer. What arrives there is refused."""
    outside: str = ""
    """Link to the host, which connections come in by; no pod begins one that way."""


class Frontend(msgspec.Struct, frozen=True):
    """One address and port that a Service answers on, and who answers."""

    address: str
    protocol: str
    port: int
    endpoints: tuple[Address, ...]
    sticky: bool = False


def frontends(
    service: objects.Service, slices: Iterable[discovery.EndpointSlice], node: NodeAddresses
) -> tuple[Frontend, ...]:
    """Return what one Service answers on: cluster, node, external and balancer addresses.

    `slices` are those of the Service. Headless and ExternalName Services have no addresses.
    """
    spec = service.spec
    if spec.type == "ExternalName" or not _is_ipv4(spec.cluster_ip) or spec.cluster_ip in node.own:
        return ()
    known = tuple(slices)
    sticky = spec.session_affinity == "ClientIP"
    addresses = [spec.cluster_ip, *filter(_is_ipv4, spec.external_ips)]
    if spec.type == "LoadBalancer" and service.status.load_balancer:
        ingress = service.status.load_balancer.ingress
        addresses += [each.ip for each in ingress if _is_ipv4(each.ip)]
    found: list[Frontend] = []
    for port in spec.ports:
        protocol = _PROTOCOLS[port.protocol or "TCP"]
        endpoints = endpoints_of(port, known)
        places = [(address, port.port) for address in addresses]
        if spec.type in ("NodePort", "LoadBalancer") and port.node_port:
            places += [(address, port.node_port) for address in node.port_addresses]
        found += [Frontend(ip, protocol, number, endpoints, sticky) for ip, number in places]
    return tuple(found)


def endpoints_of(
    port: objects.ServicePort, slices: Iterable[discovery.EndpointSlice]
) -> tuple[Address, ...]:
    """Return the endpoints of one port, in a stable order.

    Ready ones; if there is none, those that are ending but still serve, as kube-proxy does.
    """
    ready: set[Address] = set()
    last_resort: set[Address] = set()
    for each in slices:
        if each.address_type not in ("", "IPv4"):
            continue
        for target in each.ports:
            if (target.name or "") != port.name or target.port is None:
                continue
            if (target.protocol or "TCP") != (port.protocol or "TCP"):
                continue
            for endpoint in each.endpoints:
                state = endpoint.conditions
                places = ((ip, target.port) for ip in endpoint.addresses[:1])
                if state.ready is None or state.ready:
                    ready.update(places)
                elif state.serving and state.terminating:
                    last_resort.update(places)
    return tuple(sorted(ready or last_resort))


def table(every: Iterable[Frontend], node: NodeAddresses) -> RuleTable:
    """Return the rules for all frontends. Of two with the same address and port the first wins."""
    taken: set[Value] = set()
    maps: dict[tuple[int, bool], dict[Value, Value]] = {}
    empty: dict[Value, Value] = {}
    loops: dict[Value, Value] = {}
    for each in every:
        key: Value = (each.address, each.protocol, each.port)
        if key in taken:
            continue
        taken.add(key)
        if not each.endpoints:
            empty[key] = ()
            continue
        elements = maps.setdefault((len(each.endpoints), each.sticky), {})
        for number, endpoint in enumerate(each.endpoints):
            elements[(*key, number)] = endpoint
            loops[(endpoint[0], endpoint[0])] = ()
    sets = [
        Set("no-endpoints", _KEY, empty),
        Set("loops", (SetKind.ADDRESS, SetKind.ADDRESS), loops),
    ]
    sets += [
        Set(_map_name(*group), (*_KEY, SetKind.NUMBER), maps[group], _ENDPOINT)
        for group in sorted(maps)
    ]
    return RuleTable(TABLE, _chains(maps, node), tuple(sets))


def _map_name(count: int, sticky: bool) -> str:
    return f"endpoints-{count}" + ("-sticky" if sticky else "")


def _chains(groups: Iterable[tuple[int, bool]], node: NodeAddresses) -> tuple[Chain, ...]:
    spread = tuple(
        PacketRule((), Spread(_map_name(count, sticky), count, sticky))
        for count, sticky in sorted(groups)
    )
    to_services = (PacketRule((), Jump("services")),)
    loop = Member((PacketField.SOURCE, PacketField.DESTINATION), "loops")
    refuse = tuple(_refusals(node))
    translated = PacketRule((Translated(),), Return())
    forward = ChainHook("filter", Hook.FORWARD, _FILTER)
    return (
        Chain("prerouting", to_services, ChainHook("nat", Hook.PREROUTING, _NAT)),
        Chain("output", to_services, ChainHook("nat", Hook.OUTPUT, _NAT)),
        Chain("services", spread),
        Chain(
            "postrouting",
            (PacketRule((loop,), SourceNat(node.ip)),),
            ChainHook("nat", Hook.POSTROUTING, _SOURCE_NAT),
        ),
        Chain("forward-filter", (*_stays_inside(node), *refuse), forward),
        # At this hook the kernel still names the link of the route before the translation.
        Chain("output-filter", (translated, *refuse), ChainHook("filter", Hook.OUTPUT, _FILTER)),
    )


def _stays_inside(node: NodeAddresses) -> Iterable[PacketRule]:
    """Refuse what a pod would begin with the host: it may answer it, no more."""
    if node.outside:
        to_host = (Match(PacketField.OUT_LINK, node.outside), NewConnection())
        yield PacketRule((Match(PacketField.PROTOCOL, "tcp"), *to_host), Reject(reset=True))
        yield PacketRule(to_host, Reject())


def _refusals(node: NodeAddresses) -> Iterable[PacketRule]:
    """Refuse what nobody answers, at once. Packets to addresses that no rule and no pod has are
    routed to lo, as the addresses of the root namespace itself are."""
    for address in (node.ip, *node.own):
        yield PacketRule((Match(PacketField.DESTINATION, f"{address}/32"),), Return())
    key = (PacketField.DESTINATION, PacketField.PROTOCOL, PacketField.PORT)
    to_lo = Match(PacketField.OUT_LINK, "lo")
    refused: list[tuple[Condition, ...]] = [(Member(key, "no-endpoints"),)]
    refused += [(to_lo, Match(PacketField.DESTINATION, network)) for network in node.virtual]
    for matches in refused:
        yield PacketRule((Match(PacketField.PROTOCOL, "tcp"), *matches), Reject(reset=True))
        yield PacketRule(matches, Reject())


def _is_ipv4(address: str) -> bool:
    return address.count(".") == 3
