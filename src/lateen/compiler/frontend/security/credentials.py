"""Secrets that a proxy's configuration asks for by name. Pure.

A Secret is looked for in the proxy's own namespace and nowhere else. Only a name that the front end
made itself says of which namespace: a Gateway API reference whose grant was found, or a ConfigMap
with a CA, which is no secret. What is missing is left out of the answer, as on Istio: the listener
stays and the handshake fails.
"""

import base64
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from lateen.compiler.ir.proxy import GatewayListener, OutboundCluster, ProxyView
from lateen.model.kube.core import objects
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.snapshot import Snapshot

SCHEME = "kubernetes://"
GRANTED = "kubernetes-gateway://"
"""Before NAMESPACE/NAME: a Secret that an object of the Gateway API may refer to."""
CONFIG_MAP = "configmap://"
"""Before NAMESPACE/NAME-cacert: a ConfigMap with a CA."""
_SCHEMES = (SCHEME, GRANTED, CONFIG_MAP)
_CA_SUFFIX = "-cacert"
_CERTIFICATE_KEYS = (("cert", "key", ""), ("tls.crt", "tls.key", "tls.ocsp-staple"))
"""Where a Secret has a chain, its key and, in that form alone, an answer of OCSP."""
_CA_KEYS = (("cacert", "crl"), ("ca.crt", "ca.crl"))
"""Where it has a CA, and the certificates that the CA revoked."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialSecret:
    """One SDS resource: a certificate with its key, or a CA. Empty where it has none; all is PEM
    but the staple, which is DER."""

    name: str
    """SDS resource name: `kubernetes://NAME`, or of another scheme; a CA's ends in `-cacert`."""
    certificate_chain: bytes = b""
    private_key: bytes = field(default=b"", repr=False)
    staple: bytes = b""
    """What OCSP answered of the certificate, for clients that ask."""
    ca: bytes = b""
    crl: bytes = b""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy gets, and what it does not."""

    secrets: tuple[CredentialSecret, ...]
    missing: tuple[Diagnostic, ...]


Asked = tuple[tuple[str, Source], ...]
"""Each credential that is asked for, with the field that names it."""


class Asking:
    """What views ask for. Clusters are looked at once for all proxies that share them."""

    def __init__(self) -> None:
        self._clusters: deque[tuple[tuple[OutboundCluster, ...], Asked]] = deque(maxlen=64)

    def of(self, view: ProxyView) -> Asked:
        """Return each credential that a view's listeners and clusters name, and where."""
        if view.gateway is not None:
            return (*_of_listeners(view.gateway.listeners), *self._of(view.gateway.clusters))
        return self._of(view.outbound.clusters) if view.outbound is not None else ()

    def _of(self, clusters: tuple[OutboundCluster, ...]) -> Asked:
        for known, asked in self._clusters:
            if known is clusters:
                return asked
        asked = tuple(_of_clusters(clusters))
        self._clusters.appendleft((clusters, asked))
        return asked


def credentials(asked: Asked, namespace: str, snapshot: Snapshot) -> Credentials:
    """Return the credentials that a proxy of a namespace asks for, by name."""
    found: dict[str, CredentialSecret] = {}
    missing: dict[tuple[str, Source], Diagnostic] = {}
    for name, source in asked:
        if name in found:
            continue
        made = _find(name, namespace, snapshot)
        if isinstance(made, str):
            missing[name, source] = make(
                "IST0161",
                source,
                credential=name.removeprefix(SCHEME),
                gateway=source.ref,
                detail=made,
                namespace=namespace,
            )
        else:
            found[name] = made
    return Credentials(
        secrets=tuple(found[name] for name in sorted(found)), missing=tuple(missing.values())
    )


def _of_listeners(listeners: tuple[GatewayListener, ...]) -> Iterator[tuple[str, Source]]:
    for listener in listeners:
        for chain in listener.chains:
            if chain.tls is not None:
                for name in (*chain.tls.secrets, chain.tls.ca):
                    if name.startswith(_SCHEMES):
                        yield name, chain.source.at("tls")


def _of_clusters(clusters: tuple[OutboundCluster, ...]) -> Iterator[tuple[str, Source]]:
    for cluster in clusters:
        tls = cluster.policy.tls
        if tls is not None:
            for name in (tls.certificate, tls.ca):
                if name.startswith(_SCHEMES):
                    yield name, tls.source


def _find(name: str, namespace: str, snapshot: Snapshot) -> CredentialSecret | str:
    """Return the credential, or why there is none."""
    if name.startswith(CONFIG_MAP):
        return _of_config_map(name, namespace, snapshot)
    plain = name.removeprefix(SCHEME)
    if name.startswith(GRANTED):
        namespace, _, plain = name.removeprefix(GRANTED).partition("/")
    if not plain.endswith(_CA_SUFFIX):
        return _certificate(name, plain, namespace, snapshot)
    base = plain.removesuffix(_CA_SUFFIX)
    for candidate in (plain, base):
        secret = snapshot.secrets.get((namespace, candidate))
        if secret is None:
            continue
        for key, revoked in _CA_KEYS:
            ca = _value(secret, key)
            if ca:
                return CredentialSecret(name=name, ca=ca, crl=_value(secret, revoked))
    return f"no Secret {plain} or {base} with cacert or ca.crt in namespace {namespace}"


def _of_config_map(name: str, namespace: str, snapshot: Snapshot) -> CredentialSecret | str:
    """Return the CA of a ConfigMap, of the proxy's namespace where the name says none."""
    owner, _, plain = name.removeprefix(CONFIG_MAP).removesuffix(_CA_SUFFIX).rpartition("/")
    namespace = owner or namespace
    found = snapshot.of("configmaps").get((namespace, plain))
    ca = found.data.get("ca.crt", "") if found is not None else ""
    if not ca.strip():
        return f"no ConfigMap {plain} with ca.crt in namespace {namespace}"
    return CredentialSecret(name=name, ca=ca.encode())


def _certificate(
    name: str, plain: str, namespace: str, snapshot: Snapshot
) -> CredentialSecret | str:
    secret = snapshot.secrets.get((namespace, plain))
    if secret is None:
        elsewhere = sorted(ns for ns, other in snapshot.secrets if other == plain)
        hint = f"; there is one in {elsewhere[0]}, which does not count" if elsewhere else ""
        return f"no Secret {plain} in the proxy's namespace {namespace}{hint}"
    for chain_key, private_key, staple in _CERTIFICATE_KEYS:
        chain, private = _value(secret, chain_key), _value(secret, private_key)
        if chain and private:
            return CredentialSecret(
                name=name,
                certificate_chain=chain,
                private_key=private,
                staple=_value(secret, staple),
            )
    return (
        f"Secret {plain} in namespace {namespace} has neither tls.crt and tls.key nor cert and key"
    )


def _value(secret: objects.Secret, key: str) -> bytes:
    """Return what a Secret has under a key; empty for nothing, or what is no base64."""
    if secret.string_data.get(key):
        return secret.string_data[key].encode()
    try:
        return base64.b64decode(secret.data.get(key, ""), validate=True)
    except ValueError:
        return b""
