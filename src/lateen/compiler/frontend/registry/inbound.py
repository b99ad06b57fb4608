"""The inbound side of a sidecar: which ports, which protocol, which mode . Pure."""

from collections.abc import Callable, Iterable

from lateen.compiler.frontend.registry import workloads
from lateen.compiler.frontend.security import authn
from lateen.compiler.ir.policy import TrafficPolicy
from lateen.compiler.ir.proxy import Inbound, InboundPort, PortMode
from lateen.compiler.ir.workload import Protocol, Service
from lateen.model.kube.core import pod as core_pod

Limits = Callable[[Service, int], TrafficPolicy]
"""(service, service port) -> the policy of the service's own DestinationRule."""


def translate(
    pod: core_pod.Pod,
    selecting: Iterable[Service],
    modes: authn.WorkloadModes,
    limits: Limits,
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
            policy = limits(service, port.number)
            ports[number] = InboundPort(
                port=number,
                protocol=port.protocol,
                mode=modes.at(number),
                service=service,
                service_port=port.number,
                source=port.source,
                connection_pool=policy.connection_pool,
                retry_budget=policy.retry_budget,
                rule=policy.rule.ref if policy.rule is not None else None,
            )
    return Inbound(
        mode=modes.mode,
        ports=tuple(ports[number] for number in sorted(ports)),
        port_modes=tuple(
            PortMode(port=number, mode=mode) for number, mode in modes.ports if number not in ports
        ),
    )
