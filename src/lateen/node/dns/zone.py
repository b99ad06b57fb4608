"""What the cluster's names mean: Services, their endpoints and pods, as CoreDNS answers. Pure.

Names follow the Kubernetes DNS specification 1.1.0 under `cluster.local`. A name that exists with
another type of record is not an unknown name: resolvers that ask for A and AAAA together, and walk
a search path with ndots 5, depend on the difference.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from lateen.model import wellknown
from lateen.model.kube import discovery
from lateen.model.kube.core import objects

DOMAIN = wellknown.CLUSTER_DOMAIN
TTL = 30
"""Seconds; kubeadm's setting of CoreDNS."""

SPECIFICATION = "1.1.0"


class DnsRecord(msgspec.Struct, frozen=True):
    """One record. `value` of A is an address, of CNAME, NS and PTR a name, of TXT a text; of SRV
    it is the target's name, with `port`."""

    name: str
    type: str
    value: str
    port: int = 0


class ZoneAnswer(msgspec.Struct, frozen=True):
    """What is known of a name."""

    exists: bool
    """False is NXDOMAIN; True without answers is no data of that type."""
    answers: tuple[DnsRecord, ...] = ()
    additional: tuple[DnsRecord, ...] = ()
    inside: bool = True
    """The name is under a domain that is ours to answer for."""


_UNKNOWN = ZoneAnswer(False)
_NO_DATA = ZoneAnswer(True)


class _Endpoint(msgspec.Struct, frozen=True):
    address: str
    host: str
    ports: tuple[discovery.EndpointPort, ...]


class _Entry(msgspec.Struct, frozen=True):
    service: objects.Service
    endpoints: tuple[_Endpoint, ...]

    @property
    def headless(self) -> bool:
        return self.service.spec.cluster_ip in ("", "None")


class MeshHost(msgspec.Struct, frozen=True):
    """A host of a ServiceEntry: its addresses, and the namespaces that may know it (`*`, `.`)."""

    addresses: tuple[str, ...]
    export_to: tuple[str, ...] = ()

    def seen_by(self, owner: str, namespace: str) -> bool:
        """Whether clients of a namespace know a host that `owner` declares."""
        if not self.export_to or "*" in self.export_to:
            return True
        wanted = {owner if each == "." else each for each in self.export_to}
        return "~" not in wanted and namespace in wanted


class Zone:
    """The names of one cluster, kept up by the objects it is told of."""

    def __init__(self) -> None:
        self._entries: dict[tuple[str, str], _Entry] = {}
        self._namespaces: dict[str, int] = {}
        self._reverse: dict[str, dict[tuple[str, str], None]] = {}
        self._pods: dict[tuple[str, str], str] = {}
        self._hosts: dict[str, dict[str, None]] = {}
        """Addresses of hosts outside the mesh that are answered for; `*.` is every name below."""
        self._entries_named: dict[str, dict[tuple[str, str], MeshHost]] = {}
        """Hosts of ServiceEntries, for clients whose proxy answers their DNS."""
        self._asking: dict[str, str] = {}
        """The namespaces of those clients by address."""

    def set_service(
        self, service: objects.Service, slices: Iterable[discovery.EndpointSlice]
    ) -> None:
        """Take a Service and the EndpointSlices of it, in place of what was known."""
        key = (service.metadata.namespace, service.metadata.name)
        self.remove_service(*key)
        entry = _Entry(service, tuple(_endpoints(slices)))
        self._entries[key] = entry
        self._namespaces[key[0]] = self._namespaces.get(key[0], 0) + 1
        for address in _addresses(entry):
            self._reverse.setdefault(address, {})[key] = None

    def remove_service(self, namespace: str, name: str) -> None:
        """Forget a Service; nothing when it is not known."""
        entry = self._entries.pop((namespace, name), None)
        if entry is None:
            return
        self._leave(namespace)
        for address in _addresses(entry):
            known = self._reverse.get(address, {})
            known.pop((namespace, name), None)
            if not known:
                self._reverse.pop(address, None)

    def set_pod(self, namespace: str, name: str, ip: str) -> None:
        """Take a pod's address; an empty one forgets the pod."""
        self.remove_pod(namespace, name)
        if ip:
            self._pods[(namespace, name)] = ip
            self._namespaces[namespace] = self._namespaces.get(namespace, 0) + 1

    def remove_pod(self, namespace: str, name: str) -> None:
        """Forget a pod; nothing when it is not known."""
        if self._pods.pop((namespace, name), ""):
            self._leave(namespace)

    def add_external(self, host: str, address: str) -> None:
        """Answer for a host outside the mesh with an address more."""
        self._hosts.setdefault(host, {})[address] = None

    def remove_external(self, host: str, address: str) -> None:
        """Take an address of such a host away; nothing when it is not known."""
        known = self._hosts.get(host, {})
        known.pop(address, None)
        if not known:
            self._hosts.pop(host, None)

    def set_entry(self, namespace: str, name: str, hosts: Mapping[str, MeshHost]) -> None:
        """Take the hosts of a ServiceEntry that have addresses, in place of what was known."""
        key = (namespace, name)
        for host in [h for h, known in self._entries_named.items() if key in known]:
            del self._entries_named[host][key]
            if not self._entries_named[host]:
                del self._entries_named[host]
        for host, told in hosts.items():
            self._entries_named.setdefault(host, {})[key] = told

    def set_client(self, address: str, namespace: str) -> None:
        """Take a client whose proxy answers its DNS; an empty namespace forgets it."""
        self._asking.pop(address, None)
        if address and namespace:
            self._asking[address] = namespace

    def _leave(self, namespace: str) -> None:
        self._namespaces[namespace] -= 1
        if not self._namespaces[namespace]:
            del self._namespaces[namespace]

    def lookup(self, name: str, kind: str, client: str = "") -> ZoneAnswer:
        """Return what is known of a name (any case, no last dot) and a type (`A`, `SRV` …) to a
        client of that address: one whose proxy answers its DNS is told of ServiceEntries too."""
        labels = name.lower().split(".")
        found: ZoneAnswer | None = None
        if labels[-2:] == DOMAIN.split("."):
            found = self._inside(tuple(labels[:-2]), kind)
            if found.exists:
                return found
        told = self._of_entries(labels, self._asking.get(client, ""))
        if told:
            return _only(tuple(DnsRecord(name, "A", each) for each in told), kind)
        return found or self._beyond(labels, name, kind)

    def _of_entries(self, labels: list[str], namespace: str) -> tuple[str, ...]:
        """Return the addresses of a ServiceEntry's host as a namespace knows it: the name's own, or
        those of the longest wildcard."""
        if not namespace or not self._entries_named:
            return ()
        wildcards = (".".join(("*", *labels[at:])) for at in range(1, len(labels)))
        for host in (".".join(labels), *wildcards):
            known = self._entries_named.get(host, {})
            visible = [
                (key, told) for key, told in known.items() if told.seen_by(key[0], namespace)
            ]
            own = [told for key, told in visible if key[0] == namespace]
            chosen = own or [told for _, told in visible]
            if chosen:
                return tuple(dict.fromkeys(a for told in chosen for a in told.addresses))
        return ()

    def _beyond(self, labels: list[str], name: str, kind: str) -> ZoneAnswer:
        if labels[-2:] == ["in-addr", "arpa"]:
            return self._backwards(labels[:-2], name, kind)
        if (addresses := self._outside(labels)) is not None:
            return _only(tuple(DnsRecord(name, "A", each) for each in addresses), kind)
        return ZoneAnswer(False, inside=False)

    def _outside(self, labels: list[str]) -> Iterable[str] | None:
        """Return the addresses of a host outside: the name's own, else the nearest wildcard's."""
        if not self._hosts:
            return None
        wildcards = (".".join(("*", *labels[at:])) for at in range(1, len(labels)))
        for host in (".".join(labels), *wildcards):
            if host in self._hosts:
                return tuple(self._hosts[host])
        return None

    def _inside(self, labels: tuple[str, ...], kind: str) -> ZoneAnswer:
        match labels:
            case () if kind == "NS":
                return ZoneAnswer(True, (DnsRecord(DOMAIN, "NS", f"ns.dns.{DOMAIN}"),))
            case () | ("svc",) | ("pod",):
                return _NO_DATA
            case ("dns-version",):
                record = DnsRecord(f"dns-version.{DOMAIN}", "TXT", SPECIFICATION)
                return _only((record,), kind)
            case (namespace, "svc" | "pod"):
                return _NO_DATA if namespace in self._namespaces else _UNKNOWN
            case (name, namespace, "pod"):
                return self._pod(name, namespace, kind)
            case (*rest, name, namespace, "svc"):
                entry = self._entries.get((namespace, name))
                return _UNKNOWN if entry is None else self._service(entry, rest, kind)
            case _:
                return _UNKNOWN

    def _pod(self, dashed: str, namespace: str, kind: str) -> ZoneAnswer:
        ip = dashed.replace("-", ".")
        known = (owner[0] == namespace and own == ip for owner, own in self._pods.items())
        if not any(known):
            return _UNKNOWN
        return _only((DnsRecord(f"{dashed}.{namespace}.pod.{DOMAIN}", "A", ip),), kind)

    def _service(self, entry: _Entry, rest: list[str], kind: str) -> ZoneAnswer:
        name = _name(entry)
        if entry.service.spec.type == "ExternalName":
            return self._external(entry, kind) if not rest else _UNKNOWN
        if len(rest) == 2 and rest[0].startswith("_") and rest[1].startswith("_"):
            return _service_ports(entry, rest[0][1:], rest[1][1:], kind)
        if len(rest) == 1:
            chosen = [e for e in entry.endpoints if e.host == rest[0]]
            owner = f"{rest[0]}.{name}"
            found = tuple(dict.fromkeys(DnsRecord(owner, "A", e.address) for e in chosen))
            return _only(found, kind) if found else _UNKNOWN
        if rest:
            return _UNKNOWN
        if kind == "SRV":
            return _service_ports(entry, "", "", kind)
        if not entry.headless:
            return _only((DnsRecord(name, "A", entry.service.spec.cluster_ip),), kind)
        found = tuple(dict.fromkeys(DnsRecord(name, "A", e.address) for e in entry.endpoints))
        return _only(found, kind) if found else _UNKNOWN

    def _external(self, entry: _Entry, kind: str) -> ZoneAnswer:
        """An alias; what it points to is added when it is ours as well."""
        target = entry.service.spec.external_name.rstrip(".").lower()
        alias = DnsRecord(_name(entry), "CNAME", target)
        if kind == "CNAME" or target == alias.name:
            return ZoneAnswer(True, (alias,))
        further = self.lookup(target, kind)
        return ZoneAnswer(True, (alias, *further.answers), further.additional)

    def _backwards(self, labels: list[str], name: str, kind: str) -> ZoneAnswer:
        """Name an address: a Service's, or an endpoint's as CoreDNS does, `10-244-0-5.svc…`."""
        ip = ".".join(reversed(labels))
        owners = self._reverse.get(ip, {})
        found: dict[str, None] = {}
        for key in owners:
            entry = self._entries[key]
            if entry.service.spec.cluster_ip == ip:
                found[_name(entry)] = None
            hosts = (e.host for e in entry.endpoints if e.address == ip)
            found.update(dict.fromkeys(f"{host}.{_name(entry)}" for host in hosts))
        records = tuple(DnsRecord(name, "PTR", each) for each in found)
        return _only(records, kind) if records else _UNKNOWN


def _only(records: tuple[DnsRecord, ...], kind: str) -> ZoneAnswer:
    """The name exists; give its records of the type asked for."""
    return ZoneAnswer(True, tuple(r for r in records if kind in (r.type, "ANY")))


def _name(entry: _Entry) -> str:
    meta = entry.service.metadata
    return f"{meta.name}.{meta.namespace}.svc.{DOMAIN}"


def _addresses(entry: _Entry) -> set[str]:
    own = set() if entry.headless else {entry.service.spec.cluster_ip}
    return own | {each.address for each in entry.endpoints}


def _endpoints(slices: Iterable[discovery.EndpointSlice]) -> Iterator[_Endpoint]:
    """Yield endpoints that take traffic. A Service that publishes pods before they are ready has
    them marked as ready in its slices."""
    for each in slices:
        if each.address_type not in ("", "IPv4"):
            continue
        for endpoint in each.endpoints:
            if endpoint.conditions.ready is False:
                continue
            for address in endpoint.addresses[:1]:
                host = (endpoint.hostname or address.replace(".", "-")).lower()
                yield _Endpoint(address, host, each.ports)


def _service_ports(entry: _Entry, port: str, protocol: str, kind: str) -> ZoneAnswer:
    """SRV: the named port, or all when `port` is empty; targets are endpoints when headless."""
    owner = f"_{port}._{protocol}.{_name(entry)}" if port else _name(entry)
    found: dict[DnsRecord, None] = {}
    hosts: dict[DnsRecord, None] = {}
    if entry.headless:
        places = (
            (f"{e.host}.{_name(entry)}", e.address, p.name or "", p.protocol, p.port or 0)
            for e in entry.endpoints
            for p in e.ports
        )
    else:
        address = entry.service.spec.cluster_ip
        places = (
            (_name(entry), address, p.name, p.protocol, p.port) for p in entry.service.spec.ports
        )
    for target, address, name, spoken, number in places:
        if port and (name.lower(), (spoken or "TCP").lower()) != (port, protocol):
            continue
        found[DnsRecord(owner, "SRV", target, number)] = None
        hosts[DnsRecord(target, "A", address)] = None
    if not found:
        return _UNKNOWN
    return ZoneAnswer(True, tuple(found), tuple(hosts)) if kind in ("SRV", "ANY") else _NO_DATA
