"""Who talked to whom: legs by their ends, with identities and why there was no TLS. Pure."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from lateen.compiler.ir.proxy import ProxyView
from lateen.model import grpcstatus
from lateen.model.labapi.traffic import Edge
from lateen.observe.requests import directory, sampling, tapline
from lateen.observe.requests.directory import Party
from lateen.observe.requests.legs import Leg

_REPORTING = ("sidecar", "gateway")
Changed = Callable[[str], datetime | None]
"""Since when a proxy has its present configuration; None where that is not known."""


class _Sum:
    """What is counted of one line."""

    def __init__(self) -> None:
        self.requests, self.errors, self.sampled = 0.0, 0, False
        self.client_id = self.server_id = ""


def edges(
    legs: Iterable[Leg], views: Mapping[str, ProxyView], changed: Changed = lambda _: None
) -> list[Edge]:
    """Count legs by what a line shows, sorted by source and target.

    Identities are those that either side named: a handshake that one side tells of later is no
    line of its own. `changed` tells since when a proxy has its present configuration.
    """
    found: dict[Edge, _Sum] = {}
    for leg in legs:
        if tapline.word(leg) == "end":
            continue  # its connection was counted when it was made
        told = tapline.fields(leg)
        line = found.setdefault(_key(leg, views, changed), _Sum())
        line.requests += _many(leg)
        line.errors += _failed(leg)
        line.sampled = line.sampled or leg.stands_for > 1
        line.client_id = line.client_id or told.get("client_id", "")
        line.server_id = line.server_id or told.get("server_id", "")
    made = [
        msgspec.structs.replace(
            key,
            requests=round(line.requests),
            errors=line.errors,
            sampled=line.sampled,
            client_id=line.client_id,
            server_id=line.server_id,
        )
        for key, line in found.items()
    ]
    return sorted(made, key=lambda e: (e.source, e.target, e.port, e.protocol, e.tls))


def _many(leg: Leg) -> float:
    """Return how many legs like it there were. Where an id says nothing to proxies, each chose by
    itself: for what both reported, twice as many were reported by one of them alone."""
    http = leg.entry.entry.http
    alone = leg.client_entry is None or leg.server_entry is None
    if leg.stands_for == 1 or not alone or http is None or sampling.by_id(http.request_id):
        return leg.stands_for
    both_report = leg.client.role in _REPORTING and leg.server.role in _REPORTING
    return leg.stands_for / 2 if both_report else leg.stands_for


def _key(leg: Leg, views: Mapping[str, ProxyView], changed: Changed) -> Edge:
    http = leg.entry.entry.http
    tls = leg.tls or "none"
    return Edge(
        source=_place(leg.client),
        target=_place(leg.server),
        port=leg.server_address.rpartition(":")[2],
        protocol=http.protocol if http is not None else "TCP",
        tls=tls,
        no_tls_reason=_reason(leg, views, changed) if tls == "none" else "",
    )


def _place(party: Party) -> str:
    """Addresses outside without their port: each connection has another."""
    return party.name.rpartition(":")[0] if party.role == "outside" else party.name


def _reason(leg: Leg, views: Mapping[str, ProxyView], changed: Changed) -> str:
    if leg.client_entry is None:
        if leg.server.role == "gateway":
            return "the client spoke plaintext to this port of the gateway"
        if leg.client.role in _REPORTING and leg.entry.one_in > 1:
            return f"the client's proxy reported one request in {leg.entry.one_in} then, not this"
        if leg.client.role in _REPORTING:
            return "the client's proxy sent it as a copy or an attempt, which it does not log"
        return "the client has no sidecar"
    entry = leg.client_entry.entry
    view = views.get(leg.client_entry.proxy)
    if not entry.upstream_remote or not leg.tls:
        return "no connection was made"
    if view is not None:
        chosen = directory.choice(view, entry.upstream_cluster, entry.upstream_remote)
        if chosen is not None and chosen.tls != "none":
            since = changed(leg.client_entry.proxy)
            if since is not None and entry.start < since:
                return "the client's proxy was configured otherwise then"
            return "the handshake was not finished"
        if chosen is not None:
            return chosen.why
    return "the destination is no service of the mesh"


def _failed(leg: Leg) -> bool:
    entry = leg.entry.entry
    if entry.http is not None:
        if entry.http.status >= 500 or entry.http.status == 0:
            return True
        return grpcstatus.blames_server(entry.http.response_headers.get("grpc-status", ""))
    return tapline.word(leg) == "refused" or entry.flags not in ("", "-")
