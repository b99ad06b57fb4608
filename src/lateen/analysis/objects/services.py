"""Services: ports whose name tells no protocol, and Deployments behind several that disagree.
Pure.
"""

from collections import defaultdict
from collections.abc import Iterator

from lateen.analysis.objects.owners import owner_source
from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import protocols, workloads
from lateen.compiler.ir.workload import Protocol
from lateen.model.kube.core import service as core_service
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.snapshot import Snapshot

_OF_THE_CLUSTER = frozenset({"kube-system", "kube-public", "istio-system"})
_NAMES = (
    "grpc",
    "grpc-web",
    "http",
    "http2",
    "https",
    "mongo",
    "mysql",
    "redis",
    "tcp",
    "tls",
    "udp",
)
SERVER_FIRST = {
    21: "FTP",
    22: "SSH",
    110: "POP3",
    143: "IMAP",
    220: "IMAP",
    587: "SMTP",
    5900: "VNC",
}
"""Ports, beyond those that Istio takes as bytes by itself, whose servers speak first."""

Named = tuple[core_service.Service, core_service.ServicePort, int]
"""A Service, one of its ports, and that port's index."""


def findings(snapshot: Snapshot) -> Iterator[Diagnostic]:
    """Yield what is said of Services outside the cluster's own namespaces."""
    services = [s for s in snapshot.services.values() if _people(s)]
    for service in services:
        for index, port in enumerate(service.spec.ports):
            yield from _port(service, port, precedence.source("Service", service, _path(index)))
    yield from _shared(snapshot, services)


def _people(service: core_service.Service) -> bool:
    home, name = service.metadata.namespace, service.metadata.name
    return home not in _OF_THE_CLUSTER and (home, name) != ("default", "kubernetes")


def _path(index: int) -> str:
    return f"spec.ports[{index}]"


def _protocol(port: core_service.ServicePort) -> Protocol:
    return protocols.select(port.port, port.name, port.app_protocol or "", port.protocol or "TCP")


def _conventional(port: core_service.ServicePort) -> bool:
    """Whether the name, or appProtocol, says what is spoken: `protocol[-suffix]`."""
    if port.app_protocol or (port.protocol or "TCP").upper() == "UDP":
        return True
    return any(port.name == name or port.name.startswith(f"{name}-") for name in _NAMES)


def _port(
    service: core_service.Service, port: core_service.ServicePort, source: Source
) -> Iterator[Diagnostic]:
    if service.spec.type == "ExternalName":
        if not _conventional(port):
            yield make("IST0150", source.at("name"), name=port.name, port=port.port)
        return
    if not _conventional(port):
        target = port.target_port or port.port
        yield make("IST0118", source.at("name"), name=port.name, port=port.port, target=target)
    if _protocol(port) is Protocol.AUTO:
        number = next((n for n in (port.port, port.target_port) if n in SERVER_FIRST), None)
        if isinstance(number, int):
            spoken = SERVER_FIRST[number]
            yield make("LTN0158", source.at("name"), port=port.port, protocol=spoken)


def _shared(snapshot: Snapshot, services: list[core_service.Service]) -> Iterator[Diagnostic]:
    """Say where Services of different kinds meet at one pod's port."""
    said: set[tuple[Source, str]] = set()
    meeting: defaultdict[tuple[Source, int | str], dict[str, Named]] = defaultdict(dict)
    for service in services:
        if not service.spec.selector:
            continue
        home = service.metadata.namespace
        for pod in snapshot.matching("pods", home, service.spec.selector):
            if workloads.finished(pod):
                continue
            for index, port in enumerate(service.spec.ports):
                target = port.target_port or port.port
                where = workloads.container_port(pod, target)
                key = owner_source(pod), target if where is None else where
                meeting[key][f"{service.metadata.name}:{port.port}"] = (service, port, index)
    for (source, target), named in meeting.items():
        for found in _disagreement(source, target, list(named.values())):
            if (found.source, found.code) not in said:
                said.add((found.source, found.code))
                yield found


def _disagreement(source: Source, target: int | str, named: list[Named]) -> Iterator[Diagnostic]:
    names = sorted({service.metadata.name for service, _, _ in named})
    if len(names) < 2:
        return
    listed = ", ".join(names)
    if len({_protocol(port) for _, port, _ in named}) > 1:
        yield make("IST0116", source, port=target, services=listed)
    numbers = sorted({port.port for _, port, _ in named})
    if len(numbers) > 1:
        ports = ", ".join(map(str, numbers))
        yield make("IST0137", source, services=listed, target=target, ports=ports)
