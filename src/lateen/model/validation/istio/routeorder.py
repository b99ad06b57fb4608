"""Warnings about rules that can never be reached, and about conditions without effect. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from lateen.model.istio.networking_route import (
    HTTPMatchRequest,
    HTTPRoute,
    TCPRoute,
    TLSRoute,
    VirtualServiceSpec,
)
from lateen.model.validation.report import Report


def warn(report: Report, spec: VirtualServiceSpec) -> None:
    """Look for rules and conditions that earlier ones make useless."""
    for rules, name in ((spec.http, "http"), (spec.tls, "tls"), (spec.tcp, "tcp")):
        _Order(report, f"spec.{name}").walk(rules)


class _Order:
    def __init__(self, report: Report, path: str) -> None:
        self._report = report
        self._path = path
        self._seen: dict[bytes, str] = {}
        self._prefixes: list[tuple[HTTPMatchRequest, str]] = []
        self._everything = ""

    def walk(self, rules: Sequence[HTTPRoute | TLSRoute | TCPRoute]) -> None:
        """Look at rules in their order."""
        for index, rule in enumerate(rules):
            path = f"{self._path}[{index}]"
            if self._everything:
                reason = f"{self._everything} matches everything"
                if not rule.match:
                    reason = "only the last rule can have no matches"
                self._unreachable(path, rule, reason)
                continue
            if not rule.match:
                self._everything = _called(rules[index], path)
                continue
            self._matches(rule, path)

    def _matches(self, rule: HTTPRoute | TLSRoute | TCPRoute, path: str) -> None:
        useless = []
        for index, match in enumerate(rule.match):
            at = f"{path}.match[{index}]"
            reason = self._covered(match)
            if reason:
                useless.append((at, reason))
            self._remember(match, at)
        if useless and len(useless) == len(rule.match):
            self._unreachable(path, rule, "all matches used by prior rules")
        else:
            for at, reason in useless:
                called = _called(rule, path)
                self._report.warn(
                    at,
                    f"virtualService rule {called} {reason}",
                    "IST0131",
                    rule=called,
                    match=at.rpartition("match")[2],
                    reason=reason,
                )

    def _covered(self, match: Any) -> str:
        if earlier := self._seen.get(_form(match)):
            return f"match is already used by {earlier}"
        if isinstance(match, HTTPMatchRequest) and match.uri is not None:
            for known, where in self._prefixes:
                if _within(match, known):
                    return f"match of this uri is covered by the prefix at {where}"
        return ""

    def _remember(self, match: Any, path: str) -> None:
        self._seen.setdefault(_form(match), path)
        is_prefix = isinstance(match, HTTPMatchRequest) and match.uri and match.uri.prefix
        if is_prefix:
            self._prefixes.append((match, path))

    def _unreachable(self, path: str, rule: HTTPRoute | TLSRoute | TCPRoute, reason: str) -> None:
        called = _called(rule, path)
        message = f"virtualService rule {called} not used ({reason})"
        self._report.warn(path, message, "IST0130", rule=called, reason=reason)


def _called(rule: HTTPRoute | TLSRoute | TCPRoute, path: str) -> str:
    name = rule.name if isinstance(rule, HTTPRoute) else ""
    return f'"{name}"' if name else path


def _form(match: Any) -> bytes:
    """Spell a condition so that equal ones are equal; a name has no meaning here."""
    if isinstance(match, HTTPMatchRequest):
        match = msgspec.structs.replace(match, name="")
    return msgspec.json.encode(match, order="deterministic")


def _within(match: HTTPMatchRequest, known: HTTPMatchRequest) -> bool:
    """Say whether every request that `match` takes is taken before, by a plain prefix.

    Istio compares only the names of headers and parameters here, and so warns of rules that are
    reached; this compares the conditions.
    """
    uri, prefix = match.uri, known.uri
    if uri is None or prefix is None or prefix.prefix is None:
        return False
    path = uri.exact if uri.exact is not None else uri.prefix
    if path is None or not path.startswith(prefix.prefix):
        return False
    return (
        known.port in (0, match.port)
        and known.method in (None, match.method)
        and known.authority in (None, match.authority)
        and known.scheme in (None, match.scheme)
        and _among(known.headers, match.headers)
        and _among(known.query_params, match.query_params)
        and _among(known.source_labels, match.source_labels)
        and known.without_headers == match.without_headers
        and known.gateways == match.gateways
        and known.source_namespace in ("", match.source_namespace)
        and known.ignore_uri_case == match.ignore_uri_case
    )


def _among(wanted: Mapping[str, object], given: Mapping[str, object]) -> bool:
    return all(name in given and given[name] == value for name, value in wanted.items())
