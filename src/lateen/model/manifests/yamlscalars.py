"""Plain YAML scalars as kubectl reads them. Pure.

kubectl converts YAML to JSON by go-yaml 2, a YAML 1.1 reader with habits of its own, which are
followed here: `y`, `yes`, `on` and the like are booleans; `010` is eight, and so is `0o10`;
underscores in numbers are dropped; `12:30` and dates are strings.
"""

import math
import re

Scalar = str | int | float | bool | None

_TRUE = ("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON")
_FALSE = ("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF")
_WORDS: dict[str, Scalar] = {
    **dict.fromkeys(_TRUE, True),
    **dict.fromkeys(_FALSE, False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGER = re.compile(
    r"[-+]?(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<bin>[01]+)|0[oO]?(?P<oct>[0-7]+)|(?:0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NUMERIC_START = frozenset("0123456789+-.")


def resolve(text: str) -> Scalar:
    """Return the value of a plain (unquoted, untagged) scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMERIC_START:
        return text
    digits = text.replace("_", "")
    if found := _INTEGER.fullmatch(digits):
        return _integer(digits, found)
    if _FLOAT.fullmatch(digits):
        return float(digits)
    return text


def _integer(digits: str, found: re.Match[str]) -> int:
    sign = -1 if digits.startswith("-") else 1
    for group, base in (("hex", 16), ("bin", 2), ("oct", 8)):
        if (body := found[group]) is not None:
            return sign * int(body, base)
    return int(digits)


def key(value: Scalar) -> str:
    """Return a mapping key as JSON has it: numbers and booleans become text.

    Raises ValueError for null, which cannot be a key.
    """
    if isinstance(value, str):
        return value
    if value is None:
        raise ValueError("null cannot be a key")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
