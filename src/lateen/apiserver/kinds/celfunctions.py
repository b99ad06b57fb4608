"""Kubernetes' own functions in CEL rules, for the library that evaluates them. Pure.

The library knows no types of ours, so a quantity, a URL or an address is a map in its text form:
two that are equal compare as equal.
"""

import ipaddress
import re
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit


class Function(NamedTuple):
    """One way to call a function. `takes` and `gives` name types: list, map, text, int, bool,
    double, any; a `member` is called on the first of what it takes."""

    name: str
    takes: str
    gives: str
    act: Callable[..., Any]
    member: bool = True


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


# -- lists and texts ------------------------------------------------------------------------------


def _is_sorted(values: Sequence[Any]) -> bool:
    return all(one <= other for one, other in pairwise(values))


def _sum(values: Sequence[Any]) -> Any:
    return sum(values)


def _least(values: Sequence[Any]) -> Any:
    if not values:
        raise ValueError("min called on empty list")
    return min(values)


def _most(values: Sequence[Any]) -> Any:
    if not values:
        raise ValueError("max called on empty list")
    return max(values)


def _first_index(values: Sequence[Any], wanted: Any) -> int:
    return next((index for index, one in enumerate(values) if one == wanted), -1)


def _last_index(values: Sequence[Any], wanted: Any) -> int:
    back = _first_index(list(reversed(values)), wanted)
    return -1 if back < 0 else len(values) - 1 - back


def _contains_all(values: Sequence[Any], wanted: Sequence[Any]) -> bool:
    return all(one in values for one in wanted)


def _same_members(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return _contains_all(one, other) and _contains_all(other, one)


def _share_members(one: Sequence[Any], other: Sequence[Any]) -> bool:
    return any(member in other for member in one)


# -- quantities -----------------------------------------------------------------------------------

_QUANTITY = re.compile(
    r"(?P<number>[+-]?(?:\d+\.?\d*|\.\d+))(?P<unit>[numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?"
)
_UNITS: dict[str | None, Decimal] = {
    None: Decimal(1),
    **{unit: Decimal(10) ** (3 * index - 9) for index, unit in enumerate("num")},
    **{unit: Decimal(10) ** (3 * index) for index, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}


def _amount(text: str) -> Decimal:
    found = _QUANTITY.fullmatch(text)
    if found is None:
        rule = "^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$"
        raise ValueError(f"quantities must match the regular expression '{rule}'")
    unit = found["unit"]
    factor = _UNITS[unit] if unit in _UNITS else Decimal(f"1{unit}")
    return Decimal(found["number"]) * factor


def _is(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def is_one(text: str) -> bool:
        try:
            read(text)
        except (ValueError, ArithmeticError):
            return False
        return True

    return is_one


def _quantity(text: str) -> dict[str, str]:
    return _held(_amount(text))


def _held(amount: Decimal) -> dict[str, str]:
    return {"quantity": format(amount.normalize(), "f")}


def _of(value: Any) -> Decimal:
    if isinstance(value, int):
        return Decimal(value)
    try:
        return Decimal(value["quantity"])
    except (KeyError, TypeError, InvalidOperation):
        raise ValueError("no such overload") from None


def _sign(value: Any) -> int:
    amount = _of(value)
    return (amount > 0) - (amount < 0)


def _is_integer(value: Any) -> bool:
    amount = _of(value)
    return amount == amount.to_integral_value() and abs(amount) < 2**63


def _as_integer(value: Any) -> int:
    if not _is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(_of(value))


# -- URLs and addresses ---------------------------------------------------------------------------


def _url(text: str) -> dict[str, str]:
    found = urlsplit(text)
    if not (found.scheme or text.startswith("/")) or any(c.isspace() for c in text):
        raise ValueError(f"URL parse error during conversion from string: {text!r}")
    _ = found.port  # a port that is no number raises
    return {"url": text}


def _split(value: Any) -> Any:
    return urlsplit(value["url"])


def _hostname(value: Any) -> str:
    return _split(value).hostname or ""


def _host(value: Any) -> str:
    return str(_split(value).netloc.rpartition("@")[2])


def _port(value: Any) -> str:
    port = _split(value).port
    return "" if port is None else str(port)


def _path(value: Any) -> str:
    return str(_split(value).path)


def _query(value: Any) -> dict[str, list[str]]:
    return parse_qs(_split(value).query, keep_blank_values=True)


def _address(text: str) -> _Address:
    found = ipaddress.ip_address(text)
    if "%" in text or getattr(found, "ipv4_mapped", None) is not None:
        raise ValueError(f"IP Address {text!r} must not have a zone or be IPv4-mapped")
    return found


def _network(text: str) -> _Network:
    if "/" not in text:
        raise ValueError(f"network address parse error during conversion from string: {text!r}")
    return ipaddress.ip_network(text, strict=False)


def _ip(text: str) -> dict[str, str]:
    return {"ip": str(_address(text))}


def _cidr(text: str) -> dict[str, str]:
    _network(text)
    return {"cidr": text}


def _of_ip(value: Any) -> _Address:
    return _address(value["ip"] if isinstance(value, dict) else value)


def _of_cidr(value: Any) -> _Network:
    return _network(value["cidr"] if isinstance(value, dict) else value)


def _contains_ip(value: Any, other: Any) -> bool:
    return _of_ip(other) in _of_cidr(value)


def _contains_cidr(value: Any, other: Any) -> bool:
    mine, theirs = _of_cidr(value), _of_cidr(other)
    within = mine.network_address.packed <= theirs.network_address.packed
    ends = theirs.broadcast_address.packed <= mine.broadcast_address.packed
    return mine.version == theirs.version and within and ends


def _masked(value: Any) -> dict[str, str]:
    return {"cidr": str(_of_cidr(value))}


def _global_unicast(value: Any) -> bool:
    found = _of_ip(value)
    return not (
        found.is_multicast or found.is_unspecified or found.is_loopback or found.is_link_local
    )


def _both(name: str, gives: str, act: Callable[[Any, Any], Any]) -> tuple[Function, ...]:
    """A function of two quantities, the second of which may be a plain number."""
    return (Function(name, "map map", gives, act), Function(name, "map int", gives, act))


def _kind(name: str, of: str, read: Callable[[str], Any]) -> tuple[Function, ...]:
    """The maker of a type and the question whether a text is one."""
    question = f"is{of}"
    return (
        Function(name, "text", "map", read, member=False),
        Function(question, "text", "bool", _is(read), member=False),
    )


FUNCTIONS = (
    Function("isSorted", "list", "bool", _is_sorted),
    Function("sum", "list", "any", _sum),
    Function("min", "list", "any", _least),
    Function("max", "list", "any", _most),
    Function("indexOf", "list any", "int", _first_index),
    Function("lastIndexOf", "list any", "int", _last_index),
    Function("sets.contains", "list list", "bool", _contains_all, member=False),
    Function("sets.equivalent", "list list", "bool", _same_members, member=False),
    Function("sets.intersects", "list list", "bool", _share_members, member=False),
    *_kind("quantity", "Quantity", _quantity),
    Function("isInteger", "map", "bool", _is_integer),
    Function("asInteger", "map", "int", _as_integer),
    Function("asApproximateFloat", "map", "double", lambda one: float(_of(one))),
    Function("sign", "map", "int", _sign),
    *_both("add", "map", lambda one, other: _held(_of(one) + _of(other))),
    *_both("sub", "map", lambda one, other: _held(_of(one) - _of(other))),
    Function("compareTo", "map map", "int", lambda a, b: (_of(a) > _of(b)) - (_of(a) < _of(b))),
    Function("isGreaterThan", "map map", "bool", lambda one, other: _of(one) > _of(other)),
    Function("isLessThan", "map map", "bool", lambda one, other: _of(one) < _of(other)),
    *_kind("url", "URL", _url),
    Function("getScheme", "map", "text", lambda one: _split(one).scheme),
    Function("getHost", "map", "text", _host),
    Function("getHostname", "map", "text", _hostname),
    Function("getPort", "map", "text", _port),
    Function("getEscapedPath", "map", "text", _path),
    Function("getQuery", "map", "map", _query),
    *_kind("ip", "IP", _ip),
    *_kind("cidr", "CIDR", _cidr),
    Function("family", "map", "int", lambda one: _of_ip(one).version),
    Function("isUnspecified", "map", "bool", lambda one: _of_ip(one).is_unspecified),
    Function("isLoopback", "map", "bool", lambda one: _of_ip(one).is_loopback),
    Function("isLinkLocalUnicast", "map", "bool", lambda one: _of_ip(one).is_link_local),
    Function("isGlobalUnicast", "map", "bool", _global_unicast),
    Function("containsIP", "map map", "bool", _contains_ip),
    Function("containsIP", "map text", "bool", _contains_ip),
    Function("containsCIDR", "map map", "bool", _contains_cidr),
    Function("containsCIDR", "map text", "bool", _contains_cidr),
    Function("ip", "map", "map", lambda one: {"ip": str(_of_cidr(one).network_address)}),
    Function("masked", "map", "map", _masked),
    Function("prefixLength", "map", "int", lambda one: _of_cidr(one).prefixlen),
)
"""What Kubernetes adds to the language, as far as it is there."""
