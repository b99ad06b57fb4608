"""`lateen token`: a token of the lab's own issuer, or its public keys."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lateen.app.lab import paths
from lateen.base.clock import SystemClock
from lateen.cli import exits
from lateen.cli.terminal import screen
from lateen.pki.issuer import NAME, TokenIssuer

_DAY = 24 * 3600.0


class TokenOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the token says."""

    subject: str = ""
    issuer: str = NAME
    audiences: Sequence[str] = ()
    groups: Sequence[str] = ()
    claims: Sequence[str] = ()
    """`NAME=VALUE`, the value as JSON where it is JSON."""
    ttl: float = _DAY
    """Seconds until it ends; negative: it has ended before."""
    jwks: bool = False
    """Print the issuer's public keys instead."""


def token(options: TokenOptions) -> int:
    """The command."""
    issuer = TokenIssuer(paths.issuer_key())
    if options.jwks:
        screen.say(issuer.key_set())
        return exits.OK
    try:
        claims = claims_of(options, SystemClock().now().timestamp())
    except ValueError as error:
        exits.complain(str(error))
        return exits.USAGE
    screen.say(issuer.token(claims))
    return exits.OK


def claims_of(options: TokenOptions, now: float) -> dict[str, Any]:
    """Return the claims that options ask for, at a moment. Raises ValueError."""
    begun = int(now)
    claims: dict[str, Any] = {"iss": options.issuer, "sub": options.subject or "alice"}
    if options.audiences:
        claims["aud"] = options.audiences[0] if len(options.audiences) == 1 else options.audiences
    if options.groups:
        claims["groups"] = list(options.groups)
    claims |= {"iat": begun, "exp": begun + int(options.ttl)}
    for text in options.claims:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ValueError(f"--claim {text!r}: write it as NAME=VALUE")
        try:
            claims[name] = json.loads(value)
        except ValueError:
            claims[name] = value
    return claims


def bearer(text: str) -> str:
    """Return the header that carries a token. Claims in JSON become a token of the lab's issuer
    that is good for a day, unless they say otherwise. Raises ValueError for anything else."""
    if not text.lstrip().startswith("{"):
        if not text.strip() or any(c in text for c in "\r\n\0"):
            raise ValueError("--jwt: give a token in one line, or its claims as JSON")
        return f"Authorization: Bearer {text.strip()}"
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ValueError(f"--jwt: the claims are no JSON: {error}") from error
    assert isinstance(given, Mapping)
    claims = {**claims_of(TokenOptions(), SystemClock().now().timestamp()), **given}
    return f"Authorization: Bearer {TokenIssuer(paths.issuer_key()).token(claims)}"
