"""The inbound side of a sidecar: which ports, which protocol, which mode (semantics 2). Pure."""

from collections.abc import Callable, Iterable

from lateen.compiler.frontend.registry import workloads
from lateen.compiler.frontend.security import authn
from lateen.compiler.ir.policy import ConnectionPool
from lateen.compiler.ir.proxy import Inbound, InboundPort, PortMode
from lateen.compiler.ir.workload import Protocol, Service
from lateen.model.kube.core import pod as core_pod

Pool = Callable[[Service, int], ConnectionPool | None]
"""(service, service port) -> the connectionPool of the service's own DestinationRule."""


def translate(
    pod: core_pod.Pod,
    selecting: Iterable[Service],
    modes: authn.WorkloadModes,
    pool: Pool,
) -> Inbound:
    """Return a pod's inbound side.

    `selecting` are the services that select the pod, oldest first: of several that target the
    same port the oldest decides, its protocol included. A port mode for a port that no service
    targets still counts.
    """
    ports: dict[int, InboundPort] = {}
    for service in selecting:
        for port in service.ports:
            number = workloads.container_port(pod, port.target)
            if port.protocol is Protocol.UDP or number is None or number in ports:
                continue
            ports[number] = InboundPort(
                port=number,
                protocol=port.protocol,
                mode=modes.at(number),
                service=service,
                service_port=port.number,
                source=port.source,
                connection_pool=pool(service, port.number),
            )
    return Inbound(
        mode=modes.mode,
        ports=tuple(ports[number] for number in sorted(ports)),
        port_modes=tuple(
            PortMode(port=number, mode=mode) for number, mode in modes.ports if number not in ports
        ),
    )
