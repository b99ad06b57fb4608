"""Changes of manifests that might mend a request, by its failure class. Whether one does is for
`remedies` to try: nothing here is advice yet."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.model.manifests.edit import Append, Drop, Edit, Put, steps
from lateen.model.meta import ObjectRef, Source
from lateen.model.snapshot import Snapshot
from lateen.predict.values.facts import NetworkFacts
from lateen.predict.values.outcome import Foretold, Leg

_INJECT = "sidecar.istio.io/inject"


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """An edit of one manifest, in words. `weakens` marks what lets in, or sends, what was not
    before."""

    title: str
    ref: ObjectRef
    edits: tuple[Edit, ...]
    weakens: bool = False


class Case(msgspec.Struct, frozen=True):
    """What failed, and what there is to change."""

    outcome: Foretold
    bodies: Mapping[ObjectRef, JsonView]
    """The manifests."""
    snapshot: Snapshot
    network: NetworkFacts
    host: str
    path: str

    def sources(self, kind: str) -> list[Source]:
        """Return the fields of a kind that decided, as far as a manifest holds them."""
        return [s for s in self.outcome.sources if s.ref.kind == kind and s.ref in self.bodies]

    @property
    def failed(self) -> Leg | None:
        """The leg on which it failed."""
        return next((leg for leg in self.outcome.legs if leg.failed), None)


def candidates(case: Case) -> Iterator[Patch]:
    """Yield every change that is worth a try, those that weaken nothing first."""
    found: dict[str, Patch] = {}
    for make in _BY_CODE.get(case.outcome.code, ()):
        for change in make(case):
            found.setdefault(f"{change.ref} {change.edits}", change)
    yield from sorted(found.values(), key=lambda change: change.weakens)


def _at(body: Any, path: str) -> Any:
    """Return what is at a path of a manifest; None where nothing is."""
    for step in steps(path):
        if isinstance(step, int):
            body = body[step] if isinstance(body, list) and step < len(body) else None
        else:
            body = body.get(step) if isinstance(body, Mapping) else None
    return body


def _client_tls(case: Case) -> Iterator[Patch]:
    """Another TLS mode in the DestinationRule that decided it."""
    for source in case.sources("DestinationRule"):
        if not source.path.endswith("tls"):
            continue
        name, mode = f"DestinationRule/{source.ref.name}", _at(case.bodies[source.ref], source.path)
        mode = mode.get("mode") if isinstance(mode, Mapping) else None
        if mode != "ISTIO_MUTUAL":
            title = f"{name}: TLS mode ISTIO_MUTUAL"
            edits = (Put(f"{source.path}.mode", "ISTIO_MUTUAL"),)
            yield Patch(title=title, ref=source.ref, edits=edits)
        title = f"{name}: no TLS mode of its own, so that mutual TLS is automatic"
        yield Patch(title=title, ref=source.ref, edits=(Drop(source.path),))
        if mode != "DISABLE":
            title = f"{name}: TLS mode DISABLE"
            edits = (Put(f"{source.path}.mode", "DISABLE"),)
            yield Patch(title=title, ref=source.ref, edits=edits, weakens=True)


def _names(case: Case) -> Iterator[Patch]:
    for source in case.sources("DestinationRule"):
        if _at(case.bodies[source.ref], f"{source.path}.subjectAltNames"):
            title = f"DestinationRule/{source.ref.name}: no subjectAltNames of its own"
            yield Patch(
                title=title, ref=source.ref, edits=(Drop(f"{source.path}.subjectAltNames"),)
            )


def _unverified(case: Case) -> Iterator[Patch]:
    for source in case.sources("DestinationRule"):
        if source.path.endswith("tls"):
            yield Patch(
                title=f"DestinationRule/{source.ref.name}: the server need not be known",
                ref=source.ref,
                edits=(Put(f"{source.path}.insecureSkipVerify", True),),
                weakens=True,
            )


def _server_mode(case: Case) -> Iterator[Patch]:
    """A server that accepts less than mutual TLS, on the port alone where that can be said."""
    leg = case.failed
    port = leg.server.address.rpartition(":")[2] if leg is not None else ""
    for source in case.sources("PeerAuthentication"):
        name, body = f"PeerAuthentication/{source.ref.name}", case.bodies[source.ref]
        if port and _at(body, "spec.selector") and "portLevelMtls" not in source.path:
            for mode in ("PERMISSIVE", "DISABLE"):
                yield Patch(
                    title=f"{name}: {mode} on port {port} alone",
                    ref=source.ref,
                    edits=(Put(f"spec.portLevelMtls.{port}.mode", mode),),
                    weakens=True,
                )
        yield Patch(
            title=f"{name}: mode PERMISSIVE",
            ref=source.ref,
            edits=(Put(source.path, "PERMISSIVE"),),
            weakens=True,
        )


def _sidecar(case: Case) -> Iterator[Patch]:
    """A sidecar for the end of the failed leg that has none."""
    leg = case.failed
    for party in (leg.client, leg.server) if leg is not None else ():
        pod = next((p for p in case.network.pods.values() if p.name == party.name), None)
        if pod is None or pod.proxy:
            continue
        space, _, owner = pod.workload.partition("/")
        for ref, body in case.bodies.items():
            if (ref.namespace, ref.name) != (space, owner):
                continue
            path = f"spec.template.metadata.labels['{_INJECT}']"
            if _at(body, path) is not None:
                title = f"{ref.kind}/{ref.name}: a sidecar"
                yield Patch(title=title, ref=ref, edits=(Put(path, "true"),))


def _destinations(case: Case) -> Iterator[Patch]:
    """Another port or subset of the same host in the route that was taken."""
    for source in case.sources("VirtualService"):
        route = source.path.partition(".match")[0].partition(".route")[0].partition(".fault")[0]
        body = case.bodies[source.ref]
        for number, each in enumerate(_at(body, f"{route}.route") or ()):
            target = each.get("destination") or {}
            path = f"{route}.route[{number}].destination"
            name = f"VirtualService/{source.ref.name}"
            for port in _ports(case, str(target.get("host")), source.ref.namespace):
                if port != (target.get("port") or {}).get("number"):
                    title = f"{name}: route to port {port}"
                    edits = (Put(f"{path}.port.number", port),)
                    yield Patch(title=title, ref=source.ref, edits=edits)
            if target.get("subset"):
                for subset in _subsets(case, str(target.get("host"))):
                    if subset != target["subset"]:
                        title = f"{name}: route to subset {subset}"
                        edits = (Put(f"{path}.subset", subset),)
                        yield Patch(title=title, ref=source.ref, edits=edits)
                title = f"{name}: route to no subset"
                yield Patch(title=title, ref=source.ref, edits=(Drop(f"{path}.subset"),))


def _subsets(case: Case, host: str) -> list[str]:
    short = host.partition(".")[0]
    return [
        str(subset.get("name"))
        for ref, body in case.bodies.items()
        if ref.kind == "DestinationRule" and str(_at(body, "spec.host")).partition(".")[0] == short
        for subset in _at(body, "spec.subsets") or ()
    ]


def _ports(case: Case, host: str, namespace: str) -> list[int]:
    name, _, rest = host.partition(".")
    space = rest.partition(".")[0] or namespace
    service = case.snapshot.services.get((space, name))
    return [port.port for port in service.spec.ports] if service is not None else []


def _no_fault(case: Case) -> Iterator[Patch]:
    for source in case.sources("VirtualService"):
        if source.path.endswith(".fault"):
            title = f"VirtualService/{source.ref.name}: no fault"
            yield Patch(title=title, ref=source.ref, edits=(Drop(source.path),))


def _more_time(case: Case) -> Iterator[Patch]:
    for source in case.sources("VirtualService"):
        for seconds in (5, 15, 60):
            route = source.path.partition(".match")[0]
            title = f"VirtualService/{source.ref.name}: a timeout of {seconds} s"
            edits = (Put(f"{route}.timeout", f"{seconds}s"),)
            yield Patch(title=title, ref=source.ref, edits=edits)


def _target_port(case: Case) -> Iterator[Patch]:
    """A port that the application listens on."""
    leg = case.failed
    address = leg.server.address.rpartition(":")[0] if leg is not None else ""
    pod = case.network.pods.get(address)
    for source in case.sources("Service"):
        for port in sorted(pod.speeches or ()) if pod is not None else ():
            title = f"Service/{source.ref.name}: targetPort {port}"
            edits = (Put(f"{source.path}.targetPort", port),)
            yield Patch(title=title, ref=source.ref, edits=edits)


def _protocol(case: Case) -> Iterator[Patch]:
    """A port name that says what is spoken there."""
    for source in case.sources("Service"):
        body = case.bodies[source.ref]
        port = _at(body, source.path) or {}
        number = port.get("port")
        for protocol in ("https", "tls", "tcp", "http"):
            edits: tuple[Edit, ...] = (Put(f"{source.path}.name", f"{protocol}-{number}"),)
            if "appProtocol" in port:
                edits = (Put(f"{source.path}.appProtocol", protocol),)
            title = f"Service/{source.ref.name}: port {number} is {protocol}"
            yield Patch(title=title, ref=source.ref, edits=edits)


def _allowed(case: Case) -> Iterator[Patch]:
    """The client among those that a rule allows."""
    identity = next(
        (leg.client_identity for leg in reversed(case.outcome.legs) if leg.client_identity), ""
    )
    principal = identity.removeprefix("spiffe://")
    for source in case.sources("AuthorizationPolicy"):
        name, body = f"AuthorizationPolicy/{source.ref.name}", case.bodies[source.ref]
        path = f"{source.path}.from[0].source.principals"
        if principal and _at(body, path):
            yield Patch(
                title=f"{name}: allow {principal}",
                ref=source.ref,
                edits=(Append(path, principal),),
                weakens=True,
            )
        if principal:
            rule = {"from": [{"source": {"principals": [principal]}}]}
            yield Patch(
                title=f"{name}: a rule that allows {principal}",
                ref=source.ref,
                edits=(Append("spec.rules", rule),),
                weakens=True,
            )


def _not_denied(case: Case) -> Iterator[Patch]:
    for source in case.sources("AuthorizationPolicy"):
        title = f"AuthorizationPolicy/{source.ref.name}: without that rule"
        yield Patch(title=title, ref=source.ref, edits=(Drop(source.path),), weakens=True)


def _hosts(case: Case) -> Iterator[Patch]:
    """The host among those that are served."""
    for ref, body in case.bodies.items():
        if ref.kind == "VirtualService" and _at(body, "spec.gateways"):
            title = f"VirtualService/{ref.name}: also for {case.host}"
            yield Patch(title=title, ref=ref, edits=(Append("spec.hosts", case.host),))
        if ref.kind == "Gateway":
            for number, _ in enumerate(_at(body, "spec.servers") or ()):
                title = f"Gateway/{ref.name}: server {number + 1} also for {case.host}"
                edits = (Append(f"spec.servers[{number}].hosts", case.host),)
                yield Patch(title=title, ref=ref, edits=edits)


def _wider(case: Case) -> Iterator[Patch]:
    """A route for a path instead of for one exact path."""
    for source in case.sources("VirtualService"):
        for number, route in enumerate(_at(case.bodies[source.ref], "spec.http") or ()):
            for index, match in enumerate(route.get("match") or ()):
                exact = (match.get("uri") or {}).get("exact")
                if exact and case.path.startswith(str(exact)):
                    path = f"spec.http[{number}].match[{index}].uri"
                    yield Patch(
                        title=f"VirtualService/{source.ref.name}: {exact} as a prefix",
                        ref=source.ref,
                        edits=(Put(path, {"prefix": str(exact)}),),
                    )


def tries(code: str) -> bool:
    """Tell whether there are changes to try for a failure class."""
    return code in _BY_CODE


_Make = Callable[[Case], Iterator[Patch]]
_BY_CODE: Mapping[str, tuple[_Make, ...]] = {
    "plaintext-to-strict": (_client_tls, _sidecar, _server_mode),
    "no-mesh-certificate": (_client_tls, _destinations, _server_mode),
    "tls-to-plaintext": (_client_tls, _sidecar, _destinations),
    "server-certificate-untrusted": (_client_tls, _destinations, _unverified),
    "san-mismatch": (_names, _client_tls),
    "no-such-destination": (_destinations,),
    "no-healthy-endpoints": (_destinations,),
    "connection-refused": (_target_port, _destinations),
    "connection-terminated": (_client_tls, _protocol, _destinations),
    "no-route": (_wider, _hosts),
    "no-matching-server": (_hosts, _client_tls, _server_mode),
    "rbac-denied": (_not_denied,),
    "rbac-not-allowed": (_allowed,),
    "rbac-no-identity": (_client_tls, _sidecar),
    "double-tls": (_protocol,),
    "tls-to-http-port": (_client_tls, _protocol, _server_mode),
    "not-http": (_client_tls, _protocol),
    "server-first": (_protocol,),
    "upstream-timeout": (_more_time,),
    "fault-injected": (_no_fault,),
}
