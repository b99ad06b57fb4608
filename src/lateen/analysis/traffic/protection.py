"""DestinationRules against PeerAuthentications: what clients send, what servers take. Pure.

Read off the compiled views of both sides, so that every level of both kinds has been resolved.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from lateen.compiler.ir.policy import ClientTls, TlsMode
from lateen.compiler.ir.proxy import ClusterEndpoints, OutboundCluster, ProxyKind, ProxyView
from lateen.compiler.ir.workload import Endpoint, MtlsMode
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source

_OWN_TLS = (TlsMode.SIMPLE, TlsMode.MUTUAL)
_LISTED = 3
"""How many clients a finding names."""


class ClientCluster(NamedTuple):
    """A client's cluster with the endpoints behind it."""

    client: str
    """Whose sidecars, or which gateway."""
    gateway: bool
    cluster: OutboundCluster
    endpoints: ClusterEndpoints


class _Made(NamedTuple):
    """A finding without its clients."""

    code: str
    tls: ClientTls
    arguments: dict[str, object]


def meetings(views: Iterable[ProxyView]) -> Iterator[ClientCluster]:
    """Yield every cluster that a DestinationRule gives a TLS block, once for each set of clients
    that share their outbound side."""
    seen: set[int] = set()
    for view in views:
        side = view.gateway if view.node.kind is ProxyKind.ROUTER else view.outbound
        if side is None or id(side) in seen:
            continue
        seen.add(id(side))
        gateway = view.node.kind is ProxyKind.ROUTER
        client = view.node.workload if gateway else f"namespace {view.node.namespace}"
        behind = {one.cluster: one for one in side.endpoints}
        for cluster in side.clusters:
            found = behind.get(cluster.name)
            if cluster.policy.tls is not None and found is not None and found.endpoints:
                yield ClientCluster(client, gateway, cluster, found)


def findings(views: Iterable[ProxyView]) -> Iterator[Diagnostic]:
    """Yield where the two sides do not agree, or agree on less than they could: once for each rule
    and port of a Service, with all clients whom it concerns."""
    said: dict[tuple[str, Source, str, int], list[tuple[ClientCluster, _Made]]] = {}
    for meeting in meetings(views):
        for made in _of(meeting):
            cluster = meeting.cluster
            key = made.code, made.tls.source, cluster.service.hostname, cluster.port
            said.setdefault(key, []).append((meeting, made))
    for found in said.values():
        meeting, made = min(found, key=lambda each: each[0].cluster.subset)
        yield _told(meeting, made, list(dict.fromkeys(m.client for m, _ in found)))


def _of(meeting: ClientCluster) -> Iterator[_Made]:
    tls = meeting.cluster.policy.tls
    if tls is None:
        return
    endpoints = meeting.endpoints.endpoints
    if tls.mode is TlsMode.ISTIO_MUTUAL:
        yield from _unanswered(tls, endpoints)
        return
    if tls.mode not in (TlsMode.DISABLE, *_OWN_TLS):
        return
    strict = [e for e in endpoints if e.sidecar and e.mode is MtlsMode.STRICT]
    permissive = [e for e in endpoints if e.sidecar and e.mode is MtlsMode.PERMISSIVE]
    if strict:
        remedy = _for_refused(meeting.cluster, strict)
        told = {"policy": _policy(strict), "count": len(strict), "remedy": remedy}
        yield _Made("LTN0150", tls, told)
    elif permissive and tls.mode is TlsMode.DISABLE:
        yield _Made("LTN0151", tls, {})
    if tls.mode in _OWN_TLS and meeting.cluster.protocol.is_tls and not meeting.gateway:
        yield _Made("LTN0153", tls, {})


def _unanswered(tls: ClientTls, endpoints: tuple[Endpoint, ...]) -> Iterator[_Made]:
    bare = [e for e in endpoints if not e.sidecar]
    refusing = [e for e in endpoints if e.sidecar and e.mode is MtlsMode.DISABLE]
    if refusing:
        why = f"{_policy(refusing)} turns it off there"
        yield _Made("LTN0152", tls, {"why": why})
    elif bare:
        names = sorted({e.pod or e.address for e in bare})
        yield _Made("LTN0152", tls, {"why": f"{names[0]} has no sidecar"})


def _for_refused(cluster: OutboundCluster, endpoints: list[Endpoint]) -> str:
    """Return what helps. An application that speaks TLS itself must go on getting it: mutual TLS in
    its place would hand it plaintext."""
    if not cluster.protocol.is_tls:
        return "Remove the tls block, so that mutual TLS is chosen by itself, or use ISTIO_MUTUAL."
    ports = ", ".join(sorted({str(one.port) for one in endpoints}))
    return (
        f"Let these pods take other TLS than the mesh's on port {ports} (a PeerAuthentication with "
        f"a selector and portLevelMtls {ports}: DISABLE), or route to a port that takes plaintext."
    )


def _policy(endpoints: list[Endpoint]) -> str:
    source = next((e.mode_source for e in endpoints if e.mode_source is not None), None)
    return str(source.ref) if source is not None else "Istio's default"


def _told(meeting: ClientCluster, made: _Made, clients: list[str]) -> Diagnostic:
    cluster = meeting.cluster
    service = cluster.service.hostname
    host = f"{service} (subset {cluster.subset})" if cluster.subset else service
    listed = ", ".join(clients[:_LISTED])
    more = f" and {len(clients) - _LISTED} more" if len(clients) > _LISTED else ""
    return make(
        made.code,
        made.tls.source,
        client=listed + more,
        host=host,
        port=cluster.port,
        mode=made.tls.mode.value,
        url=_url(service, cluster),
        **made.arguments,
    )


def _url(service: str, cluster: OutboundCluster) -> str:
    """Return a request that meets the cluster: the witness of a finding."""
    scheme = "http" if cluster.protocol.is_http or not cluster.protocol.is_tcp else "tcp"
    scheme = "https" if cluster.protocol.is_tls else scheme
    return f"{scheme}://{service}:{cluster.port}/"
