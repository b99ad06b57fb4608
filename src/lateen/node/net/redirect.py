"""One pod's capture rules, in Istio's order. Pure.

Istio tells Envoy's own traffic by its uid, 1337. An unprivileged user namespace has one uid, so
here Envoy marks its sockets 1337 instead, and each test of the uid is a test of the mark. The names
of table and chains are those of Istio's nftables back end.
"""

import ipaddress
from collections.abc import Iterable

from lateen.node.net.nft import (
    Chain,
    ChainHook,
    Hook,
    Jump,
    Match,
    PacketField,
    PacketRule,
    Redirect,
    Return,
    RuleTable,
)
from lateen.node.net.podnetwork import ALL, CaptureOptions

TABLE = "istio-proxy-nat"
ENVOY_MARK = 1337
OUTBOUND_PORT = 15001
INBOUND_PORT = 15006
TUNNEL_PORT = 15008
PASSTHROUGH_SOURCE = "127.0.0.6/32"
"""Envoy's source address towards the application: what came in through the inbound listener."""

_NAT_PRIORITY = -100
_TCP = Match(PacketField.PROTOCOL, "tcp")
_OUT_LO = Match(PacketField.OUT_LINK, "lo")
_OURS = Match(PacketField.MARK, ENVOY_MARK)
_NOT_OURS = Match(PacketField.MARK, ENVOY_MARK, negate=True)
_RETURN = Return()
_TO_INBOUND = Jump("istio-in-redirect")
_TO_OUTBOUND = Jump("istio-redirect")

_PREFIX = "traffic.sidecar.istio.io/"


def ruleset(options: CaptureOptions) -> RuleTable:
    """Return the nat table of a pod with a sidecar."""
    return RuleTable(
        TABLE,
        (
            _base("prerouting", Hook.PREROUTING, _prerouting(options)),
            _base("output", Hook.OUTPUT, _output_hook(options)),
            Chain("istio-inbound", tuple(_inbound(options))),
            Chain("istio-output", tuple(_outbound(options))),
            Chain("istio-redirect", (PacketRule((_TCP,), Redirect(OUTBOUND_PORT)),)),
            Chain("istio-in-redirect", (PacketRule((_TCP,), Redirect(INBOUND_PORT)),)),
        ),
    )


def _base(name: str, hook: Hook, rules: Iterable[PacketRule]) -> Chain:
    return Chain(name, tuple(rules), ChainHook("nat", hook, _NAT_PRIORITY))


def _prerouting(options: CaptureOptions) -> Iterable[PacketRule]:
    for name in options.exclude_interfaces:
        yield PacketRule((Match(PacketField.IN_LINK, name),), _RETURN)
    if options.include_inbound_ports:
        yield PacketRule((_TCP,), Jump("istio-inbound"))


def _output_hook(options: CaptureOptions) -> Iterable[PacketRule]:
    for name in options.exclude_interfaces:
        yield PacketRule((Match(PacketField.OUT_LINK, name),), _RETURN)
    yield PacketRule((), Jump("istio-output"))


def _inbound(options: CaptureOptions) -> Iterable[PacketRule]:
    yield PacketRule((_TCP, _port(TUNNEL_PORT)), _RETURN)
    if ALL not in options.include_inbound_ports:
        for port in options.include_inbound_ports:
            yield PacketRule((_TCP, _port(port)), _TO_INBOUND)
        return
    for port in options.exclude_inbound_ports:
        yield PacketRule((_TCP, _port(port)), _RETURN)
    yield PacketRule((_TCP,), _TO_INBOUND)


def _outbound(options: CaptureOptions) -> Iterable[PacketRule]:
    for port in options.exclude_outbound_ports:
        yield PacketRule((_TCP, _port(port)), _RETURN)
        yield PacketRule((Match(PacketField.PROTOCOL, "udp"), _port(port)), _RETURN)
    yield PacketRule((_OUT_LO, Match(PacketField.SOURCE, PASSTHROUGH_SOURCE)), _RETURN)
    # Envoy calling the pod's own address goes through the inbound listener.
    not_loopback = Match(PacketField.DESTINATION, "127.0.0.1/32", negate=True)
    not_tunnel = Match(PacketField.PORT, TUNNEL_PORT, negate=True)
    yield PacketRule((_OURS, _OUT_LO, not_loopback, _TCP, not_tunnel), _TO_INBOUND)
    # The application calling its own pod's address passes by both listeners.
    yield PacketRule((_OUT_LO, _NOT_OURS), _RETURN)
    yield PacketRule((_OURS,), _RETURN)
    yield PacketRule((Match(PacketField.DESTINATION, "127.0.0.1/32"),), _RETURN)
    for excluded in _ranges(options.exclude_outbound_ranges):
        yield PacketRule((excluded,), _RETURN)
    for port in options.include_outbound_ports:
        if port != ALL:
            yield PacketRule((_TCP, _port(port)), _TO_OUTBOUND)
    if ALL in options.include_outbound_ranges:
        yield PacketRule((_TCP,), _TO_OUTBOUND)
        return
    for included in _ranges(options.include_outbound_ranges):
        yield PacketRule((_TCP, included), _TO_OUTBOUND)


def _port(port: str | int) -> Match:
    return Match(PacketField.PORT, int(port))


def problems(options: CaptureOptions) -> tuple[str, ...]:
    """Return a sentence for each word of the annotations that cannot be part of a rule."""
    checks = (
        ("includeInboundPorts", _included(options.include_inbound_ports), _PORT),
        ("excludeInboundPorts", options.exclude_inbound_ports, _PORT),
        ("includeOutboundPorts", _included(options.include_outbound_ports), _PORT),
        ("excludeOutboundPorts", options.exclude_outbound_ports, _PORT),
        ("includeOutboundIPRanges", _included(options.include_outbound_ranges), _RANGE),
        ("excludeOutboundIPRanges", options.exclude_outbound_ranges, _RANGE),
        ("excludeInterfaces", options.exclude_interfaces, _LINK),
    )
    return tuple(
        f"annotation {_PREFIX}{name}: {word!r} is not {kind}"
        for name, words, kind in checks
        for word in words
        if not _is(kind, word)
    )


_PORT = "a port number"
_RANGE = "a network such as 10.0.0.0/8"
_LINK = "the name of a network interface"


def _included(words: tuple[str, ...]) -> tuple[str, ...]:
    """Only what is included may be all."""
    return tuple(word for word in words if word != ALL)


def _is(kind: str, word: str) -> bool:
    if kind == _PORT:
        return word.isdigit() and 0 < int(word) < 65536
    if kind == _LINK:
        return 0 < len(word) < 16
    try:
        return ipaddress.ip_network(word, strict=False) is not None
    except ValueError:
        return False


def _ranges(words: tuple[str, ...]) -> Iterable[Match]:
    """Matches of the IPv4 networks; pods have no IPv6 address that a rule could be about."""
    for word in words:
        network = ipaddress.ip_network(word, strict=False)
        if network.version == 4:
            yield Match(PacketField.DESTINATION, str(network))
