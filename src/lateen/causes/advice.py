"""What can be done about a failure: remedies and hints, by what is known of it. Pure.

There is one list: what `curl` concludes from evidence and what `explain` foretells ask here. A
change is a remedy once the changed set was compiled and the request explained again
(`app.foresight.remedies`); what was not tried is a proposal, and is told to nobody. A hint is
anything else.
"""

from collections.abc import Callable, Mapping

import msgspec

from lateen.causes import catalogue, remedies
from lateen.causes.cause import Category, Cause
from lateen.causes.remedies import Remedy
from lateen.causes.situation import Situation


class Advice(msgspec.Struct, frozen=True):
    """Remedies, the best first and those that make something less secure last; and hints."""

    remedies: tuple[Remedy, ...] = ()
    hints: tuple[str, ...] = ()


def of(cause: Cause, known: Situation) -> Advice:
    """Return what can be done about a failure in a situation."""
    proposed = remedies.of(cause.code, known)
    own = _HINTS.get(cause.code)
    hints = own(known) if own is not None else cause.hints
    if not hints and not proposed:
        hints = cause.hints
    if own is None and proposed and cause.category is Category.TLS:
        hints = ()  # the remedies say the same of what is there
    return Advice(proposed, hints)


def _strict_hints(known: Situation) -> tuple[str, ...]:
    service = known.asked_service
    if known.passed_through and service is not None:
        scope = f": {known.scope.ref} leaves it out" if known.scope is not None else ""
        return (f"the client's proxy does not know {service}{scope}",)
    if known.passed_through and not known.corrections:
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
    if known.server_meant:
        return (
            "a Gateway has a server for that name, which takes nothing: to pass TLS on it needs a "
            "VirtualService with tls routes (sniHosts) that names the Gateway",
        )
    if not known.tls_names:
        return catalogue.NO_MATCHING_SERVER.hints
    names = ", ".join(known.tls_names)
    return (f"ask for a host of the Gateway's TLS servers by name; there are servers for {names}",)


def _endpoint_hints(known: Situation) -> tuple[str, ...]:
    to = known.destination
    if to is None or to.service is None or not to.labels:
        first, second = catalogue.NO_HEALTHY_ENDPOINTS.hints
        if to is not None and to.subset:
            first = f"compare the labels of subset {to.subset} with the pods' labels"
        return first, second
    words = ", ".join(f"{key}={value}" for key, value in sorted(to.labels.items()))
    if not to.pods:
        whose = f"of subset {to.subset} of" if to.subset else "that are wanted by"
        return (f"no pod of {to.service.namespace} has the labels {whose} {to.service}: {words}",)
    lacking = [f"{each.name}: {each.why_not}" for each in to.pods if each.why_not]
    if len(lacking) < len(to.pods):
        return catalogue.NO_HEALTHY_ENDPOINTS.hints
    return (f"none of its pods is ready: {'; '.join(lacking[:_PODS])}",)


_PODS = 3
"""Pods that are told of one destination."""


def _refused_hints(known: Situation) -> tuple[str, ...]:
    if known.server_role != "gateway":
        if known.asked_ports and known.asked_port not in known.asked_ports:
            ports = ", ".join(str(each) for each in known.asked_ports)
            return (f"{known.asked_service} has no port {known.asked_port}: it has {ports}",)
        return catalogue.CONNECTION_REFUSED.hints
    others = [each for each in known.gateways if not each.selects]
    if any(each.selects for each in known.gateways):
        return (
            "no server of the Gateways that select this gateway opens that port: one of mode "
            "PASSTHROUGH does with routes of kind tls, any other with its port alone",
        )
    if not others:
        return ("no Gateway opens a port here: write one",)
    return tuple(
        f"{each.field.ref} does not select this gateway: it selects {each.labels}"
        for each in others
    )


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
    catalogue.CONNECTION_REFUSED.code: _refused_hints,
}
