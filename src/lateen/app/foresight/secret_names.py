"""What proxies know by SDS, as names of who signed what: no key is looked at."""

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from lateen.compiler.frontend.security import credentials
from lateen.compiler.ir.proxy import ProxyView
from lateen.model.snapshot import Snapshot
from lateen.predict.values.request import Credential

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509

MESH_ROOT = "mesh"
_WORKLOAD, _ROOTS = "default", "ROOTCA"
_CA_KEYS = ("cacert", "ca.crt")


class Known:
    """The certificates and roots of every proxy of a snapshot."""

    def __init__(
        self,
        snapshot: Snapshot,
        view: Callable[[str], ProxyView | None],
        now: Callable[[], "datetime"],
    ) -> None:
        self._snapshot, self._view, self._now = snapshot, view, now
        self._asking = credentials.Asking()
        self._roots: list[x509.Certificate] | None = None
        self._found: dict[str, Mapping[str, credentials.CredentialSecret]] = {}

    def certificate(self, proxy: str, name: str) -> Credential | None:
        """Return the certificate under a name; None where there is none."""
        view = self._view(proxy)
        if view is None:
            return None
        if name == _WORKLOAD:
            return Credential(uris=(view.node.identity,), signers=(MESH_ROOT,))
        secret = self._secrets(proxy, view).get(name)
        if secret is None or not secret.private_key:
            return None
        return self._read(secret.certificate_chain)

    def roots(self, proxy: str, name: str) -> frozenset[str] | None:
        """Return the names of the roots under a name; None where there are none."""
        if name == _ROOTS:
            return frozenset({MESH_ROOT})
        view = self._view(proxy)
        secret = self._secrets(proxy, view).get(name) if view is not None else None
        if secret is None or not secret.ca:
            return None
        from cryptography import x509

        return frozenset(_own_name(each) for each in x509.load_pem_x509_certificates(secret.ca))

    def _secrets(self, proxy: str, view: ProxyView) -> Mapping[str, credentials.CredentialSecret]:
        if proxy not in self._found:
            asked = self._asking.of(view)
            made = credentials.credentials(asked, view.node.namespace, self._snapshot)
            self._found[proxy] = {secret.name: secret for secret in made.secrets}
        return self._found[proxy]

    def _signers(self, last: "x509.Certificate") -> tuple[str, ...]:
        """Return the names of those roots in Secrets that signed the last of a chain."""
        if last.issuer == last.subject:
            return (_own_name(last),)
        return tuple(_own_name(root) for root in self._authorities() if _signed(root, last))

    def _authorities(self) -> "list[x509.Certificate]":
        if self._roots is None:
            self._roots = [
                each
                for secret in self._snapshot.secrets.values()
                for key in _CA_KEYS
                if key in secret.data
                for each in _read_all(secret.data[key])
            ]
        return self._roots

    def _read(self, chain: bytes) -> Credential | None:
        from cryptography import x509

        try:
            certificates = x509.load_pem_x509_certificates(chain)
        except ValueError:
            return None
        leaf, last = certificates[0], certificates[-1]
        names = _alternative(leaf)
        return Credential(
            uris=tuple(names.get_values_for_type(x509.UniformResourceIdentifier)) if names else (),
            dns=tuple(names.get_values_for_type(x509.DNSName)) if names else (),
            subject=leaf.subject.rfc4514_string(),
            signers=self._signers(last),
            self_signed=leaf.issuer == leaf.subject,
            expired=leaf.not_valid_after_utc < self._now(),
        )


def _alternative(certificate: "x509.Certificate") -> "x509.SubjectAlternativeName | None":
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return None
    return found.value


def _own_name(certificate: "x509.Certificate") -> str:
    """A root's name: its key's."""
    from cryptography import x509

    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest.hex()


def _signed(root: "x509.Certificate", certificate: "x509.Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(root)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _read_all(encoded: str | bytes) -> "list[x509.Certificate]":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(base64.b64decode(encoded))
    except ValueError:
        return []
