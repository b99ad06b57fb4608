"""Patches of route tables, virtual hosts and routes. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.compiler.backend.patches.merge import merge
from lateen.compiler.backend.patches.patch import (
    ADDING,
    MERGING,
    Trial,
    Wanted,
    part,
    refill,
)

KINDS = ("ROUTE_CONFIGURATION", "VIRTUAL_HOST", "HTTP_ROUTE")
_GATEWAY = "GATEWAY"
_ACTIONS = {"ROUTE": "route", "REDIRECT": "redirect", "DIRECT_RESPONSE": "direct_response"}


class TableOfGateway(msgspec.Struct, frozen=True):
    """What a gateway's table is for: Gateways as `namespace/name`, ports of the Service or bound,
    names of ports."""

    gateways: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    port_names: frozenset[str] = frozenset()


Gateways = Mapping[str, TableOfGateway]
"""By the table's name."""
NO_GATEWAYS: Gateways = {}


def patched(table: Any, context: str, trial: Trial, gateways: Gateways) -> None:
    """Change one table in place."""
    known = gateways.get(table.name, TableOfGateway())
    for wanted in trial.of("ROUTE_CONFIGURATION", context):
        if wanted.operation in MERGING and _table_fits(table, wanted, context, known):
            trial.did(wanted)
            replace = wanted.operation == "MERGE_AND_REPLACE_LIST"
            merge(table, wanted.value, replace_lists=replace)
    if trial.has("VIRTUAL_HOST", "HTTP_ROUTE"):
        _hosts(table, context, trial, known)


def _table_fits(table: Any, wanted: Wanted, context: str, known: TableOfGateway) -> bool:
    asked = wanted.part("routeConfiguration")
    if asked.get("name", "") not in ("", table.name):
        return False
    port = asked.get("portNumber") or 0
    if context != _GATEWAY:
        return not port or _port(table.name) == port
    if port and port not in known.ports:
        return False
    if asked.get("portName") and asked["portName"] not in known.port_names:
        return False
    return not asked.get("gateway") or asked["gateway"] in known.gateways


def _port(name: str) -> int:
    """Return the port of a sidecar's table: its name, or that of `inbound|8080||`."""
    found = re.fullmatch(r"(?:inbound\|)?(\d+)(?:\|\|)?", name)
    return int(found[1]) if found is not None else 0


def _hosts(table: Any, context: str, trial: Trial, known: TableOfGateway) -> None:
    kept = [each for each in table.virtual_hosts if _host(table, each, context, trial, known)]
    if len(kept) < len(table.virtual_hosts):
        refill(table.virtual_hosts, kept)
    for wanted in trial.of("VIRTUAL_HOST", context):
        adds = wanted.operation in ADDING
        if adds and _table_fits(table, wanted, context, known):
            table.virtual_hosts.add().CopyFrom(wanted.value)
            trial.did(wanted)


def _host(table: Any, host: Any, context: str, trial: Trial, known: TableOfGateway) -> bool:
    """Change one virtual host; tell whether it stays."""
    for wanted in trial.of("VIRTUAL_HOST", context):
        if not (_table_fits(table, wanted, context, known) and _host_fits(host, wanted)):
            continue
        if wanted.operation == "REMOVE":
            trial.did(wanted)
            return False
        if wanted.operation in MERGING:
            trial.did(wanted)
            replace = wanted.operation == "MERGE_AND_REPLACE_LIST"
            merge(host, wanted.value, replace_lists=replace)
        elif wanted.operation == "REPLACE":
            trial.did(wanted)
            host.CopyFrom(wanted.value)
    for wanted in trial.of("HTTP_ROUTE", context):
        if _table_fits(table, wanted, context, known) and _host_fits(host, wanted):
            _routes(host, wanted, trial)
    return True


def _host_asked(wanted: Wanted) -> JsonView:
    return part(wanted.part("routeConfiguration"), "vhost")


def _host_fits(host: Any, wanted: Wanted) -> bool:
    asked = _host_asked(wanted)
    if asked.get("name", "") not in ("", host.name):
        return False
    return not asked.get("domainName") or asked["domainName"] in host.domains


def _routes(host: Any, wanted: Wanted, trial: Trial) -> None:
    fits, anchored = _route_test(wanted), bool(part(_host_asked(wanted), "route"))
    if wanted.operation in MERGING:
        for route in filter(fits, host.routes):
            trial.did(wanted)
            replace = wanted.operation == "MERGE_AND_REPLACE_LIST"
            merge(route, wanted.value, replace_lists=replace)
        return
    before = list(host.routes)
    found = _listed(before, wanted, fits, anchored=anchored)
    if found is not None:
        refill(host.routes, found)
        trial.did(wanted)


def _listed(
    before: list[Any], wanted: Wanted, fits: Callable[[Any], bool], *, anchored: bool
) -> list[Any] | None:
    """Return the routes after one operation; None where nothing changes. With a route among the
    conditions, FIRST means the front of a host that has such a route."""
    operation, value = wanted.operation, wanted.value
    places = [index for index, route in enumerate(before) if fits(route)]
    if operation == "ADD" or (operation == "INSERT_AFTER" and not anchored):
        return [*before, value]
    if operation in ("INSERT_FIRST", "INSERT_BEFORE") and not anchored:
        return [value, *before]
    if not places:
        return None
    if operation == "INSERT_FIRST":
        return [value, *before]
    if operation == "REMOVE":
        return [route for route in before if not fits(route)]
    if operation == "INSERT_BEFORE":
        return [*before[: places[0]], value, *before[places[0] :]]
    if operation == "INSERT_AFTER":
        return [*before[: places[0] + 1], value, *before[places[0] + 1 :]]
    return None


def _route_test(wanted: Wanted) -> Callable[[Any], bool]:
    asked = part(_host_asked(wanted), "route")
    name, action = asked.get("name", ""), _ACTIONS.get(str(asked.get("action", "")), "")

    def fits(route: Any) -> bool:
        if name and route.name != name:
            return False
        return not action or route.WhichOneof("action") == action

    return fits
