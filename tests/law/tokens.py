"""Tokens of the law's issuers, good and bad: a seed gives tokens, always the same."""

import base64
import hmac
import json
from random import Random
from typing import Any

Json = dict[str, Any]

ISSUERS = ("issuer-a", "issuer-b")
AUDIENCES = ("web", "api")
HEADER = "x-token"
_FOREVER = 4102444800
"""The year 2100."""


def key_set(issuer: str) -> str:
    """Return an issuer's keys: a secret, as what signs is what verifies."""
    key = {"kty": "oct", "kid": issuer, "k": _base64(_secret(issuer))}
    return json.dumps({"keys": [key]})


def token(random: Random) -> str:
    """Return a token, which may be of nobody's, ended, meant for others, badly signed or none."""
    issuer = random.choice((*ISSUERS, *ISSUERS, "nobody"))
    claims: Json = {"iss": issuer, "sub": random.choice(("alice", "bob"))}
    if random.random() < 0.5:
        claims["aud"] = random.choice((*AUDIENCES, [*AUDIENCES], "other"))
    if random.random() < 0.5:
        claims["groups"] = random.choice((["admin"], ["x", "y"], "admin"))
    if random.random() < 0.3:
        claims["scope"] = "read admin"
    if random.random() < 0.3:
        claims["exp"] = random.choice((1, _FOREVER))
    if random.random() < 0.1:
        claims["nbf"] = _FOREVER
    header: Json = {"alg": "HS256", "typ": "JWT"}
    if random.random() < 0.5:
        header["kid"] = random.choice((issuer, issuer, "unknown"))
    by = issuer if random.random() < 0.85 else "somebody else"
    made = signed(header, claims, by)
    return made if random.random() < 0.93 else random.choice(("token", made[:-5], f"{made}.x"))


def signed(header: Json, claims: Json, by: str) -> str:
    """Return a token that somebody has signed."""
    content = f"{_part(header)}.{_part(claims)}"
    signature = hmac.digest(_secret(by), content.encode(), "sha256")
    return f"{content}.{_base64(signature)}"


def good(claims: Json) -> str:
    """Return a token with these claims, signed by its issuer."""
    return signed({"alg": "HS256", "typ": "JWT"}, claims, str(claims["iss"]))


def _secret(issuer: str) -> bytes:
    return f"the secret of {issuer}, thirty-two bytes or more".encode()


def _part(value: Json) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
