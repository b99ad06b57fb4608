"""Envoy's matchers of strings and headers (envoy.type.matcher.v3, HeaderMatcher). Pure."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Http
from lateen.predict.values.trail import PRESENT, Test

_DIFFERENT = re.compile(r"\\[pPCQEzA]|\(\?[^:Piaims)-]|\(\?P=|\\[0-9]|[*+?}]\+|\[\[:")
"""Where RE2 and Python's expressions do not mean the same."""
_CLASSES = {
    "[[:alpha:]]": "[A-Za-z]",
    "[[:digit:]]": "[0-9]",
    "[[:alnum:]]": "[A-Za-z0-9]",
    "[[:lower:]]": "[a-z]",
    "[[:upper:]]": "[A-Z]",
    "[[:space:]]": r"[\t\n\v\f\r ]",
    "[[:word:]]": "[0-9A-Za-z_]",
    "[[:xdigit:]]": "[0-9A-Fa-f]",
}


@lru_cache(maxsize=4096)
def expression(pattern: str) -> re.Pattern[str]:
    """Return an RE2 expression as Python's, in which classes such as \\d are ASCII's.

    Raises UnknownError for syntax that the two do not share.
    """
    text = pattern
    for name, plain in _CLASSES.items():
        text = text.replace(name, plain)
    if _DIFFERENT.search(text):
        raise UnknownError(f"the expression {pattern!r} uses syntax of RE2 that is not modelled")
    try:
        return re.compile(text, re.ASCII)
    except re.error as error:
        raise UnknownError(f"the expression {pattern!r} cannot be read: {error}") from error


def full_match(pattern: str, value: str) -> bool:
    """Tell whether an RE2 expression matches the whole of a value, as all of Envoy's do."""
    return expression(pattern).fullmatch(value) is not None


def matches(matcher: Any, value: str) -> bool:
    """Tell whether a StringMatcher takes a value. Case is ignored where it says so, but not by
    expressions."""
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return full_match(matcher.safe_regex.regex, value)
    if kind not in ("exact", "prefix", "suffix", "contains"):
        raise UnknownError(f"a string matcher of kind {kind}")
    wanted: str = getattr(matcher, kind)
    if matcher.ignore_case:
        wanted, value = wanted.lower(), value.lower()
    if kind == "exact":
        return value == wanted
    if kind == "prefix":
        return value.startswith(wanted)
    if kind == "suffix":
        return value.endswith(wanted)
    return wanted in value


def test_of(matcher: Any) -> Test:
    """Return what a StringMatcher asks, as a test that can be noted."""
    kind = str(matcher.WhichOneof("match_pattern"))
    if kind == "safe_regex":
        return Test(kind="regex", value=matcher.safe_regex.regex)
    return Test(kind=kind, value=getattr(matcher, kind), fold=matcher.ignore_case)


_Compare = Callable[[str, str], bool]
_OLD: Mapping[str, _Compare] = {
    "exact_match": lambda wanted, value: value == wanted,
    "prefix_match": lambda wanted, value: value.startswith(wanted),
    "suffix_match": lambda wanted, value: value.endswith(wanted),
    "contains_match": lambda wanted, value: wanted in value,
}
"""HeaderMatcher's own forms, deprecated in favour of `string_match`."""


def header_matches(matcher: Any, request: Http) -> bool:
    """Tell whether a HeaderMatcher takes a request.

    A missing header never matches, inverted or not, unless it is to be treated as empty; only a
    test of presence may be inverted.
    """
    name = matcher.name.lower()
    field = _FIELDS.get(name, f"header {name}")
    value = request.header(name)
    kind = matcher.WhichOneof("header_match_specifier")
    if field and not name.startswith(":"):
        request.noted(field, PRESENT, value is not None)
    if kind is None or kind == "present_match":
        wanted = True if kind is None else bool(matcher.present_match)
        there = value is not None or matcher.treat_missing_header_as_empty
        return bool((there == wanted) != matcher.invert_match)
    if value is None:
        if not matcher.treat_missing_header_as_empty:
            return False
        return bool(_value_matches(matcher, kind, "") != matcher.invert_match)
    found = bool(_value_matches(matcher, kind, value))
    if field:
        request.noted(field, _header_test(matcher, kind), found)
    return found != bool(matcher.invert_match)


_FIELDS = {":method": "method", ":path": "path", ":authority": "", "host": "", ":scheme": ""}
"""Fields of pseudo-headers; what is empty is the same for all requests to a destination."""


def _header_test(matcher: Any, kind: str) -> Test:
    if kind == "string_match":
        return test_of(matcher.string_match)
    if kind == "safe_regex_match":
        return Test(kind="regex", value=matcher.safe_regex_match.regex)
    if kind == "range_match":
        return Test(kind="other", value=f"a range of numbers in {matcher.name}")
    return Test(kind=kind.removesuffix("_match"), value=str(getattr(matcher, kind)))


def _value_matches(matcher: Any, kind: str, value: str) -> bool:
    if kind == "string_match":
        return matches(matcher.string_match, value)
    if kind == "safe_regex_match":
        return full_match(matcher.safe_regex_match.regex, value)
    if kind == "range_match":
        number = int(value) if re.fullmatch(r"-?\d+", value) else None
        reach = matcher.range_match
        return number is not None and reach.start <= number < reach.end
    test = _OLD.get(kind)
    if test is None:
        raise UnknownError(f"a header matcher of kind {kind}")
    return test(str(getattr(matcher, kind)), value)
