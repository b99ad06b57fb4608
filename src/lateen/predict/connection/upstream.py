"""From a proxy to an endpoint of a cluster: which one, by which TLS, and what came of it. Pure."""

import ipaddress
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.model.meta import Source
from lateen.predict.connection import demands
from lateen.predict.connection.choices import Option
from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Layer, OpenedConnection, Run, WireReply, party_of
from lateen.predict.envoy import clusters, config, routes, tls
from lateen.predict.envoy.clusters import ClusterEndpoint
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.outcome import Leg, Log, Party
from lateen.predict.values.request import Content, Tls, Trust

NOWHERE = Party("nowhere", "")
_TLS_WORDS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS"}


class UpstreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to speak to a cluster."""

    cluster: Any
    alpn: tuple[str, ...] = ()
    """What the HTTP filters say is to be offered; empty leaves it to the cluster."""
    otherwise: tuple[str, ...] = ()
    """What is offered where neither says anything: the codec's own name."""
    authority: str = ""
    """The request's, for clusters that take SNI from it."""


class Dialed(msgspec.Struct, frozen=True, kw_only=True):
    """A connection that was opened to an endpoint, and all that a leg tells of it but the log."""

    reply: WireReply
    leg: Leg
    place: int
    """Of the leg in the run."""
    own_failure: str = ""
    """Why the proxy's own handshake failed."""


def choose(
    run: Run, hop: Hop, cluster: Any, tried: set[tuple[str, int]], asked: str = ""
) -> ClusterEndpoint | None:
    """Return the endpoint that takes the request, None where there is none. One that was not tried
    yet comes before those that were; endpoints that are alike are one choice. `asked` is the name,
    maybe with a port, that the request or connection has, for clusters that resolve it."""
    found = _candidates(run, hop, cluster, asked)
    fresh = [each for each in found if (each.address, each.port) not in tried]
    left = fresh or found
    if not left:
        return None
    groups: dict[tuple[Any, ...], list[ClusterEndpoint]] = {}
    for each in left:
        groups.setdefault(_likeness(run, cluster, each), []).append(each)
    total = sum(each.weight for each in left)
    options = [
        Option(f"the endpoint is {_name(run, members[0])}", sum(m.weight for m in members) / total)
        for members in groups.values()
    ]
    return list(groups.values())[run.choices.choose(options)][0]


def reachable(run: Run, hop: Hop, cluster: Any) -> bool:
    """Whether a cluster has an endpoint at which something listens, as far as that is known."""
    pods = run.world.network.pods
    for each in _candidates(run, hop, cluster):
        pod = pods.get(each.address)
        if pod is None or pod.proxy or pod.speeches is None or each.port in pod.speeches:
            return True
    return False


def _candidates(run: Run, hop: Hop, cluster: Any, asked: str = "") -> list[ClusterEndpoint]:
    if clusters.resolves(cluster):
        return _resolved(run, cluster, asked)
    kind = clusters.discovery(cluster)
    if kind == "ORIGINAL_DST":
        if not clusters.restores(hop.listener):
            return []  # a socket of its own: nobody knows where the client was going
        return [ClusterEndpoint(hop.taken.address, hop.taken.port)]
    if kind == "EDS":
        name = cluster.eds_cluster_config.service_name or cluster.name
        return clusters.endpoints(hop.proxy.endpoints(name))
    written = clusters.endpoints(
        cluster.load_assignment if cluster.HasField("load_assignment") else None
    )
    if kind == "STATIC":
        return written
    found = []
    for each in written:
        addresses = run.world.network.names.addresses(each.address, "")
        found += [
            ClusterEndpoint(
                address, each.port, each.message, each.weight / len(addresses), each.address
            )
            for address in addresses
        ]
    return found


def _resolved(run: Run, cluster: Any, asked: str) -> list[ClusterEndpoint]:
    """Return who answers for the name that was asked for, by the proxy's own DNS. Its port counts,
    else that of the cluster's scheme, whatever port was dialled."""
    host, port = routes.bare(asked), asked[len(routes.bare(asked)) + 1 :]
    number = int(port) if port.isdigit() else 443 if cluster.HasField("transport_socket") else 80
    found = run.world.network.names.addresses(host, "")
    if not found:
        raise UnknownError(f"a name that the proxy cannot resolve: {host}")
    share = 1 / len(found)
    return [ClusterEndpoint(address, number, None, share, host) for address in found]


def _likeness(run: Run, cluster: Any, endpoint: ClusterEndpoint) -> tuple[Any, ...]:
    pod = run.world.network.pods.get(endpoint.address)
    _, match = clusters.socket_for(cluster, endpoint)
    return (pod.workload if pod is not None else endpoint.address, endpoint.port, match)


def _name(run: Run, endpoint: ClusterEndpoint) -> str:
    pod = run.world.network.pods.get(endpoint.address)
    return pod.workload if pod is not None else f"{endpoint.address}:{endpoint.port}"


def dial(
    run: Run, hop: Hop, way: UpstreamOptions, endpoint: ClusterEndpoint, content: Content
) -> Dialed:
    """Open a connection to an endpoint and send what it is to carry."""
    place = run.reserve()
    inward = hop.inbound and (
        _loopback(endpoint.address)
        or (endpoint.message is None and endpoint.address == hop.pod.address)
    )
    client = party_of(hop.pod)
    socket, match = clusters.socket_for(way.cluster, endpoint)
    context = clusters.tls_context(socket)
    sent = content if context is None else _wrapped(run, hop, way, context, content)
    if not inward:
        _note_tls(run, hop, way, endpoint, match, sent, wrapped=context is not None)
    reply = run.arrive(
        OpenedConnection(
            client=client,
            pod=hop.pod,
            address=endpoint.address,
            port=endpoint.port,
            content=sent,
            by_proxy=True,
            inward=inward,
        )
    )
    layer = reply.layers[0] if reply.layers else None
    failure = ""
    if context is not None and reply.kind == "tls" and (layer is None or not layer.done):
        failure = reply.reason
    return Dialed(
        reply=reply if context is None else _unwrapped(reply, failure),
        leg=_leg(client, reply, sent, layer, wrapped=context is not None, deep=run.depth + 1),
        place=place,
        own_failure=failure,
    )


def _loopback(address: str) -> bool:
    return bool(address) and ipaddress.ip_address(address).is_loopback


def _unwrapped(reply: WireReply, failure: str) -> WireReply:
    """Return what is left of a reply inside the proxy's own TLS."""
    kind = "handshake" if failure else reply.kind
    return msgspec.structs.replace(reply, kind=kind, layers=reply.layers[1:])


def _leg(
    client: Party,
    reply: WireReply,
    sent: Content,
    layer: Layer | None,
    *,
    wrapped: bool,
    deep: int,
) -> Leg:
    refused = reply.kind in ("refused", "unreachable", "timeout")
    kind = "none"
    if isinstance(sent, Tls):
        kind = "mtls" if layer is not None and layer.mutual else "tls"
        if layer is None and sent.certificate is not None and reply.kind != "tls":
            kind = "mtls"
    return Leg(
        client=client,
        server=reply.server,
        tls="" if refused else kind,
        sni=sent.sni if isinstance(sent, Tls) and not refused else "",
        alpn=sent.alpn if isinstance(sent, Tls) and not refused else (),
        client_identity=layer.client if layer is not None else "",
        server_identity=server_identity(reply, layer, wrapped=wrapped, deep=deep),
        server_log=reply.log,
    )


def server_identity(reply: WireReply, layer: Layer | None, *, wrapped: bool, deep: int) -> str:
    """Return whom the server is known to be, by a proxy at either end: by what it showed, if the
    client accepted that; else by its own log, which tells URIs only. `deep`: the server's."""
    ended_here = layer is not None and (layer.at, layer.deep) == (reply.server.name, deep)
    if layer is None or not (wrapped or ended_here):
        return ""
    if wrapped and (layer.done or reply.kind == "closed"):
        return layer.server
    told = reply.log is not None or layer.done
    return layer.server if told and "://" in layer.server else ""


def _wrapped(run: Run, hop: Hop, way: UpstreamOptions, context: Any, content: Content) -> Tls:
    options = clusters.http_options(way.cluster)
    host = ""
    named = False
    if options is not None and options.HasField("upstream_http_protocol_options"):
        automatic = options.upstream_http_protocol_options
        bare = routes.bare(way.authority)
        host = bare if automatic.auto_sni and not _is_address(bare) else ""
        named = bool(automatic.auto_san_validation and way.authority)  # bytes have no host
    made = demands.client_side(run, hop.name, context, content, way.alpn, host)
    if not made.alpn:
        made = msgspec.structs.replace(made, alpn=way.otherwise)
    if host:
        made = msgspec.structs.replace(made, sni=host)
    if named and made.trust.roots is not None and not made.trust.names:
        names = (demands.named(routes.bare(way.authority)),)
        made = msgspec.structs.replace(made, trust=Trust(roots=made.trust.roots, names=names))
    return made


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdigit() or ":" in host


def tls_sources(cluster: Any, endpoint: ClusterEndpoint | None, match: str) -> tuple[Source, ...]:
    """Return the fields that decided which TLS a cluster speaks to an endpoint."""
    rule = config.written(cluster.metadata, "tls")
    if rule is not None or endpoint is None or endpoint.message is None:
        return config.known(rule)
    return config.known(config.written(endpoint.message.metadata, "mode"))


def _note_tls(
    run: Run,
    hop: Hop,
    way: UpstreamOptions,
    endpoint: ClusterEndpoint,
    match: str,
    sent: Content,
    *,
    wrapped: bool,
) -> None:
    sources = tls_sources(way.cluster, endpoint, match)
    if wrapped and isinstance(sent, Tls):
        kind = "mutual TLS" if sent.certificate is not None else "TLS without a client certificate"
        words = f"{kind}, SNI {sent.sni or 'none'}"
        if sent.alpn:
            words += f", ALPN {', '.join(sent.alpn)}"
    elif isinstance(sent, Tls):
        words = "none of its own: it carries the TLS of who asked"
    else:
        words = "plaintext"
    run.step("client's TLS", words, at=hop.name, sources=sources)


def endpoint_words(run: Run, cluster: Any, endpoint: ClusterEndpoint) -> str:
    """Return a sentence's part about an endpoint."""
    return f"{cluster.name} at {endpoint.address}:{endpoint.port} ({_name(run, endpoint)})"


_REASONS: Mapping[str, tuple[str, str]] = {
    "refused": ("connection-refused", "delayed connect error: Connection refused"),
    "unreachable": ("unreachable", "delayed connect error: Network is unreachable"),
    "timeout": ("connect-timeout", "connection_timeout"),
}
_HANDSHAKES = {
    tls.UNTRUSTED: "server-certificate-untrusted",
    tls.SELF_SIGNED: "server-certificate-untrusted",
    tls.EXPIRED: "server-certificate-expired",
    tls.NAMES: "san-mismatch",
    "WRONG_VERSION_NUMBER": "tls-to-plaintext",
    tls.NO_PROTOCOL: "connection-terminated",
    "closed": "connection-terminated",
}


def blame(run: Run, hop: Hop, way: UpstreamOptions, dialed: Dialed) -> str:
    """Note why a connection did not do, and return what the proxy will log as its reason."""
    sources = config.known(
        config.written(way.cluster.metadata, "tls"),
        config.written(way.cluster.metadata, "source"),
        *hop.chain_sources("source"),
    )
    if dialed.own_failure:
        code = _HANDSHAKES.get(dialed.own_failure, "no-mesh-certificate")
        if run.failure is None:
            run.step("client's TLS", dialed.own_failure, at=hop.name, ok=False, sources=sources)
        run.fail(code, sources, dialed.place)
        return dialed.own_failure
    if dialed.reply.kind in _REASONS:
        code, reason = _REASONS[dialed.reply.kind]
        pool = config.known(config.written(way.cluster.metadata, "connectionPool"))
        run.fail(code, (*pool, *sources) if code == "connect-timeout" else sources, dialed.place)
        return reason
    protocol = dialed.reply.kind == "protocol"
    run.fail("upstream-protocol" if protocol else "connection-terminated", sources, dialed.place)
    return ""


def log_of(hop: Hop, kind: str, **told: Any) -> Log:
    """Return what the proxy logs."""
    return Log(proxy=hop.name, kind=kind, **told)
