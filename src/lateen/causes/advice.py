"""What can be done about a failure: remedies and hints. Pure.

A remedy is a change of manifests that was tried: `tests/e2e/test_failures.py` brings every class
about, makes each change that is printed and asks again. A hint is anything else.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from lateen.causes import catalogue, change
from lateen.causes.cause import Category, Cause
from lateen.causes.change import APPEND, Edit
from lateen.causes.situation import RouteDestination, Situation
from lateen.model.meta import ObjectRef, Source

INJECT = "sidecar.istio.io/inject"
_SPIFFE = "spiffe://"
_ISTIO_MUTUAL = "ISTIO_MUTUAL"
_AMPLE = 1024
"""What Envoy itself limits connections and requests to."""


class Remedy(msgspec.Struct, frozen=True):
    """A change that helps; all its edits together."""

    purpose: str
    edits: tuple[Edit, ...]

    @property
    def words(self) -> str:
        """The remedy in one line."""
        return f"{self.purpose}: {' and '.join(edit.words for edit in self.edits)}"


class Advice(msgspec.Struct, frozen=True):
    """Remedies, the best first, and hints."""

    remedies: tuple[Remedy, ...] = ()
    hints: tuple[str, ...] = ()


Remedies = Iterator[Remedy]


def of(cause: Cause, known: Situation) -> Advice:
    """Return what can be done about a failure in a situation."""
    make = _REMEDIES.get(cause.code)
    remedies = tuple(make(known)) if make is not None else ()
    own = _HINTS.get(cause.code)
    hints = own(known) if own is not None else cause.hints
    if not hints and not remedies:
        hints = cause.hints
    if own is None and remedies and cause.category is Category.TLS:
        hints = ()  # the remedies say the same of what is there
    return Advice(remedies, hints)


def _plaintext_to_strict(known: Situation) -> Remedies:
    if known.speaks == "tls":
        yield from _other_port(known)
        return
    yield from _use_mesh_tls(known)
    yield from _inject(known.client_workload, "give the client a sidecar")
    mode = known.server_mode
    if mode is not None and mode.field is not None:
        edit = _set(mode.field, "PERMISSIVE")
        yield Remedy("let the server accept plaintext too", (edit,))


def _no_mesh_certificate(known: Situation) -> Remedies:
    if known.speaks != "tls":
        yield from _use_mesh_tls(known)
        return
    yield from _other_port(known)
    if (mode := _own_tls(known)) is not None:
        yield Remedy("let the application's own TLS through", (mode,))


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
    yield Remedy(purpose, tuple(edits))


def _san_mismatch(known: Situation) -> Remedies:
    tls = known.client_tls
    if tls is not None and tls.sans and known.server_identity:
        path = change.at(tls.field, "subjectAltNames")
        edit = Edit(tls.field.ref, path, [known.server_identity])
        yield Remedy("if that server is the right one, want its name", (edit,))


def _no_client_certificate(known: Situation) -> Remedies:
    if known.gateway_server is not None:
        path = change.at(known.gateway_server, "tls", "mode")
        edit = Edit(known.gateway_server.ref, path, "SIMPLE")
        yield Remedy("let the gateway ask for no certificate", (edit,))


def _tls_to_plaintext(known: Situation) -> Remedies:
    tls = known.client_tls
    if tls is None:
        return
    edit = Edit(tls.field.ref, change.at(tls.field), {"mode": "DISABLE"})
    yield Remedy("send plaintext", (edit,))
    if tls.mode == _ISTIO_MUTUAL and known.server_role == "app":
        yield from _inject(known.server_workload, "give the server a sidecar")


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
    yield Remedy("speak TLS to it, without verifying it", (edit,))


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
    if port is not None and len(declared) == 1 and known.target_port not in declared:
        edit = Edit(port.ref, change.at(port, "targetPort"), declared[0])
        yield Remedy("send it to the port that the container declares", (edit,))


def _tls_to_http(known: Situation) -> Remedies:
    """An application that speaks TLS itself to a Service's port that its proxy reads as HTTP."""
    port = known.service_port
    if port is not None and known.server_role == "sidecar":
        edit = Edit(port.ref, change.at(port, "appProtocol"), "https")
        yield Remedy("declare the TLS that is spoken there, if the server speaks it", (edit,))


def _upstream_protocol(known: Situation) -> Remedies:
    port = known.service_port
    if port is not None and known.answers == "http":
        edit = Edit(port.ref, change.at(port, "appProtocol"), "http")
        yield Remedy("declare the HTTP/1 that the application speaks", (edit,))


def _no_such_destination(known: Situation) -> Remedies:
    to = known.destination
    if to is None or to.field is None or not to.known:
        return
    if to.port not in {port.number for port in to.ports}:
        if len(to.ports) == 1:
            edit = Edit(to.field.ref, change.at(to.field, "port", "number"), to.ports[0].number)
            yield Remedy("send it to the port that the Service has", (edit,))
    elif to.subset and to.subset not in to.subsets:
        yield _without_subset(to.field)


def _no_endpoints(known: Situation) -> Remedies:
    to = known.destination
    if to is not None and to.field is not None and to.subset:
        yield _without_subset(to.field)


def _without_subset(field: Source) -> Remedy:
    edit = Edit(field.ref, change.at(field, "subset"), remove=True)
    return Remedy("send it to all pods of the Service", (edit,))


def _denied(known: Situation) -> Remedies:
    """A policy of action DENY without rules is refused by Istio: its last rule goes with it."""
    if known.rule is not None:
        path = () if known.only_rule else change.at(known.rule)
        edit = Edit(known.rule.ref, path, remove=True)
        yield Remedy("if such requests are to be allowed, take the rule away", (edit,))


def _not_allowed(known: Situation) -> Remedies:
    if known.policy is not None and known.client_identity:
        principal = known.client_identity.removeprefix(_SPIFFE)
        rule = {"from": [{"source": {"principals": [principal]}}]}
        edit = Edit(known.policy.ref, ("spec", "rules", APPEND), rule)
        yield Remedy("if this client is to be allowed, allow its identity", (edit,))


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
        yield Remedy("wait as long as it takes (or raise it)", (edit,))


def _fault(known: Situation) -> Remedies:
    if known.fault is not None:
        edit = Edit(known.fault.ref, change.at(known.fault), remove=True)
        yield Remedy("if it is no longer wanted, take the fault away", (edit,))


def _use_mesh_tls(known: Situation) -> Remedies:
    """The mesh's own mutual TLS, where a DestinationRule sets something else."""
    tls = known.client_tls
    if tls is not None and tls.mode != _ISTIO_MUTUAL:
        edit = Edit(tls.field.ref, change.at(tls.field), {"mode": _ISTIO_MUTUAL})
        yield Remedy("let the client's proxy use mutual TLS", (edit,))


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


_REMEDIES: Mapping[str, Callable[[Situation], Remedies]] = {
    catalogue.PLAINTEXT_TO_STRICT.code: _plaintext_to_strict,
    catalogue.NO_MESH_CERTIFICATE.code: _no_mesh_certificate,
    catalogue.SERVER_CERTIFICATE_UNTRUSTED.code: _server_untrusted,
    catalogue.SAN_MISMATCH.code: _san_mismatch,
    catalogue.NO_CLIENT_CERTIFICATE.code: _no_client_certificate,
    catalogue.TLS_TO_PLAINTEXT.code: _tls_to_plaintext,
    catalogue.TLS_UNANSWERED.code: _tls_to_plaintext,
    catalogue.UPSTREAM_PROTOCOL.code: _upstream_protocol,
    catalogue.PLAINTEXT_TO_TLS.code: _plaintext_to_tls,
    catalogue.CONNECTION_REFUSED.code: _refused,
    catalogue.TLS_TO_HTTP_PORT.code: _tls_to_http,
    catalogue.NO_SUCH_DESTINATION.code: _no_such_destination,
    catalogue.NO_HEALTHY_ENDPOINTS.code: _no_endpoints,
    catalogue.RBAC_DENIED.code: _denied,
    catalogue.RBAC_NOT_ALLOWED.code: _not_allowed,
    catalogue.RBAC_NO_IDENTITY.code: _no_identity,
    catalogue.OVERFLOW.code: _overflow,
    catalogue.UPSTREAM_TIMEOUT.code: _timeout,
    catalogue.PER_TRY_TIMEOUT.code: _timeout,
    catalogue.FAULT_INJECTED.code: _fault,
}
REMEDIED = frozenset(_REMEDIES)
"""Codes of the classes that have remedies, where enough is known."""


def _strict_hints(known: Situation) -> tuple[str, ...]:
    if known.passed_through:
        return (
            "call the workload by its Service's name: to the address of a pod the client's proxy "
            "passes on what it gets, as it is",
        )
    if known.client_role in ("host", "outside"):
        return ("come in through a gateway: it has a certificate of the mesh",)
    return ()


def _mesh_certificate_hints(known: Situation) -> tuple[str, ...]:
    if known.speaks == "tls":
        return (
            "the application serves TLS on that port itself: the mesh's mutual TLS does not take "
            "the place of that",
        )
    return () if known.client_tls is not None else catalogue.NO_MESH_CERTIFICATE.hints


def _untrusted_hints(known: Situation) -> tuple[str, ...]:
    files = "caCertificates, the path of a file in the client's proxy"
    if known.client_role == "gateway":
        return (f"or name the CA in the DestinationRule: credentialName, or {files}",)
    if known.client_role == "sidecar":
        return (f"or name the CA in the DestinationRule: {files}",)
    return catalogue.SERVER_CERTIFICATE_UNTRUSTED.hints


def _san_hints(known: Situation) -> tuple[str, ...]:
    if known.server_identity:
        return (f"the server's certificate is for {known.server_identity}",)
    return catalogue.SAN_MISMATCH.hints


def _destination_hints(known: Situation) -> tuple[str, ...]:
    to = known.destination
    if to is None:
        return catalogue.NO_SUCH_DESTINATION.hints
    if not to.known:
        return (f"no Service is called {to.host}: correct the host of the route's destination",)
    ports = ", ".join(str(port.number) for port in to.ports)
    if to.port not in {port.number for port in to.ports}:
        return (f"{to.host} has no port {to.port}: it has {ports}",)
    if to.subset:
        names = ", ".join(to.subsets)
        has = f"those that are: {names}" if names else "none is"
        return (f"subset {to.subset} of {to.host} is defined in no DestinationRule ({has})",)
    return catalogue.NO_SUCH_DESTINATION.hints


def _server_hints(known: Situation) -> tuple[str, ...]:
    if not known.tls_names:
        return catalogue.NO_MATCHING_SERVER.hints
    names = ", ".join(known.tls_names)
    return (f"ask for a host of the Gateway's TLS servers by name; there are servers for {names}",)


def _endpoint_hints(known: Situation) -> tuple[str, ...]:
    to = known.destination
    first = (
        f"compare the labels of subset {to.subset} with the pods' labels"
        if to is not None and to.subset
        else catalogue.NO_HEALTHY_ENDPOINTS.hints[0]
    )
    return (first, catalogue.NO_HEALTHY_ENDPOINTS.hints[1])


def _client_tls_hints(known: Situation) -> tuple[str, ...]:
    if known.insecure:
        return catalogue.CLIENT_TLS.hints
    return ("use -k to accept any certificate", *catalogue.CLIENT_TLS.hints)


_HINTS: Mapping[str, Callable[[Situation], tuple[str, ...]]] = {
    catalogue.PLAINTEXT_TO_STRICT.code: _strict_hints,
    catalogue.RBAC_NO_IDENTITY.code: _strict_hints,
    catalogue.NO_MESH_CERTIFICATE.code: _mesh_certificate_hints,
    catalogue.SERVER_CERTIFICATE_UNTRUSTED.code: _untrusted_hints,
    catalogue.SAN_MISMATCH.code: _san_hints,
    catalogue.NO_SUCH_DESTINATION.code: _destination_hints,
    catalogue.NO_HEALTHY_ENDPOINTS.code: _endpoint_hints,
    catalogue.NO_MATCHING_SERVER.code: _server_hints,
    catalogue.CLIENT_TLS.code: _client_tls_hints,
}
