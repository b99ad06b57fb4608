"""ServiceAccount tokens: JSON Web Tokens (RFC 7519, ES256) signed by the lab's key."""

import base64
import binascii
import hashlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

from lateen.base.clock import Clock
from lateen.pki import files, svid

ISSUER = "https://kubernetes.default.svc.cluster.local"
"""The `iss` of a cluster, and the audience of a token that names none."""


class TokenError(Exception):
    """The token is not one of ours, not for this audience, or not valid now."""


class PodClaim(msgspec.Struct, frozen=True):
    """The pod a token is bound to."""

    name: str
    uid: str


class AccountToken(msgspec.Struct, frozen=True):
    """What a verified token says."""

    namespace: str
    name: str
    uid: str
    audiences: tuple[str, ...]
    issued: datetime
    expires: datetime
    pod: PodClaim | None = None


class AccountTokens:
    """Issues and verifies; satisfies the API server's TokenIssuer."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, clock: Clock, issuer: str = ISSUER) -> None:
        self._key = key
        self._clock = clock
        self._issuer = issuer
        spki = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._key_id = _encode(hashlib.sha256(spki).digest())

    @classmethod
    def open(cls, directory: Path, clock: Clock, issuer: str = ISSUER) -> Self:
        """Open the key kept in the directory (`accounts.pem`), or make one.

        Raises PkiError if the file is damaged, OSError if it cannot be read or written."""
        files.make_private_directory(directory)
        path = directory / "accounts.pem"
        if not path.exists():
            fresh = ec.generate_private_key(ec.SECP256R1())
            files.write_private(path, svid.private_pem(fresh).encode())
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError) as error:
            raise svid.PkiError(
                f"{path} is damaged ({error}): remove it to make a new key"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise svid.PkiError(f"{path} is not a P-256 key: remove it to make a new one")
        return cls(key, clock, issuer)

    def issue(
        self,
        namespace: str,
        name: str,
        uid: str,
        audiences: Sequence[str] = (),
        seconds: int = 3600,
        pod: PodClaim | None = None,
    ) -> str:
        """Return a signed token of a ServiceAccount that expires after so many seconds."""
        now = int(self._clock.now().timestamp())
        bound: dict[str, Any] = {
            "namespace": namespace,
            "serviceaccount": {"name": name, "uid": uid},
        }
        if pod is not None:
            bound["pod"] = {"name": pod.name, "uid": pod.uid}
        claims = {
            "aud": list(audiences) or [self._issuer],
            "exp": now + seconds,
            "iat": now,
            "iss": self._issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": bound,
            "nbf": now,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        header = {"alg": "ES256", "kid": self._key_id}
        signed = f"{_encode(msgspec.json.encode(header))}.{_encode(msgspec.json.encode(claims))}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def verify(self, token: str, audience: str = "") -> AccountToken:
        """Return what the token says. `audience` empty is the API server itself.

        Raises TokenError."""
        claims = self._claims(token)
        audiences = tuple(claims.get("aud", ()))
        if (audience or self._issuer) not in audiences:
            raise TokenError(f"the token is for {', '.join(audiences)}, not for {audience}")
        now = self._clock.now().timestamp()
        if now >= claims["exp"]:
            expired = datetime.fromtimestamp(claims["exp"], UTC)
            raise TokenError(f"the token expired at {expired:%Y-%m-%dT%H:%M:%SZ}")
        if now < claims["nbf"]:
            raise TokenError("the token is not valid yet")
        bound = claims["kubernetes.io"]
        account, pod = bound["serviceaccount"], bound.get("pod")
        return AccountToken(
            bound["namespace"],
            account["name"],
            account["uid"],
            audiences,
            datetime.fromtimestamp(claims["iat"], UTC),
            datetime.fromtimestamp(claims["exp"], UTC),
            None if pod is None else PodClaim(pod["name"], pod["uid"]),
        )

    def jwks(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key Set (RFC 7517)."""
        numbers = self._key.public_key().public_numbers()
        key = {
            "kty": "EC",
            "crv": "P-256",
            "use": "sig",
            "alg": "ES256",
            "kid": self._key_id,
            "x": _encode(numbers.x.to_bytes(32, "big")),
            "y": _encode(numbers.y.to_bytes(32, "big")),
        }
        return {"keys": [key]}

    def _claims(self, token: str) -> dict[str, Any]:
        """Check shape, algorithm, key, signature and issuer; the claims are ours after that."""
        parts = token.split(".")
        if len(parts) != 3:
            raise TokenError("not a JSON Web Token")
        try:
            header = msgspec.json.decode(_decode(parts[0]), type=dict[str, Any])
            claims = msgspec.json.decode(_decode(parts[1]), type=dict[str, Any])
            signature = _decode(parts[2])
        except (ValueError, binascii.Error) as error:
            raise TokenError(f"not a JSON Web Token: {error}") from error
        if header.get("alg") != "ES256" or header.get("kid") != self._key_id:
            raise TokenError("the token is not signed by this lab")
        if len(signature) != 64:
            raise TokenError("the token's signature is not 64 bytes long")
        halves = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        try:
            self._key.public_key().verify(
                encode_dss_signature(*halves),
                f"{parts[0]}.{parts[1]}".encode(),
                ec.ECDSA(hashes.SHA256()),
            )
        except InvalidSignature as error:
            raise TokenError("the token's signature is wrong") from error
        if claims.get("iss") != self._issuer:
            raise TokenError(f"the token is from {claims.get('iss')}, not from {self._issuer}")
        return claims


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    if not text.isascii():
        raise ValueError("letters outside base64url")
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    # The decoder passes over foreign letters and loose trailing bits; a token has one spelling.
    if _encode(raw) != text:
        raise ValueError("not base64url")
    return raw
