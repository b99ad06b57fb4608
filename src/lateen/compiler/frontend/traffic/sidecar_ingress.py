"""The inbound side of a proxy as its Sidecar writes it. Pure."""

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import protocols
from lateen.compiler.frontend.security import authn
from lateen.compiler.frontend.traffic import policies
from lateen.compiler.ir.policy import ConnectionPool
from lateen.compiler.ir.proxy import Inbound, InboundPort, PortMode
from lateen.compiler.ir.workload import Port, Resolution, Service
from lateen.model.istio import networking_policy, networking_proxy

_ANY = "0.0.0.0"


def limited(made: Inbound, sidecar: networking_proxy.Sidecar) -> Inbound:
    """Return an inbound side whose ports have the limits that a Sidecar sets for all of them."""
    if sidecar.spec.inbound_connection_pool is None:
        return made
    pool = _pool(sidecar, sidecar.spec.inbound_connection_pool, "spec.inboundConnectionPool")
    ports = tuple(msgspec.structs.replace(port, connection_pool=pool) for port in made.ports)
    return msgspec.structs.replace(made, ports=ports)


def of_sidecar(
    sidecar: networking_proxy.Sidecar, modes: authn.WorkloadModes, address: str
) -> Inbound:
    """Return the inbound side that a Sidecar lists: its ports, and no Service's.

    What comes to other ports passes on as to ports that no Service has. `address` is the pod's.
    """
    spec, meta = sidecar.spec, sidecar.metadata
    host = f"{meta.name}.{meta.namespace}"
    found: dict[int, InboundPort] = {}
    for index, listener in enumerate(spec.ingress):
        number = listener.port.number if listener.port is not None else 0
        if listener.port is None or number in found:
            continue
        source = precedence.source("Sidecar", sidecar, f"spec.ingress[{index}]")
        protocol = protocols.named(listener.port.protocol)
        own = Port(number=number, name="", protocol=protocol, target=number, source=source)
        own_pool = listener.connection_pool
        found[number] = InboundPort(
            port=number,
            protocol=protocol,
            mode=modes.at(number),
            service=Service(
                hostname=host,
                name=meta.name,
                namespace=meta.namespace,
                resolution=Resolution.EDS,
                vips=(),
                ports=(own,),
                source=source,
            ),
            service_port=number,
            source=source,
            connection_pool=_pool(sidecar, own_pool, f"spec.ingress[{index}].connectionPool")
            if own_pool is not None
            else _pool(sidecar, spec.inbound_connection_pool, "spec.inboundConnectionPool"),
            endpoint=listener.default_endpoint.replace("0.0.0.0:", f"{address}:"),
            rule=source.ref,
            bind=(listener.bind or _ANY) if listener.capture_mode == "NONE" else "",
        )
    return Inbound(
        mode=modes.mode,
        ports=tuple(found[number] for number in sorted(found)),
        port_modes=tuple(
            PortMode(port=number, mode=mode) for number, mode in modes.ports if number not in found
        ),
    )


def _pool(
    sidecar: networking_proxy.Sidecar,
    block: networking_policy.ConnectionPoolSettings | None,
    path: str,
) -> ConnectionPool | None:
    if block is None:
        return None
    return policies.connection_pool(block, precedence.source("Sidecar", sidecar, path))
