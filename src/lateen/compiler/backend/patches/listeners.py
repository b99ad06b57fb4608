"""Patches of listeners and of what they hold: chains, filters, HTTP filters. Pure.

Of one kind of object all patches run before those of what it holds: listeners first, then their
filters, then each chain, its network filters and, inside a connection manager, its HTTP filters.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)

from lateen.base.jsonvalue import JsonView
from lateen.compiler.backend import names, pack
from lateen.compiler.backend.patches import placeholders, routes
from lateen.compiler.backend.patches.merge import merge, merge_packed
from lateen.compiler.backend.patches.patch import (
    ADDING,
    MERGING,
    Trial,
    Wanted,
    changed,
    named,
    part,
    refill,
)

KINDS = ("LISTENER", "FILTER_CHAIN", "LISTENER_FILTER", "NETWORK_FILTER", "HTTP_FILTER")
_VIRTUAL = (names.VIRTUAL_INBOUND, names.VIRTUAL_OUTBOUND)
_MANAGER = "envoy.filters.network.http_connection_manager"


def patched(listener: Any, context: str, trial: Trial) -> Any | None:
    """Change one listener in place and return it; None if it is taken away."""
    for wanted in trial.of("LISTENER", context):
        if wanted.operation in ADDING:
            continue
        if not _fits(listener, wanted):
            continue
        trial.did(wanted)
        if wanted.operation == "REMOVE":
            return None
        if wanted.operation in MERGING:
            replace = wanted.operation == "MERGE_AND_REPLACE_LIST"
            merge(listener, wanted.value, replace_lists=replace)
    _listener_filters(listener, context, trial)
    _chains(listener, context, trial)
    return listener


def _is_named(asked: str, each: Any) -> bool:
    return named(asked, each.name)


def _fits(listener: Any, wanted: Wanted) -> bool:
    asked = wanted.part("listener")
    if asked.get("name", listener.name) not in ("", listener.name):
        return False
    if wanted.patch.apply_to != "LISTENER" and listener.name in _VIRTUAL:
        return True  # there the port is looked for in the chains
    port = asked.get("portNumber") or 0
    return not port or listener.address.socket_address.port_value == port


def _listener_filters(listener: Any, context: str, trial: Trial) -> None:
    for wanted in trial.of("LISTENER_FILTER", context):
        if not _fits(listener, wanted):
            continue
        asked = wanted.part("listener").get("listenerFilter", "")
        if wanted.operation == "MERGE":
            for each in listener.listener_filters:
                packed = each.HasField("typed_config") and wanted.value.HasField("typed_config")
                if asked and packed and merge_packed(each.typed_config, wanted.value.typed_config):
                    trial.did(wanted)
            continue
        found = changed(
            listener.listener_filters,
            wanted,
            partial(_is_named, asked),
            anchored=bool(asked),
        )
        if found is not None:
            refill(listener.listener_filters, found)
            trial.did(wanted)


def _chains(listener: Any, context: str, trial: Trial) -> None:
    kept = [each for each in listener.filter_chains if _chain(listener, each, context, trial)]
    if len(kept) < len(listener.filter_chains):
        refill(listener.filter_chains, kept)
    last = listener.default_filter_chain
    if listener.HasField("default_filter_chain") and not _chain(listener, last, context, trial):
        listener.ClearField("default_filter_chain")
    for wanted in trial.of("FILTER_CHAIN", context):
        adds = wanted.operation in ADDING
        if adds and _fits(listener, wanted):
            listener.filter_chains.add().CopyFrom(wanted.value)
            trial.did(wanted)


def _chain(listener: Any, chain: Any, context: str, trial: Trial) -> bool:
    """Change one chain; tell whether it stays."""
    for wanted in trial.of("FILTER_CHAIN", context):
        if not (_fits(listener, wanted) and _chain_fits(listener, chain, wanted)):
            continue
        if wanted.operation == "REMOVE":
            trial.did(wanted)
            return False
        if wanted.operation in MERGING:
            trial.did(wanted)
            _merge_chain(chain, wanted)
    if trial.has("NETWORK_FILTER", "HTTP_FILTER") or trial.has(*routes.KINDS):
        placeholders.put_network(chain)
        _network_filters(listener, chain, context, trial)
        placeholders.take_network(chain)
    return bool(chain.filters)


def _merge_chain(chain: Any, wanted: Wanted) -> None:
    """A transport socket of the same name is merged inside; then nothing else of the patch is."""
    value = wanted.value
    same = (
        value.HasField("transport_socket")
        and chain.HasField("transport_socket")
        and value.transport_socket.name == chain.transport_socket.name
    )
    if same:
        merge_packed(chain.transport_socket.typed_config, value.transport_socket.typed_config)
        return
    merge(chain, value, replace_lists=wanted.operation == "MERGE_AND_REPLACE_LIST")


def _chain_fits(listener: Any, chain: Any, wanted: Wanted) -> bool:
    asked = wanted.part("listener")
    condition = chain.filter_chain_match
    port = asked.get("portNumber") or 0
    if port and listener.name in _VIRTUAL and condition.destination_port.value != port:
        return False
    inner = part(asked, "filterChain")
    if inner.get("name", "") not in ("", chain.name):
        return False
    if inner.get("sni") and inner["sni"] not in condition.server_names:
        return False
    transport = inner.get("transportProtocol")
    if transport and transport != condition.transport_protocol:
        return False
    protocols = [each for each in str(inner.get("applicationProtocols", "")).split(",") if each]
    if not set(protocols) <= set(condition.application_protocols):
        return False
    destination = inner.get("destinationPort") or 0
    return not destination or condition.destination_port.value == destination


def _filter_asked(wanted: Wanted) -> JsonView:
    return part(part(wanted.part("listener"), "filterChain"), "filter")


def _network_filters(listener: Any, chain: Any, context: str, trial: Trial) -> None:
    mine = [
        wanted
        for wanted in trial.of("NETWORK_FILTER", context)
        if _fits(listener, wanted) and _chain_fits(listener, chain, wanted)
    ]
    _change_filters(chain.filters, mine, _network_filter, trial)
    for each in chain.filters:
        if each.name == _MANAGER:
            _manager(listener, chain, each, context, trial)


def _network_filter(wanted: Wanted) -> str:
    return str(_filter_asked(wanted).get("name", ""))


def _http_filter(wanted: Wanted) -> str:
    return str(part(_filter_asked(wanted), "subFilter").get("name", ""))


def _change_filters(
    filters: Any, mine: Sequence[Wanted], name_of: Callable[[Wanted], str], trial: Trial
) -> None:
    """Change a list of filters: what adds and takes away first, then what merges, so that a merge
    sees filters that were added. `name_of` says which filter a patch asks for."""
    for wanted in mine:
        asked = name_of(wanted)
        found = changed(filters, wanted, partial(_is_named, asked), anchored=bool(asked))
        if found is not None:
            refill(filters, found)
            trial.did(wanted)
    for each in filters:
        for wanted in mine:
            asked = name_of(wanted)
            if wanted.operation == "MERGE" and (not asked or named(asked, each.name)):
                _merge_filter(each, wanted, trial)


def _merge_filter(target: Any, wanted: Wanted, trial: Trial) -> None:
    """Merge into a filter's configuration, whatever type the patch gives it; a name counts too."""
    if not target.HasField("typed_config") or placeholders.is_one(target):
        return
    value = wanted.value
    if value.HasField("typed_config") and not merge_packed(target.typed_config, value.typed_config):
        return
    trial.did(wanted)
    target.name = wanted.value.name or target.name


def _manager(listener: Any, chain: Any, holder: Any, context: str, trial: Trial) -> None:
    """Change the HTTP filters of a connection manager."""
    manager: Any = http_connection_manager_pb2.HttpConnectionManager()
    if not holder.typed_config.Unpack(manager):
        return
    before = manager.SerializeToString(deterministic=True)
    placeholders.put_http(manager)
    mine = [
        wanted
        for wanted in trial.of("HTTP_FILTER", context)
        if _fits(listener, wanted)
        and _chain_fits(listener, chain, wanted)
        and _asks_for(wanted, holder.name)
    ]
    _change_filters(manager.http_filters, mine, _http_filter, trial)
    placeholders.take_http(manager)
    if manager.HasField("route_config"):
        routes.patched(manager.route_config, context, trial, routes.NO_GATEWAYS)
    if manager.SerializeToString(deterministic=True) != before:
        holder.typed_config.CopyFrom(pack.any_of(manager))


def _asks_for(wanted: Wanted, name: str) -> bool:
    asked = str(_filter_asked(wanted).get("name", ""))
    return not asked or named(asked, name)
