"""Changes of manifests that may mend a failure, made of what is known of it. Pure.

None is advice before it was tried (`app.foresight.remedies`). Those that make something less
secure, because they accept, send or allow what was not before, are marked and come last.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from lateen.causes import catalogue, change
from lateen.causes.change import APPEND, Edit
from lateen.causes.situation import ClientTls, Correction, RouteDestination, Situation
from lateen.model.meta import ObjectRef, Source

SERVER_FIRST = "server-first"
"""What no evidence shows: each side waits for the other to speak first."""
INJECT = "sidecar.istio.io/inject"
_SPIFFE = "spiffe://"
_ISTIO_MUTUAL = "ISTIO_MUTUAL"
_AMPLE = 1024
"""What Envoy itself limits connections and requests to."""
_LONGER = (5, 15, 60)
"""Timeouts that are proposed, in seconds."""


class Remedy(msgspec.Struct, frozen=True):
    """A change that may help; all its edits together."""

    purpose: str
    edits: tuple[Edit, ...]
    weakens: bool = False
    """Whether it makes something less secure."""
    kin: str = ""
    """Of changes that are alike the first that helps is enough."""
    guess: bool = False
    """Whether nothing that is known speaks for it: it is worth a try, and no word without one."""

    @property
    def words(self) -> str:
        """The remedy in one line."""
        return f"{self.purpose}: {' and '.join(edit.words for edit in self.edits)}"


Remedies = Iterator[Remedy]


def of(code: str, known: Situation) -> tuple[Remedy, ...]:
    """Return the changes for a failure class, each once, those that weaken nothing first."""
    found: dict[str, Remedy] = {}
    corrected = (_correct(each) for each in known.corrections if each.code == code)
    made = (each for make in _REMEDIES.get(code, ()) for each in make(known))
    for each in (*corrected, *made):
        found.setdefault(str(each.edits), each)
    return tuple(sorted(found.values(), key=lambda each: each.weakens))


def _correct(what: Correction) -> Remedy:
    path = change.at(what.field, *([APPEND] if what.adds else []))
    edit = Edit(what.field.ref, path, what.value, remove=what.value is None)
    return Remedy(what.purpose, (edit,))


def _plaintext_to_strict(known: Situation) -> Remedies:
    if known.speaks == "tls":
        yield from _other_port(known)
        return
    yield from _use_mesh_tls(known)
    yield from _inject(known.client_workload, "give the client a sidecar")
    mode = known.server_mode
    if mode is not None and mode.field is not None:
        yield from _accept_plaintext(known, mode.field)


def _accept_plaintext(known: Situation, mode: Source) -> Remedies:
    selects = known.server_mode is not None and known.server_mode.selects
    if selects and known.target_port and "portLevelMtls" not in mode.path:
        port = str(known.target_port)
        edit = Edit(mode.ref, ("spec", "portLevelMtls", port, "mode"), "PERMISSIVE")
        purpose = f"let the server accept plaintext too, on port {port}"
        yield Remedy(purpose, (edit,), weakens=True, kin="accept")
    edit = _set(mode, "PERMISSIVE")
    purpose = "let the server accept plaintext too"
    yield Remedy(purpose, (edit,), weakens=True, kin="accept")


def _no_mesh_certificate(known: Situation) -> Remedies:
    if known.speaks != "tls":
        yield from _use_mesh_tls(known)
        return
    yield from _other_port(known)
    if (mode := _own_tls(known)) is not None:
        yield Remedy("let the application's own TLS through", (mode,), weakens=True)


def _server_untrusted(known: Situation) -> Remedies:
    tls, mode = known.client_tls, known.server_mode
    strict = mode is not None and mode.mode == "STRICT"
    if strict and known.speaks != "tls":
        yield from _use_mesh_tls(known)
        return
    if mode is not None and mode.mode != "DISABLE":
        yield from _other_port(known)
    if tls is None or not known.skips_verification:
        return
    edits = [Edit(tls.field.ref, change.at(tls.field, "insecureSkipVerify"), True)]
    purpose = "do not verify the server, if anybody may be it"
    if strict:
        own = _own_tls(known)
        if own is None:
            return
        edits.append(own)
        purpose = "let the application's own TLS through, without verifying it"
    yield Remedy(purpose, tuple(edits), weakens=True)


def _san_mismatch(known: Situation) -> Remedies:
    tls = known.client_tls
    if tls is not None and tls.sans and known.server_identity:
        path = change.at(tls.field, "subjectAltNames")
        edit = Edit(tls.field.ref, path, [known.server_identity])
        yield Remedy("if that server is the right one, want its name", (edit,))
        gone = Edit(tls.field.ref, path, remove=True)
        yield Remedy("let Istio say which name is the right one", (gone,))


def _no_client_certificate(known: Situation) -> Remedies:
    if known.gateway_server is not None:
        path = change.at(known.gateway_server, "tls", "mode")
        edit = Edit(known.gateway_server.ref, path, "SIMPLE")
        yield Remedy("let the gateway ask for no certificate", (edit,), weakens=True)


def _tls_to_plaintext(known: Situation) -> Remedies:
    tls = known.client_tls
    if tls is None:
        return
    if tls.mode == _ISTIO_MUTUAL and known.server_role == "app":
        yield from _inject(known.server_workload, "give the server a sidecar")
    yield _automatic(tls)
    yield from _other_port(known)
    yield Remedy("send plaintext", (_mode(tls, "DISABLE"),), weakens=True)


def _plaintext_to_tls(known: Situation) -> Remedies:
    yield from _other_port(known)
    to, mode = known.destination, known.server_mode
    lets_through = mode is None or mode.mode == "DISABLE" or mode.mode == "PERMISSIVE"
    if known.client_tls is not None or not known.skips_verification or not lets_through:
        return
    if to is None or to.service is None:
        return
    settings = {"mode": "SIMPLE", "insecureSkipVerify": True}
    entry = {"port": {"number": to.port}, "tls": settings}
    path = ("spec", "trafficPolicy", "portLevelSettings", APPEND)
    edit = Edit(known.has_rule, path, entry) if known.has_rule else _rule_for(to, entry)
    yield Remedy("speak TLS to it, without verifying it", (edit,), weakens=True)


def _rule_for(to: RouteDestination, entry: dict[str, Any]) -> Edit:
    """Add a DestinationRule with settings for one port."""
    assert to.service is not None
    ref = ObjectRef("DestinationRule", to.service.namespace, f"{to.service.name}-tls")
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "spec": {"host": to.host, "trafficPolicy": {"portLevelSettings": [entry]}},
    }
    return Edit(ref, (), body)


def _refused(known: Situation) -> Remedies:
    """A port that nobody listens on, where the pod's containers declare exactly one other."""
    port, declared = known.service_port, known.container_ports
    if port is not None:
        if len(declared) == 1 and known.target_port not in declared:
            edit = Edit(port.ref, change.at(port, "targetPort"), declared[0])
            yield Remedy("send it to the port that the container declares", (edit,))
        for number in known.listens:
            edit = Edit(port.ref, change.at(port, "targetPort"), number)
            yield Remedy(f"send it to port {number}, where the application listens", (edit,))
    yield from _other_ports(known)
    for each in known.gateways:
        if not each.selects and each.wanted:
            (label,) = each.wanted
            alone = each.labels.startswith(f"{label}=") and "," not in each.labels
            path, value = change.at(each.field), dict(each.wanted)
            edit = Edit(each.field.ref, path, value)
            if alone:
                edit = Edit(each.field.ref, (*path, label), value[label])
            yield Remedy("let the Gateway select this gateway", (edit,))


def _tls_to_http(known: Situation) -> Remedies:
    """An application that speaks TLS itself to a Service's port that its proxy reads as HTTP."""
    port = known.service_port
    if port is not None and known.server_role == "sidecar":
        edit = Edit(port.ref, change.at(port, "appProtocol"), "https")
        yield Remedy("declare the TLS that is spoken there, if the server speaks it", (edit,))
    if known.speaks != "tls":
        yield from _use_mesh_tls(known)


def _upstream_protocol(known: Situation) -> Remedies:
    port = known.service_port
    if port is not None and known.answers == "http":
        edit = Edit(port.ref, change.at(port, "appProtocol"), "http")
        yield Remedy("declare the HTTP/1 that the application speaks", (edit,))


def _no_such_destination(known: Situation) -> Remedies:
    to = known.destination
    if to is None or to.field is None:
        return
    if not to.known:
        for host in to.elsewhere:
            edit = Edit(to.field.ref, change.at(to.field, "host"), host)
            yield Remedy(f"send it to {host}", (edit,), guess=True)
        return
    if to.port not in {port.number for port in to.ports}:
        if len(to.ports) == 1:
            edit = Edit(to.field.ref, change.at(to.field, "port", "number"), to.ports[0].number)
            yield Remedy("send it to the port that the Service has", (edit,))
        else:
            yield from _other_ports(known)
    elif to.subset and to.subset not in to.subsets:
        yield from _other_subsets(to)
        yield _without_subset(to.field)


def _no_endpoints(known: Situation) -> Remedies:
    to = known.destination
    if to is not None and to.field is not None and to.subset:
        yield from _other_subsets(to)
        yield _without_subset(to.field)


def _other_subsets(to: RouteDestination) -> Remedies:
    for name in to.subsets:
        if to.field is not None and name != to.subset:
            edit = Edit(to.field.ref, change.at(to.field, "subset"), name)
            yield Remedy(f"send it to subset {name}", (edit,), guess=True)


def _other_ports(known: Situation) -> Remedies:
    """The Service's other ports, where a route says which."""
    to = known.destination
    for port in to.ports if to is not None else ():
        if to is not None and to.field is not None and port.number != to.port:
            edit = Edit(to.field.ref, change.at(to.field, "port", "number"), port.number)
            yield Remedy(f"send it to port {port.number} of the Service", (edit,), guess=True)


def _without_subset(field: Source) -> Remedy:
    edit = Edit(field.ref, change.at(field, "subset"), remove=True)
    return Remedy("send it to all pods of the Service", (edit,))


def _denied(known: Situation) -> Remedies:
    """A rule that refuses all but some: this client is one more of them. A policy of action DENY
    without rules is refused by Istio: its last rule goes with it."""
    principal = known.client_identity.removeprefix(_SPIFFE)
    for field in known.exceptions if principal else ():
        _, _, namespace, *_ = (*principal.split("/"), "", "", "")
        value = namespace if field.path.endswith("Namespaces") else principal
        edit = Edit(field.ref, change.at(field, APPEND), value)
        purpose = f"if this client is to be allowed, leave {value} alone too"
        yield Remedy(purpose, (edit,), weakens=True, kin="except")
    if known.rule is not None:
        path = () if known.only_rule else change.at(known.rule)
        edit = Edit(known.rule.ref, path, remove=True)
        purpose = "if such requests are to be allowed, take the rule away"
        yield Remedy(purpose, (edit,), weakens=True, kin="except")


def _not_allowed(known: Situation) -> Remedies:
    if known.policy is not None and known.client_identity:
        principal = known.client_identity.removeprefix(_SPIFFE)
        purpose = "if this client is to be allowed, allow its identity"
        if known.principals is not None:
            edit = Edit(known.principals.ref, change.at(known.principals, APPEND), principal)
            yield Remedy(f"{purpose} by the rule that is there", (edit,), weakens=True, kin="allow")
        rule = {"from": [{"source": {"principals": [principal]}}]}
        edit = Edit(known.policy.ref, ("spec", "rules", APPEND), rule)
        yield Remedy(purpose, (edit,), weakens=True, kin="allow")


def _no_identity(known: Situation) -> Remedies:
    if known.would_allow:
        yield from _use_mesh_tls(known)
        yield from _inject(known.client_workload, "give the client a sidecar")


def _overflow(known: Situation) -> Remedies:
    edits = [Edit(field.ref, change.at(field), _AMPLE) for field in known.limits]
    if edits:
        yield Remedy("raise the limits", tuple(edits))


def _timeout(known: Situation) -> Remedies:
    if known.timeout is not None:
        edit = Edit(known.timeout.ref, change.at(known.timeout), remove=True)
        for seconds in _LONGER:
            longer = Edit(known.timeout.ref, change.at(known.timeout), f"{seconds}s")
            yield Remedy(f"wait for {seconds} s", (longer,), kin="wait")
        yield Remedy("wait as long as it takes", (edit,))


def _fault(known: Situation) -> Remedies:
    if known.fault is not None:
        edit = Edit(known.fault.ref, change.at(known.fault), remove=True)
        yield Remedy("if it is no longer wanted, take the fault away", (edit,))


def _use_mesh_tls(known: Situation) -> Remedies:
    """The mesh's own mutual TLS, where a DestinationRule sets something else."""
    tls = known.client_tls
    if tls is not None and tls.mode != _ISTIO_MUTUAL:
        edit = _mode(tls, _ISTIO_MUTUAL)
        yield Remedy("let the client's proxy use mutual TLS", (edit,))
        yield _automatic(tls)


def _mode(tls: ClientTls, mode: str) -> Edit:
    """The block with another mode; what else it says belongs to the old one."""
    if tls.alone:
        return Edit(tls.field.ref, change.at(tls.field, "mode"), mode)
    return Edit(tls.field.ref, change.at(tls.field), {"mode": mode})


def _automatic(tls: ClientTls) -> Remedy:
    edit = Edit(tls.field.ref, change.at(tls.field), remove=True)
    return Remedy("leave the TLS of it to Istio, which sees what the server takes", (edit,))


def _inject(workload: ObjectRef | None, purpose: str) -> Remedies:
    if workload is not None:
        path = ("spec", "template", "metadata", "labels", INJECT)
        yield Remedy(purpose, (Edit(workload, path, "true"),))


def _other_port(known: Situation) -> Remedies:
    """The Service's port on which the application takes plain HTTP, so that the mesh encrypts."""
    to = known.destination
    plain = [port.number for port in to.ports if port.speaks == "http"] if to is not None else []
    if to is not None and to.field is not None and len(plain) == 1 and plain[0] != to.port:
        edit = Edit(to.field.ref, change.at(to.field, "port", "number"), plain[0])
        purpose = "send it to the Service's port for plain HTTP, and let the mesh encrypt"
        yield Remedy(purpose, (edit,))


def _protocol(known: Situation) -> Remedies:
    """What the Service's port may be declared as instead."""
    port = known.service_port
    if port is None:
        return
    for protocol in ("https", "tcp", "http"):
        edit = Edit(port.ref, change.at(port, "appProtocol"), protocol)
        purpose = f"declare {protocol} on the Service's port, if that is spoken"
        yield Remedy(purpose, (edit,), kin="protocol", guess=True)


def _hosts(known: Situation) -> Remedies:
    """The host that was asked for among those that are served."""
    for field in known.served if known.host else ():
        edit = Edit(field.ref, change.at(field, APPEND), known.host)
        yield Remedy(f"serve {known.host} too", (edit,), guess=True)


def _wider(known: Situation) -> Remedies:
    """A path that is matched as a whole, with what is below it."""
    for field, match in known.wider.items():
        edit = Edit(field.ref, change.at(field), match)
        yield Remedy("match what is below that path too", (edit,), guess=True)


def _own_tls(known: Situation) -> Edit | None:
    """The server's sidecar lets the application's TLS on the port through as it is."""
    mode, to = known.server_mode, known.destination
    if mode is None or not known.target_port:
        return None
    port, off = str(known.target_port), {"mode": "DISABLE"}
    if mode.selects and mode.field is not None:
        return Edit(mode.field.ref, ("spec", "portLevelMtls", port), off)
    if to is None or to.service is None or not to.selector:
        return None
    name = f"{to.service.name}-own-tls"
    ref = ObjectRef("PeerAuthentication", to.service.namespace, name)
    body = {
        "apiVersion": "security.istio.io/v1",
        "kind": ref.kind,
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "spec": {"selector": {"matchLabels": dict(to.selector)}, "portLevelMtls": {port: off}},
    }
    return Edit(ref, (), body)


def _set(field: Source, value: str) -> Edit:
    """Set a PeerAuthentication's mode, whether the field is the block or the mode itself."""
    path = change.at(field)
    return Edit(field.ref, path if path[-1:] == ("mode",) else (*path, "mode"), value)


_Make = Callable[[Situation], Remedies]
_REMEDIES: Mapping[str, tuple[_Make, ...]] = {
    catalogue.PLAINTEXT_TO_STRICT.code: (_plaintext_to_strict,),
    catalogue.NO_MESH_CERTIFICATE.code: (_no_mesh_certificate,),
    catalogue.SERVER_CERTIFICATE_UNTRUSTED.code: (_server_untrusted,),
    catalogue.SAN_MISMATCH.code: (_san_mismatch,),
    catalogue.NO_CLIENT_CERTIFICATE.code: (_no_client_certificate,),
    catalogue.TLS_TO_PLAINTEXT.code: (_tls_to_plaintext,),
    catalogue.TLS_UNANSWERED.code: (_tls_to_plaintext,),
    catalogue.UPSTREAM_PROTOCOL.code: (_upstream_protocol,),
    catalogue.PLAINTEXT_TO_TLS.code: (_plaintext_to_tls,),
    catalogue.CONNECTION_REFUSED.code: (_refused,),
    catalogue.CONNECTION_TERMINATED.code: (_protocol,),
    catalogue.TLS_TO_HTTP_PORT.code: (_tls_to_http,),
    catalogue.DOUBLE_TLS.code: (_protocol,),
    catalogue.NOT_HTTP.code: (_protocol,),
    SERVER_FIRST: (_protocol,),
    catalogue.NO_SUCH_DESTINATION.code: (_no_such_destination,),
    catalogue.NO_HEALTHY_ENDPOINTS.code: (_no_endpoints,),
    catalogue.NO_ROUTE.code: (_wider, _hosts),
    catalogue.NO_MATCHING_SERVER.code: (_hosts,),
    catalogue.RBAC_DENIED.code: (_denied,),
    catalogue.RBAC_NOT_ALLOWED.code: (_not_allowed,),
    catalogue.RBAC_NO_IDENTITY.code: (_no_identity,),
    catalogue.OVERFLOW.code: (_overflow,),
    catalogue.UPSTREAM_TIMEOUT.code: (_timeout,),
    catalogue.PER_TRY_TIMEOUT.code: (_timeout,),
    catalogue.FAULT_INJECTED.code: (_fault,),
}
_CORRECTED = frozenset({catalogue.BLOCKED.code})
"""Classes that have corrections only."""
REMEDIED = frozenset(_REMEDIES) | _CORRECTED
"""Codes of the classes that have remedies, where enough is known."""
