"""Whose tokens a workload takes: RequestAuthentication as token providers. Pure."""

from lateen.compiler.ir.value import Kept, Value
from lateen.model.meta import Source


class TokenProvider(Value, frozen=True, kw_only=True):
    """One issuer's tokens: where they are, what verifies them, what becomes of them."""

    source: Source
    """The rule that names it: `spec.jwtRules[0]`."""
    issuer: str
    """Empty: any."""
    audiences: tuple[str, ...] = ()
    keys: str
    """A JSON Web Key Set, as Envoy reads it."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers that carry a token, each with the text before it. No place at all: `Authorization:
    Bearer` and the query parameter `access_token`."""
    params: tuple[str, ...] = ()
    cookies: tuple[str, ...] = ()
    forward: bool = False
    """Whether the application gets the token too."""
    payload_header: str = ""
    claim_headers: tuple[tuple[str, str], ...] = ()
    """(header, claim)."""
    lists: tuple[str, ...] = ()
    """Claims that are lists of words between spaces."""


class Authentication(Kept, frozen=True, kw_only=True):
    """All providers of one workload, by issuer."""

    providers: tuple[TokenProvider, ...]
