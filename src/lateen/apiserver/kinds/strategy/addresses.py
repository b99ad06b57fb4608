"""Cluster IPs, node ports and load balancer addresses for Services, given those in use. Pure."""

import ipaddress
import zlib
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lateen.apiserver import fieldcauses
from lateen.base.jsonvalue import Json, clone


class Ranges(msgspec.Struct, frozen=True, kw_only=True):
    """What a lab hands out."""

    service_cidr: str = "10.96.0.0/12"
    reserved: frozenset[str] = frozenset({"10.96.0.1", "10.96.0.10"})
    """Addresses given only to those who ask for them: the API server's and the cluster DNS'."""
    first_node_port: int = 30000
    last_node_port: int = 32767


class InUse(msgspec.Struct, frozen=True):
    """What the stored Services hold."""

    addresses: frozenset[str] = frozenset()
    node_ports: frozenset[tuple[str, int]] = frozenset()
    """(protocol, port): UDP and TCP may share a number."""


class Allocated(msgspec.Struct, frozen=True):
    """The Service with its addresses, or why it cannot have them."""

    service: Json
    causes: tuple[fieldcauses.Cause, ...] = ()


def in_use(services: Iterable[Mapping[str, Any]]) -> InUse:
    """Collect what the given Services hold."""
    addresses: set[str] = set()
    ports: set[tuple[str, int]] = set()
    for service in services:
        spec = service.get("spec", {})
        addresses.update(one for one in spec.get("clusterIPs", ()) if one and one != "None")
        if spec.get("clusterIP") not in (None, "", "None"):
            addresses.add(spec["clusterIP"])
        for port in spec.get("ports", ()):
            if port.get("nodePort"):
                ports.add((port.get("protocol", "TCP"), port["nodePort"]))
        if spec.get("healthCheckNodePort"):
            ports.add(("TCP", spec["healthCheckNodePort"]))
    return InUse(frozenset(addresses), frozenset(ports))


def allocate(
    service: Mapping[str, Any], used: InUse, ranges: Ranges, old: Mapping[str, Any] | None = None
) -> Allocated:
    """Give a defaulted Service its cluster IP and node ports.

    `used` must not count the Service itself. On update, `old` is the stored one: what it holds
    is kept when the new one leaves it out, and dropped when the type no longer needs it.
    """
    copy: Json = clone(service)
    spec = copy.setdefault("spec", {})
    if old is not None:
        _keep_held(old.get("spec", {}), spec)
    causes = _cluster_ip(copy, used, ranges) + _node_ports(copy, used, ranges)
    return Allocated(copy, causes)


def _keep_held(old: Mapping[str, Any], spec: Json) -> None:
    if _needs_address(spec) and _needs_address(old) and not spec.get("clusterIP"):
        spec["clusterIP"] = old.get("clusterIP", "")
        spec["clusterIPs"] = list(old.get("clusterIPs", ()))
    held = {
        (port.get("protocol", "TCP"), port.get("port")): port["nodePort"]
        for port in old.get("ports", ())
        if port.get("nodePort")
    }
    asked = {port.get("nodePort") for port in spec.get("ports", ())}
    for port in spec.get("ports", ()):
        number = held.get((port.get("protocol", "TCP"), port.get("port")))
        if _needs_node_ports(spec) and number and not port.get("nodePort") and number not in asked:
            port["nodePort"] = number


def _needs_address(spec: Mapping[str, Any]) -> bool:
    return bool(spec.get("type", "ClusterIP") != "ExternalName")


def _needs_node_ports(spec: Mapping[str, Any]) -> bool:
    kind = spec.get("type", "ClusterIP")
    wanted = spec.get("allocateLoadBalancerNodePorts", True)
    return kind == "NodePort" or (kind == "LoadBalancer" and bool(wanted))


def _cluster_ip(service: Json, used: InUse, ranges: Ranges) -> tuple[fieldcauses.Cause, ...]:
    spec = service["spec"]
    if not _needs_address(spec):
        for field in ("clusterIP", "clusterIPs"):
            spec.pop(field, None)
        return ()
    wanted = spec.get("clusterIP", "")
    if wanted == "None":
        spec["clusterIPs"] = ["None"]
        return ()
    network = ipaddress.ip_network(ranges.service_cidr)
    if wanted:
        problem = _address_problem(wanted, network, used, ranges)
        spec["clusterIPs"] = [wanted]
        return (fieldcauses.invalid("spec.clusterIPs", [wanted], problem),) if problem else ()
    meta = service.get("metadata", {})
    address = _free_address(f"{meta.get('namespace')}/{meta.get('name')}", network, used, ranges)
    if not address:
        detail = "no free address is left in the service range"
        return (fieldcauses.invalid("spec.clusterIPs", [], detail),)
    spec["clusterIP"] = address
    spec["clusterIPs"] = [address]
    return ()


def _address_problem(
    wanted: str,
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    used: InUse,
    ranges: Ranges,
) -> str:
    try:
        address = ipaddress.ip_address(wanted)
    except ValueError:
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    if address not in network:
        return (
            f"failed to allocate IP {wanted}: the provided network does not match the current "
            f"range. The range of valid IPs is {ranges.service_cidr}"
        )
    if wanted in used.addresses:
        return f"failed to allocate IP {wanted}: provided IP is already allocated"
    return ""


def _free_address(
    seed: str,
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
    used: InUse,
    ranges: Ranges,
) -> str:
    """Start at a place that the name decides, so that a lab made anew gives the same addresses."""
    size = network.num_addresses - 2
    start = zlib.crc32(seed.encode())
    for step in range(min(size, len(used.addresses) + len(ranges.reserved) + 1)):
        address = str(network[1 + (start + step) % size])
        if address not in used.addresses and address not in ranges.reserved:
            return address
    return ""


def _node_ports(service: Json, used: InUse, ranges: Ranges) -> tuple[fieldcauses.Cause, ...]:
    spec = service["spec"]
    if not _needs_node_ports(spec):
        _drop_node_ports(spec)
        return ()
    taken = set(used.node_ports)
    causes: list[fieldcauses.Cause] = []
    ports = spec.get("ports", ())
    for index, port in enumerate(ports):
        number = port.get("nodePort")
        if number:
            key = (port.get("protocol", "TCP"), number)
            field = f"spec.ports[{index}].nodePort"
            causes.extend(_port_problem(key, field, taken, ranges))
            taken.add(key)
    meta = service.get("metadata", {})
    for port in ports:
        if port.get("nodePort"):
            continue
        protocol = port.get("protocol", "TCP")
        seed = f"{meta.get('namespace')}/{meta.get('name')}/{port.get('port')}/{protocol}"
        free = _free_port(seed, protocol, taken, ranges)
        if not free:
            causes.append(fieldcauses.invalid("spec.ports", [], "no free node port is left"))
            break
        port["nodePort"] = free
        taken.add((protocol, free))
    return tuple(causes)


def _drop_node_ports(spec: Json) -> None:
    """A LoadBalancer that wants none keeps those it names; other types have none."""
    if spec.get("type") != "LoadBalancer":
        for port in spec.get("ports", ()):
            port.pop("nodePort", None)


def _port_problem(
    key: tuple[str, int], field: str, taken: set[tuple[str, int]], ranges: Ranges
) -> tuple[fieldcauses.Cause, ...]:
    number = key[1]
    if not ranges.first_node_port <= number <= ranges.last_node_port:
        span = f"{ranges.first_node_port}-{ranges.last_node_port}"
        detail = f"provided port is not in the valid range. The range of valid ports is {span}"
        return (fieldcauses.invalid(field, number, detail),)
    if key in taken:
        return (fieldcauses.invalid(field, number, "provided port is already allocated"),)
    return ()


def _free_port(seed: str, protocol: str, taken: set[tuple[str, int]], ranges: Ranges) -> int:
    size = ranges.last_node_port - ranges.first_node_port + 1
    start = zlib.crc32(seed.encode())
    for step in range(size):
        number = ranges.first_node_port + (start + step) % size
        if (protocol, number) not in taken:
            return number
    return 0
