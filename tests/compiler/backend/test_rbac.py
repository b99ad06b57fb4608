"""Golden cases: one AuthorizationPolicy in, Envoy's filters out, for HTTP and for TCP.

A case is a folder `cases/rbac/<case>` with `in.yaml` and `out.yaml`. Rewrite with --golden-update.
"""

import json
from pathlib import Path

import msgspec
import pytest
import yaml
from envoy.config.core.v3 import extension_pb2
from envoy.extensions.filters.http.ext_authz.v3 import ext_authz_pb2 as http_ext_authz_pb2
from envoy.extensions.filters.http.rbac.v3 import rbac_pb2 as http_rbac_pb2
from envoy.extensions.filters.network.rbac.v3 import rbac_pb2 as network_rbac_pb2
from google.protobuf import json_format

from lateen.compiler.backend import ext_authz, rbac
from lateen.compiler.backend.authorization import of
from lateen.compiler.backend.listeners import gateway, inbound as listeners_inbound
from lateen.compiler.backend.render import Renderer
from lateen.compiler.frontend import versions
from lateen.compiler.frontend.security import authz
from lateen.compiler.ir import proxy, routing
from lateen.compiler.ir.authz import Authorizer, Pattern
from lateen.compiler.ir.workload import Protocol
from lateen.compiler.output import ResourceType
from lateen.model import snapshot
from lateen.model.meta import ObjectRef, Source

CASES = Path(__file__).parent / "cases" / "rbac"
FOLDERS = sorted(path.parent for path in CASES.glob("*/in.yaml"))
SETTINGS = proxy.MeshSettings(features=versions.features())


def authorization(*documents):
    """What the policies of YAML documents check together."""
    bodies = [
        {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", **yaml.safe_load(d)}
        for d in documents
    ]
    found = snapshot.of_bodies(bodies).authorization_policies.values()
    return authz.join(authz.compile_policy(policy, SETTINGS) for policy in found)


def shown(filters, kind):
    """Filters as plain data, their configuration unpacked."""
    found = []
    for entry in filters:
        config = kind()
        assert entry.typed_config.Unpack(config)
        text = json_format.MessageToJson(config, preserving_proto_field_name=True)
        found.append({"name": entry.name, **json.loads(text)})
    return found


def told(checks):
    """What the HTTP filters of checks are told by discovery."""
    found = [extension_pb2.TypedExtensionConfig.FromString(r.body) for r in rbac.extensions(checks)]
    asking = rbac.http_references(checks)
    assert [f.name for f in asking] == [entry.name for entry in found]
    for entry, reference in zip(found, asking, strict=True):
        assert [entry.typed_config.type_url] == list(reference.config_discovery.type_urls)
    return found


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_case(folder, request):
    joined = authorization((folder / "in.yaml").read_text())
    found = {
        "http": shown(told(joined.http), http_rbac_pb2.RBAC),
        "tcp": shown(rbac.network_filters(joined.tcp), network_rbac_pb2.RBAC),
    }
    expected = folder / "out.yaml"
    if request.config.getoption("--golden-update"):
        text = yaml.dump(found, sort_keys=True, width=100, default_flow_style=None)
        expected.write_text(text)
    assert yaml.safe_load(expected.read_text()) == found, (
        "the filters differ from out.yaml; if that is meant, run with --golden-update"
    )


DENY = "{metadata: {name: d, namespace: shop}, spec: {action: DENY, rules: [{}]}}"
ALLOW = "{metadata: {name: a, namespace: shop}, spec: {rules: [{}]}}"
AUDIT = "{metadata: {name: u, namespace: shop}, spec: {action: AUDIT, rules: [{}]}}"
CUSTOM = (
    "{metadata: {name: c, namespace: shop}, "
    "spec: {action: CUSTOM, provider: {name: opa}, rules: [{}]}}"
)


def test_actions_are_evaluated_in_istios_order():
    joined = authorization(ALLOW, AUDIT, DENY, CUSTOM)
    (custom, audit, deny, allow) = shown(told(joined.http), http_rbac_pb2.RBAC)
    assert [next(iter(f["rules"]["policies"])) for f in (custom, audit, deny, allow)] == [
        "istio-ext-authz-opa-ns[shop]-policy[c]-rule[0]-deny-due-to-bad-CUSTOM-action",
        "ns[shop]-policy[u]-rule[0]",
        "ns[shop]-policy[d]-rule[0]",
        "ns[shop]-policy[a]-rule[0]",
    ]
    assert [f["rules"].get("action", "ALLOW") for f in (custom, audit, deny, allow)] == [
        "DENY",
        "LOG",
        "DENY",
        "ALLOW",
    ]


def test_every_inbound_chain_checks_before_it_serves(mesh):
    inbound = mesh.inbound((80, Protocol.HTTP, "STRICT"), (81, Protocol.TCP, "PERMISSIVE"))
    listener = listeners_inbound.virtual_inbound(
        inbound, mesh.node(), mesh.SETTINGS, of(authorization(DENY, ALLOW))
    )
    black_hole, *chains = listener.filter_chains
    assert len(black_hole.filters) == 1
    for chain in chains:
        http = mesh.manager(chain)
        if http is not None:
            assert [f.name for f in http.http_filters][:4] == [
                "istio.metadata_exchange",
                "envoy.filters.http.rbac.DENY",
                "envoy.filters.http.rbac.ALLOW",
                "envoy.filters.http.grpc_stats",
            ]
        else:
            assert [f.name for f in chain.filters[:-1]] == 2 * [rbac.NETWORK_FILTER]
        fields = chain.metadata.filter_metadata["lateen"].fields
        rule = "AuthorizationPolicy/shop/d#spec.rules[0]"
        assert fields["ns[shop]-policy[d]-rule[0]"].string_value == rule


def gateway_listener(mesh):
    table = proxy.GatewayChain(sni=(), source=mesh.GATEWAY, route_table="http.80")
    return proxy.GatewayListener(bind="0.0.0.0", port=8080, chains=(table,))


def test_a_gateway_checks_too(mesh):
    made = gateway.listener(
        gateway_listener(mesh), mesh.node(), mesh.SETTINGS, of(authorization(ALLOW))
    )
    (chain,) = made.filter_chains
    assert mesh.manager(chain).http_filters[1].name == f"{rbac.HTTP_FILTER}.ALLOW"


@pytest.mark.parametrize("kind", ["sidecar", "router"])
def test_only_listeners_that_check_follow_a_policy(mesh, kind):
    view = mesh.sidecar() if kind == "sidecar" else mesh.router(gateway_listener(mesh))
    checked = msgspec.structs.replace(view, authorization=authorization(DENY))
    renderer = Renderer()
    before, after = renderer.render(view), renderer.render(checked)
    changed = [
        name
        for name, resource in after.of(ResourceType.LISTENER).items()
        if resource is not before.of(ResourceType.LISTENER)[name]
    ]
    assert changed == ["virtualInbound" if kind == "sidecar" else "0.0.0.0_8080"]
    (source,) = after.of(ResourceType.LISTENER)[changed[0]].sources[-1:]
    assert str(source) == "AuthorizationPolicy/shop/d#spec.rules[0]"
    for other in (ResourceType.CLUSTER, ResourceType.ENDPOINT, ResourceType.ROUTE):
        for name, resource in after.of(other).items():
            assert resource is before.of(other)[name]


@pytest.mark.parametrize("kind", ["sidecar", "router"])
def test_changed_rules_do_not_make_a_listener_anew(mesh, kind):
    """Connections that are open keep their chain, and the next request on them its new rules."""
    view = mesh.sidecar() if kind == "sidecar" else mesh.router(gateway_listener(mesh))
    one, two = (
        DENY.replace("rules: [{}]", f"rules: [{{to: [{{operation: {{paths: [{path}]}}}}]}}]")
        for path in ("/a", "/b")
    )
    renderer = Renderer()
    before, after = (
        renderer.render(msgspec.structs.replace(view, authorization=authorization(text)))
        for text in (one, two)
    )
    name = "envoy.filters.http.rbac.DENY"
    assert list(after.of(ResourceType.EXTENSION)) == [name]
    old, new = (found.of(ResourceType.EXTENSION)[name] for found in (before, after))
    assert old.version != new.version
    assert [str(source) for source in new.sources] == ["AuthorizationPolicy/shop/d#spec.rules[0]"]
    for listener, resource in after.of(ResourceType.LISTENER).items():
        assert resource is before.of(ResourceType.LISTENER)[listener]


def test_a_gateway_without_http_asks_for_no_rules(mesh):
    """What nobody asks for would keep the proxy out of step for ever."""
    route = routing.TcpRoute(destinations=(routing.Destination(cluster="c"),))
    chain = proxy.GatewayChain(sni=(), source=mesh.GATEWAY, tcp=(route,))
    listener = proxy.GatewayListener(bind="0.0.0.0", port=8080, chains=(chain,))
    view = msgspec.structs.replace(mesh.router(listener), authorization=authorization(DENY))
    assert not Renderer().render(view).of(ResourceType.EXTENSION)


ASKED = Authorizer(
    name="opa",
    source=Source(ObjectRef("ConfigMap", "istio-system", "istio"), "data.mesh"),
    service="shop/opa.shop.svc.cluster.local",
    port=9191,
    cluster="outbound|9191||opa.shop.svc.cluster.local",
    timeout=1.5,
)


def asking(authorizer):
    """The filters of a CUSTOM policy whose provider can be asked, for HTTP and for TCP."""
    bodies = [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            **yaml.safe_load(CUSTOM),
        }
    ]
    found = snapshot.of_bodies(bodies).authorization_policies.values()
    joined = authz.join((authz.compile_policy(p, SETTINGS) for p in found), lambda _: authorizer)
    return joined, rbac.http_references(joined.http), rbac.network_filters(joined.tcp)


def test_rules_note_who_is_asked_and_refuse_nothing():
    joined, http, tcp = asking(msgspec.structs.replace(ASKED, grpc=True))
    (resource,) = rbac.extensions(joined.http)
    told_rules = extension_pb2.TypedExtensionConfig.FromString(resource.body)
    (rules,) = shown([told_rules], http_rbac_pb2.RBAC)
    assert "rules" not in rules
    assert rules["shadow_rules_stat_prefix"] == "istio_ext_authz_"
    assert rules["shadow_rules"]["action"] == "DENY"
    assert list(rules["shadow_rules"]["policies"]) == [
        "istio-ext-authz-opa-ns[shop]-policy[c]-rule[0]"
    ]
    assert [f.name for f in http] == ["envoy.filters.http.rbac.CUSTOM", ext_authz.HTTP_FILTER]
    (asks,) = shown(http[1:], http_ext_authz_pb2.ExtAuthz)
    assert asks["grpc_service"] == {
        "envoy_grpc": {"cluster_name": ASKED.cluster, "authority": ASKED.host},
        "timeout": "1.500s",
    }
    assert asks["filter_enabled_metadata"] == {
        "filter": "envoy.filters.http.rbac",
        "path": [{"key": "istio_ext_authz_shadow_effective_policy_id"}],
        "value": {"string_match": {"prefix": "istio-ext-authz-opa"}},
    }
    assert [f.name for f in tcp] == [rbac.NETWORK_FILTER, ext_authz.NETWORK_FILTER]


def test_over_http_nobody_is_asked_about_connections():
    _, http, tcp = asking(
        msgspec.structs.replace(
            ASKED,
            fail_open=True,
            status_on_error=503,
            path_prefix="/check",
            shown=(Pattern(kind="prefix", value="x-"),),
            added=(("a", "b"),),
            to_upstream=(Pattern(kind="exact", value="x-user"),),
        )
    )
    assert tcp == ()
    (asks,) = shown(http[1:], http_ext_authz_pb2.ExtAuthz)
    assert asks["failure_mode_allow"] is True
    assert asks["status_on_error"] == {"code": "ServiceUnavailable"}
    assert asks["allowed_headers"]["patterns"] == [{"prefix": "x-", "ignore_case": True}]
    assert asks["http_service"] == {
        "server_uri": {
            "uri": "http://opa.shop.svc.cluster.local",
            "cluster": ASKED.cluster,
            "timeout": "1.500s",
        },
        "path_prefix": "/check",
        "authorization_request": {"headers_to_add": [{"key": "a", "value": "b"}]},
        "authorization_response": {
            "allowed_upstream_headers": {"patterns": [{"exact": "x-user", "ignore_case": True}]}
        },
    }
