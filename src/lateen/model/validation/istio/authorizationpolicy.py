"""Rules for Istio's AuthorizationPolicy. Pure."""

import re

from lateen.model.istio.security import (
    AuthorizationCondition,
    AuthorizationPolicy,
    AuthorizationRule,
    AuthorizationSource,
    Operation,
)
from lateen.model.validation import syntax
from lateen.model.validation.istio import shared
from lateen.model.validation.report import Report

_IDENTITY = (
    "namespaces",
    "not_namespaces",
    "service_accounts",
    "not_service_accounts",
    "trust_domains",
    "not_trust_domains",
    "principals",
    "not_principals",
    "request_principals",
    "not_request_principals",
)
_IDENTITY_KEYS = (
    "source.namespace",
    "source.serviceAccount",
    "source.trustDomain",
    "source.principal",
    "request.auth.",
)
_KEYS = frozenset(
    (
        "source.ip",
        "remote.ip",
        "source.namespace",
        "source.principal",
        "source.serviceAccount",
        "source.trustDomain",
        "request.auth.principal",
        "request.auth.audiences",
        "request.auth.presenter",
        "destination.ip",
        "destination.port",
        "connection.sni",
    )
)
_BRACKETED = re.compile(r"(request\.headers|request\.auth\.claims)(\[[^\[\]]+\])+")
_IP_KEYS = ("source.ip", "remote.ip", "destination.ip")


def validate(report: Report, obj: AuthorizationPolicy) -> None:
    """Check an AuthorizationPolicy."""
    spec = obj.spec
    shared.annotations(report, obj.metadata, "AuthorizationPolicy", spec.action)
    shared.attachment(report, spec.selector, spec.target_ref, spec.target_refs)
    if spec.action == "CUSTOM":
        if not spec.rules:
            report.error(
                "spec.rules",
                "CUSTOM action without `rules` is meaningless as it will never be triggered",
            )
        if spec.provider is None or not spec.provider.name:
            report.error(
                "spec.provider.name", "`provider.name` must not be empty with CUSTOM action"
            )
    elif spec.provider is not None:
        report.error(
            "spec.provider", f"`provider` must not be with non CUSTOM action, found {spec.action}"
        )
    if spec.action == "DENY" and not spec.rules:
        report.error(
            "spec.rules", "DENY action without `rules` is meaningless as it will never be triggered"
        )
    for index, rule in enumerate(spec.rules):
        path = f"spec.rules[{index}]"
        _rule(report, rule, path)
        if spec.action == "CUSTOM":
            _custom(report, rule, path)
        if spec.action == "DENY" and _http_only(rule):
            report.warn(
                path,
                "a DENY rule of HTTP attributes only denies all TCP traffic on TCP ports: "
                "add `ports`",
            )


def _rule(report: Report, rule: AuthorizationRule, path: str) -> None:
    if rule.from_ is not None and not rule.from_:
        report.error(f"{path}.from", "`from` cannot be empty")
    if rule.to is not None and not rule.to:
        report.error(f"{path}.to", "`to` cannot be empty")
    for index, source in enumerate(rule.from_ or ()):
        at = f"{path}.from[{index}].source"
        if source.source is None or source.source == AuthorizationSource():
            report.error(at, "`from.source` cannot be empty")
        else:
            _source(report, source.source, at)
    for index, operation in enumerate(rule.to or ()):
        at = f"{path}.to[{index}].operation"
        if operation.operation is None or operation.operation == Operation():
            report.error(at, "`to.operation` cannot be empty")
        else:
            _operation(report, operation.operation, at)
    for index, condition in enumerate(rule.when or ()):
        _condition(report, condition, f"{path}.when[{index}]")


def _lists(report: Report, value: AuthorizationSource | Operation, path: str) -> None:
    names = zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True)
    for attribute, name in names:
        values = getattr(value, attribute)
        if values is None:
            continue
        if not values:
            report.error(f"{path}.{name}", f"`{name}` cannot be empty")
        for index, text in enumerate(values):
            if not text:
                report.error(f"{path}.{name}[{index}]", "value cannot be an empty string")


def _source(report: Report, source: AuthorizationSource, path: str) -> None:
    _lists(report, source, path)
    for values, name in (
        (source.ip_blocks, "ipBlocks"),
        (source.not_ip_blocks, "notIpBlocks"),
        (source.remote_ip_blocks, "remoteIpBlocks"),
        (source.not_remote_ip_blocks, "notRemoteIpBlocks"),
    ):
        for index, text in enumerate(values or ()):
            report.check(f"{path}.{name}[{index}]", syntax.ip_or_cidr(text) if text else "")
    others = (source.principals, source.not_principals, source.namespaces, source.not_namespaces)
    for values, name in (
        (source.service_accounts, "serviceAccounts"),
        (source.not_service_accounts, "notServiceAccounts"),
    ):
        if values and any(others):
            report.error(f"{path}.{name}", f"`{name}` cannot be set with principals or namespaces")
        if len(values or ()) > 16:
            report.error(f"{path}.{name}", f"`{name}` cannot have more than 16 values")
        for index, text in enumerate(values or ()):
            if "*" in text or text.count("/") > 1 or len(text) > 320:
                report.error(
                    f"{path}.{name}[{index}]",
                    f"invalid service account {text!r}: write name or namespace/name",
                )
    for values, name in (
        (source.trust_domains, "trustDomains"),
        (source.not_trust_domains, "notTrustDomains"),
    ):
        for index, text in enumerate(values or ()):
            if "/" in text or text.count("*") > 1 or "*" in text[1:-1]:
                report.error(f"{path}.{name}[{index}]", f"invalid trust domain {text!r}")


def _operation(report: Report, operation: Operation, path: str) -> None:
    _lists(report, operation, path)
    for values, name in ((operation.ports, "ports"), (operation.not_ports, "notPorts")):
        for index, text in enumerate(values or ()):
            report.check(f"{path}.{name}[{index}]", _port(text) if text else "")
    for values, name in ((operation.paths, "paths"), (operation.not_paths, "notPaths")):
        for index, text in enumerate(values or ()):
            report.check(f"{path}.{name}[{index}]", _path(text))


def _port(text: str) -> str:
    if re.fullmatch("[0-9]{1,5}", text) and int(text) <= 65535:
        return ""
    return f"invalid port {text!r}: a number from 0 to 65535"


def _path(text: str) -> str:
    if "{" not in text and "}" not in text:
        return ""
    rest_seen = False
    for segment in text.split("/"):
        operator = segment in ("{*}", "{**}")
        if not operator and ("{" in segment or "}" in segment):
            return f"invalid path {text!r}: {{*}} and {{**}} must be whole segments"
        if operator and rest_seen:
            return f"invalid path {text!r}: {{**}} must be the last operator"
        rest_seen = rest_seen or segment == "{**}"
        if not operator and not re.fullmatch(r"(?:[\w\-.~!$&'()+,;=:@]|%[0-9A-Fa-f]{2})*", segment):
            return f"invalid path {text!r}: segment {segment!r} has characters a path cannot have"
    return ""


def _condition(report: Report, condition: AuthorizationCondition, path: str) -> None:
    key = condition.key
    if not key:
        report.error(f"{path}.key", "`key` cannot be empty")
        return
    known = (
        key in _KEYS or _BRACKETED.fullmatch(key) or key.startswith("experimental.envoy.filters.")
    )
    if not known:
        report.error(f"{path}.key", f"unknown attribute: {key}")
    if not condition.values and not condition.not_values:
        report.error(path, "at least one of `values` or `notValues` must be set")
    for values, name in ((condition.values, "values"), (condition.not_values, "notValues")):
        for index, text in enumerate(values or ()):
            at = f"{path}.{name}[{index}]"
            if not text:
                report.error(at, "value cannot be an empty string")
            elif key in _IP_KEYS:
                report.check(at, syntax.ip_or_cidr(text))
            elif key == "destination.port":
                report.check(at, _port(text))


def _custom(report: Report, rule: AuthorizationRule, path: str) -> None:
    for index, source in enumerate(rule.from_ or ()):
        for name in _IDENTITY if source.source is not None else ():
            if getattr(source.source, name):
                report.error(
                    f"{path}.from[{index}].source", f"{name} cannot be used with CUSTOM action"
                )
    for index, condition in enumerate(rule.when or ()):
        if condition.key.startswith(_IDENTITY_KEYS):
            report.error(
                f"{path}.when[{index}].key", f"{condition.key} cannot be used with CUSTOM action"
            )


def _http_only(rule: AuthorizationRule) -> bool:
    """Say whether nothing but HTTP attributes restricts a rule, so that on TCP it has none."""
    http = False
    for source in rule.from_ or ():
        found = source.source or AuthorizationSource()
        http = http or bool(found.request_principals or found.not_request_principals)
        bare = AuthorizationSource(
            request_principals=found.request_principals,
            not_request_principals=found.not_request_principals,
        )
        if found != bare:
            return False
    for operation in rule.to or ():
        if operation.operation is None:
            continue
        if operation.operation.ports or operation.operation.not_ports:
            return False
        http = True
    for condition in rule.when or ():
        if not condition.key.startswith("request."):
            return False
        http = True
    return http
