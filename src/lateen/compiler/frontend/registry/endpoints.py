"""EndpointSlices and pods: who answers behind a service port. Pure."""

from collections.abc import Callable, Iterable, Iterator

from lateen.compiler.frontend.registry import workloads
from lateen.compiler.frontend.security import authn
from lateen.compiler.ir.workload import Endpoint, Port
from lateen.model import wellknown
from lateen.model.kube import discovery

Lookup = Callable[[str, str], workloads.Workload | None]
"""(namespace, pod or address) -> workload."""

Modes = Callable[[workloads.Workload], authn.WorkloadModes]

SERVICE_LABEL = wellknown.SERVICE_NAME


def behind(
    port: Port, slices: Iterable[discovery.EndpointSlice], find: Lookup, modes: Modes
) -> tuple[Endpoint, ...]:
    """Return the ready endpoints of a port, one per address, matched by port name.

    Terminating and unready ones are left out, and IPv6 addresses, as proxies have none of their
    own. An address without a pod has no identity and no
    sidecar, so it is spoken to in plaintext.
    """
    found: dict[tuple[str, int], Endpoint] = {}
    for obj in slices:
        number = _number(obj, port.name)
        if number is None or obj.address_type == "IPv6":
            continue
        for entry, workload in _ready(obj, find):
            address = entry.addresses[0]
            if (address, number) not in found:
                found[address, number] = _endpoint(entry, number, workload, modes)
    return tuple(found.values())


def _number(obj: discovery.EndpointSlice, name: str) -> int | None:
    for port in obj.ports:
        if (port.name or "") == name and port.port is not None:
            return port.port
    return None


def _ready(
    obj: discovery.EndpointSlice, find: Lookup
) -> Iterator[tuple[discovery.Endpoint, workloads.Workload | None]]:
    namespace = obj.metadata.namespace
    for entry in obj.endpoints:
        conditions = entry.conditions
        if conditions.ready is False or conditions.terminating or not entry.addresses:
            continue
        target = entry.target_ref
        if target is not None and target.kind == "Pod":
            yield entry, find(target.namespace or namespace, target.name)
        else:
            yield entry, None


def _endpoint(
    entry: discovery.Endpoint, number: int, workload: workloads.Workload | None, modes: Modes
) -> Endpoint:
    address = entry.addresses[0]
    if workload is None:
        return Endpoint(address=address, port=number, node=entry.node_name or "")
    return workloads.endpoint(workload, address, number, modes(workload).at(number))
