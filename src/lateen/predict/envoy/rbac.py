"""Role-based access control (config.rbac.v3) on connections and requests. Pure."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.predict.envoy import any_messages, metadata, paths, strings
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.request import Credential, Http
from lateen.predict.values.trail import Test, Trail

_ASKED_PREFIX = "istio_ext_authz_"


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about: a connection and, for the HTTP filter, a request on it."""

    address: str
    port: int
    source: str
    """IP of who connected."""
    remote: str
    """IP of the client: by x-forwarded-for, where that is believed."""
    sni: str = ""
    certificate: Credential | None = None
    """The client's, where it was verified."""
    request: Http | None = None
    trail: Trail | None = None
    """Where it is noted what is asked of the client."""


class RbacResult(msgspec.Struct, frozen=True):
    """Whether a filter lets it pass, and the policy that matched (`none` where it was none)."""

    allowed: bool
    policy: str = "none"


def judge(rules: Any, subject: Subject) -> RbacResult:
    """Return what a set of rules says. Policies are looked at in the order of their names."""
    action = rules.Action.Name(rules.action)
    if action not in ("ALLOW", "DENY", "LOG"):
        raise UnknownError(f"rules of action {action}")
    matched = "none"
    for name in sorted(rules.policies):
        if _policy_matches(rules.policies[name], subject):
            matched = name
            break
    if action == "LOG":
        return RbacResult(True, matched)
    return RbacResult((matched != "none") == (action == "ALLOW"), matched)


def noted(opened: Any, subject: Subject) -> dict[str, str]:
    """Return what an RBAC filter notes of the rules of CUSTOM, which it does not enforce, for the
    filter behind it. What it notes of dry runs nobody reads."""
    prefix = opened.shadow_rules_stat_prefix
    if not opened.HasField("shadow_rules") or prefix != _ASKED_PREFIX:
        return {}
    found = judge(opened.shadow_rules, subject)
    if found.policy == "none":
        return {}
    return {f"{prefix}shadow_effective_policy_id": found.policy}


def asks_identity(rules: Any) -> bool:
    """Tell whether some policy can match nobody without a certificate."""
    return any(
        bool(policy.principals) and all(map(_needs_certificate, policy.principals))
        for policy in rules.policies.values()
    )


def asks_token(rules: Any) -> bool:
    """Tell whether every policy, if there are any, can match nobody without a verified token."""
    return bool(rules.policies) and all(
        bool(policy.principals) and all(_needs(each, "metadata") for each in policy.principals)
        for policy in rules.policies.values()
    )


def _needs_certificate(principal: Any) -> bool:
    return _needs(principal, "authenticated")


def _needs(principal: Any, wanted: str) -> bool:
    kind = principal.WhichOneof("identifier")
    if kind == "and_ids":
        return any(_needs(each, wanted) for each in principal.and_ids.ids)
    if kind == "or_ids":
        return all(_needs(each, wanted) for each in principal.or_ids.ids)
    return bool(kind == wanted)


def _policy_matches(policy: Any, subject: Subject) -> bool:
    if policy.HasField("condition") or policy.HasField("checked_condition"):
        raise UnknownError("a policy has a condition in CEL")
    return any(_permits(each, subject) for each in policy.permissions) and any(
        _is(each, subject) for each in policy.principals
    )


def _permits(permission: Any, subject: Subject) -> bool:
    kind = permission.WhichOneof("rule")
    if kind == "any":
        return True
    if kind == "and_rules":
        return all(_permits(each, subject) for each in permission.and_rules.rules)
    if kind == "or_rules":
        return any(_permits(each, subject) for each in permission.or_rules.rules)
    if kind == "not_rule":
        return not _permits(permission.not_rule, subject)
    if kind == "destination_port":
        return bool(permission.destination_port == subject.port)
    if kind == "destination_port_range":
        reach = permission.destination_port_range
        return bool(reach.start <= subject.port < reach.end)
    if kind == "destination_ip":
        return _within(permission.destination_ip, subject.address)
    if kind == "requested_server_name":
        return strings.matches(permission.requested_server_name, subject.sni)
    if kind == "metadata":
        return metadata.matches(permission.metadata, subject.request)
    return _permits_request(permission, kind, subject.request)


def _permits_request(permission: Any, kind: str, request: Http | None) -> bool:
    if request is None:
        return False
    if kind == "header":
        return strings.header_matches(permission.header, request)
    if kind == "url_path":
        return _path_matches(permission.url_path.path, request)
    if kind == "uri_template":
        opened = any_messages.opened(permission.uri_template.typed_config)
        if opened is None:
            raise UnknownError("a rule matches paths by an extension")
        found = template_matches(opened.path_template, paths.without_query(request.path))
        test = Test(kind="regex", value=_template(opened.path_template))
        return request.noted("path", test, found)
    raise UnknownError(f"a rule asks for {kind}")


def _is(principal: Any, subject: Subject) -> bool:
    kind = principal.WhichOneof("identifier")
    if kind == "any":
        return True
    if kind == "and_ids":
        return all(_is(each, subject) for each in principal.and_ids.ids)
    if kind == "or_ids":
        return any(_is(each, subject) for each in principal.or_ids.ids)
    if kind == "not_id":
        return not _is(principal.not_id, subject)
    if kind == "authenticated":
        return _authenticated(principal.authenticated, subject)
    if kind in ("direct_remote_ip", "source_ip"):
        return _from(getattr(principal, kind), subject.source, subject.trail)
    if kind == "remote_ip":
        return _from(principal.remote_ip, subject.remote, subject.trail)
    if kind == "header":
        return subject.request is not None and strings.header_matches(
            principal.header, subject.request
        )
    if kind == "metadata":
        return metadata.matches(principal.metadata, subject.request)
    if kind == "url_path":
        return subject.request is not None and _path_matches(
            principal.url_path.path, subject.request
        )
    raise UnknownError(f"a rule asks for a principal by {kind}")


def _path_matches(matcher: Any, request: Http) -> bool:
    found = strings.matches(matcher, paths.without_query(request.path))
    return request.noted("path", strings.test_of(matcher), found)


def _authenticated(wanted: Any, subject: Subject) -> bool:
    """A principal is a URI of the certificate, else its DNS name; without a certificate nobody."""
    shown, trail = subject.certificate, subject.trail
    if shown is None:
        return False
    if not wanted.HasField("principal_name"):
        return True
    names = shown.uris or shown.dns or ("",)
    found = any(strings.matches(wanted.principal_name, name) for name in names)
    if trail is not None and trail.identity in names:
        trail.note("identity", strings.test_of(wanted.principal_name), found)
    return found


def _from(given: Any, address: str, trail: Trail | None) -> bool:
    found = _within(given, address)
    if trail is not None and trail.address == address:
        value = f"{given.address_prefix}/{given.prefix_len.value}"
        trail.note("address", Test(kind="network", value=value), found)
    return found


def _within(given: Any, address: str) -> bool:
    network = ipaddress.ip_network(f"{given.address_prefix}/{given.prefix_len.value}", strict=False)
    return ipaddress.ip_address(address) in network


_TEMPLATE = re.compile(r"\{\*\*\}|\{\*\}|\*\*|\*|\{(\w+)(?:=([^}]*))?\}")
_SEGMENT = "[a-zA-Z0-9-._~%!$&'()+,;:@]+"
_REST = "[a-zA-Z0-9-._~%!$&'()+,;:@/]*"


def template_matches(template: str, path: str) -> bool:
    """Tell whether a path fits a URI template: `*` is one segment, `**` any number of them."""
    return re.fullmatch(_template(template), path) is not None


def _template(template: str) -> str:
    out, position = [], 0
    for found in _TEMPLATE.finditer(template):
        out.append(re.escape(template[position : found.start()]))
        inner = found[2] if found[1] else found[0].strip("{}")
        out.append(
            _REST if inner == "**" else _SEGMENT if inner in (None, "*") else _template(inner)
        )
        position = found.end()
    return "".join([*out, re.escape(template[position:])])


Sources = Mapping[str, Any]
