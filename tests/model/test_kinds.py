"""Kinds are found by every name a user may type; schemas follow the structs."""

import msgspec
import pytest

from lateen.model.istio import networking
from lateen.model.kube.core import objects
from lateen.model.schema import decode, describe, kinds
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.schema.kinds import KINDS


@pytest.mark.parametrize(
    ("name", "resource"),
    [
        ("po", "pods"),
        ("Pod", "pods"),
        ("deploy", "deployments.apps"),
        ("deployments.apps", "deployments.apps"),
        ("deployment.v1.apps", "deployments.apps"),
        ("vs", "virtualservices.networking.istio.io"),
        ("VirtualServices.v1beta1.networking.istio.io", "virtualservices.networking.istio.io"),
        ("gw", "gateways.networking.istio.io"),
        ("dr", "destinationrules.networking.istio.io"),
        ("pa", "peerauthentications.security.istio.io"),
        ("ap", "authorizationpolicies.security.istio.io"),
        ("se", "serviceentries.networking.istio.io"),
        ("svc", "services"),
        ("ep", "endpoints"),
        ("no", "nodes"),
        ("ns", "namespaces"),
        ("sourcemap", "sourcemaps.lateen.dev"),
    ],
)
def test_find_resource(name: str, resource: str) -> None:
    found = kinds.find_resource(name)
    assert found is KINDS[resource]


def test_find_takes_every_served_version_and_no_other() -> None:
    for info in KINDS.values():
        for api_version in info.api_versions:
            assert kinds.find(api_version, info.kind) is info
    assert kinds.find("networking.istio.io/v2", "Gateway") is None
    assert kinds.find("v1", "pod") is None


def test_no_two_kinds_share_a_name_but_the_two_gateways() -> None:
    rows = list(KINDS.values())
    names = [name for row in rows for name in {row.plural, row.singular, *row.short_names}]
    assert {name for name in names if names.count(name) > 1} == {"gateway", "gateways"}


def test_a_gateway_without_a_group_is_istios() -> None:
    for name in ("gateway", "gateways", "gw", "gateway.networking.istio.io"):
        assert kinds.find_resource(name) is KINDS["gateways.networking.istio.io"]
    for name in ("gtw", "gateways.gateway.networking.k8s.io"):
        assert kinds.find_resource(name) is KINDS["gateways.gateway.networking.k8s.io"]


def test_printer_columns_of_istio() -> None:
    found = KINDS["virtualservices.networking.istio.io"].columns
    assert [(c.name, c.path) for c in found] == [
        ("Gateways", ".spec.gateways"),
        ("Hosts", ".spec.hosts"),
        ("Age", ".metadata.creationTimestamp"),
    ]


@pytest.mark.parametrize("info", KINDS.values(), ids=lambda info: str(info.kind))
def test_defaults_of_every_kind_are_empty_and_sound(info: KindInfo) -> None:
    struct = info.struct
    if struct is None:
        assert describe.of_kind(info).preserve_unknown
        return
    assert msgspec.to_builtins(struct()) == {}
    decoded = decode.decode(info, {})
    assert {problem.kind for problem in decoded.problems} <= {"required"}
    assert decoded.object == struct()


@pytest.mark.parametrize(
    ("path", "keys", "merge", "strategies"),
    [
        ("spec.containers", ("name",), "name", ("merge",)),
        ("spec.volumes", ("name",), "name", ("merge", "retainKeys")),
        ("spec.containers.ports", ("containerPort", "protocol"), "containerPort", ("merge",)),
        ("spec.containers[0].env", ("name",), "name", ("merge",)),
        ("spec.containers.volumeMounts", ("mountPath",), "mountPath", ("merge",)),
        ("status.conditions", ("type",), "type", ("merge",)),
        ("metadata.ownerReferences", ("uid",), "uid", ("merge",)),
    ],
)
def test_merge_metadata_of_pods(
    path: str, keys: tuple[str, ...], merge: str, strategies: tuple[str, ...]
) -> None:
    node = describe.at(describe.of_struct(objects.Pod), path)
    assert node is not None
    assert (node.list_type, node.list_keys) == ("map", keys)
    assert (node.merge_key, node.strategies) == (merge, strategies)


def test_sets_atoms_and_plain_lists() -> None:
    tree = describe.of_struct(objects.Pod)
    finalizers = describe.at(tree, "metadata.finalizers")
    command = describe.at(tree, "spec.containers.command")
    selector = describe.at(tree, "spec.nodeSelector")
    assert finalizers is not None
    assert command is not None
    assert selector is not None
    assert (finalizers.list_type, finalizers.strategies) == ("set", ("merge",))
    assert (command.list_type, command.strategies) == ("atomic", ())
    assert selector.atomic


def test_schema_nodes_describe_their_fields() -> None:
    tree = describe.of_struct(networking.VirtualService)
    node = describe.at(tree, "spec.http[0].match[0].uri")
    assert node is not None
    assert (node.name, node.description) == ("StringMatch", "Path, without the query.")
    assert describe.at(tree, "spec.http.nothing") is None
    mode = describe.at(
        describe.of_struct(networking.DestinationRule), "spec.trafficPolicy.tls.mode"
    )
    assert mode is not None
    assert mode.enum == ("DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL")


def test_acronyms_keep_their_capitals_in_kubernetes_only() -> None:
    assert {"podIP", "podIPs", "hostIP"} <= set(objects.PodStatus.__struct_encode_fields__)
    assert {"hostPID", "setHostnameAsFQDN"} <= set(objects.PodSpec.__struct_encode_fields__)
    assert "downwardAPI" in objects.Volume.__struct_encode_fields__
    assert "useSourceIp" in networking.ConsistentHashLB.__struct_encode_fields__
    assert "from" in networking.LocalityFailover.__struct_encode_fields__
