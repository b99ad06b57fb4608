"""Envoy's role-based access control, evaluated over one request: what the documentation says the
filters do, as plain functions of their configuration."""

import ipaddress
import re
from dataclasses import dataclass, field
from typing import Any

from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac_pb2
from envoy.extensions.path.match.uri_template.v3 import uri_template_match_pb2

ACTION = rbac_pb2.RBAC.Action


@dataclass(frozen=True)
class Request:
    """A request, or (with `tcp`) a connection, as the server's proxy sees it."""

    identity: str = ""
    source_ip: str = "10.0.0.1"
    remote_ip: str = "10.0.0.1"
    destination_ip: str = "10.0.0.2"
    port: int = 8080
    sni: str = ""
    host: str = "web"
    method: str = "GET"
    path: str = "/"
    headers: dict[str, str] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    """Of a verified token; none without one."""
    tcp: bool = False

    def header(self, name: str) -> str | None:
        known = {":authority": self.host, ":method": self.method, **self.headers}
        return known.get(name)


def allowed(filters: Any, request: Request) -> bool:
    """Whether a request passes the filters."""
    for entry in filters:
        kind = network_rbac_pb2.RBAC if request.tcp else http_rbac_pb2.RBAC
        config = kind()
        assert entry.typed_config.Unpack(config)
        if not config.HasField("rules"):
            continue
        matched = any(_policy(p, request) for p in config.rules.policies.values())
        if config.rules.action == ACTION.ALLOW and not matched:
            return False
        if config.rules.action == ACTION.DENY and matched:
            return False
    return True


def _policy(policy: rbac_pb2.Policy, request: Request) -> bool:
    assert policy.permissions
    assert policy.principals, "Envoy takes neither without an entry"
    return any(_permission(p, request) for p in policy.permissions) and any(
        _principal(p, request) for p in policy.principals
    )


def _permission(p: rbac_pb2.Permission, request: Request) -> bool:
    match p.WhichOneof("rule"):
        case "any":
            return True
        case "and_rules":
            assert p.and_rules.rules
            return all(_permission(each, request) for each in p.and_rules.rules)
        case "or_rules":
            assert p.or_rules.rules
            return any(_permission(each, request) for each in p.or_rules.rules)
        case "not_rule":
            return not _permission(p.not_rule, request)
        case "header":
            return _header(p.header, request)
        case "url_path":
            return _string(p.url_path.path, request.path.partition("?")[0])
        case "uri_template":
            return _template(p.uri_template, request)
        case "destination_ip":
            return _within(p.destination_ip, request.destination_ip)
        case "destination_port":
            return bool(p.destination_port == request.port)
        case "requested_server_name":
            return _string(p.requested_server_name, request.sni)
        case "metadata":
            return False
    raise AssertionError(p)


def _principal(p: rbac_pb2.Principal, request: Request) -> bool:
    match p.WhichOneof("identifier"):
        case "any":
            return True
        case "and_ids":
            assert p.and_ids.ids
            return all(_principal(each, request) for each in p.and_ids.ids)
        case "or_ids":
            assert p.or_ids.ids
            return any(_principal(each, request) for each in p.or_ids.ids)
        case "not_id":
            return not _principal(p.not_id, request)
        case "authenticated":
            name = p.authenticated.principal_name
            return bool(request.identity) and _string(name, request.identity)
        case "direct_remote_ip":
            return _within(p.direct_remote_ip, request.source_ip)
        case "remote_ip":
            return _within(p.remote_ip, request.remote_ip)
        case "header":
            return _header(p.header, request)
        case "metadata":
            return _claim(p.metadata, request)
    raise AssertionError(p)


def _claim(matcher: Any, request: Request) -> bool:
    assert not request.tcp, "a connection has no token"
    assert matcher.filter == "envoy.filters.http.jwt_authn"
    found: Any = {"payload": request.claims}
    for segment in matcher.path:
        found = found.get(segment.key) if isinstance(found, dict) else None
    return _value(matcher.value, found)


def _value(matcher: Any, value: Any) -> bool:
    match matcher.WhichOneof("match_pattern"):
        case "or_match":
            return any(_value(each, value) for each in matcher.or_match.value_matchers)
        case "list_match":
            one = matcher.list_match.one_of
            return isinstance(value, list) and any(_value(one, each) for each in value)
        case "string_match":
            return isinstance(value, str) and _string(matcher.string_match, value)
    raise AssertionError(matcher)


def _header(matcher: Any, request: Request) -> bool:
    assert not request.tcp, "a connection has no headers"
    value = request.header(matcher.name.lower())
    if matcher.WhichOneof("header_match_specifier") == "present_match":
        return value is not None
    return value is not None and _string(matcher.string_match, value)


def _string(matcher: Any, value: str) -> bool:
    kind = matcher.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return re.fullmatch(matcher.safe_regex.regex, value) is not None
    wanted = getattr(matcher, kind)
    assert wanted or kind == "exact", "Envoy takes no empty prefix or suffix"
    if matcher.ignore_case:
        wanted, value = wanted.lower(), value.lower()
    if kind == "prefix":
        return value.startswith(wanted)
    return value.endswith(wanted) if kind == "suffix" else bool(value == wanted)


def _template(extension: Any, request: Request) -> bool:
    config = uri_template_match_pb2.UriTemplateMatchConfig()
    assert extension.typed_config.Unpack(config)
    segments = {"*": "[^/]+", "**": ".*"}
    pattern = "/".join(segments.get(s, re.escape(s)) for s in config.path_template.split("/"))
    return re.fullmatch(pattern, request.path.partition("?")[0]) is not None


def _within(cidr: Any, address: str) -> bool:
    network = f"{cidr.address_prefix}/{cidr.prefix_len.value}"
    return ipaddress.ip_address(address) in ipaddress.ip_network(network)
