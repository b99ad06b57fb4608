"""Envoy's role-based access control, as Istio fills it in from AuthorizationPolicies. Pure."""

from collections.abc import Iterable

from envoy.config.core.v3 import address_pb2, extension_pb2
from envoy.config.listener.v3 import listener_components_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.config.route.v3 import route_components_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from envoy.extensions.filters.network.http_connection_manager.v3 import (
    http_connection_manager_pb2,
)
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac_pb2
from envoy.extensions.path.match.uri_template.v3 import uri_template_match_pb2
from envoy.type.matcher.v3 import metadata_pb2, path_pb2, regex_pb2, string_pb2, value_pb2

from lateen.compiler.backend import jwt, names, pack
from lateen.compiler.ir.authz import Action, Attribute, Check, Pattern, Rule, Test
from lateen.compiler.output import Resource, ResourceType

HTTP_FILTER = "envoy.filters.http.rbac"
NETWORK_FILTER = "envoy.filters.network.rbac"
TCP_PREFIX = "tcp."
_ACTIONS = {
    Action.CUSTOM: "DENY",
    Action.DENY: "DENY",
    Action.AUDIT: "LOG",
    Action.ALLOW: "ALLOW",
}


def http_name(action: Action) -> str:
    """Return the name of an action's HTTP filter, by which it asks for its rules."""
    return f"{HTTP_FILTER}.{action.value}"


def http_references(
    checks: Iterable[Check],
) -> tuple[http_connection_manager_pb2.HttpFilter, ...]:
    """Return one filter per action, in order, each of which is told its rules by discovery."""
    made: list[http_connection_manager_pb2.HttpFilter] = []
    for check in checks:
        made += _http_reference(check)
    return tuple(made)


def _http_reference(check: Check) -> list[http_connection_manager_pb2.HttpFilter]:
    """The rules of CUSTOM only find who is to be asked; the filter behind them asks."""
    out = http_connection_manager_pb2.HttpFilter(name=http_name(check.action))
    out.config_discovery.config_source.CopyFrom(pack.ads())
    out.config_discovery.type_urls.append(pack.any_of(http_rbac_pb2.RBAC()).type_url)
    if check.authorizer is None:
        return [out]
    from lateen.compiler.backend import ext_authz  # protobufs that most meshes never need

    return [out, ext_authz.http_filter(check.authorizer, HTTP_FILTER)]


def extensions(checks: Iterable[Check]) -> tuple[Resource, ...]:
    """Return what those filters are told."""
    return tuple(
        Resource(
            ResourceType.EXTENSION,
            http_name(check.action),
            extension_pb2.TypedExtensionConfig(
                name=http_name(check.action), typed_config=pack.any_of(http_rules(check))
            ).SerializeToString(deterministic=True),
            tuple(dict.fromkeys(r.source for r in (*check.rules, *check.dry_rules))),
        )
        for check in checks
    )


def http_rules(check: Check) -> http_rbac_pb2.RBAC:
    """Return the rules of one action for requests."""
    return http_rbac_pb2.RBAC(
        rules=_enforced(check),
        shadow_rules=_shadow(check),
        shadow_rules_stat_prefix=_shadow_prefix(check),
    )


def network_filters(checks: Iterable[Check]) -> tuple[listener_components_pb2.Filter, ...]:
    """Return one filter per action, in order. A provider that decides over HTTP is not asked about
    connections: as in Istio, they pass."""
    made = []
    for check in checks:
        asked = check.authorizer
        if asked is not None and not asked.grpc:
            continue
        rules = network_rbac_pb2.RBAC(
            rules=_enforced(check),
            shadow_rules=_shadow(check),
            shadow_rules_stat_prefix=_shadow_prefix(check),
            stat_prefix=TCP_PREFIX,
        )
        made.append(
            listener_components_pb2.Filter(name=NETWORK_FILTER, typed_config=pack.any_of(rules))
        )
        if asked is not None:
            from lateen.compiler.backend import ext_authz

            made.append(ext_authz.network_filter(asked, NETWORK_FILTER, TCP_PREFIX))
    return tuple(made)


def _enforced(check: Check) -> rbac_pb2.RBAC | None:
    if not check.policies or check.authorizer is not None:
        return None
    return _rules(check.action, check.rules)


def _shadow(check: Check) -> rbac_pb2.RBAC | None:
    if check.authorizer is not None:
        return _rules(check.action, check.rules)
    return _rules(check.action, check.dry_rules) if check.dry_policies else None


def _shadow_prefix(check: Check) -> str:
    """Istio sets ALLOW's where there is no dry run at all, and AUDIT has none."""
    if check.action is Action.CUSTOM:
        return names.ASKED_PREFIX if check.authorizer is not None else ""
    if not check.dry_policies or check.action is Action.ALLOW:
        return "istio_dry_run_allow_"
    return "istio_dry_run_deny_" if check.action is Action.DENY else ""


def _rules(action: Action, rules: Iterable[Rule]) -> rbac_pb2.RBAC:
    out = rbac_pb2.RBAC(action=_ACTIONS[action])
    for rule in rules:
        policy = out.policies[rule.name]
        for tests in rule.operations:
            policy.permissions.add().and_rules.rules.extend(_all_permissions(tests))
        for tests in rule.sources:
            policy.principals.add().and_ids.ids.extend(_all_principals(tests))
        if not rule.operations or not rule.sources:
            policy.permissions.add().not_rule.any = True
            policy.principals.add().CopyFrom(_nobody())
    return out


def _all_permissions(tests: tuple[Test, ...]) -> list[rbac_pb2.Permission]:
    return [_permission(test) for test in tests] or [rbac_pb2.Permission(any=True)]


def _all_principals(tests: tuple[Test, ...]) -> list[rbac_pb2.Principal]:
    return [_principal(test) for test in tests] or [rbac_pb2.Principal(any=True)]


def _permission(test: Test) -> rbac_pb2.Permission:
    either = rbac_pb2.Permission()
    either.or_rules.rules.extend(_one_permission(test, pattern) for pattern in test.patterns)
    return rbac_pb2.Permission(not_rule=either) if test.negated else either


def _one_permission(test: Test, pattern: Pattern) -> rbac_pb2.Permission:
    match test.attribute:
        case Attribute.HOST:
            header = _header(":authority", pattern, ignore_case=True)
            return rbac_pb2.Permission(header=header)
        case Attribute.METHOD:
            return rbac_pb2.Permission(header=_header(":method", pattern))
        case Attribute.PATH if pattern.kind == "template":
            return rbac_pb2.Permission(uri_template=_template(pattern.value))
        case Attribute.PATH:
            return rbac_pb2.Permission(url_path=path_pb2.PathMatcher(path=_string(pattern)))
        case Attribute.PORT:
            return rbac_pb2.Permission(destination_port=int(pattern.value))
        case Attribute.DESTINATION_IP:
            return rbac_pb2.Permission(destination_ip=_range(pattern.value))
        case Attribute.SNI:
            return rbac_pb2.Permission(requested_server_name=_string(pattern))
        case _:
            return rbac_pb2.Permission(metadata=_metadata(test, pattern))


def _principal(test: Test) -> rbac_pb2.Principal:
    if test.attribute is Attribute.TOKEN:
        claim = rbac_pb2.Principal(metadata=_claim(test))
        return rbac_pb2.Principal(not_id=claim) if test.negated else claim
    if test.attribute is Attribute.TOKEN_PRINCIPAL and len(test.patterns) == 1:
        one = _token_principal(test.patterns[0])
        return rbac_pb2.Principal(not_id=one) if test.negated else one
    either = rbac_pb2.Principal()
    either.or_ids.ids.extend(_one_principal(test, pattern) for pattern in test.patterns)
    return rbac_pb2.Principal(not_id=either) if test.negated else either


def _one_principal(test: Test, pattern: Pattern) -> rbac_pb2.Principal:
    match test.attribute:
        case Attribute.SOURCE_IP:
            return rbac_pb2.Principal(direct_remote_ip=_range(pattern.value))
        case Attribute.REMOTE_IP:
            return rbac_pb2.Principal(remote_ip=_range(pattern.value))
        case Attribute.HEADER:
            return rbac_pb2.Principal(header=_header(test.name, pattern))
        case Attribute.TOKEN_PRINCIPAL:
            return _token_principal(pattern)
        case _:
            out = rbac_pb2.Principal()
            out.authenticated.principal_name.CopyFrom(_string(pattern))
            return out


def _token_principal(pattern: Pattern) -> rbac_pb2.Principal:
    """Issuer and subject must both fit."""
    out = rbac_pb2.Principal()
    for claim, wanted in (("iss", pattern), ("sub", pattern.subject or pattern)):
        value = value_pb2.ValueMatcher(string_match=_string(wanted))
        out.and_ids.ids.add(metadata=jwt.claim_matcher((claim,), value))
    return out


def _claim(test: Test) -> metadata_pb2.MetadataMatcher:
    """The claim is a text that fits one of the patterns, or a list with such a text in it."""
    values = [value_pb2.ValueMatcher(string_match=_string(p)) for p in test.patterns]
    value = values[0]
    if len(values) > 1:
        value = value_pb2.ValueMatcher(or_match=value_pb2.OrMatcher(value_matchers=values))
    return jwt.claim_matcher(test.claims, jwt.text_or_list(value))


def _nobody() -> rbac_pb2.Principal:
    return rbac_pb2.Principal(not_id=rbac_pb2.Principal(any=True))


def _string(pattern: Pattern, *, ignore_case: bool = False) -> string_pb2.StringMatcher:
    if pattern.kind == "present":
        return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=".+"))
    if pattern.kind == "regex":
        return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=pattern.value))
    return string_pb2.StringMatcher(ignore_case=ignore_case, **{pattern.kind: pattern.value})


def _header(
    name: str, pattern: Pattern, *, ignore_case: bool = False
) -> route_components_pb2.HeaderMatcher:
    if pattern.kind == "present":
        return route_components_pb2.HeaderMatcher(name=name, present_match=True)
    return route_components_pb2.HeaderMatcher(
        name=name, string_match=_string(pattern, ignore_case=ignore_case)
    )


def _template(path: str) -> extension_pb2.TypedExtensionConfig:
    config = uri_template_match_pb2.UriTemplateMatchConfig(path_template=path)
    return extension_pb2.TypedExtensionConfig(name="uri-template", typed_config=pack.any_of(config))


def _range(cidr: str) -> address_pb2.CidrRange:
    address, _, length = cidr.partition("/")
    return address_pb2.CidrRange(address_prefix=address, prefix_len={"value": int(length)})


def _metadata(test: Test, pattern: Pattern) -> metadata_pb2.MetadataMatcher:
    value = value_pb2.ValueMatcher(string_match=_string(pattern))
    if pattern.in_list:
        value = value_pb2.ValueMatcher(list_match=value_pb2.ListMatcher(one_of=value))
    out = metadata_pb2.MetadataMatcher(filter=test.name, value=value)
    out.path.add(key=test.key)
    return out
