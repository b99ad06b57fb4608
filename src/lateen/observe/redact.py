"""Hiding what may be secret before it is shown: the one place that says what is. Pure.

A name decides, never a value: of a header, of a query parameter, of a field in a body. Too much is
hidden rather than too little; `--show-secrets` shows everything.
"""

import re
from collections.abc import Iterable
from itertools import pairwise
from urllib.parse import unquote_plus

HIDDEN = "(redacted)"

_HEADERS = frozenset({"authorization", "proxy-authorization", "cookie", "set-cookie", "cookie2"})
"""Headers whose values let somebody in, whatever else their names hold."""
_WORDS = frozenset(
    {
        "token",
        "tokens",
        "secret",
        "secrets",
        "password",
        "passwd",
        "passphrase",
        "pwd",
        "credential",
        "credentials",
        "signature",
        "jwt",
        "apikey",
        "authorization",
        "accesstoken",
        "sessionid",
    }
)
"""Words that make a name secret wherever they stand in it: `x-auth-token`, `client_secret`."""
_KEYS = frozenset(
    {"api", "access", "account", "auth", "private", "shared", "master", "subscription", "functions"}
)
"""What makes a `key` secret that comes after it: `x-api-key`, `access_key_id`."""
_PARAMETERS = frozenset(
    {"code", "key", "sig", "auth", "sid", "session", "assertion", "samlresponse", "otp", "pin"}
)
"""Query parameters that are secret by their whole name: too common as words elsewhere."""

_WORD = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")
_PAIR = re.compile(r"([?&;#])([^=&;#?\s]{1,128})=([^&;#\s]*)")
_USER = re.compile(r"(?<=://)[^/?#@\s]+(?=@)")
_NAME = r"[A-Za-z][\w.-]{0,127}"
_BEGIN = re.compile(rf"""(?P<quote>["'])(?P<name>{_NAME})(?P=quote)\s*[:=]\s*""")
"""What a field of JSON begins with, and of what looks like it."""
_TEXT = r""""(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?"""
_SIMPLE = re.compile(rf"""{_TEXT}|[^\s"'\[{{,}}\]][^\s,}}\]]*""", re.DOTALL)
_BRACKET = re.compile(rf"{_TEXT}|[\[\]{{}}]", re.DOTALL)
_LINE = re.compile(rf"(?P<before>(?<![\w.-])(?P<name>{_NAME})[ \t]*:[ \t]*)(?P<value>[^\r\n<]+)")
"""A header, one a line."""
_FORM = re.compile(rf"(?P<before>(?<![\w.-])(?P<name>{_NAME})=)(?P<value>[^&\s;,<>]+)")
_NESTED = 3
"""URLs within URLs that are looked into; deeper ones are hidden whole."""
_SHORTEST = 6
"""Shorter values are not looked for elsewhere: they would be found in every word."""


def secret_name(name: str) -> bool:
    """Whether a value of that name may let somebody in: a header's, a parameter's or a field's."""
    if name.lower() in _HEADERS:
        return True
    words = [word.lower() for word in _WORD.findall(name)]
    if not _WORDS.isdisjoint(words):
        return True
    return any(word in _KEYS and after == "key" for word, after in pairwise(words))


def headers(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the headers with secret values hidden, whole or, in a URL, where they are."""
    return [(name, HIDDEN if secret_name(name) else path(value)) for name, value in pairs]


def path(text: str) -> str:
    """Return a path, a URL or a line that holds one, with its secrets hidden: the values of secret
    query and fragment parameters, and a user before the host."""
    return _hidden(text, _NESTED)


def body(text: str, known: Iterable[str] = ()) -> str:
    """Return a body with the values of secret fields hidden, be it JSON, a form, or lines such as
    an echo of the request's headers; and what is `known` to be secret, wherever it stands."""
    for value in sorted(known, key=len, reverse=True):
        text = text.replace(value, HIDDEN)
    return path(_FORM.sub(_field, _LINE.sub(_field, _fields(text))))


def values(pairs: Iterable[tuple[str, str]], url: str) -> frozenset[str]:
    """Return the secret values of a request, to be looked for in what echoes them."""
    found = set[str]()
    for name, value in pairs:
        if secret_name(name):
            found |= {value, *value.split(" ")[1:]}
            found |= {part.partition("=")[2].strip() for part in value.split(";")}
    found |= {unquote_plus(each[3]) for each in _PAIR.finditer(url) if _secret_parameter(each[2])}
    return frozenset(value for value in found if len(value) >= _SHORTEST)


def _secret_parameter(text: str) -> bool:
    name = unquote_plus(text)
    return secret_name(name) or name.lower() in _PARAMETERS


def _hidden(text: str, depth: int) -> str:
    def parameter(found: re.Match[str]) -> str:
        before, value = f"{found[1]}{found[2]}=", found[3]
        if not value:
            return before
        decoded = unquote_plus(value)
        nested = "?" in decoded
        if _secret_parameter(found[2]) or (nested and not depth):
            return before + HIDDEN
        if not nested:
            return before + value
        if decoded != value and _hidden(decoded, depth - 1) != decoded:
            return before + HIDDEN
        return before + _hidden(value, depth - 1)

    return _PAIR.sub(parameter, _USER.sub(HIDDEN, text))


def _fields(text: str) -> str:
    """Hide the values of secret fields of JSON, whole; what others hold is looked through."""
    parts, at = list[str](), 0
    while found := _BEGIN.search(text, at):
        parts.append(text[at : found.end()])
        at = found.end()
        if secret_name(found["name"]) and (end := _end(text, at)) > at:
            parts.append(f"{found['quote']}{HIDDEN}{found['quote']}")
            at = end
    return "".join((*parts, text[at:]))


def _end(text: str, at: int) -> int:
    """Return where a value of JSON ends; what is cut off ends with the text."""
    if text[at : at + 1] not in ("[", "{"):
        found = _SIMPLE.match(text, at)
        return found.end() if found else at
    depth = 0
    for bracket in _BRACKET.finditer(text, at):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(bracket[0], 0)
        if not depth:
            return bracket.end()
    return len(text)


def _field(found: re.Match[str]) -> str:
    return found["before"] + HIDDEN if secret_name(found["name"]) else found[0]
