"""A file of cases: requests, and what each is to come to. Pure."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec

from lateen.analysis.expectations import validator
from lateen.analysis.expectations.values import Assertion, Case, Expected, Identity
from lateen.model.labapi.explain import ExplainRequest

_STATUS = re.compile(r"[1-5](xx|[0-9]{2})")


class CaseError(ValueError):
    """A file that holds no cases; the message names the place and what to write."""


class CaseSet(msgspec.Struct, frozen=True, kw_only=True):
    """The cases of a file, and the mesh that they are about."""

    cases: tuple[Case, ...]
    assertions: tuple[Assertion, ...] = ()
    mesh: tuple[str, ...] = ()
    """Files and folders of manifests, as the file names them: relative to itself."""
    istio: str = ""
    assumed: bool = False
    """Whether gateways and clients that nobody wrote are to be assumed: the other tool's cases are
    about VirtualServices alone."""


class _Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    url: str
    origin: str = msgspec.field(default="outside", name="from")
    namespace: str = "default"
    method: str = ""
    headers: Mapping[str, str] = {}
    http: Literal["1.0", "1.1", "2"] = "1.1"
    insecure: bool = False
    sni: str = ""
    body: int = 0


class _Identity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    client: str = ""
    server: str = ""


class _Expect(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    status: int | str | Sequence[int | str] = ()
    outcome: Literal["", "reached", "failed"] = ""
    code: str = ""
    destination: str = ""
    tls: Literal["", "mtls", "tls", "plaintext"] = ""
    identity: _Identity = _Identity()
    decided_by: str = msgspec.field(default="", name="decided-by")
    any: bool = False


class _Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str
    request: _Request
    expect: _Expect


_Words = str | Sequence[str]
_Tls = Literal["plaintext", "tls", "mtls"]


class _Selected(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    start: _Words = msgspec.field(default=(), name="from")
    to: _Words = ()
    tls: _Tls | Sequence[_Tls] = ()
    path: str = ""
    method: str = ""


class _Assertion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    name: str = ""
    none: _Selected | None = None
    all: _Selected | None = None
    only: _Selected | None = None
    equal: _Selected | None = None
    allow_open: bool = msgspec.field(default=False, name="allow-open")


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    cases: Sequence[_Case] = ()
    asserted: Sequence[_Assertion] = msgspec.field(default=(), name="assert")
    mesh: str | Sequence[str] = ()
    istio: str = ""


def read(body: Any, name: str) -> CaseSet:
    """Return the cases of a file's YAML. `testCases` at the top is istio-config-validator's form.

    Raises CaseError.
    """
    if isinstance(body, Mapping) and "testCases" in body:
        try:
            return CaseSet(cases=validator.cases(body, name), assumed=True)
        except (msgspec.ValidationError, ValueError) as error:
            raise CaseError(f"{name}: {error}") from error
    try:
        found = msgspec.convert(body, _File)
    except msgspec.ValidationError as error:
        raise CaseError(f"{name}: {_explained(str(error))}") from error
    if not found.cases and not found.asserted:
        raise CaseError(f"{name}: it has no `cases` and no `assert`")
    mesh = (found.mesh,) if isinstance(found.mesh, str) else tuple(found.mesh)
    return CaseSet(
        cases=tuple(_case(each, name, number) for number, each in enumerate(found.cases)),
        assertions=tuple(_assertion(each, name, n) for n, each in enumerate(found.asserted)),
        mesh=mesh,
        istio=found.istio,
    )


def _explained(message: str) -> str:
    text, _, path = message.partition(" - at `$")
    return f"{path.rstrip('`').lstrip('.') or 'the file'}: {text}" if path else text


def _assertion(given: _Assertion, file: str, number: int) -> Assertion:
    place = f"{file}: assert[{number}]"
    kinds = [kind for kind in ("none", "all", "only", "equal") if getattr(given, kind) is not None]
    if len(kinds) != 1:
        raise CaseError(f"{place}: write one of none, all, only, equal")
    (kind,) = kinds
    chosen: _Selected = getattr(given, kind)
    if kind in ("only", "equal") and not chosen.start:
        raise CaseError(f"{place}.{kind}: name the clients: from: [sa/web]")
    start, to, tls = (_words(each) for each in (chosen.start, chosen.to, chosen.tls))
    words = [
        f"{name} {' '.join(each)}"
        for name, each in (("from", start), ("to", to), ("tls", tls))
        if each
    ]
    words += [
        f"{name} {each}"
        for name, each in (("path", chosen.path), ("method", chosen.method))
        if each
    ]
    return Assertion(
        name=given.name or f"{kind} {', '.join(words)}".strip(),
        place=place,
        kind=kind,
        start=start,
        to=to,
        tls=tls,
        path=chosen.path,
        method=chosen.method,
        allow_open=given.allow_open,
    )


def _words(given: _Words) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _case(case: _Case, file: str, number: int) -> Case:
    asked, expect = case.request, case.expect
    written = expect.status
    each = (written,) if isinstance(written, int | str) else tuple(written)
    statuses = tuple(str(one).lower() for one in each)
    for text in statuses:
        if not _STATUS.fullmatch(text):
            raise CaseError(
                f"{file}: cases[{number}].expect.status: {text!r}: write 200, 2xx, or a list"
            )
    if expect == _Expect():
        raise CaseError(f"{file}: cases[{number}].expect: it expects nothing: write a status")
    return Case(
        name=case.name,
        place=f"{file}: cases[{number}]",
        request=ExplainRequest(
            url=asked.url,
            origin="" if asked.origin in ("host", "outside") else asked.origin,
            namespace=asked.namespace,
            method=asked.method or ("POST" if asked.body else "GET"),
            headers=tuple(asked.headers.items()),
            http=asked.http,
            insecure=asked.insecure,
            sni=asked.sni,
            body=asked.body,
        ),
        expected=Expected(
            statuses=statuses,
            outcome=expect.outcome,
            code=expect.code,
            destination=expect.destination,
            tls=expect.tls,
            identity=Identity(expect.identity.client, expect.identity.server),
            decided_by=expect.decided_by,
            some=expect.any,
        ),
    )
