"""X.509 certificates as SPIFFE and Istio shape them: workload identities and servers."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

BACKDATED = timedelta(minutes=2)
"""NotBefore lies this far back, for clocks that are a little behind."""

_SPIFFE = re.compile(r"spiffe://([^/]+)/ns/([^/]+)/sa/([^/]+)")


class PkiError(Exception):
    """A refusal of the certificate authority."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A leaf certificate with its chain (leaf first, no root) and private key, in PEM."""

    chain_pem: str
    key_pem: str = field(repr=False)
    not_before: datetime
    not_after: datetime
    serial: str
    """128 random bits in lower-case hex."""


@dataclass(frozen=True, slots=True)
class Svid(Certificate):
    """A workload's certificate: its only name is the SPIFFE id."""

    identity: str


@dataclass(frozen=True, slots=True)
class Issuer:
    """A CA certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def pem(self) -> str:
        """Return the certificate in PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def not_after(self) -> datetime:
        """Return the end of its validity, in UTC."""
        return self.certificate.not_valid_after_utc


def trust_domain_of(spiffe_id: str) -> str:
    """Return the trust domain of `spiffe://<domain>/ns/<namespace>/sa/<account>`.

    Raises PkiError for any other shape: Istio has no other workload identities.
    """
    match = _SPIFFE.fullmatch(spiffe_id)
    if match is None:
        raise PkiError(
            f"{spiffe_id!r} is not a workload identity: it must read"
            " spiffe://<trust domain>/ns/<namespace>/sa/<service account>"
        )
    return match[1]


def issue_svid(issuer: Issuer, spiffe_id: str, now: datetime, ttl: timedelta) -> Svid:
    """Sign a workload certificate: critical URI SAN, empty subject, for both ends of TLS."""
    names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(spiffe_id)])
    usages = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    leaf = _leaf(issuer, x509.Name([]), names, usages, now, ttl)
    return Svid(
        leaf.chain_pem, leaf.key_pem, leaf.not_before, leaf.not_after, leaf.serial, spiffe_id
    )


def issue_server(
    issuer: Issuer, hosts: Sequence[str], now: datetime, ttl: timedelta
) -> Certificate:
    """Sign a server certificate for DNS names and IP addresses; the first is the common name.

    Raises PkiError for no hosts.
    """
    if not hosts:
        raise PkiError("a server certificate needs at least one host name or address")
    names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:64])])
    return _leaf(issuer, subject, names, [ExtendedKeyUsageOID.SERVER_AUTH], now, ttl)


def _leaf(
    issuer: Issuer,
    subject: x509.Name,
    names: x509.SubjectAlternativeName,
    usages: list[x509.ObjectIdentifier],
    now: datetime,
    ttl: timedelta,
) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    not_before = (now - BACKDATED).replace(microsecond=0)
    not_after = min((now + ttl).replace(microsecond=0), issuer.not_after())
    builder = (
        start(subject, issuer.certificate.subject, key, not_before, not_after)
        .add_extension(key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()),
            critical=False,
        )
        # RFC 5280 4.2.1.6: with an empty subject the alternative name is all there is, so
        # whoever does not understand it must refuse.
        .add_extension(names, critical=not subject.rdns)
    )
    certificate = builder.sign(issuer.key, hashes.SHA256())
    return Certificate(
        certificate.public_bytes(serialization.Encoding.PEM).decode() + issuer.pem(),
        private_pem(key),
        not_before,
        not_after,
        f"{certificate.serial_number:032x}",
    )


def start(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    """Begin a certificate: names, key, validity, and a serial number of 128 random bits."""
    serial = x509.random_serial_number() >> 31
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def key_usage(*, ca: bool) -> x509.KeyUsage:
    """Return the usage of a CA key (signing certificates and lists) or of a leaf's."""
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=not ca,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )


def private_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Return the key in PKCS #8 PEM, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
