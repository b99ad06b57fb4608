"""Quantities such as `500m` and `64Mi`, in the form that Kubernetes writes them. Pure."""

import decimal
import functools
import re
from decimal import Decimal

_FORM = (
    r"(?P<number>[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))"
    r"(?P<suffix>[numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?"
)
"""Compiled when it is first asked for."""
_WRITTEN = re.compile(r"0|[1-9][0-9]{0,2}(?:m|[KMGTPE]i)?")
"""Most of what is met, and in its form already."""
_DECIMAL = {-9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T", 15: "P", 18: "E"}
_EXPONENTS = {suffix: exponent for exponent, suffix in _DECIMAL.items()}
_BINARY = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_MOST = 2**63 - 1
_LEAST = Decimal("1e-9")


def written(text: str) -> str:
    """Return a quantity as the API server answers with it: `0.5` is 500m, `1024Mi` is 1Gi, and
    `1000` is 1k. Raises ValueError where it is none."""
    if _WRITTEN.fullmatch(text):
        return text
    match = re.fullmatch(_FORM, text)
    if match is None:
        raise ValueError(f"not a quantity: {text!r}")
    suffix = match["suffix"] or ""
    amount = _value(match["number"], suffix)
    if suffix in _BINARY[1:] and abs(amount) >= 1024 and amount == amount.to_integral_value():
        return _binary(int(amount))
    return _decimal(amount, exponents=_is_exponent(suffix))


def _is_exponent(suffix: str) -> bool:
    return suffix[:1] in ("e", "E") and suffix[1:] not in ("", "i")


def _value(number: str, suffix: str) -> Decimal:
    if _is_exponent(suffix):
        return _amount(number, int(suffix[1:][:9]), 1)
    if suffix in _BINARY[1:]:
        return _amount(number, 0, 1024 ** _BINARY.index(suffix))
    return _amount(number, _EXPONENTS[suffix], 1)


def _amount(number: str, exponent: int, factor: int) -> Decimal:
    """Return the value: of nine places, rounded away from zero, and 64 bits at most."""
    with decimal.localcontext() as context:
        context.prec = len(number) + 60
        base = Decimal(number)
        if base and abs(base.adjusted() + exponent) > 30:
            exponent = 30 if exponent > 0 else -30
        value = base.scaleb(exponent) * factor
        if abs(value) > _MOST:
            value = Decimal(_MOST).copy_sign(value)
        return value.quantize(_LEAST, rounding=decimal.ROUND_UP)


def _decimal(amount: Decimal, *, exponents: bool) -> str:
    if not amount:
        return "0"
    sign, digits, _ = amount.as_tuple()
    whole = "".join(map(str, digits)).lstrip("0")
    short = whole.rstrip("0")
    exponent = len(whole) - len(short) - 9
    down = exponent % 3
    mantissa, exponent = short + "0" * down, exponent - down
    suffix = (f"e{exponent}" if exponent else "") if exponents else _DECIMAL[exponent]
    return f"{'-' if sign else ''}{mantissa}{suffix}"


def _binary(amount: int) -> str:
    power = 0
    while amount % 1024 == 0:
        amount, power = amount // 1024, power + 1
    return f"{amount}{_BINARY[power]}"


@functools.lru_cache(maxsize=1024)
def value(text: str) -> Decimal:
    """Return a quantity as a number. Raises ValueError where it is none."""
    match = re.fullmatch(_FORM, text)
    if match is None:
        raise ValueError(f"not a quantity: {text!r}")
    return _value(match["number"], match["suffix"] or "")
