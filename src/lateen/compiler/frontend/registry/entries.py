"""Services and workloads that Kubernetes does not know: ServiceEntries, WorkloadEntries. Pure."""

import ipaddress
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import protocols, services, workloads
from lateen.compiler.ir.proxy import Features, MeshSettings
from lateen.compiler.ir.workload import Endpoint, Mode, Port, Resolution, Service
from lateen.model import entryaddresses
from lateen.model.identity import spiffe_id
from lateen.model.istio import networking_entry

UNIX = "unix://"
_RESOLUTIONS = {
    "NONE": Resolution.PASSTHROUGH,
    "STATIC": Resolution.EDS,
    "DNS": Resolution.DNS,
    "DNS_ROUND_ROBIN": Resolution.DNS_ROUND_ROBIN,
    "DYNAMIC_DNS": Resolution.DYNAMIC,
}

Entries = tuple[networking_entry.ServiceEntry, ...]

ModeAt = Callable[[str, Mapping[str, str], int], Mode]
"""(namespace, labels, port) -> what a workload with these labels accepts on the port."""


def hosts_of(obj: networking_entry.ServiceEntry | None) -> tuple[str, ...]:
    """Return the hosts that a ServiceEntry declares, each once: of DYNAMIC_DNS wildcards alone."""
    if obj is None or obj.spec.resolution not in _RESOLUTIONS:
        return ()
    if obj.spec.resolution == "DYNAMIC_DNS":
        return tuple(dict.fromkeys(h.lower() for h in obj.spec.hosts if h.startswith("*")))
    return tuple(dict.fromkeys(host.lower() for host in obj.spec.hosts))


def translate(objs: Entries, hostname: str, settings: MeshSettings) -> Service:
    """Return the service that the ServiceEntries of a namespace for a host declare, oldest first.

    The oldest decides. Ports of others count if they agree with it in all that a cluster is made
    from: resolution, exportTo, labels and selector.
    """
    first = objs[0]
    spec = first.spec
    ports = list(_ports(first))
    for other in objs[1:]:
        known = {port.number for port in ports}
        if _alike(first, other):
            ports += [port for port in _ports(other) if port.number not in known]
    selector = spec.workload_selector
    return Service(
        hostname=hostname,
        name=hostname,
        namespace=first.metadata.namespace,
        resolution=_RESOLUTIONS[spec.resolution],
        vips=tuple(dict.fromkeys(a for a in map(_address, spec.addresses) if a)),
        ports=tuple(ports),
        source=precedence.source("ServiceEntry", first),
        given=next((found[hostname] for found in map(_given, objs) if hostname in found), ""),
        created=first.metadata.creation_timestamp or "",
        external=spec.location != "MESH_INTERNAL",
        entry=True,
        selector=tuple(sorted(selector.labels.items())) if selector is not None else (),
        export_to=tuple(spec.export_to) or settings.service_export_to,
        near=services.nearness("", first.metadata.annotations, settings.features),
        identities=tuple(spec.subject_alt_names),
    )


_given = entryaddresses.given


def asked_by(obj: networking_entry.ServiceEntry | None, features: Features) -> list[str]:
    """Return the labels of clients on which it depends which endpoints of its hosts they get."""
    notes = obj.metadata.annotations if obj is not None else {}
    return services.asked_of_clients(services.nearness("", notes, features))


def _alike(one: networking_entry.ServiceEntry, other: networking_entry.ServiceEntry) -> bool:
    return (
        one.spec.resolution == other.spec.resolution
        and one.spec.export_to == other.spec.export_to
        and one.spec.workload_selector == other.spec.workload_selector
        and one.metadata.labels == other.metadata.labels
    )


def _ports(obj: networking_entry.ServiceEntry) -> Iterator[Port]:
    """The protocol is what the port says; its name says nothing."""
    for index, port in enumerate(obj.spec.ports):
        yield Port(
            number=port.number,
            name=port.name,
            protocol=protocols.named(port.protocol),
            target=port.target_port or port.number,
            source=precedence.source("ServiceEntry", obj, f"spec.ports[{index}]"),
        )


def _address(written: str) -> str:
    """Return an address, or a network of several; empty for what is neither."""
    try:
        network = ipaddress.ip_network(written, strict=False)
    except ValueError:
        return ""
    return str(network.network_address) if network.num_addresses == 1 else str(network)


class Workloads(msgspec.Struct, frozen=True, kw_only=True):
    """What a workloadSelector may select in a namespace."""

    pods: Callable[[str, Mapping[str, str]], Iterable[workloads.Workload]]
    """(namespace, labels) -> ready pods that have these labels."""
    entries: Callable[[str], Iterable[networking_entry.WorkloadEntry]]
    mode: ModeAt


def endpoints(
    objs: Entries, hostname: str, port: Port, known: Workloads, settings: MeshSettings
) -> tuple[Endpoint, ...]:
    """Return the endpoints that ServiceEntries give to a port of a host, matched by port name, one
    per address."""
    found: dict[tuple[str, int], Endpoint] = {}
    for obj in objs:
        own = next((p for p in _ports(obj) if p.name == port.name), None)
        if own is None or not isinstance(own.target, int):
            continue
        for endpoint in _endpoints(obj, hostname, own, known, settings):
            found.setdefault((endpoint.address, endpoint.port), endpoint)
        if found and objs[0].spec.resolution == "DNS_ROUND_ROBIN":
            return tuple(found.values())[:1]
    return tuple(found.values())


def _endpoints(
    obj: networking_entry.ServiceEntry,
    hostname: str,
    port: Port,
    known: Workloads,
    settings: MeshSettings,
) -> Iterator[Endpoint]:
    spec, namespace = obj.spec, obj.metadata.namespace
    target = int(port.target)
    by_name = _RESOLUTIONS[spec.resolution].by_name
    for index, entry in enumerate(spec.endpoints):
        name = f"{obj.metadata.name}-{index}"
        if _usable(entry.address, by_name=by_name):
            number = entry.ports.get(port.name, target)
            yield _of_entry(entry, entry.labels, name, namespace, number, known.mode, settings)
    if selects(obj, settings.features):
        assert spec.workload_selector is not None
        yield from _selected(obj, spec.workload_selector.labels, port, known, settings)
    elif by_name and not spec.endpoints and spec.workload_selector is None:
        yield Endpoint(address=hostname, port=target)


def selects(obj: networking_entry.ServiceEntry, features: Features) -> bool:
    """Whether an entry selects workloads at all: an empty selector does not."""
    selector = obj.spec.workload_selector
    return selector is not None and (bool(selector.labels) or not features.empty_selects_none)


def _selected(
    obj: networking_entry.ServiceEntry,
    wanted: Mapping[str, str],
    port: Port,
    known: Workloads,
    settings: MeshSettings,
) -> Iterator[Endpoint]:
    namespace, target = obj.metadata.namespace, int(port.target)
    by_name = _RESOLUTIONS[obj.spec.resolution].by_name
    for workload in known.pods(namespace, wanted):
        mode = known.mode(namespace, dict(workload.labels), target)
        yield workloads.endpoint(workload, workload.address, target, mode)
    for other in known.entries(namespace):
        labels = labels_of(other)
        usable = _usable(other.spec.address, by_name=by_name)
        if usable and wanted.items() <= labels.items():
            number = other.spec.ports.get(port.name, target)
            name = other.metadata.name
            yield _of_entry(other.spec, labels, name, namespace, number, known.mode, settings)


def joined(
    objs: Iterable[networking_entry.WorkloadEntry],
    port: Port,
    mode_at: ModeAt,
    settings: MeshSettings,
) -> tuple[Endpoint, ...]:
    """Return WorkloadEntries as endpoints of a port of a Kubernetes Service that selects them.

    One has a named target port if its `ports` say which number that is.
    """
    found = []
    for obj in objs:
        target = port.target
        number = target if isinstance(target, int) else obj.spec.ports.get(target)
        if number is None or not _usable(obj.spec.address, by_name=False):
            continue
        meta = obj.metadata
        found.append(
            _of_entry(
                obj.spec, labels_of(obj), meta.name, meta.namespace, number, mode_at, settings
            )
        )
    return tuple(found)


_HEALTH_CHECKED, _HEALTHY = "proxy.istio.io/health-checks-enabled", "Healthy"
_YES = frozenset(("1", "t", "T", "true", "TRUE", "True"))
"""What Go takes for true."""


def is_healthy(obj: networking_entry.WorkloadEntry) -> bool:
    """Whether a WorkloadEntry is an endpoint: one whose health is checked is none before its status
    says that it is healthy."""
    if obj.metadata.annotations.get(_HEALTH_CHECKED) not in _YES:
        return True
    return any(one.type == _HEALTHY and one.status == "True" for one in obj.status.conditions)


def labels_of(obj: networking_entry.WorkloadEntry) -> dict[str, str]:
    """Return a WorkloadEntry's labels: the object's own come before those of its spec."""
    return obj.spec.labels | obj.metadata.labels


def _usable(address: str, *, by_name: bool) -> bool:
    """Whether the address can be an endpoint's: a name only where names are resolved."""
    if not address or address.startswith(UNIX):
        return False
    return by_name or is_ip(address)


def is_ip(address: str) -> bool:
    """Whether a text is an IP address."""
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return False
    return True


def _of_entry(
    entry: networking_entry.WorkloadEntrySpec,
    labels: Mapping[str, str],
    name: str,
    namespace: str,
    port: int,
    mode_at: ModeAt,
    settings: MeshSettings,
) -> Endpoint:
    """A workload without a label about it speaks mutual TLS if it has a service account; a name
    that is resolved never does."""
    account = entry.service_account
    said = labels.get(workloads.TLS_MODE_LABEL)
    sidecar = said == "istio" if said is not None else bool(account)
    mode = mode_at(namespace, labels, port)
    return Endpoint(
        address=entry.address,
        port=port,
        labels=tuple(sorted(labels.items())),
        identity=spiffe_id(settings.trust_domain, namespace, account) if account else "",
        sidecar=sidecar and is_ip(entry.address),
        mode=mode.mode,
        mode_source=mode.source,
        workload=name,
        namespace=namespace,
        locality=entry.locality or workloads.locality(labels, settings.features),
        weight=entry.weight or 1,
        canonical_name=workloads.canonical_name(labels, name),
        canonical_revision=workloads.canonical_revision(labels, ""),
    )
