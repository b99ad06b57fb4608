"""Cases in the form of istio-config-validator: which route a VirtualService chooses. Pure.

There a request has several authorities, methods and paths, and each combination is a case. Its
expectation is the `route` as the VirtualService writes it.
"""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lateen.analysis.expectations.values import Case, Expected
from lateen.model.labapi.explain import ExplainRequest

GATEWAY = "http://istio-ingressgateway"
"""Where a client outside sends what a gateway routes by its authority."""


class _Port(msgspec.Struct, frozen=True):
    number: int = 0


class _Destination(msgspec.Struct, frozen=True):
    host: str
    subset: str = ""
    port: _Port = _Port()

    @property
    def text(self) -> str:
        port = f":{self.port.number}" if self.port.number else ""
        return f"{self.host}{port}" + (f"#{self.subset}" if self.subset else "")


class _Weighted(msgspec.Struct, frozen=True):
    destination: _Destination
    weight: int = 0


class _Redirect(msgspec.Struct, frozen=True, rename="camel"):
    redirect_code: int = 301


class _Request(msgspec.Struct, frozen=True):
    authority: Sequence[str] = ()
    method: Sequence[str] = ()
    uri: Sequence[str] = ()
    headers: Mapping[str, str] = {}


class _Case(msgspec.Struct, frozen=True, rename="camel"):
    description: str
    request: _Request
    want_match: bool = True
    route: Sequence[_Weighted] = ()
    redirect: _Redirect | None = None


class _File(msgspec.Struct, frozen=True, rename="camel"):
    test_cases: Sequence[_Case]


def cases(body: Any, name: str) -> tuple[Case, ...]:
    """Return a case for every combination. Raises msgspec.ValidationError, ValueError."""
    found = msgspec.convert(body, _File)
    return tuple(
        case for number, each in enumerate(found.test_cases) for case in _of(each, name, number)
    )


def _of(case: _Case, name: str, number: int) -> list[Case]:
    place = f"{name}: testCases[{number}]"
    if not case.request.authority:
        raise ValueError(f"testCases[{number}].request.authority: name a host at least")
    asked = itertools.product(
        case.request.authority, case.request.method or ("GET",), case.request.uri or ("/",)
    )
    status = (str(case.redirect.redirect_code),) if case.redirect is not None else ()
    expected = Expected(
        statuses=status if case.want_match else (),
        clusters=tuple(each.destination.text for each in case.route),
        matches=case.want_match,
    )
    return [
        Case(
            name=f"{case.description} ({method} {authority}{uri})",
            place=place,
            request=ExplainRequest(
                url=GATEWAY + (uri if uri.startswith("/") else f"/{uri}"),
                method=method,
                headers=(("host", authority), *case.request.headers.items()),
            ),
            expected=expected,
        )
        for authority, method, uri in asked
    ]
