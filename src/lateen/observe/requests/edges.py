"""Who talked to whom: hops by their ends, with identities and why there was no TLS. Pure."""

from collections.abc import Iterable, Mapping

import msgspec

from lateen.compiler.ir.proxy import ProxyView
from lateen.model import grpcstatus
from lateen.observe.requests import directory, sampling, tapline
from lateen.observe.requests.directory import Directory, Party
from lateen.observe.requests.joining import Hop

_REPORTING = ("sidecar", "gateway")


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `requests` counts connections where the proxies saw no HTTP.

    `sampled` says that it is an estimate, made from the share that was reported while there were
    very many. Errors are always counted one by one.
    """

    source: str
    target: str
    port: str
    protocol: str
    tls: str
    client_id: str = ""
    server_id: str = ""
    requests: int = 0
    errors: int = 0
    sampled: bool = False
    no_tls_reason: str = ""


def edges(hops: Iterable[Hop], who: Directory, views: Mapping[str, ProxyView]) -> list[Edge]:
    """Count hops by everything but their outcome, sorted by source and target."""
    found: dict[Edge, tuple[float, int, bool]] = {}
    for hop in hops:
        if tapline.word(hop) == "end":
            continue  # its connection was counted when it was made
        key = _key(hop, who, views)
        requests, errors, sampled = found.get(key, (0, 0, False))
        many = _many(hop, who)
        found[key] = (requests + many, errors + _failed(hop), sampled or hop.stands_for > 1)
    made = [
        msgspec.structs.replace(key, requests=round(requests), errors=errors, sampled=sampled)
        for key, (requests, errors, sampled) in found.items()
    ]
    return sorted(made, key=lambda e: (e.source, e.target, e.port, e.protocol, e.tls))


def _many(hop: Hop, who: Directory) -> float:
    """Return how many hops like it there were. Where an id says nothing to proxies, each chose by
    itself: for what both reported, twice as many were reported by one of them alone."""
    http = hop.entry.entry.http
    alone = hop.client is None or hop.server is None
    if hop.stands_for == 1 or not alone or http is None or sampling.by_id(http.request_id):
        return hop.stands_for
    both_report = all(end.role in _REPORTING for end in tapline.ends(hop, who))
    return hop.stands_for / 2 if both_report else hop.stands_for


def _key(hop: Hop, who: Directory, views: Mapping[str, ProxyView]) -> Edge:
    source, target = tapline.ends(hop, who)
    told = tapline.fields(hop, who)
    http = hop.entry.entry.http
    return Edge(
        source=_place(source),
        target=_place(target),
        port=str(told.get("dst_addr", "")).rpartition(":")[2],
        protocol=http.protocol if http is not None else "TCP",
        tls=hop.tls,
        client_id=told.get("client_id", ""),
        server_id=told.get("server_id", ""),
        no_tls_reason=_reason(hop, source, target, views) if hop.tls == "none" else "",
    )


def _place(party: Party) -> str:
    """Addresses outside without their port: each connection has another."""
    return party.name.rpartition(":")[0] if party.role == "outside" else party.name


def _reason(hop: Hop, source: Party, target: Party, views: Mapping[str, ProxyView]) -> str:
    if hop.client is None:
        if target.role == "gateway":
            return "the client spoke plaintext to this port of the gateway"
        if source.role in _REPORTING and hop.entry.one_in > 1:
            return f"the client's proxy reported one request in {hop.entry.one_in} then, not this"
        if source.role in _REPORTING:
            return "the client's proxy sent it as a copy or an attempt, which it does not log"
        return "the client has no sidecar"
    entry = hop.client.entry
    view = views.get(hop.client.proxy)
    if not entry.upstream_remote:
        return "no connection was made"
    if view is not None:
        chosen = directory.choice(view, entry.upstream_cluster, entry.upstream_remote)
        if chosen is not None:
            return chosen.why if chosen.tls == "none" else "the handshake was not finished"
    return "the destination is no service of the mesh"


def _failed(hop: Hop) -> bool:
    entry = hop.entry.entry
    if entry.http is not None:
        if entry.http.status >= 500 or entry.http.status == 0:
            return True
        return grpcstatus.blames_server(entry.http.response_headers.get("grpc-status", ""))
    return tapline.word(hop) == "refused" or entry.flags not in ("", "-")
