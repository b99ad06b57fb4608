"""How registries say who may read: challenges, and the words of a refusal. Pure.

A registry that wants a credential answers 401 with `WWW-Authenticate` (RFC 7235); with `Bearer` it
names where a token is had (the distribution specification's token protocol).
"""

import re
from typing import Any

import msgspec

_SCHEME = re.compile(r"\s*([A-Za-z]+)\s+")
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*,?\s*')


class Challenge(msgspec.Struct, frozen=True):
    """What a registry asks for: `scheme` in lower case."""

    scheme: str
    realm: str = ""
    service: str = ""
    scope: str = ""


def parse(header: str) -> Challenge | None:
    """Read a WWW-Authenticate header; None where it has no scheme that is known here."""
    found = _SCHEME.match(header)
    if found is None or found[1].lower() not in ("bearer", "basic"):
        return None
    given = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) if quoted else plain
        for name, quoted, plain in _PARAMETER.findall(header, found.end())
    }
    known = {name: given.get(name, "") for name in ("realm", "service", "scope")}
    return Challenge(found[1].lower(), **known)


def words(status: int, body: bytes) -> str:
    """Return how a registry says what is wrong: its codes and messages, else the status alone."""
    try:
        raw: Any = msgspec.json.decode(body)
        said = [_said(error) for error in raw["errors"]]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        said = []
    text = "; ".join(one for one in said if one)
    return f"{status} {text}" if text else f"{status} {_STATUS.get(status, '')}".strip()


def _said(error: dict[str, Any]) -> str:
    code, message = str(error.get("code") or ""), str(error.get("message") or "")
    return f"{code}: {message}" if code and message else code or message


_STATUS = {
    401: "unauthorized",
    403: "forbidden",
    404: "not found",
    429: "too many requests",
    500: "internal server error",
    502: "bad gateway",
    503: "service unavailable",
    504: "gateway timeout",
}


def wait(header: str, otherwise: float, longest: float) -> float:
    """Return how many seconds to wait before the next try: what `Retry-After` says in seconds, at
    most `longest`, or `otherwise` where it says nothing or a date."""
    return min(float(header), longest) if header.strip().isdigit() else otherwise
