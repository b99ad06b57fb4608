"""Which lines of a capture or a tap to show: hubble's filters. Pure.

Values of one filter are alternatives, filters must all hold; a negated value must not. Names are as
`lateen` prints them.
"""

from collections.abc import Callable, Iterable, Mapping

import msgspec

from lateen.model.schema import selectors
from lateen.observe.ends import End, short_identity

KINDS = ("pod", "service", "label", "namespace", "identity")
"""What an end is filtered by; as `from-KIND`, `to-KIND`, or `KIND` for either."""
QUIET_PORTS = frozenset({15000, 15020, 15021, 15090})
"""Envoy's admin, health and statistics ports: not shown unless asked for by number."""
_WORDS: Mapping[str, tuple[str, ...]] = {
    "tls": ("mtls", "tls", "none"),
    "leg": ("wire", "app", "all"),
}
_DOMAIN = ".svc.cluster.local"


class Condition(msgspec.Struct, frozen=True):
    """One filter as it was given: `from-pod`, `web`."""

    field: str
    value: str
    negated: bool = False


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is filtered. `ports` and `leg` are empty where they do not apply."""

    source: End
    target: End
    tls: str
    status: int = 0
    ports: frozenset[int] = frozenset()
    leg: str = ""


_Test = Callable[[Subject], bool]


class FlowFilter:
    """Conditions, ready to be asked. Raises ValueError, saying which is wrong and what is right."""

    def __init__(self, conditions: Iterable[Condition] = ()) -> None:
        self._wanted: dict[str, list[_Test]] = {}
        self._unwanted: list[_Test] = []
        self.ports: set[int] = set()
        """The ports that are asked for."""
        self.legs: set[str] = set()
        """The legs that are asked for; none is all."""
        self.lines_only: list[str] = []
        """Fields that tell lines apart, not packets."""
        for each in conditions:
            self._add(each)

    def _add(self, given: Condition) -> None:
        test = _test(given.field, given.value)
        if given.negated:
            self._unwanted.append(test)
        else:
            self._wanted.setdefault(given.field, []).append(test)
        if given.field == "port" and not given.negated:
            self.ports.add(int(given.value))
        elif given.field == "leg" and not given.negated and given.value != "all":
            self.legs.add(given.value)
        elif given.field not in ("port", "leg") or given.negated:
            self.lines_only.append(given.field)

    def keeps(self, subject: Subject) -> bool:
        """Whether to show it."""
        if not self.ports and not subject.ports.isdisjoint(QUIET_PORTS):
            return False
        if any(test(subject) for test in self._unwanted):
            return False
        return all(any(test(subject) for test in tests) for tests in self._wanted.values())


def _test(field: str, value: str) -> _Test:
    side, dash, kind = field.partition("-")
    if dash and kind in KINDS:
        matches = _end_test(kind, value)
        if side == "from":
            return lambda subject: matches(subject.source)
        return lambda subject: matches(subject.target)
    if field in KINDS:
        matches = _end_test(field, value)
        return lambda subject: matches(subject.source) or matches(subject.target)
    if field in _WORDS and value not in _WORDS[field]:
        raise ValueError(f"--{field} {value}: use {', '.join(_WORDS[field])}")
    if field == "tls":
        return lambda subject: subject.tls == value
    if field == "leg":
        return lambda subject: value == "all" or subject.leg == value
    if field == "port":
        return _port_test(value)
    return _status_test(value)


def _port_test(value: str) -> _Test:
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 65536:
        raise ValueError(f"--port {value}: use a number from 1 to 65535")
    number = int(value)
    return lambda subject: number in subject.ports


def _status_test(value: str) -> _Test:
    """`503` is itself; `5+`, `50+` and `5xx` are all that begin so, as hubble has it."""
    digits = value.rstrip("+") if value.endswith("+") else value.rstrip("x")
    whole = digits == value
    right = digits.isascii() and digits.isdigit() and (len(digits) == 3 or not whole)
    if not right or not 1 <= len(digits) <= 3 or digits[0] not in "12345":
        raise ValueError(f"--http-status {value}: use a status or its beginning: 503, 50+, 5+")
    if whole:
        return lambda subject: str(subject.status) == digits
    return lambda subject: str(subject.status).startswith(digits)


def _end_test(kind: str, value: str) -> Callable[[End], bool]:
    if not value:
        raise ValueError(f"--{kind}: give it a value")
    if kind == "label":
        try:
            selector = selectors.parse(value)
        except ValueError as error:
            raise ValueError(f"label {value}: {error}") from error
        return lambda end: bool(end.namespace) and selector.matches(end.labels)
    if kind == "namespace":
        return lambda end: end.namespace == value
    if kind == "identity":
        wanted = short_identity(value)
        return lambda end: end.identity == wanted
    if kind == "service":
        return _service_test(value)
    return lambda end: end.name.startswith(value) or end.name.partition("/")[2].startswith(value)


def _service_test(value: str) -> Callable[[End], bool]:
    """`NAME` in any namespace, `NAMESPACE/NAME`, or as in DNS `NAME.NAMESPACE`."""
    name = value.removesuffix(".").removesuffix(_DOMAIN).removesuffix(".svc")
    if "/" not in name and "." in name:
        name = "/".join(reversed(name.split(".", 1)))
    if "/" in name:
        return lambda end: name in end.services
    return lambda end: any(each.partition("/")[2] == name for each in end.services)
