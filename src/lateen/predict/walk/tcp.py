"""Envoy's TCP proxy: bytes to a cluster, whatever they are. Pure."""

from typing import Any

import msgspec

from lateen.predict.connection import upstream
from lateen.predict.connection.choices import Option
from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Run, WireReply, party_of
from lateen.predict.envoy import any_messages, clusters, config
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.outcome import Leg, Log

SNI_PROXY = "sni_dynamic_forward_proxy.v3.FilterConfig"
BLACK_HOLE = "BlackHoleCluster"
"""Where a mesh sends what it does not know, if nothing unknown may leave."""
_CONNECTED = frozenset({"answer", "closed", "tls", "silent", "protocol"})


def forward(run: Run, hop: Hop, proxy: Any) -> WireReply:
    """Return what a TCP proxy makes of a connection."""
    if proxy.HasField("tunneling_config"):
        raise UnknownError("bytes that travel inside an HTTP CONNECT")
    server = party_of(hop.pod, port=hop.taken.port)
    name = _cluster(run, proxy)
    cluster = hop.proxy.cluster(name)
    run.cluster = run.cluster or ("" if hop.inbound else name)
    sources = hop.chain_sources("source", "policy")
    if cluster is None:
        return _stopped(run, hop, name, "no-such-destination", ("NC",))
    if not hop.inbound:
        own = config.known(config.written(cluster.metadata, "source"))
        run.step("destination", f"bytes to {name}", at=hop.name, sources=(*sources, *own))
    if clusters.full(cluster):
        return _stopped(run, hop, name, "overflow", ("UO",))
    endpoint = upstream.choose(run, hop, cluster, set(), _asked(hop))
    if endpoint is None:
        code = "blocked" if name == BLACK_HOLE else "no-healthy-endpoints"
        return _stopped(run, hop, name, code, ("UH",))
    way = upstream.UpstreamOptions(cluster=cluster)
    dialed = upstream.dial(run, hop, way, endpoint, hop.taken.content)
    reply, log = dialed.reply, Log(proxy=hop.name, kind="tcp", cluster=name)
    failed = reply.kind not in _CONNECTED
    if failed:
        reason = upstream.blame(run, hop, way, dialed)
        log = msgspec.structs.replace(log, flags=("UF", "URX"), upstream_failure=reason)
    mark = run.failure is not None and run.failure.leg == dialed.place
    leg = msgspec.structs.replace(dialed.leg, client_log=log, failed=mark or failed)
    run.put(dialed.place, leg)
    kind = "closed" if failed else reply.kind
    return msgspec.structs.replace(reply, kind=kind, server=server, log=log)


def _asked(hop: Hop) -> str:
    """Return the name that a filter before the proxy resolves: the connection's server name, at the
    port that the filter says."""
    for each in hop.chain.filters:
        if any_messages.type_of(each.typed_config).endswith(SNI_PROXY):
            opened = any_messages.opened(each.typed_config)
            return f"{hop.sni}:{opened.port_value}" if opened is not None else ""
    return ""


def _cluster(run: Run, proxy: Any) -> str:
    if proxy.WhichOneof("cluster_specifier") != "weighted_clusters":
        return str(proxy.cluster)
    rows = [(c, float(c.weight)) for c in proxy.weighted_clusters.clusters if c.weight]
    total = sum(weight for _, weight in rows)
    options = [Option(f"the draw falls on {c.name}", weight / total) for c, weight in rows]
    return str(rows[run.choices.choose(options)][0].name)


def _stopped(run: Run, hop: Hop, name: str, code: str, flags: tuple[str, ...]) -> WireReply:
    """The proxy has nowhere to send it, and closes."""
    log = Log(proxy=hop.name, kind="tcp", flags=flags, cluster=name)
    place = run.reserve()
    leg = Leg(client=party_of(hop.pod), server=upstream.NOWHERE, client_log=log, failed=True)
    run.put(place, leg)
    sources = hop.chain_sources("source")
    run.step("destination", f"{name}: {code}", at=hop.name, ok=False, sources=sources)
    run.fail(code, sources, place)
    return WireReply(kind="closed", server=party_of(hop.pod, port=hop.taken.port), log=log)
