"""Gateways beside each other: the same certificate, the same port and host. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from lateen.compiler.frontend import precedence
from lateen.model.istio import networking, networking_gateway
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.snapshot import Snapshot

_Server = tuple[networking.Gateway, int, networking_gateway.Server]


def findings(snapshot: Snapshot) -> Iterator[Diagnostic]:
    """Yield what is said of Gateways that the same proxies follow."""
    servers: list[_Server] = [
        (gateway, index, server)
        for gateway in sorted(snapshot.gateways.values(), key=precedence.age)
        for index, server in enumerate(gateway.spec.servers)
    ]
    yield from _certificates(servers)
    yield from _conflicts(servers)


def _beside(one: networking.Gateway, other: networking.Gateway) -> bool:
    """Whether a pod can follow both: the selector of one holds that of the other."""
    mine, theirs = one.spec.selector.items(), other.spec.selector.items()
    return mine <= theirs or theirs <= mine


def _certificates(servers: list[_Server]) -> Iterator[Diagnostic]:
    """A browser that holds one HTTP/2 connection for two hosts of one certificate sends requests
    for the second to the first Gateway's routes, which answer 404."""
    using: defaultdict[str, list[_Server]] = defaultdict(list)
    for entry in servers:
        tls = entry[2].tls
        if tls is not None and tls.mode in ("SIMPLE", "MUTUAL") and tls.credential_name:
            using[tls.credential_name].append(entry)
    for sharing in using.values():
        for gateway, index, _ in sharing:
            others = [g for g, _, _ in sharing if g is not gateway and _beside(g, gateway)]
            if others:
                names = sorted({_name(one) for one in (gateway, *others)})
                path = f"spec.servers[{index}].tls.credentialName"
                source = precedence.source("Gateway", gateway, path)
                yield make("IST0138", source, gateways=", ".join(names))


def _conflicts(servers: list[_Server]) -> Iterator[Diagnostic]:
    for number, (gateway, index, server) in enumerate(servers):
        if server.port is None:
            continue
        for other, _, there in servers[:number]:
            if there.port is None or other is gateway or not _beside(gateway, other):
                continue
            if there.port.number != server.port.number or there.bind != server.bind:
                continue
            shared = sorted(_admitted(gateway, server) & _admitted(other, there))
            if shared:
                source = precedence.source("Gateway", gateway, f"spec.servers[{index}].hosts")
                labels = ",".join(f"{k}={v}" for k, v in sorted(gateway.spec.selector.items()))
                yield make(
                    "IST0145",
                    source,
                    other=_name(other),
                    selector=labels,
                    port=server.port.number,
                    hosts=", ".join(shared),
                )


def _admitted(gateway: networking.Gateway, server: networking_gateway.Server) -> set[str]:
    """Return a server's hosts with their namespaces spelt out."""
    found = set()
    for written in server.hosts:
        namespace, slash, host = written.rpartition("/")
        home = gateway.metadata.namespace if namespace == "." else namespace
        found.add(f"{home if slash else '*'}/{host}")
    return found


def _name(gateway: networking.Gateway) -> str:
    return f"{gateway.metadata.namespace}/{gateway.metadata.name}"
