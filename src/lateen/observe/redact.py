"""Hiding what may be secret before it is shown. Pure."""

from collections.abc import Iterable

SECRET_HEADERS = frozenset(
    {
        "authorization",
        "proxy-authorization",
        "cookie",
        "set-cookie",
        "x-api-key",
        "x-auth-token",
        "x-forwarded-access-token",
        "x-amz-security-token",
    }
)
"""Headers whose values let somebody in."""

HIDDEN = "(redacted)"
_PARAMETERS = ("access_token", "token", "api_key", "apikey", "password", "secret", "code")


def headers(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers with secret values hidden."""
    return [(name, HIDDEN if name.lower() in SECRET_HEADERS else value) for name, value in pairs]


def path(text: str) -> str:
    """Return a path, or a request line, with the values of secret query parameters hidden."""
    before, question, rest = text.partition("?")
    if not question:
        return text
    query, space, after = rest.partition(" ")
    shown = "&".join(_parameter(part) for part in query.split("&"))
    return f"{before}?{shown}{space}{after}"


def _parameter(part: str) -> str:
    name, equals, _ = part.partition("=")
    return f"{name}={HIDDEN}" if equals and name.lower() in _PARAMETERS else part
