"""Which filter chain of a listener takes a connection (listener filters, FilterChainMatch). Pure.

Envoy looks at one property after another and never goes back: a chain that asks for this port
hides all that ask for none, even where a later property then fits none of the former.
"""

import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Content, Http, Raw, Tls

_TLS_INSPECTOR = "envoy.filters.listener.tls_inspector"
_HTTP_INSPECTOR = "envoy.filters.listener.http_inspector"
_QUIET = frozenset({"envoy.filters.listener.original_dst", "envoy.filters.listener.original_src"})


class Incoming(msgspec.Struct, frozen=True, kw_only=True):
    """A connection as a listener sees it."""

    address: str
    """Where the client meant to go."""
    port: int
    source: str
    """IP of the client."""
    source_port: int = 0
    content: Content


class Inspected(msgspec.Struct, frozen=True):
    """What the listener filters found out. `waits` is set where they wait for bytes for ever."""

    transport: str = "raw_buffer"
    sni: str = ""
    protocols: tuple[str, ...] = ()
    waits: bool = False


def inspected(listener: Any, incoming: Incoming) -> Inspected:
    """Return what a listener's filters tell of a connection."""
    found = Inspected()
    content = incoming.content
    for each in listener.listener_filters:
        if each.HasField("filter_disabled") and _applies(each.filter_disabled, incoming):
            continue
        if each.name in (_TLS_INSPECTOR, _HTTP_INSPECTOR) and _silent(content):
            return Inspected(waits=True)
        if each.name == _TLS_INSPECTOR:
            if isinstance(content, Tls):
                found = Inspected("tls", content.sni.lower(), content.alpn)
        elif each.name == _HTTP_INSPECTOR:
            if found.transport == "raw_buffer" and isinstance(content, Http):
                spoken = {"1.0": "http/1.0", "1.1": "http/1.1", "2": "h2c"}[content.version]
                found = msgspec.structs.replace(found, protocols=(spoken,))
        elif each.name not in _QUIET:
            raise UnknownError(f"the listener filter {each.name}")
    return found


def _silent(content: Content) -> bool:
    """Whether the client waits for the server to begin."""
    return isinstance(content, Raw) and not content.first


def _applies(predicate: Any, incoming: Incoming) -> bool:
    """Tell whether a ListenerFilterChainMatchPredicate holds."""
    kind = predicate.WhichOneof("rule")
    if kind == "destination_port_range":
        reach = predicate.destination_port_range
        return bool(reach.start <= incoming.port < reach.end)
    if kind == "not_match":
        return not _applies(predicate.not_match, incoming)
    if kind == "or_match":
        return any(_applies(each, incoming) for each in predicate.or_match.rules)
    if kind == "and_match":
        return all(_applies(each, incoming) for each in predicate.and_match.rules)
    if kind == "any_match":
        return True
    raise UnknownError(f"a listener filter is switched by {kind}")


class UnmatchedChain(msgspec.Struct, frozen=True):
    """A chain that did not take the connection, and the property that it failed on."""

    chain: Any
    why: str


class Found(msgspec.Struct, frozen=True):
    """The chain that takes a connection, None if there is none; and those that do not."""

    chain: Any | None
    lost: tuple[UnmatchedChain, ...] = ()


_Stage = Callable[[Sequence[Any]], tuple[list[Any], str]]


def choose(listener: Any, incoming: Incoming, seen: Inspected) -> Found:
    """Return the chain for a connection. `default_filter_chain` takes what no other does."""
    left: list[Any] = list(listener.filter_chains)
    lost: list[UnmatchedChain] = []
    for stage in _stages(incoming, seen):
        kept, why = stage(left)
        names = {id(each) for each in kept}
        lost += [UnmatchedChain(each, why) for each in left if id(each) not in names]
        left = kept
    if left:
        return Found(left[0], tuple(lost))
    if listener.HasField("default_filter_chain"):
        return Found(listener.default_filter_chain, tuple(lost))
    return Found(None, tuple(lost))


def _stages(incoming: Incoming, seen: Inspected) -> list[_Stage]:
    here, there = incoming.address, incoming.source
    local = ipaddress.ip_address(there).is_loopback or there == here
    wanted = "SAME_IP_OR_LOOPBACK" if local else "EXTERNAL"
    return [
        lambda chains: _by_port(chains, incoming.port),
        lambda chains: _by_range(
            chains, here, lambda m: list(m.prefix_ranges), "destination address"
        ),
        lambda chains: _by_name(chains, seen.sni),
        lambda chains: _by_value(
            chains, seen.transport, lambda m: m.transport_protocol, "transport protocol"
        ),
        lambda chains: _by_protocol(chains, seen.protocols),
        lambda chains: _by_range(
            chains, there, lambda m: list(m.direct_source_prefix_ranges), "direct source"
        ),
        lambda chains: _by_type(chains, wanted),
        lambda chains: _by_range(chains, there, lambda m: list(m.source_prefix_ranges), "source"),
        lambda chains: _by_source_port(chains, incoming.source_port),
    ]


def _by_port(chains: Sequence[Any], port: int) -> tuple[list[Any], str]:
    own = [c for c in chains if c.filter_chain_match.destination_port.value == port]
    if own:
        return own, f"port {port} has chains of its own"
    free = [c for c in chains if not c.filter_chain_match.HasField("destination_port")]
    return free, f"it is for another port than {port}"


def _by_range(
    chains: Sequence[Any], address: str, ranges: Callable[[Any], list[Any]], what: str
) -> tuple[list[Any], str]:
    """Keep the chains with the longest prefix that holds the address; none is the shortest."""
    best, kept = -1, []
    mine = ipaddress.ip_address(address)
    for chain in chains:
        given = ranges(chain.filter_chain_match)
        lengths = [
            each.prefix_len.value
            for each in given
            if mine
            in ipaddress.ip_network(f"{each.address_prefix}/{each.prefix_len.value}", strict=False)
        ]
        length = max(lengths, default=-1) if given else 0
        if length > best:
            best, kept = length, [chain]
        elif length == best and length >= 0:
            kept.append(chain)
    return kept, f"its {what} is not {address}"


def _by_name(chains: Sequence[Any], sni: str) -> tuple[list[Any], str]:
    def having(name: str) -> list[Any]:
        if not name:
            return [c for c in chains if not c.filter_chain_match.server_names]
        return [c for c in chains if name in _names(c)]

    why = f"its server names do not hold {sni}" if sni else "it asks for a server name, none came"
    for candidate in _candidates(sni):
        found = having(candidate)
        if found:
            return found, why
    return [], why


def _names(chain: Any) -> set[str]:
    return {name.lower().removeprefix("*") for name in chain.filter_chain_match.server_names}


def _candidates(sni: str) -> Iterable[str]:
    """The name itself, then its suffixes from the longest on, then none."""
    if sni:
        yield sni
        position = sni.find(".", 1)
        while 0 <= position < len(sni) - 1:
            yield sni[position:]
            position = sni.find(".", position + 1)
    yield ""


def _by_value(
    chains: Sequence[Any], value: str, of: Callable[[Any], str], what: str
) -> tuple[list[Any], str]:
    own = [c for c in chains if of(c.filter_chain_match) == value]
    free = [c for c in chains if not of(c.filter_chain_match)]
    return own or free, f"its {what} is not {value}"


def _by_protocol(chains: Sequence[Any], offered: Sequence[str]) -> tuple[list[Any], str]:
    why = f"it is for other protocols than {', '.join(offered) or 'none'}"
    for protocol in offered:
        own = [c for c in chains if protocol in c.filter_chain_match.application_protocols]
        if own:
            return own, why
    return [c for c in chains if not c.filter_chain_match.application_protocols], why


def _by_type(chains: Sequence[Any], wanted: str) -> tuple[list[Any], str]:
    def kind(chain: Any) -> str:
        match = chain.filter_chain_match
        return str(match.ConnectionSourceType.Name(match.source_type))

    own = [c for c in chains if kind(c) == wanted]
    return own or [c for c in chains if kind(c) == "ANY"], "it is for another kind of client"


def _by_source_port(chains: Sequence[Any], port: int) -> tuple[list[Any], str]:
    own = [c for c in chains if port in c.filter_chain_match.source_ports]
    free = [c for c in chains if not c.filter_chain_match.source_ports]
    return own or free, "it is for other source ports"
