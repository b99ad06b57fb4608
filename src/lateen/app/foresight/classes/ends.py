"""Who may send and where to: the clients and destinations of a compiled state."""

import ipaddress
from collections.abc import Iterator
from typing import Any

import msgspec

from lateen.app.foresight.state import Foresight
from lateen.controllers.cluster import istiod
from lateen.predict.connection.run import World
from lateen.predict.envoy import any_messages, routes
from lateen.predict.envoy.config import Proxy
from lateen.predict.spaces.cells import Client, Target
from lateen.predict.values.facts import NetworkFacts, PodFacts, Speech

OUTSIDE = Client(name="outside", origin="outside")
_LIKELY = {"https": "https", "tls": "https", "tcp": "tcp", "mongo": "tcp", "mysql": "tcp"}
_API_SERVER = ("default", "kubernetes")
"""A Service that every cluster has, and no manifest: it is not of the mesh."""
_GATEWAY_PORTS = frozenset({15021, 15090, 15020})


def world(known: Foresight) -> World:
    """Return the state with applications that answer whatever they are asked: what an application
    says of a path is no matter of the mesh."""
    pods = {address: _agreeing(pod) for address, pod in known.network.pods.items()}
    network = msgspec.structs.replace(known.world.network, pods=pods)
    return msgspec.structs.replace(known.world, network=network)


def _agreeing(pod: PodFacts) -> PodFacts:
    if not pod.speeches:
        return pod
    speeches = {
        port: msgspec.structs.replace(each, answers=None) for port, each in pod.speeches.items()
    }
    return msgspec.structs.replace(pod, speeches=speeches)


def clients(known: Foresight) -> list[Client]:
    """Return the clients: each workload, a pod without a sidecar, and who is outside."""
    found: dict[str, Client] = {}
    for pod in known.network.pods.values():
        if pod.proxy != "gateway" and pod.workload not in found:
            found[pod.workload] = _client(known, pod, pod.workload)
    bare = known.bare
    return [
        *(found[name] for name in sorted(found)),
        _client(known, bare, "a pod without sidecar"),
        OUTSIDE,
    ]


def _client(known: Foresight, pod: PodFacts, name: str) -> Client:
    inside = pod is not known.bare
    return Client(
        name=name,
        origin=_origin(pod) if inside else known.BARE,
        namespace=pod.namespace,
        identity=pod.identity,
        address=pod.address,
        scope=(pod.capture, pod.proxy, known.scope(pod.name)),
    )


def _origin(pod: PodFacts) -> str:
    own, owner = pod.name.partition("/")[2], pod.workload.partition("/")[2]
    return f"pod/{own}" if own == owner else f"deploy/{owner}"


def targets(known: Foresight) -> list[Target]:
    """Return the destinations: ports of Services, and hosts of gateways."""
    return [*_services(known), *_gateways(known)]


def _services(known: Foresight) -> Iterator[Target]:
    network = known.network
    for (namespace, name), service in sorted(known.snapshot.services.items()):
        plane = istiod.is_plane(namespace, service.spec.selector)
        if plane or (namespace, name) == _API_SERVER:
            continue
        for port in service.spec.ports:
            if port.protocol not in ("", "TCP") or service.spec.external_name:
                continue
            front = network.fronts.get((str(service.spec.cluster_ip), port.port))
            ends = front.endpoints if front is not None else ()
            pods = [network.pods[address] for address, _ in ends if address in network.pods]
            if any(pod.proxy == "gateway" for pod in pods):
                continue  # its hosts are destinations of their own
            scheme = _spoken(network, ends, port.app_protocol or port.name)
            yield Target(
                name=f"{namespace}/{name}:{port.port}",
                url=f"{scheme}://{name}.{namespace}:{port.port}" + ("" if scheme == "tcp" else "/"),
                ends=frozenset(pod.workload for pod in pods),
            )


def _spoken(network: NetworkFacts, ends: tuple[tuple[str, int], ...], name: str) -> str:
    """Return what a client speaks: what the application does, else what the port's name says."""
    for address, port in ends:
        pod = network.pods.get(address)
        speech: Speech | None = (pod.speeches or {}).get(port) if pod is not None else None
        if speech is not None:
            if not speech.versions:
                return "tcp"
            return "https" if speech.certificate is not None else "http"
    return _LIKELY.get(name.partition("-")[0], "http")


def _gateways(known: Foresight) -> Iterator[Target]:
    seen: set[str] = set()
    for pod in sorted(known.network.pods.values(), key=lambda each: each.name):
        proxy = known.world.proxies.get(pod.name)
        if pod.proxy != "gateway" or proxy is None or pod.workload in seen:
            continue
        seen.add(pod.workload)
        for (_, port), name in sorted(proxy.by_address.items()):
            front = _front(known.network, pod.address, port)
            if front is not None and port not in _GATEWAY_PORTS:
                yield from _hosts(proxy, name, pod, *front)


def _front(network: NetworkFacts, address: str, port: int) -> tuple[str, int] | None:
    """Return the Service, by name, and its port that lead to a port of a gateway."""
    for (_, front_port), front in network.fronts.items():
        if (address, port) in front.endpoints and front.service:
            return front.service, front_port
    return None


def _hosts(proxy: Proxy, listener: str, pod: PodFacts, service: str, port: int) -> Iterator[Target]:
    made: Any = proxy.listener(listener)
    for chain in made.filter_chains:
        names = list(chain.filter_chain_match.server_names)
        scheme = "https" if names or chain.HasField("transport_socket") else "http"
        for host in dict.fromkeys(_domains(proxy, chain) or names or ["*"]):
            shown = routes.bare(host).removesuffix(".")
            named = _sent_to(shown, service)
            if named is None:
                continue
            usual = {"http": 80, "https": 443}[scheme] == port
            yield Target(
                name=f"{pod.workload} {shown}:{port}",
                url=f"{scheme}://{named}" + ("" if usual else f":{port}") + "/",
                outside=True,
            )


def _domains(proxy: Proxy, chain: Any) -> list[str]:
    for each in chain.filters:
        opened: Any = any_messages.opened(each.typed_config)
        if any_messages.type_of(each.typed_config).endswith("HttpConnectionManager"):
            table = opened.route_config
            if opened.WhichOneof("route_specifier") == "rds":
                table = proxy.table(opened.rds.route_config_name)
            hosts = table.virtual_hosts if table is not None else ()
            return [
                domain
                for host in hosts
                for domain in host.domains
                if not domain.rpartition(":")[2].isdigit() and not domain.endswith(":*")
            ]
    return []


def _sent_to(host: str, service: str) -> str | None:
    """Return the host that a client asks for: of a wildcard some host, of `*` the gateway's own
    name. None for an address."""
    if host == "*":
        namespace, _, name = service.partition("/")
        return name if namespace in ("default", "istio-system") else f"{name}.{namespace}"
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host.replace("*", "any")
    return None
