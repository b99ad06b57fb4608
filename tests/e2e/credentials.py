"""Certificates for gateways in tests: good ones, expired ones, and another authority's."""

import base64
import json
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from lateen.base.clock import SystemClock


class Maker:
    """A certificate authority of a test."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self._signed(self._name, self._key, days=30, authority=True)

    def _signed(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        *,
        days: int,
        authority: bool = False,
    ) -> str:
        end = SystemClock().now() + timedelta(days=days)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(end - timedelta(days=60))
            .not_valid_after(end)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if not authority:
            host = subject.rfc4514_string().removeprefix("CN=")
            names = x509.SubjectAlternativeName([x509.DNSName(host)])
            builder = builder.add_extension(names, critical=False)
        made = builder.sign(self._key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.PEM).decode()

    def pair(self, host: str, *, days: int = 30) -> tuple[str, str]:
        """Return certificate and key for a name, ending in `days` days (ended, if negative)."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return self._signed(subject, key, days=days), private.decode()


def secret(name: str, *, pair: tuple[str, str] | None = None, root: str = "") -> str:
    """Return a Secret manifest in the gateway's namespace."""
    content = {}
    if pair is not None:
        content = {"tls.crt": pair[0], "tls.key": pair[1]}
    if root:
        content["ca.crt"] = root
    data = {key: base64.b64encode(text.encode()).decode() for key, text in content.items()}
    return (
        "apiVersion: v1\nkind: Secret\n"
        f"metadata: {{name: {name}, namespace: istio-system}}\n"
        f"data: {json.dumps(data)}\n---\n"
    )


def every() -> str:
    """Return the Secrets that the failure classes need."""
    ours, others = Maker("a test's root"), Maker("another root")
    return "".join(
        [
            secret("good", pair=ours.pair("good.example")),
            secret("expired", pair=ours.pair("expired.example", days=-1)),
            secret("mutual", pair=ours.pair("mutual.example"), root=ours.root),
            secret("root", root=ours.root),
            secret("client-other", pair=others.pair("client.example"), root=ours.root),
            secret("client-expired", pair=ours.pair("client.example", days=-1), root=ours.root),
        ]
    )
