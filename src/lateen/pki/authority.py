"""The lab's certificate authority: a root, an intermediate that signs, and their files.

Each CA is one file (certificate and key together, mode 0600), so that a crash never leaves the
one without the other. Both are replaced when a fifth of their lifetime is left; a root that was
replaced stays trusted until it expires.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lateen.base.clock import Clock
from lateen.model import identity, wellknown
from lateen.pki import files, svid

DEFAULT_TTL = timedelta(hours=24)
MAX_TTL = timedelta(days=90)
SERVER_TTL = timedelta(days=365)
ROOT_LIFETIME = timedelta(days=3650)
INTERMEDIATE_LIFETIME = timedelta(days=730)
GRACE = 0.2
"""A CA is replaced when this share of its lifetime is left (Istio's root rotation)."""


class Authority:
    """Issues the certificates of one mesh."""

    def __init__(self, directory: Path, clock: Clock, trust_domain: str) -> None:
        self._directory = directory
        self._clock = clock
        self.trust_domain = identity.domain(trust_domain)
        self._root, self._retired = self._open_root()
        self._intermediate = self._open_intermediate()

    @classmethod
    def open(
        cls, directory: Path, clock: Clock, trust_domain: str = wellknown.CLUSTER_DOMAIN
    ) -> Self:
        """Open the authority kept in a directory, or found one there.

        Raises PkiError if its files are damaged or belong to another trust domain, OSError if
        the directory cannot be read or written.
        """
        files.make_private_directory(directory)
        return cls(directory, clock, trust_domain)

    @property
    def root_pem(self) -> str:
        """The roots to trust: the current one first, then those it replaced that still live."""
        now = self._clock.now()
        retired = (each for each in self._retired if each.not_valid_after_utc > now)
        return self._root.pem() + "".join(_certificate_pem(each) for each in retired)

    def issue(self, spiffe_id: str, ttl: float = 0.0) -> svid.Svid:
        """Sign a workload certificate for `ttl` seconds; 0 or less is the default of 24 hours.

        NotAfter never exceeds the CA's own. The trust domain is the mesh's at the moment, which
        may be another than the CA was founded for. Raises PkiError for more than 90 days and for
        what is no SPIFFE id.
        """
        svid.trust_domain_of(spiffe_id)
        lifetime = timedelta(seconds=ttl) if ttl > 0 else DEFAULT_TTL
        if lifetime > MAX_TTL:
            raise svid.PkiError(
                f"{spiffe_id}: a lifetime of {lifetime} was asked for, the most is {MAX_TTL.days}"
                " days"
            )
        return svid.issue_svid(self._current(), spiffe_id, self._clock.now(), lifetime)

    def server_certificate(self, hosts: Sequence[str]) -> svid.Certificate:
        """Sign a certificate for a server of our own, valid for a year.

        `hosts` are DNS names and IP addresses. Raises PkiError if there are none."""
        return svid.issue_server(self._current(), hosts, self._clock.now(), SERVER_TTL)

    def _current(self) -> svid.Issuer:
        """Return the signing CA, replacing whatever has come into its grace period."""
        now = self._clock.now()
        if _aged(self._root.certificate, now):
            self._root, self._retired = self._open_root()
            self._intermediate = self._open_intermediate()
        if _aged(self._intermediate.certificate, now):
            self._intermediate = self._open_intermediate()
        return self._intermediate

    def _open_root(self) -> tuple[svid.Issuer, list[x509.Certificate]]:
        path, retired_path = self._directory / "root.pem", self._directory / "retired-roots.pem"
        retired = _load_certificates(retired_path)
        root = self._load(path)
        now = self._clock.now()
        if root is None or _aged(root.certificate, now):
            if root is not None:
                retired = [root.certificate, *retired]
            retired = [each for each in retired if each.not_valid_after_utc > now]
            text = "".join(_certificate_pem(each) for each in retired)
            files.write_private(retired_path, text.encode())
            root = _found("root", self.trust_domain, now, None)
            _save(path, root)
        return root, retired

    def _open_intermediate(self) -> svid.Issuer:
        path = self._directory / "intermediate.pem"
        issuer = self._load(path)
        now = self._clock.now()
        if issuer is None or _aged(issuer.certificate, now) or not self._signed(issuer):
            issuer = _found("intermediate", self.trust_domain, now, self._root)
            _save(path, issuer)
        return issuer

    def _signed(self, issuer: svid.Issuer) -> bool:
        try:
            issuer.certificate.verify_directly_issued_by(self._root.certificate)
        except (InvalidSignature, ValueError, TypeError):
            return False
        return True

    def _load(self, path: Path) -> svid.Issuer | None:
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            certificate = x509.load_pem_x509_certificate(content)
            key = serialization.load_pem_private_key(content, None)
        except (ValueError, TypeError) as error:
            raise _damaged(path, str(error)) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise _damaged(path, "the key is not an EC key")
        if key.public_key() != certificate.public_key():
            raise _damaged(path, "key and certificate do not belong together")
        owner = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
        if [each.value for each in owner] != [self.trust_domain]:
            raise svid.PkiError(
                f"{path} was made for another trust domain than {self.trust_domain}: remove its"
                " directory so that a new authority is made, or go back to the old trust domain"
            )
        return svid.Issuer(certificate, key)


def _found(role: str, trust_domain: str, now: datetime, parent: svid.Issuer | None) -> svid.Issuer:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, trust_domain),
            x509.NameAttribute(NameOID.COMMON_NAME, f"lateen {role} {now:%Y-%m-%d}"),
        ]
    )
    not_before = (now - svid.BACKDATED).replace(microsecond=0)
    lifetime = ROOT_LIFETIME if parent is None else INTERMEDIATE_LIFETIME
    not_after = (now + lifetime).replace(microsecond=0)
    if parent is not None:
        not_after = min(not_after, parent.not_after())
    issuer_name = subject if parent is None else parent.certificate.subject
    issuer_key = key if parent is None else parent.key
    certificate = (
        svid.start(subject, issuer_name, key, not_before, not_after)
        .add_extension(
            x509.BasicConstraints(ca=True, path_length=None if parent is None else 0),
            critical=True,
        )
        .add_extension(svid.key_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()),
            critical=False,
        )
        .sign(issuer_key, hashes.SHA256())
    )
    return svid.Issuer(certificate, key)


def _aged(certificate: x509.Certificate, now: datetime) -> bool:
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after_utc - now < lifetime * GRACE


def _save(path: Path, issuer: svid.Issuer) -> None:
    files.write_private(path, (issuer.pem() + svid.private_pem(issuer.key)).encode())


def _load_certificates(path: Path) -> list[x509.Certificate]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    try:
        return x509.load_pem_x509_certificates(content) if content.strip() else []
    except ValueError as error:
        raise _damaged(path, str(error)) from error


def _certificate_pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _damaged(path: Path, why: str) -> svid.PkiError:
    return svid.PkiError(
        f"{path} is damaged ({why}): restore it, or remove its directory so that a new authority"
        " is made"
    )
