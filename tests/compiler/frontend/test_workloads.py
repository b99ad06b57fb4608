"""Pods as workloads, and what Istio's proxies say of themselves."""

import ast
import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lateen.compiler.frontend import assemble, versions
from lateen.compiler.frontend.registry import downward_labels, workloads
from lateen.compiler.frontend.routing import delegates, unsupported
from lateen.compiler.ir.proxy import MeshSettings, ProxyKind
from lateen.model.istio import meshconfig, types
from lateen.model.istio.networking_route import (
    Delegate,
    HTTPRoute,
    VirtualService,
    VirtualServiceSpec,
)
from lateen.model.kube.core.container import Container, ContainerPort
from lateen.model.kube.core.pod import Pod, PodSpec
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import describe
from lateen.model.schema.objectmeta import ObjectMeta, OwnerReference

GATEWAY_POD = """
apiVersion: v1
kind: Pod
metadata:
  name: istio-ingressgateway-864db96c47-f6lqd
  namespace: istio-system
  labels:
    app: istio-ingressgateway
    istio: ingressgateway
    pod-template-hash: 864db96c47
  ownerReferences:
  - {apiVersion: apps/v1, kind: ReplicaSet, name: istio-ingressgateway-864db96c47, controller: true}
spec: {containers: [{name: istio-proxy, args: [proxy, router]}]}
status: {podIP: 172.17.121.88, phase: Running}
"""


def test_peer_metadata_says_what_a_gateway_of_istio_says(build: Any) -> None:
    node = build(GATEWAY_POD, istio="1.17.2").view("istio-ingressgateway").node
    assert node.id == (
        "router~172.17.121.88~istio-ingressgateway-864db96c47-f6lqd.istio-system"
        "~istio-system.svc.cluster.local"
    )
    assert downward_labels.decode(base64.b64decode(node.peer_metadata)) == {
        "APP_CONTAINERS": "",
        "CLUSTER_ID": "Kubernetes",
        "INSTANCE_IPS": "172.17.121.88",
        "ISTIO_VERSION": "1.17.2",
        "LABELS": {
            "app": "istio-ingressgateway",
            "istio": "ingressgateway",
            "service.istio.io/canonical-name": "istio-ingressgateway",
            "service.istio.io/canonical-revision": "latest",
        },
        "MESH_ID": "cluster.local",
        "NAME": "istio-ingressgateway-864db96c47-f6lqd",
        "NAMESPACE": "istio-system",
        "OWNER": "kubernetes://apis/apps/v1/namespaces/istio-system"
        "/deployments/istio-ingressgateway",
        "PLATFORM_METADATA": {},
        "WORKLOAD_NAME": "istio-ingressgateway",
    }


def pod(*containers: Container, init: tuple[Container, ...] = (), **meta: Any) -> Pod:
    return Pod(
        metadata=ObjectMeta(name="p", namespace="n", **meta),
        spec=PodSpec(containers=containers, init_containers=init),
    )


PROXY = Container(name="istio-proxy")


@pytest.mark.parametrize(
    ("subject", "kind"),
    [
        (pod(Container(name="app")), None),
        (pod(Container(name="app"), PROXY), ProxyKind.SIDECAR),
        (pod(Container(name="istio-proxy", args=("proxy", "router"))), ProxyKind.ROUTER),
        (pod(PROXY, annotations={"inject.istio.io/templates": "gateway"}), ProxyKind.ROUTER),
        (pod(init=(Container(name="istio-proxy", restart_policy="Always"),)), ProxyKind.SIDECAR),
        (pod(init=(PROXY,)), None),
    ],
)
def test_which_proxy_a_pod_runs(subject: Pod, kind: ProxyKind | None) -> None:
    assert workloads.proxy_kind(subject) is kind


@pytest.mark.parametrize(
    ("owner", "labels", "expected"),
    [
        (("ReplicaSet", "web-abc"), {"pod-template-hash": "abc"}, ("web", "Deployment")),
        (("ReplicaSet", "web-abc"), {}, ("web-abc", "ReplicaSet")),
        (("Job", "nightly-28000000"), {}, ("nightly", "CronJob")),
        (("Job", "once"), {}, ("once", "Job")),
        (("StatefulSet", "db"), {}, ("db", "StatefulSet")),
        (None, {}, ("p", "Pod")),
    ],
)
def test_owner(
    owner: tuple[str, str] | None, labels: dict[str, str], expected: tuple[str, str]
) -> None:
    references = ()
    if owner is not None:
        references = (
            OwnerReference(api_version="x/v1", kind=owner[0], name=owner[1], controller=True),
        )
    assert workloads.owner(pod(labels=labels, owner_references=references))[1:] == expected


@pytest.mark.parametrize(
    ("target", "port"), [(80, 80), ("8080", 8080), ("web", 7777), ("udp", None), ("none", None)]
)
def test_target_ports(target: int | str, port: int | None) -> None:
    ports = (
        ContainerPort(name="web", container_port=7777),
        ContainerPort(name="udp", container_port=53, protocol="UDP"),
    )
    assert workloads.container_port(pod(Container(name="a", ports=ports)), target) == port


MADE_ANYWAY = {"prometheus", "stackdriver"}
"""Providers of metrics: Envoy keeps its statistics, whoever fetches them."""


def test_every_field_of_the_mesh_configuration_is_read_or_says_that_it_is_not() -> None:
    """The kinds' fields are held to it by `test_nothing_ignored`; this object is no kind."""
    read = {
        node.attr
        for file in Path(assemble.__file__).parents[2].rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute)
    }
    for struct in (meshconfig.MeshConfig, meshconfig.ExtensionProvider):
        uncompiled = describe.marked(struct, "uncompiled")
        assert set(struct.__struct_fields__) - read - MADE_ANYWAY <= uncompiled, struct


@pytest.mark.parametrize(
    "name", sorted({*HTTPRoute.__struct_fields__} - describe.marked(HTTPRoute, "own"))
)
def test_a_delegates_rule_takes_what_it_does_not_say_from_the_roots(name: str) -> None:
    """Whatever the model declares, also what is declared tomorrow."""
    mark = object()
    root = msgspec.structs.replace(HTTPRoute(), delegate=Delegate(name="d"), **{name: mark})
    owner = virtual_service("r", http=(root,), hosts=("a",))
    child = virtual_service("d", http=(HTTPRoute(), HTTPRoute()))
    made = delegates.http_rules(owner, lambda *_: child, MeshSettings(features=versions.features()))
    assert [getattr(rule.spec, name) for rule in made] == [mark, mark]


def virtual_service(name: str, **spec: Any) -> VirtualService:
    return VirtualService(
        metadata=ObjectMeta(name=name, namespace="n"), spec=VirtualServiceSpec(**spec)
    )


def test_a_field_that_is_not_read_is_reported_where_it_is() -> None:
    source = Source(ObjectRef("Gateway", "n", "g"), "spec")
    port = types.Port(number=80, target_port=81)
    (finding,) = unsupported.unread(port, source)
    assert (finding.code, finding.source.path) == ("LTN0010", "spec.targetPort")
    assert unsupported.unread(types.Port(number=80), source) == ()
