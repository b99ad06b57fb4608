"""Services, Endpoints, EndpointSlices, Ingresses and network policies. Pure."""

from collections.abc import Iterable
from datetime import datetime

from lateen.apiserver.reading.printers import cells
from lateen.base.jsonvalue import JsonView

_MOST_SHOWN = 3


def _service(obj: JsonView, now: datetime) -> cells.Cells:
    spec = cells.part(obj, "spec")
    return [
        cells.name(obj),
        spec.get("type", "ClusterIP"),
        spec.get("clusterIP") or cells.NONE,
        _external(obj),
        cells.joined(_port(one) for one in spec.get("ports") or ()),
        cells.age(obj, now),
        cells.pairs(spec.get("selector")),
    ]


def _external(obj: JsonView) -> str:
    spec = cells.part(obj, "spec")
    addresses = list(spec.get("externalIPs") or ())
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName") or cells.NONE)
    if spec.get("type") != "LoadBalancer":
        return cells.joined(addresses)
    ingress = cells.part(obj, "status", "loadBalancer").get("ingress") or ()
    given = [one.get("ip") or one.get("hostname") for one in ingress]
    return cells.joined([*filter(None, given), *addresses], "<pending>")


def _port(port: JsonView) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"


def _some(texts: Iterable[str], separator: str = ",") -> str:
    listed = list(texts)
    if not listed:
        return cells.NONE
    more = len(listed) - _MOST_SHOWN
    shown = separator.join(listed[:_MOST_SHOWN])
    return f"{shown} + {more} more..." if more > 0 else shown


def _endpoints(obj: JsonView, now: datetime) -> cells.Cells:
    pairs = [
        f"{address.get('ip')}:{port.get('port')}"
        for subset in obj.get("subsets") or ()
        for port in subset.get("ports") or ()
        for address in subset.get("addresses") or ()
    ]
    bare = [
        str(address.get("ip"))
        for subset in obj.get("subsets") or ()
        if not subset.get("ports")
        for address in subset.get("addresses") or ()
    ]
    return [cells.name(obj), _some([*pairs, *bare]), cells.age(obj, now)]


def _slice(obj: JsonView, now: datetime) -> cells.Cells:
    ports = [
        f"{one.get('name') or ''}:{one['port']}" if one.get("name") else str(one["port"])
        for one in obj.get("ports") or ()
        if one.get("port") is not None
    ]
    numbers = [text.rpartition(":")[2] for text in ports]
    addresses = [
        str(address) for one in obj.get("endpoints") or () for address in one.get("addresses") or ()
    ]
    empty = "<unset>"
    return [
        cells.name(obj),
        obj.get("addressType", ""),
        _some(numbers) if numbers else empty,
        _some(addresses) if addresses else empty,
        cells.age(obj, now),
    ]


def _ingress(obj: JsonView, now: datetime) -> cells.Cells:
    spec = cells.part(obj, "spec")
    hosts = [one["host"] for one in spec.get("rules") or () if one.get("host")]
    given = cells.part(obj, "status", "loadBalancer").get("ingress") or ()
    addresses = [one.get("ip") or one.get("hostname") for one in given]
    return [
        cells.name(obj),
        spec.get("ingressClassName") or cells.NONE,
        _some(hosts) if hosts else "*",
        ",".join(filter(None, addresses)),
        "80, 443" if spec.get("tls") else "80",
        cells.age(obj, now),
    ]


def _ingress_class(obj: JsonView, now: datetime) -> cells.Cells:
    spec = cells.part(obj, "spec")
    given = spec.get("parameters") or {}
    group = f".{given['apiGroup']}" if given.get("apiGroup") else ""
    shown = f"{given.get('kind')}{group}/{given.get('name')}" if given else cells.NONE
    return [cells.name(obj), spec.get("controller", ""), shown, cells.age(obj, now)]


def _policy(obj: JsonView, now: datetime) -> cells.Cells:
    chosen = cells.selector(cells.part(obj, "spec").get("podSelector"))
    return [cells.name(obj), chosen, cells.age(obj, now)]


PRINTERS = {
    "services": cells.TablePrinter(
        cells.columns("Name,Type,Cluster-IP,External-IP,Port(s),Age", "Selector"), _service
    ),
    "endpoints": cells.TablePrinter(cells.columns("Name,Endpoints,Age"), _endpoints),
    "endpointslices.discovery.k8s.io": cells.TablePrinter(
        cells.columns("Name,AddressType,Ports,Endpoints,Age"), _slice
    ),
    "ingresses.networking.k8s.io": cells.TablePrinter(
        cells.columns("Name,Class,Hosts,Address,Ports,Age"), _ingress
    ),
    "ingressclasses.networking.k8s.io": cells.TablePrinter(
        cells.columns("Name,Controller,Parameters,Age"), _ingress_class
    ),
    "networkpolicies.networking.k8s.io": cells.TablePrinter(
        cells.columns("Name,Pod-Selector,Age"), _policy
    ),
}
