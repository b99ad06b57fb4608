"""Secrets that a proxy's configuration asks for by name (semantics 4). Pure.

A Secret is looked for in the proxy's own namespace and nowhere else. What is missing is left out
of the answer, as on Istio: the listener stays and the handshake fails.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from lateen.compiler.ir.proxy import OutboundCluster, ProxyView
from lateen.model import core
from lateen.model.diagnostics import Diagnostic, make
from lateen.model.meta import Source
from lateen.model.snapshot import Snapshot

SCHEME = "kubernetes://"
_CA_SUFFIX = "-cacert"
_CERTIFICATE_KEYS = (("cert", "key"), ("tls.crt", "tls.key"))
_CA_KEYS = ("cacert", "ca.crt")


@dataclass(frozen=True, kw_only=True, slots=True)
class CredentialSecret:
    """One SDS resource: a certificate with its key, or a CA. PEM; empty where it has none."""

    name: str
    """SDS resource name: `kubernetes://NAME` or `kubernetes://NAME-cacert`."""
    certificate_chain: bytes = b""
    private_key: bytes = field(default=b"", repr=False)
    ca: bytes = b""


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy gets, and what it does not."""

    secrets: tuple[CredentialSecret, ...]
    missing: tuple[Diagnostic, ...]


def credentials(view: ProxyView, snapshot: Snapshot) -> Credentials:
    """Return the credentials that a view's listeners and clusters name, by name."""
    found: dict[str, CredentialSecret] = {}
    missing: dict[tuple[str, Source], Diagnostic] = {}
    namespace = view.node.namespace
    for name, source in asked(view):
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


def asked(view: ProxyView) -> Iterator[tuple[str, Source]]:
    """Return each credential a view names, with the field that names it."""
    clusters: tuple[OutboundCluster, ...] = ()
    if view.gateway is not None:
        clusters = view.gateway.clusters
        for listener in view.gateway.listeners:
            for chain in listener.chains:
                if chain.tls is not None:
                    for name in (*chain.tls.secrets, chain.tls.ca):
                        if name.startswith(SCHEME):
                            yield name, chain.source.at("tls")
    elif view.outbound is not None:
        clusters = view.outbound.clusters
    for cluster in clusters:
        tls = cluster.policy.tls
        if tls is not None:
            for name in (tls.certificate, tls.ca):
                if name.startswith(SCHEME):
                    yield name, tls.source


def _find(name: str, namespace: str, snapshot: Snapshot) -> CredentialSecret | str:
    """Return the credential, or why there is none."""
    plain = name.removeprefix(SCHEME)
    if not plain.endswith(_CA_SUFFIX):
        return _certificate(name, plain, namespace, snapshot)
    base = plain.removesuffix(_CA_SUFFIX)
    for candidate in (plain, base):
        secret = snapshot.secrets.get((namespace, candidate))
        ca = _first(secret, _CA_KEYS) if secret is not None else b""
        if ca:
            return CredentialSecret(name=name, ca=ca)
    return (
        f"no Secret {plain} or {base} with {_CA_KEYS[0]} or {_CA_KEYS[1]} in namespace {namespace}"
    )


def _certificate(
    name: str, plain: str, namespace: str, snapshot: Snapshot
) -> CredentialSecret | str:
    secret = snapshot.secrets.get((namespace, plain))
    if secret is None:
        elsewhere = sorted(ns for ns, other in snapshot.secrets if other == plain)
        hint = f"; there is one in {elsewhere[0]}, which does not count" if elsewhere else ""
        return f"no Secret {plain} in the proxy's namespace {namespace}{hint}"
    for chain_key, private_key in _CERTIFICATE_KEYS:
        chain, private = _first(secret, (chain_key,)), _first(secret, (private_key,))
        if chain and private:
            return CredentialSecret(name=name, certificate_chain=chain, private_key=private)
    return (
        f"Secret {plain} in namespace {namespace} has neither tls.crt and tls.key nor cert and key"
    )


def _first(secret: core.Secret, keys: tuple[str, ...]) -> bytes:
    for key in keys:
        if secret.string_data.get(key):
            return secret.string_data[key].encode()
        try:
            decoded = base64.b64decode(secret.data.get(key, ""), validate=True)
        except binascii.Error:
            continue
        if decoded:
            return decoded
    return b""
