"""A Gateway's listeners: which are sound, whose routes they take, their Istio servers. Pure.

Words and reasons of the conditions are those of Istio's controller.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.gatewayapi.conditions import (
    ACCEPTED,
    CONFLICTED,
    NO_ERRORS,
    PROGRAMMED,
    RESOLVED,
    Aspect,
    Denial,
)
from lateen.compiler.frontend.gatewayapi.objects import GatewayObjects, Key, Referrer
from lateen.compiler.frontend.origin import LISTENER_MARK
from lateen.model.gatewayapi import gateway
from lateen.model.gatewayapi.references import GROUP, ObjectReference, SecretObjectReference
from lateen.model.istio import networking_gateway, types
from lateen.model.meta import Source
from lateen.model.schema.objectmeta import LabelSelector, LabelSelectorRequirement

ANY_HOST = "*"
TERMINATE_MODE = "gateway.istio.io/tls-terminate-mode"
CIPHERS = "gateway.istio.io/tls-cipher-suites"
_HTTP_LIKE = ("HTTP", "HTTPS", "TLS")
_CONFLICT = "Listener has a conflict with another listener attached to the same Gateway"
_BAD_TLS = "Bad TLS configuration"
_NAME_LABEL = "kubernetes.io/metadata.name"


_OF_SET = "~listenerset"
"""Tells a ListenerSet from a Gateway of its name."""
Holder = gateway.Gateway | gateway.ListenerSet
_DEFAULT_PORTS = {"HTTP": 80, "HTTPS": 443}


class ListenerPlace(NamedTuple):
    """Where a listener is written."""

    kind: str
    namespace: str
    holder: str
    name: str


def kind_of(holder: Holder) -> str:
    """Return the kind of what has listeners."""
    return "Gateway" if isinstance(holder, gateway.Gateway) else "ListenerSet"


class ListenerState(msgspec.Struct, frozen=True, kw_only=True):
    """One listener: what is said of it, whom it takes, and its server where it is sound."""

    owner: gateway.Gateway
    holder: Holder
    """What it is written in."""
    spec: gateway.Listener
    source: Source
    kinds: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    server: networking_gateway.Server | None
    namespaces: frozenset[str] | None
    """Namespaces whose routes are taken; None for all."""

    @property
    def hostname(self) -> str:
        """The host that it serves, `*` for every host."""
        return self.spec.hostname.lower() or ANY_HOST

    @property
    def internal_name(self) -> str:
        """The name of the Istio Gateway that it becomes."""
        name = self.holder.metadata.name
        own = name if self.in_gateway else f"{name}{_OF_SET}"
        return f"{own}{LISTENER_MARK}{self.spec.name}"

    @property
    def internal_key(self) -> Key:
        """The namespace and name of the Istio Gateway that it becomes."""
        return self.holder.metadata.namespace, self.internal_name

    @property
    def in_gateway(self) -> bool:
        """Whether the Gateway itself has it, not a ListenerSet."""
        return isinstance(self.holder, gateway.Gateway)

    @property
    def place(self) -> ListenerPlace:
        """What tells it from every other listener."""
        meta = self.holder.metadata
        return ListenerPlace(kind_of(self.holder), meta.namespace, meta.name, self.spec.name)

    @property
    def valid(self) -> bool:
        """Whether it is opened."""
        return self.server is not None

    def takes(self, namespace: str) -> bool:
        """Whether routes of a namespace may attach."""
        return self.namespaces is None or namespace in self.namespaces


def states(
    owner: gateway.Gateway, sets: Iterable[gateway.ListenerSet], objects: GatewayObjects
) -> tuple[ListenerState, ...]:
    """Return the state of each listener of a Gateway, then of its ListenerSets, in their order. One
    that conflicts with another that comes before it loses."""
    found: list[ListenerState] = []
    winners: list[gateway.Listener] = []
    holders: list[Holder] = [owner, *sets]
    for holder in holders:
        for index, written in enumerate(holder.spec.listeners):
            port = written.port or _DEFAULT_PORTS.get(written.protocol, 0)
            spec = msgspec.structs.replace(written, port=port)
            clash = next((why for other in winners if (why := _conflict(spec, other))), "")
            if not clash:
                winners.append(spec)
            source = precedence.source(kind_of(holder), holder, f"spec.listeners[{index}]")
            found.append(_state(_Place(owner, holder), spec, source, clash, objects))
    return tuple(found)


class _Place(NamedTuple):
    """A Gateway, and what a listener of it is written in."""

    owner: gateway.Gateway
    holder: Holder

    @property
    def namespace(self) -> str:
        return self.holder.metadata.namespace

    @property
    def referrer(self) -> Referrer:
        """Who refers to a listener's certificates."""
        return Referrer(kind_of(self.holder), self.namespace)


def _state(
    place: _Place, spec: gateway.Listener, source: Source, clash: str, objects: GatewayObjects
) -> ListenerState:
    supported = _supported(spec)
    kinds, kinds_problem = _kinds(spec, supported)
    tls, tls_problem = _tls(place, spec, objects)
    accepted = _acceptance(spec, clash, tls_problem)
    sound = accepted is None and tls_problem is None and spec.protocol != "UDP"
    return ListenerState(
        owner=place.owner,
        holder=place.holder,
        spec=spec,
        source=source,
        kinds=kinds,
        aspects=_aspects(clash, accepted, tls_problem, kinds_problem),
        server=_server(spec, tls) if sound else None,
        namespaces=_namespaces(spec.allowed_routes.namespaces, place.namespace, objects),
    )


def _aspects(
    clash: str, accepted: Denial | None, tls: Denial | None, kinds: Denial | None
) -> tuple[Aspect, ...]:
    programmed: Denial | None = None
    if clash:
        programmed = accepted
    elif tls is not None:
        programmed = Denial("Invalid", _BAD_TLS)
    return (
        _aspect(ACCEPTED, accepted, ACCEPTED),
        Aspect(CONFLICTED, bool(clash), clash or "NoConflicts", _CONFLICT if clash else NO_ERRORS),
        _aspect(PROGRAMMED, programmed, PROGRAMMED),
        _aspect(RESOLVED, kinds if tls is accepted else (tls or kinds), RESOLVED),
    )


def _aspect(kind: str, problem: Denial | None, reason: str) -> Aspect:
    if problem is None:
        return Aspect(kind, True, reason, NO_ERRORS)
    return Aspect(kind, False, problem.reason, problem.message)


def _acceptance(spec: gateway.Listener, clash: str, tls: Denial | None) -> Denial | None:
    if spec.protocol not in (*_HTTP_LIKE, "TCP"):
        hint = f" (hint: {spec.protocol.upper()})" if spec.protocol.upper() in _HTTP_LIKE else ""
        return Denial("UnsupportedProtocol", f'protocol "{spec.protocol}" is unsupported{hint}')
    if clash:
        return Denial(clash, _CONFLICT)
    if tls is not None and tls.reason == "UnsupportedProtocol":
        return tls
    if tls is not None and tls.reason != "InvalidCertificateRef":
        return Denial("NoValidCACertificate", tls.message)
    return None


def _conflict(spec: gateway.Listener, other: gateway.Listener) -> str:
    """Return the reason for which a listener loses to another; empty for none."""
    if spec.port != other.port:
        return ""
    if spec.protocol not in _HTTP_LIKE or other.protocol not in _HTTP_LIKE:
        return "ProtocolConflict"
    if spec.hostname.lower() != other.hostname.lower():
        return ""
    return "HostnameConflict" if spec.protocol == other.protocol else "ProtocolConflict"


def _supported(spec: gateway.Listener) -> tuple[str, ...]:
    if spec.protocol in ("HTTP", "HTTPS"):
        return ("HTTPRoute", "GRPCRoute")
    if spec.protocol == "TCP":
        return ("TCPRoute",)
    if spec.protocol == "TLS":
        ends = spec.tls is None or spec.tls.mode == "Terminate"
        return ("TLSRoute", "TCPRoute") if ends else ("TLSRoute",)
    return ()


def _kinds(
    spec: gateway.Listener, supported: tuple[str, ...]
) -> tuple[tuple[str, ...], Denial | None]:
    """Return the kinds of routes that a listener takes, and what is wrong with those it names."""
    named = [(each.group, each.kind) for each in spec.allowed_routes.kinds]
    if not named:
        return supported, None
    known = tuple(kind for kind in supported if (GROUP, kind) in named)
    unknown = any(group != GROUP or kind not in supported for group, kind in named)
    return known, Denial("InvalidRouteKinds", "Invalid route kinds") if unknown else None


def _namespaces(
    wanted: gateway.RouteNamespaces, own: str, objects: GatewayObjects
) -> frozenset[str] | None:
    if wanted.from_ == "All":
        return None
    if wanted.from_ == "Selector" and wanted.selector is not None:
        return frozenset(
            name
            for (_, name), namespace in objects.namespaces.items()
            if selects(wanted.selector, {_NAME_LABEL: name, **namespace.metadata.labels})
        )
    return frozenset({own} if wanted.from_ == "Same" else ())


def selects(selector: LabelSelector, labels: Mapping[str, str]) -> bool:
    """Whether a selector's every condition holds of labels, as Kubernetes defines it."""
    if any(labels.get(name) != value for name, value in selector.match_labels.items()):
        return False
    return all(_holds(each, labels) for each in selector.match_expressions)


def _holds(condition: LabelSelectorRequirement, labels: Mapping[str, str]) -> bool:
    there = condition.key in labels
    listed = there and labels[condition.key] in condition.values
    return {
        "In": listed,
        "NotIn": not listed,
        "Exists": there,
        "DoesNotExist": not there,
    }.get(condition.operator, False)


def _server(
    spec: gateway.Listener, tls: networking_gateway.ServerTLSSettings | None
) -> networking_gateway.Server:
    return networking_gateway.Server(
        port=types.Port(number=spec.port, protocol=spec.protocol, name="default"),
        hosts=(f"*/{spec.hostname.lower() or ANY_HOST}",),
        tls=tls,
    )


_Tls = tuple[networking_gateway.ServerTLSSettings | None, Denial | None]


def _tls(place: _Place, spec: gateway.Listener, objects: GatewayObjects) -> _Tls:
    """Return how a listener ends TLS, or why it cannot."""
    if spec.protocol not in ("HTTPS", "TLS"):
        return None, None
    if spec.tls is None and not isinstance(place.holder, gateway.Gateway):
        return None, Denial("UnsupportedProtocol", f"protocol {spec.protocol} needs `tls`")
    tls = spec.tls or gateway.ListenerTLSConfig()
    if tls.mode == "Passthrough":
        return networking_gateway.ServerTLSSettings(mode="PASSTHROUGH"), None
    asked = tls.options.get(TERMINATE_MODE, "")
    if asked == "ISTIO_MUTUAL":
        return networking_gateway.ServerTLSSettings(mode=asked), None
    names, problem = _certificates(place.referrer, tls, objects)
    if problem is not None:
        return None, problem
    checked, problem = _client_check(place.owner, spec, objects)
    if problem is not None:
        return None, problem
    mode = asked if asked in ("MUTUAL", "OPTIONAL_MUTUAL") else checked[0]
    unchecked = checked[0] == "OPTIONAL_MUTUAL"
    return networking_gateway.ServerTLSSettings(
        mode=mode,
        credential_name=names[0] if len(names) == 1 else "",
        credential_names=names if len(names) > 1 else (),
        ca_cert_credential_name=checked[1],
        insecure_skip_verify=True if unchecked else None,
        cipher_suites=tuple(word for word in tls.options.get(CIPHERS, "").split(",") if word),
    ), None


_MOST_CERTIFICATES = 2


def _certificates(
    who: Referrer, tls: gateway.ListenerTLSConfig, objects: GatewayObjects
) -> tuple[tuple[str, ...], Denial | None]:
    """Return the credentials of a listener; at least one of two must be sound."""
    names: list[str] = []
    problem: Denial | None = None
    for ref in tls.certificate_refs[:_MOST_CERTIFICATES]:
        wrong = _certificate_problem(who, ref, objects)
        if wrong is None:
            names.append(credential(ref.namespace or who.namespace, ref.name))
        problem = problem or wrong
    if names:
        return tuple(names), None
    return (), problem or Denial("InvalidCertificateRef", "no certificate is named")


def credential(namespace: str, name: str) -> str:
    """Return the credential's name of a Secret in a namespace of its own."""
    return f"kubernetes-gateway://{namespace}/{name}"


def _certificate_problem(
    who: Referrer, ref: SecretObjectReference, objects: GatewayObjects
) -> Denial | None:
    namespace = ref.namespace or who.namespace
    if (ref.group, ref.kind) != ("", "Secret"):
        shown = f"{ref.group}/{ref.kind}/{ref.name}.{namespace}"
        return Denial("InvalidCertificateRef", f"invalid certificate reference {shown}")
    if not objects.grants_reference(who, "", "Secret", namespace, ref.name):
        return Denial(
            "RefNotPermitted",
            f"certificateRef {ref.name}/{namespace} not accessible to a {who.kind} in namespace "
            f'"{who.namespace}" (missing a ReferenceGrant?)',
        )
    secret = objects.secrets.get((namespace, ref.name))
    data = {**secret.data, **secret.string_data} if secret is not None else {}
    if not all(is_pem(data.get(key, "")) for key in ("tls.crt", "tls.key")):
        shown = f"/Secret/{ref.name}.{namespace}"
        return Denial("InvalidCertificateRef", f"invalid certificate reference {shown}")
    return None


def is_pem(text: str) -> bool:
    """Whether a Secret's value, plain or in base64, is PEM."""
    if text.lstrip().startswith("-----BEGIN"):
        return True
    try:
        return base64.b64decode(text, validate=True).lstrip().startswith(b"-----BEGIN")
    except ValueError:
        return False


def _client_check(
    owner: gateway.Gateway, spec: gateway.Listener, objects: GatewayObjects
) -> tuple[tuple[str, str], Denial | None]:
    """Return the mode for clients' certificates and the CA's credential."""
    asked = _frontend(owner, spec.port)
    if asked is None:
        return ("SIMPLE", ""), None
    refs = asked.ca_certificate_refs
    if len(refs) != 1:
        return ("", ""), Denial("InvalidCACertificateRef", "exactly one CA must be named")
    problem = _authority_problem(owner, refs[0], objects)
    if problem is not None:
        return ("", ""), problem
    ref = refs[0]
    name = authority(ref.kind, ref.namespace or owner.metadata.namespace, ref.name)
    optional = asked.mode == "AllowInsecureFallback"
    return ("OPTIONAL_MUTUAL" if optional else "MUTUAL", name), None


def authority(kind: str, namespace: str, name: str) -> str:
    """Return the credential's name of a CA in a Secret or a ConfigMap."""
    scheme = "configmap" if kind == "ConfigMap" else "kubernetes-gateway"
    return f"{scheme}://{namespace}/{name}-cacert"


def _authority_problem(
    owner: gateway.Gateway, ref: ObjectReference, objects: GatewayObjects
) -> Denial | None:
    own = owner.metadata.namespace
    namespace = ref.namespace or own
    if ref.group or ref.kind not in ("Secret", "ConfigMap"):
        return Denial("InvalidCACertificateKind", f"a CA of kind {ref.kind} is not supported")
    if not objects.grants_reference(Referrer("Gateway", own), "", ref.kind, namespace, ref.name):
        return Denial(
            "RefNotPermitted",
            f"caCertificateRef {ref.name}/{namespace} not accessible to a Gateway in namespace "
            f'"{own}" (missing a ReferenceGrant?)',
        )
    if ref.kind == "Secret":
        secret = objects.secrets.get((namespace, ref.name))
        text = {**secret.data, **secret.string_data}.get("ca.crt", "") if secret else ""
    else:
        config_map = objects.config_maps.get((namespace, ref.name))
        text = config_map.data.get("ca.crt", "") if config_map is not None else ""
    if not is_pem(text):
        return Denial("InvalidCACertificateRef", f"{ref.kind} {ref.name} has no CA in ca.crt")
    return None


def _frontend(owner: gateway.Gateway, port: int) -> gateway.FrontendTLSValidation | None:
    tls = owner.spec.tls.frontend if owner.spec.tls is not None else None
    if tls is None:
        return None
    own = next((each.tls for each in tls.per_port if each.port == port), tls.default)
    return own.validation


def client_certificate_problem(owner: gateway.Gateway, objects: GatewayObjects) -> Denial | None:
    """Return why the certificate that a Gateway is to show its backends cannot be had."""
    backend = owner.spec.tls.backend if owner.spec.tls is not None else None
    ref = backend.client_certificate_ref if backend is not None else None
    if ref is None:
        return None
    wrong = _certificate_problem(Referrer("Gateway", owner.metadata.namespace), ref, objects)
    if wrong is None or wrong.reason == "RefNotPermitted":
        return wrong
    return Denial("InvalidClientCertificateRef", wrong.message)


def admits(owner: gateway.Gateway, namespace: str, objects: GatewayObjects) -> bool:
    """Whether a Gateway takes ListenerSets of a namespace."""
    wanted = owner.spec.allowed_listeners.namespaces
    found = _namespaces(wanted, owner.metadata.namespace, objects)
    return found is None or namespace in found


def attached(found: tuple[ListenerState, ...], port: int | None, section: str) -> Iterator[int]:
    """Yield the numbers of the listeners that a reference with a port or a name means."""
    for number, state in enumerate(found):
        if section and state.spec.name != section:
            continue
        if port is not None and state.spec.port != port:
            continue
        yield number
