"""JSON Web Tokens as Envoy reads them: form, time, audience, signature. Pure.

What is wrong with a token is told in Envoy's own words, which the client gets as the body.
"""

import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lateen.predict.envoy.errors import UnknownError

MISSING = "Jwt is missing"
MALFORMED = "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"
UNKNOWN_ISSUER = "Jwt issuer is not configured"
EXPIRED = "Jwt is expired"
NOT_YET = "Jwt not yet valid"
AUDIENCE = "Audiences in Jwt are not allowed"
UNVERIFIED = "Jwt verification fails"
NO_KEY = "Jwks doesn't have key to match kid or alg from Jwt"
_SKEW = 60
"""Seconds that clocks may differ: Envoy's default."""
_HASHES = {"256": "SHA256", "384": "SHA384", "512": "SHA512"}
_EC_SIZES = {"ES256": ("SECP256R1", 32), "ES384": ("SECP384R1", 48), "ES512": ("SECP521R1", 66)}


class Token(msgspec.Struct, frozen=True):
    """A token that could be read."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def issuer(self) -> str:
        """Return who issued it; empty where it does not say."""
        return str(self.claims.get("iss", ""))


def read(text: str) -> Token | str:
    """Return a token, or what is wrong with its form."""
    parts = text.split(".")
    if len(parts) != 3:
        return MALFORMED
    header, claims = _part(parts[0]), _part(parts[1])
    if header is None:
        return "Jwt header is an invalid JSON"
    if claims is None:
        return "Jwt payload is an invalid JSON"
    signature = _decoded(parts[2])
    if signature is None:
        return "Jwt signature is an invalid Base64url encoded"
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


def untimely(token: Token, now: float) -> str:
    """Return why a token is not good at a moment (seconds of the epoch, 0 where it is not known);
    empty if it is. Raises UnknownError where that depends on the moment."""
    begins, ends = _number(token, "nbf"), _number(token, "exp")
    if not now and (begins is not None or ends is not None):
        raise UnknownError("a token ends at a time, and no time is given")
    if begins is not None and begins > now + _SKEW:
        return NOT_YET
    return EXPIRED if ends is not None and now > ends + _SKEW else ""


def for_others(token: Token, audiences: list[str]) -> bool:
    """Tell whether a token is meant for none of the audiences that are asked for."""
    if not audiences:
        return False
    given = token.claims.get("aud", [])
    listed = given if isinstance(given, list) else [given]
    return not {_plain(str(each)) for each in listed} & {_plain(each) for each in audiences}


def _plain(audience: str) -> str:
    """Envoy compares audiences without scheme and the slash at the end."""
    for scheme in ("https://", "http://"):
        if audience.startswith(scheme):
            audience = audience.removeprefix(scheme)
            break
    return audience.removesuffix("/")


def unverified(token: Token, keys: str) -> str:
    """Return why no key of a set verifies a token; empty if one does."""
    algorithm, kid = str(token.header.get("alg", "")), str(token.header.get("kid", ""))
    fitting = False
    for key in _keys(keys):
        if kid and key.get("kid") and key["kid"] != kid:
            continue
        if key.get("alg") and key["alg"] != algorithm:
            continue
        fitting = True
        if _verifies(key, algorithm, token):
            return ""
    return UNVERIFIED if fitting else NO_KEY


def _keys(text: str) -> Iterator[Mapping[str, Any]]:
    for key in json.loads(text).get("keys", ()):
        if isinstance(key, Mapping):
            yield key


def _verifies(key: Mapping[str, Any], algorithm: str, token: Token) -> bool:
    from cryptography.exceptions import InvalidSignature

    kind = key.get("kty")
    try:
        if kind == "RSA" and algorithm[:2] in ("RS", "PS"):
            return _rsa(key, algorithm, token)
        if kind == "EC" and algorithm in _EC_SIZES:
            return _curve(key, algorithm, token)
        if kind == "oct" and algorithm.startswith("HS"):
            digest = _HASHES[algorithm[2:]].lower()
            made = hmac.digest(_decoded(key["k"]) or b"", token.signed, digest)
            return hmac.compare_digest(made, token.signature)
        if kind == "OKP" and algorithm == "EdDSA":
            from cryptography.hazmat.primitives.asymmetric import ed25519

            public = ed25519.Ed25519PublicKey.from_public_bytes(_decoded(key["x"]) or b"")
            public.verify(token.signature, token.signed)
            return True
    except (InvalidSignature, ValueError, KeyError, TypeError):
        return False
    return False


def _rsa(key: Mapping[str, Any], algorithm: str, token: Token) -> bool:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    digest = getattr(hashes, _HASHES[algorithm[2:]])()
    public = rsa.RSAPublicNumbers(_integer(key["e"]), _integer(key["n"])).public_key()
    filled: Any = padding.PKCS1v15()
    if algorithm.startswith("PS"):
        filled = padding.PSS(padding.MGF1(digest), digest.digest_size)
    public.verify(token.signature, token.signed, filled, digest)
    return True


def _curve(key: Mapping[str, Any], algorithm: str, token: Token) -> bool:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, utils

    name, size = _EC_SIZES[algorithm]
    curve = getattr(ec, name)()
    public = ec.EllipticCurvePublicNumbers(_integer(key["x"]), _integer(key["y"]), curve)
    if len(token.signature) != 2 * size:
        return False
    halves = (token.signature[:size], token.signature[size:])
    signature = utils.encode_dss_signature(*(int.from_bytes(half, "big") for half in halves))
    digest = getattr(hashes, _HASHES[algorithm[2:]])()
    public.public_key().verify(signature, token.signed, ec.ECDSA(digest))
    return True


def _integer(text: str) -> int:
    return int.from_bytes(_decoded(text) or b"", "big")


def _part(text: str) -> Mapping[str, Any] | None:
    decoded = _decoded(text)
    try:
        found = json.loads(decoded) if decoded is not None else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _decoded(text: str) -> bytes | None:
    if "=" in text:
        return None
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None


def _number(token: Token, claim: str) -> float | None:
    value = token.claims.get(claim)
    return float(value) if isinstance(value, (int, float)) else None
