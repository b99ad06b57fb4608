"""Rules for Istio's RequestAuthentication. Pure."""

import json
from urllib.parse import urlsplit

from lateen.model.istio.security import JWTRule, RequestAuthentication
from lateen.model.validation import syntax
from lateen.model.validation.istio import shared
from lateen.model.validation.report import Report


def validate(report: Report, obj: RequestAuthentication) -> None:
    """Check a RequestAuthentication."""
    spec = obj.spec
    shared.annotations(report, obj.metadata, "RequestAuthentication")
    shared.attachment(report, spec.selector, spec.target_ref, spec.target_refs)
    for index, rule in enumerate(spec.jwt_rules):
        _rule(report, rule, f"spec.jwtRules[{index}]")


def _rule(report: Report, rule: JWTRule, path: str) -> None:
    for number, audience in enumerate(rule.audiences):
        if not audience:
            report.error(f"{path}.audiences[{number}]", "audience must be non-empty string")
    if rule.jwks_uri:
        report.check(f"{path}.jwksUri", _uri(rule.jwks_uri))
    if rule.jwks:
        report.check(f"{path}.jwks", _key_set(rule.jwks))
    for number, header in enumerate(rule.from_headers):
        if not header.name:
            at = f"{path}.fromHeaders[{number}].name"
            report.error(at, "location header name must be non-empty string")
    for values, field, noun in (
        (rule.from_params, "fromParams", "query"),
        (rule.from_cookies, "fromCookies", "cookie"),
        (rule.space_delimited_claims, "spaceDelimitedClaims", "claim"),
    ):
        for number, value in enumerate(values):
            if not value:
                report.error(f"{path}.{field}[{number}]", f"{noun} must be non-empty string")
    for number, copy in enumerate(rule.output_claim_to_headers):
        at = f"{path}.outputClaimToHeaders[{number}]"
        if not copy.claim:
            report.error(f"{at}.claim", "outputClaimToHeaders claim must be non-empty string")
        report.check(f"{at}.header", syntax.header_name(copy.header))
    shared.duration(report, rule.timeout, f"{path}.timeout")


def _uri(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"invalid jwks_uri {text!r}: {error}"
    if parts.scheme not in ("http", "https"):
        return f"URI scheme {parts.scheme!r} is not supported: use http or https"
    return "" if host else f"invalid jwks_uri {text!r}: it names no host"


def _key_set(text: str) -> str:
    try:
        found = json.loads(text)
    except ValueError as error:
        return f"jwks parse error: {error}"
    return "" if isinstance(found, dict) else "jwks parse error: it must be a JSON object"
