"""One pod's capture rules, in Istio's order. Pure.

Istio tells Envoy's own traffic by its uid, 1337. An unprivileged user namespace has one uid, so
here Envoy marks its sockets 1337 instead, and each test of the uid is a test of the mark. The names
of table and chains are those of Istio's nftables back end.
"""

import ipaddress
from collections.abc import Iterable, Mapping

from lateen.node.nft import (
    Base,
    Chain,
    Field,
    Hook,
    Jump,
    Match,
    Redirect,
    Return,
    Rule,
    Table,
)
from lateen.node.podnetwork import ALL, CaptureOptions

TABLE = "istio-proxy-nat"
ENVOY_MARK = 1337
OUTBOUND_PORT = 15001
INBOUND_PORT = 15006
TUNNEL_PORT = 15008
PASSTHROUGH_SOURCE = "127.0.0.6/32"
"""Envoy's source address towards the application: what came in through the inbound listener."""

_NAT_PRIORITY = -100
_TCP = Match(Field.PROTOCOL, "tcp")
_OUT_LO = Match(Field.OUT_LINK, "lo")
_OURS = Match(Field.MARK, ENVOY_MARK)
_NOT_OURS = Match(Field.MARK, ENVOY_MARK, negate=True)
_RETURN = Return()
_TO_INBOUND = Jump("istio-in-redirect")
_TO_OUTBOUND = Jump("istio-redirect")

_PREFIX = "traffic.sidecar.istio.io/"


def ruleset(options: CaptureOptions) -> Table:
    """Return the nat table of a pod with a sidecar."""
    return Table(
        TABLE,
        (
            _base("prerouting", Hook.PREROUTING, _prerouting(options)),
            _base("output", Hook.OUTPUT, _output_hook(options)),
            Chain("istio-inbound", tuple(_inbound(options))),
            Chain("istio-output", tuple(_outbound(options))),
            Chain("istio-redirect", (Rule((_TCP,), Redirect(OUTBOUND_PORT)),)),
            Chain("istio-in-redirect", (Rule((_TCP,), Redirect(INBOUND_PORT)),)),
        ),
    )


def _base(name: str, hook: Hook, rules: Iterable[Rule]) -> Chain:
    return Chain(name, tuple(rules), Base("nat", hook, _NAT_PRIORITY))


def _prerouting(options: CaptureOptions) -> Iterable[Rule]:
    for name in options.exclude_interfaces:
        yield Rule((Match(Field.IN_LINK, name),), _RETURN)
    if options.include_inbound_ports:
        yield Rule((_TCP,), Jump("istio-inbound"))


def _output_hook(options: CaptureOptions) -> Iterable[Rule]:
    for name in options.exclude_interfaces:
        yield Rule((Match(Field.OUT_LINK, name),), _RETURN)
    yield Rule((), Jump("istio-output"))


def _inbound(options: CaptureOptions) -> Iterable[Rule]:
    yield Rule((_TCP, _port(TUNNEL_PORT)), _RETURN)
    if ALL not in options.include_inbound_ports:
        for port in options.include_inbound_ports:
            yield Rule((_TCP, _port(port)), _TO_INBOUND)
        return
    for port in options.exclude_inbound_ports:
        yield Rule((_TCP, _port(port)), _RETURN)
    yield Rule((_TCP,), _TO_INBOUND)


def _outbound(options: CaptureOptions) -> Iterable[Rule]:
    for port in options.exclude_outbound_ports:
        yield Rule((_TCP, _port(port)), _RETURN)
        yield Rule((Match(Field.PROTOCOL, "udp"), _port(port)), _RETURN)
    yield Rule((_OUT_LO, Match(Field.SOURCE, PASSTHROUGH_SOURCE)), _RETURN)
    # Envoy calling the pod's own address goes through the inbound listener.
    not_loopback = Match(Field.DESTINATION, "127.0.0.1/32", negate=True)
    not_tunnel = Match(Field.PORT, TUNNEL_PORT, negate=True)
    yield Rule((_OURS, _OUT_LO, not_loopback, _TCP, not_tunnel), _TO_INBOUND)
    # The application calling its own pod's address passes by both listeners.
    yield Rule((_OUT_LO, _NOT_OURS), _RETURN)
    yield Rule((_OURS,), _RETURN)
    yield Rule((Match(Field.DESTINATION, "127.0.0.1/32"),), _RETURN)
    for network in options.exclude_outbound_ranges:
        yield Rule((Match(Field.DESTINATION, network),), _RETURN)
    for port in options.include_outbound_ports:
        if port != ALL:
            yield Rule((_TCP, _port(port)), _TO_OUTBOUND)
    if ALL in options.include_outbound_ranges:
        yield Rule((_TCP,), _TO_OUTBOUND)
        return
    for network in options.include_outbound_ranges:
        yield Rule((_TCP, Match(Field.DESTINATION, network)), _TO_OUTBOUND)


def _port(port: str | int) -> Match:
    return Match(Field.PORT, int(port))


def options_from(annotations: Mapping[str, str]) -> tuple[CaptureOptions, tuple[str, ...]]:
    """Read a pod's annotations; return the options and a sentence for each that was not taken.

    The ports 15090, 15021 and 15020 are always excluded from inbound capture, as istio-init does.
    """
    problems: list[str] = []
    default = CaptureOptions()

    def read(name: str, kind: str, otherwise: tuple[str, ...]) -> tuple[str, ...]:
        if _PREFIX + name not in annotations:
            return otherwise
        good, bad = _words(annotations[_PREFIX + name], kind)
        problems.extend(f"annotation {_PREFIX}{name}: {word!r} is not a {kind}" for word in bad)
        return good

    mode = annotations.get("sidecar.istio.io/interceptionMode", default.mode)
    if mode not in ("REDIRECT", "NONE"):
        problems.append(
            f"annotation sidecar.istio.io/interceptionMode: {mode!r} is treated as REDIRECT:"
            " the application sees 127.0.0.6 as its client's address"
        )
        mode = default.mode
    never = default.exclude_inbound_ports
    options = CaptureOptions(
        mode=mode,
        include_inbound_ports=read("includeInboundPorts", "port", default.include_inbound_ports),
        exclude_inbound_ports=never
        + tuple(p for p in read("excludeInboundPorts", "port", ()) if p not in never),
        include_outbound_ports=read("includeOutboundPorts", "port", ()),
        exclude_outbound_ports=read("excludeOutboundPorts", "port", ()),
        include_outbound_ranges=read(
            "includeOutboundIPRanges", "network", default.include_outbound_ranges
        ),
        exclude_outbound_ranges=read("excludeOutboundIPRanges", "network", ()),
        exclude_interfaces=read("excludeInterfaces", "interface", ()),
    )
    return options, tuple(problems)


def _words(value: str, kind: str) -> tuple[tuple[str, ...], list[str]]:
    """Split a comma-separated annotation into what is valid and what is not."""
    good: list[str] = []
    bad: list[str] = []
    for word in (part.strip() for part in value.split(",")):
        if word:
            (good if _valid(word, kind) else bad).append(word)
    return tuple(good), bad


def _valid(word: str, kind: str) -> bool:
    if kind == "interface":
        return len(word) < 16
    if word == ALL:
        return True
    if kind == "port":
        return word.isdigit() and 0 < int(word) < 65536
    try:
        return ipaddress.ip_network(word, strict=False).version == 4
    except ValueError:
        return False
