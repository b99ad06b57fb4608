"""Pods as workloads, and what Istio's proxies say of themselves."""

import base64
from typing import Any

import msgspec
import pytest

from lateen.compiler.frontend.registry import downward_labels, workloads
from lateen.compiler.frontend.routing import unsupported
from lateen.compiler.ir.proxy import ProxyKind
from lateen.model.istio import meshconfig, types
from lateen.model.kube.core.container import Container, ContainerPort
from lateen.model.kube.core.pod import Pod, PodSpec
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import kinds
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


def test_every_struct_of_the_compiled_kinds_says_what_is_read() -> None:
    """A struct that is missing would have all its fields reported; a name that is wrong would
    hide a field that is not read."""
    seen: set[type[msgspec.Struct]] = set()
    pending: list[Any] = [
        msgspec.structs.fields(info.struct)
        for info in kinds.KINDS.values()
        if info.is_istio and info.acted_on and info.struct is not None
    ]
    specs = [field.type for fields in pending for field in fields if field.name == "spec"]
    specs.append(meshconfig.MeshConfig)
    while specs:
        for struct in _structs(specs.pop()):
            if struct in seen:
                continue
            seen.add(struct)
            fields = {f.name: f.type for f in msgspec.structs.fields(struct)}
            compiled = unsupported.COMPILED[struct]
            assert compiled - {"*"} <= fields.keys()
            specs += [hint for name, hint in fields.items() if compiled & {"*", name}]
    assert seen == unsupported.COMPILED.keys()


def _structs(hint: Any) -> list[type[msgspec.Struct]]:
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return [hint]
    inner = [*getattr(hint, "__args__", ()), getattr(hint, "__origin__", None)]
    return [found for part in inner if part is not hint for found in _structs(part)]


def test_a_field_that_is_not_read_is_reported_where_it_is() -> None:
    source = Source(ObjectRef("Gateway", "n", "g"), "spec")
    port = types.Port(number=80, target_port=81)
    (finding,) = unsupported.unread(port, source)
    assert (finding.code, finding.source.path) == ("LTN0010", "spec.targetPort")
    assert unsupported.unread(types.Port(number=80), source) == ()
