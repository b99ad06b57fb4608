"""JSON Web Key Sets: which keys of one Envoy can use, and what stands in for a set without any.
Pure.

Envoy refuses a whole listener for a key set without a usable key. As Istio does, a key that nobody
holds is put in its place: then every token is refused, and the listener lives.
"""

import base64
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha512
from typing import Any

import msgspec

from lateen.model.istio import security

_CURVES = ("P-256", "P-384", "P-521")
_EC, _RSA, _OCT, _OKP = "EC", "RSA", "oct", "OKP"
_EDWARDS = "Ed25519"
_ED_BYTES = 32


class KeySet(msgspec.Struct, frozen=True):
    """A key set as it is given to Envoy, and what is wrong with it (empty: nothing)."""

    text: str
    problem: str = ""


@lru_cache(maxsize=256)
def usable(text: str) -> KeySet:
    """Return a key set that Envoy takes: this one, or a stand-in if it has no usable key."""
    try:
        found = json.loads(text)
    except ValueError as error:
        return KeySet(stand_in(), f"it is not JSON: {error}")
    listed = found.get("keys") if isinstance(found, Mapping) else None
    if not isinstance(listed, list):
        return KeySet(stand_in(), "it has no list `keys`")
    if not listed:
        return KeySet(stand_in(), "its list `keys` is empty")
    problems = [_problem(key) for key in listed]
    if all(problems):
        return KeySet(stand_in(), f"no key of it is usable: {problems[0]}")
    return KeySet(text)


def _problem(key: Any) -> str:
    """Return why Envoy leaves a key out; empty if it takes it."""
    if not isinstance(key, Mapping):
        return "a key is no object"
    kind = key.get("kty")
    if kind == _RSA:
        return _lengths(key, ("n", 1), ("e", 1))
    if kind == _EC:
        if key.get("crv", "P-256") not in _CURVES:
            return f"its curve {key.get('crv')!r} is not known"
        return _lengths(key, ("x", 1), ("y", 1))
    if kind == _OKP:
        if key.get("crv") != _EDWARDS:
            return f"its curve {key.get('crv')!r} is not known"
        return _lengths(key, ("x", _ED_BYTES))
    if kind == _OCT:
        return _lengths(key, ("k", 1))
    return f"its type kty is {kind!r}" if kind else "it has no type kty"


def _lengths(key: Mapping[str, Any], *least: tuple[str, int]) -> str:
    for name, size in least:
        value = key.get(name)
        if not isinstance(value, str):
            return f"it has no {name}"
        if len(decoded(value)) < size:
            return f"its {name} is no base64url, or too short"
    return ""


def decoded(text: str) -> bytes:
    """Return what base64url text holds; nothing for text that is none."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""


@lru_cache(maxsize=1)
def stand_in() -> str:
    """Return a key set with one RSA key whose private half nobody knows: its modulus is a digest
    of text, not a product of two known primes."""
    modulus = bytearray(b"".join(_digests()))
    modulus[0] |= 0x80
    modulus[-1] |= 1
    n = base64.urlsafe_b64encode(bytes(modulus)).rstrip(b"=").decode()
    return json.dumps({"keys": [{"kty": _RSA, "e": "AQAB", "kid": "lateen-none", "n": n}]})


def _digests() -> Iterator[bytes]:
    for number in range(4):
        yield sha512(f"nobody holds the key to this lock {number}".encode()).digest()


def address(rule: security.JWTRule, *, trim: bool) -> str:
    """Return where the keys of a rule are fetched: `jwksUri`, or what the issuer's discovery
    document is asked for; empty if they are written down. `trim`: a slash at the issuer's end is
    left out of the document's address."""
    if rule.jwks:
        return ""
    if rule.jwks_uri:
        return rule.jwks_uri
    issuer = rule.issuer.removesuffix("/") if trim else rule.issuer
    return f"{issuer}/.well-known/openid-configuration" if "://" in issuer else ""
