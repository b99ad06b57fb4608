"""A connection at a listener: which listener, which chain, what of TLS ends there. Pure."""

from typing import Any

import msgspec

from lateen.predict.connection import demands
from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Layer, OpenedConnection, Run, WireReply, ended, party_of
from lateen.predict.envoy import any_messages, chains, config, tls
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.facts import PodFacts
from lateen.predict.values.outcome import Candidate, Log
from lateen.predict.values.request import Tls
from lateen.predict.walk import filters


def serve(run: Run, pod: PodFacts, wanted: OpenedConnection, name: str) -> WireReply:
    """Return what a proxy answers a connection that reached its listener of a name."""
    proxy = run.world.proxies.get(pod.name)
    first = proxy.listener(name) if proxy is not None else None
    if proxy is None or first is None:
        raise UnknownError(f"the configuration of {pod.name} has no listener {name}")
    listener = _handed_on(proxy, first, wanted)
    incoming = chains.Incoming(
        address=wanted.address,
        port=wanted.port,
        source=wanted.source.rpartition(":")[0] or wanted.source,
        content=wanted.content,
    )
    seen = chains.inspected(listener, incoming)
    server = party_of(pod, port=wanted.port)
    if seen.waits:
        run.step("listener", f"{listener.name} waits for the client's first bytes", ok=False)
        run.fail("server-first", leg=len(run.legs) - 1)
        return WireReply(kind="silent", server=server)
    found = chains.choose(listener, incoming, seen)
    if found.chain is None:
        return _no_chain(run, pod, wanted, listener, found)
    _note_chain(run, pod, wanted, listener, found)
    return _through(run, pod, wanted, listener, found.chain)


def _handed_on(proxy: config.Proxy, first: Any, wanted: OpenedConnection) -> Any:
    """Return the listener that takes a connection in the end: by original destination where the
    first hands on, the exact address before the wildcard."""
    if not (first.HasField("use_original_dst") and first.use_original_dst.value):
        return first
    for key in ((wanted.address, wanted.port), ("", wanted.port)):
        name = proxy.by_address.get(key)
        if name is not None and name != first.name:
            found = proxy.listener(name)
            if found is not None:
                return found
    return first


def _no_chain(
    run: Run, pod: PodFacts, wanted: OpenedConnection, listener: Any, found: chains.Found
) -> WireReply:
    """No chain: the listener closes, and only its own log tells."""
    shown = "TLS" if isinstance(wanted.content, Tls) else "plaintext"
    sni = wanted.content.sni if isinstance(wanted.content, Tls) else ""
    what = f"{shown} for {sni}" if sni else shown
    sources = config.known(
        *(config.written(each.chain.metadata, "mode") for each in _of_port(listener, wanted.port)),
        *(config.written(each.chain.metadata, "server") for each in found.lost),
        *(config.written(each.chain.metadata, "source") for each in found.lost),
    )
    run.step(
        "server's TLS" if pod.proxy == "sidecar" else "listener",
        f"{listener.name} has no chain for {what} on port {wanted.port}",
        at=pod.name,
        ok=False,
        sources=sources,
        lost=_candidates(found),
    )
    secure, gateway = isinstance(wanted.content, Tls), pod.proxy == "gateway"
    run.fail(_UNMATCHED[gateway, secure], sources, len(run.legs) - 1)
    log = Log(proxy=pod.name, kind="listener", flags=("NR",), details="filter_chain_not_found")
    return ended(wanted.content, party_of(pod, port=wanted.port), log)


_UNMATCHED = {
    (True, True): "no-matching-server",
    (True, False): "plaintext-to-tls-port",
    (False, True): "tls-to-http-port",
    (False, False): "plaintext-to-strict",
}
"""What is wrong where no chain takes a connection: at a gateway or not, TLS or not."""


def _of_port(listener: Any, port: int) -> list[chains.UnmatchedChain]:
    """Return the chains of a port, or those of no port where it has none."""
    own = [c for c in listener.filter_chains if c.filter_chain_match.destination_port.value == port]
    free = [
        c for c in listener.filter_chains if not c.filter_chain_match.HasField("destination_port")
    ]
    return [chains.UnmatchedChain(each, "") for each in own or free]


_OTHER_PORTS = "has chains of its own"
"""Why a chain without a port is not looked at: that it is not the port's is no news."""


def _candidates(found: chains.Found) -> tuple[Candidate, ...]:
    return tuple(
        Candidate(
            f"chain {each.chain.name}" if each.chain.name else "a chain",
            each.why,
            config.written(each.chain.metadata, "source"),
        )
        for each in found.lost
        if not each.why.endswith(_OTHER_PORTS)
    )


def _note_chain(
    run: Run, pod: PodFacts, wanted: OpenedConnection, listener: Any, found: chains.Found
) -> None:
    chain: Any = found.chain
    mode = config.text(chain.metadata, "mtls")
    sources = config.known(
        *(config.written(chain.metadata, key) for key in ("mode", "source", "server"))
    )
    words = f"{listener.name}, port {wanted.port}"
    if chain.name:
        words += f", chain {chain.name}"
    if mode:
        words += f" ({mode})"
    run.step("listener", words, at=pod.name, sources=sources, lost=_candidates(found))


def _through(
    run: Run, pod: PodFacts, wanted: OpenedConnection, listener: Any, chain: Any
) -> WireReply:
    """End TLS where the chain does, then go on with its filters."""
    proxy = run.world.proxies[pod.name]
    content = wanted.content
    inbound = listener.traffic_direction == 1  # TrafficDirection.INBOUND
    if not chain.HasField("transport_socket") or any_messages.type_of(
        chain.transport_socket.typed_config
    ).endswith("RawBuffer"):
        hop = Hop(
            pod=pod,
            proxy=proxy,
            listener=listener,
            chain=chain,
            taken=wanted,
            inbound=inbound,
            sni=content.sni if isinstance(content, Tls) else "",
        )
        return filters.run_through(run, hop)
    if not isinstance(content, Tls):
        return _not_tls(run, pod, wanted)
    context = any_messages.opened(chain.transport_socket.typed_config)
    if context is None:
        raise UnknownError(f"the transport socket {chain.transport_socket.name}")
    own = demands.server_side(run, pod.name, context)
    unverified = own.asks and own.trust.roots is not None and not own.trust.roots
    if own.certificate is None or unverified:  # Envoy waits for both secrets
        return _without_certificate(run, pod, wanted, chain)
    done = tls.handshake(content, own)
    layer = Layer(
        done=done.done,
        mutual=done.mutual,
        client=content.certificate.identity if done.mutual and content.certificate else "",
        server=own.certificate.identity,
        alpn=done.alpn,
        at=pod.name,
        deep=run.depth,
    )
    if not done.done:
        return _refused(run, pod, wanted, chain, done, layer)
    hop = Hop(
        pod=pod,
        proxy=proxy,
        listener=listener,
        chain=chain,
        taken=msgspec.structs.replace(wanted, content=content.inner),
        inbound=inbound,
        certificate=content.certificate if done.mutual else None,
        sni=content.sni,
        layer=layer,
    )
    reply = filters.run_through(run, hop)
    return msgspec.structs.replace(reply, layers=(layer, *reply.layers))


def _without_certificate(
    run: Run, pod: PodFacts, wanted: OpenedConnection, chain: Any
) -> WireReply:
    """Envoy closes as soon as it is spoken to, where SDS has given it no secret."""
    sources = config.known(config.written(chain.metadata, "source"))
    run.step("server's TLS", "no certificate is there", at=pod.name, ok=False, sources=sources)
    run.fail("no-server-certificate", sources, len(run.legs) - 1)
    failure = "TLS error: Secret is not supplied by SDS"
    log = Log(proxy=pod.name, kind="listener", downstream_failure=failure)
    return ended(wanted.content, party_of(pod, port=wanted.port), log)


def _not_tls(run: Run, pod: PodFacts, wanted: OpenedConnection) -> WireReply:
    """Plaintext at a chain that ends TLS: the handshake fails at once."""
    run.step("server's TLS", "expects TLS, and plaintext came", at=pod.name, ok=False)
    run.fail("plaintext-to-tls-port", leg=len(run.legs) - 1)
    log = Log(proxy=pod.name, kind="listener", downstream_failure="HTTP_REQUEST")
    return WireReply(kind="closed", server=party_of(pod, port=wanted.port), log=log)


_CODES = {
    tls.NO_CERTIFICATE: "no-mesh-certificate",
    tls.UNTRUSTED: "client-certificate-untrusted",
    tls.SELF_SIGNED: "client-certificate-untrusted",
    tls.EXPIRED: "client-certificate-expired",
    tls.NAMES: "client-certificate-untrusted",
}


def _refused(
    run: Run, pod: PodFacts, wanted: OpenedConnection, chain: Any, done: tls.Handshake, layer: Layer
) -> WireReply:
    sources = config.known(
        *(config.written(chain.metadata, key) for key in ("mode", "server", "source"))
    )
    server = party_of(pod, port=wanted.port)
    log = Log(proxy=pod.name, kind="listener", downstream_failure=done.server)
    code = _CODES.get(done.server, "")
    if code and done.client not in tls.OF_THE_SERVER:
        if code == "no-mesh-certificate" and pod.proxy == "gateway":
            code = "no-client-certificate"
        run.step("server's TLS", done.server, at=pod.name, ok=False, sources=sources)
        run.fail(code, sources, len(run.legs) - 1)
    if done.late:
        return WireReply(kind="closed", server=server, log=log, layers=(layer,))
    return WireReply(kind="tls", server=server, log=log, reason=done.client, layers=(layer,))
