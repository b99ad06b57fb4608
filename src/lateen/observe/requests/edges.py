"""Who talked to whom: legs by their ends, with identities and why there was no TLS. Pure."""

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from lateen.compiler.ir.proxy import ProxyView
from lateen.model import grpcstatus
from lateen.model.labapi.traffic import Edge
from lateen.observe.requests import directory, sampling, tapline
from lateen.observe.requests.directory import Party
from lateen.observe.requests.legs import Leg

_REPORTING = ("sidecar", "gateway")
Then = Callable[[str, datetime], tuple[ProxyView, ...]]
"""The views that a proxy may have acted by at a moment, the newest first; empty where that is not
known."""


class _Sum:
    """What is counted of one line."""

    def __init__(self) -> None:
        self.requests, self.errors, self.sampled = 0.0, 0, False
        self.client_id = self.server_id = ""


def edges(legs: Iterable[Leg], then: Then = lambda *_: ()) -> list[Edge]:
    """Count legs by what a line shows, sorted by source and target.

    Identities are those that either side named: a handshake that one side tells of later is no
    line of its own. `then` tells what a proxy was configured with when a leg began.
    """
    found: dict[Edge, _Sum] = {}
    for leg in _counted(list(legs)):
        told = tapline.fields(leg)
        line = found.setdefault(key(leg, then), _Sum())
        line.requests += many(leg)
        line.errors += failed(leg)
        line.sampled = line.sampled or leg.stands_for > 1
        line.client_id = line.client_id or told.get("client_id", "")
        line.server_id = line.server_id or told.get("server_id", "")
    made = [
        msgspec.structs.replace(
            edge,
            requests=round(line.requests),
            errors=line.errors,
            sampled=line.sampled,
            client_id=line.client_id,
            server_id=line.server_id,
        )
        for edge, line in found.items()
    ]
    return sorted(made, key=lambda e: (e.source, e.target, e.port, e.protocol, e.tls))


def _counted(legs: list[Leg]) -> Iterable[Leg]:
    """Leave out the ends of connections, which were counted when they were made; but where only the
    end tells that TLS was mutual, let it stand for both."""
    ended = {connection(leg): leg for leg in legs if tapline.word(leg) == "end"}
    for leg in legs:
        word = tapline.word(leg)
        end = ended.get(connection(leg)) if word == "conn" and leg.tls == "tls" else None
        if end is not None and end.tls == "mtls":
            yield end
        elif word != "end":
            yield leg


def connection(leg: Leg) -> tuple[str, str, str]:
    """Return what a connection is known by: who tells of it, its number there, its client."""
    return leg.entry.proxy, leg.entry.entry.connection_id, leg.client_address


def many(leg: Leg) -> float:
    """Return how many legs like it there were. Where an id says nothing to proxies, each chose by
    itself: for what both reported, twice as many were reported by one of them alone."""
    http = leg.entry.entry.http
    alone = leg.client_entry is None or leg.server_entry is None
    if leg.stands_for == 1 or not alone or http is None or sampling.by_id(http.request_id):
        return leg.stands_for
    both_report = leg.client.role in _REPORTING and leg.server.role in _REPORTING
    return leg.stands_for / 2 if both_report else leg.stands_for


def key(leg: Leg, then: Then) -> Edge:
    """Return the edge that a leg belongs to, with nothing counted."""
    http = leg.entry.entry.http
    tls = leg.tls or "none"
    return Edge(
        source=_place(leg.client),
        target=_place(leg.server),
        port=leg.server_address.rpartition(":")[2],
        protocol=http.protocol if http is not None else "TCP",
        tls=tls,
        no_tls_reason=_reason(leg, then) if tls == "none" else "",
    )


def _place(party: Party) -> str:
    """Addresses outside without their port: each connection has another."""
    return party.name.rpartition(":")[0] if party.role == "outside" else party.name


def _reason(leg: Leg, then: Then) -> str:
    if leg.client_entry is None:
        if leg.server.role == "gateway":
            return "the client spoke plaintext to this port of the gateway"
        if leg.client.role in _REPORTING and leg.entry.one_in > 1:
            return f"the client's proxy reported one request in {leg.entry.one_in} then, not this"
        if leg.client.role in _REPORTING:
            return "the client's proxy sent it as a copy or an attempt, which it does not log"
        return "the client has no sidecar"
    entry = leg.client_entry.entry
    if not entry.upstream_remote or not leg.tls:
        return "no connection was made"
    views = then(leg.client_entry.proxy, entry.start)
    if not views:
        return "what its client's proxy was configured with then is not known any more"
    found = [directory.choice(v, entry.upstream_cluster, entry.upstream_remote) for v in views]
    chosen = [choice for choice in found if choice is not None]
    plain = next((choice for choice in chosen if choice.tls == "none"), None)
    if plain is not None:
        return plain.why
    if chosen:
        return "the handshake was not finished"
    return "the destination is no service of the mesh"


def failed(leg: Leg) -> bool:
    """Whether it counts as an error: no answer, 5xx, a status of gRPC that blames the server."""
    entry = leg.entry.entry
    if entry.http is not None:
        if entry.http.status >= 500 or entry.http.status == 0:
            return True
        return grpcstatus.blames_server(entry.http.response_headers.get("grpc-status", ""))
    return tapline.word(leg) == "refused" or entry.flags not in ("", "-")
