"""What containers are given: variables, volumes, names, commands, capabilities."""

import base64
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from lateen.compiler.frontend import versions
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.kube.core.container import Container, ResourceFieldSelector, SecurityContext
from lateen.model.kube.core.pod import PodSpec
from lateen.node.container import environment, files, launch, references, sidecar, volumes
from lateen.node.container.references import Missing, Objects, PodFields
from lateen.node.container.volumes import File, Sources
from lateen.node.pod import qos
from lateen.node.shim.protocol import Mount

POD = PodFields(
    namespace="shop",
    name="web-1",
    uid="uid-1",
    labels={"app": "web", "tier": 'a"b'},
    annotations={"note": "yes"},
    node_name="lateen",
    service_account="robot",
    host_ip="10.244.0.1",
    ip="10.244.0.7",
)
FOUND = Objects(
    config_maps={"conf": {"color": b"red", "not a name!": b"x", "SIZE": b"9"}},
    secrets={"key": {"pass": b"\x00word"}},
    services=(
        {
            "metadata": {"namespace": "shop", "name": "cart-db"},
            "spec": {
                "clusterIP": "10.96.0.9",
                "ports": [{"port": 5432, "name": "pg"}, {"port": 53, "protocol": "UDP"}],
            },
        },
        {
            "metadata": {"namespace": "other", "name": "far"},
            "spec": {"clusterIP": "10.96.0.8", "ports": [{"port": 1}]},
        },
        {
            "metadata": {"namespace": "shop", "name": "headless"},
            "spec": {"clusterIP": "None", "ports": [{"port": 1}]},
        },
        {
            "metadata": {"namespace": "default", "name": "kubernetes"},
            "spec": {"clusterIP": "10.96.0.1", "ports": [{"port": 443, "name": "https"}]},
        },
    ),
)


def container(**fields: Any) -> Container:
    return msgspec.convert({"name": "app", "image": "busybox", **fields}, Container)


def variables(*, links: bool = False, **fields: Any) -> dict[str, str]:
    capacity = {"cpu": 4.0, "memory": 2.0**30}
    return environment.environment(container(**fields), POD, FOUND, capacity, service_links=links)


def field_of(path: str) -> dict[str, Any]:
    return {"fieldRef": {"fieldPath": path}}


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        (
            {"value": "$(color) $(EARLIER) $$(EARLIER) $(UNKNOWN) $x"},
            "red 1 $(EARLIER) $(UNKNOWN) $x",
        ),
        ({"valueFrom": field_of("status.podIP")}, "10.244.0.7"),
        ({"valueFrom": field_of("metadata.labels['app']")}, "web"),
        ({"valueFrom": field_of("metadata.annotations['absent']")}, ""),
        ({"valueFrom": {"configMapKeyRef": {"name": "conf", "key": "SIZE"}}}, "9"),
        ({"valueFrom": {"secretKeyRef": {"name": "key", "key": "pass"}}}, "\x00word"),
        (
            {"valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
            "64",
        ),
        ({"valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}, "4"),
        ({"valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}}, "250"),
    ],
)
def test_variables(variable: dict[str, Any], value: str) -> None:
    env = variables(
        envFrom=[{"configMapRef": {"name": "conf"}}],
        env=[{"name": "EARLIER", "value": "1"}, {"name": "IT", **variable}],
        resources={"limits": {"memory": "64Mi"}, "requests": {"cpu": "250m"}},
    )
    assert env["IT"] == value
    assert "not a name!" not in env


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "no", "key": "a"}}, 'configmap "no" not found'),
        ({"secretKeyRef": {"name": "no", "key": "a"}}, 'secret "no" not found'),
        (
            {"secretKeyRef": {"name": "key", "key": "a"}},
            "couldn't find key a in Secret shop/key",
        ),
        ({"fieldRef": {"fieldPath": "spec.nope"}}, "unsupported fieldPath: spec.nope"),
    ],
)
def test_missing_things_are_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(Missing) as refused:
        variables(env=[{"name": "IT", "valueFrom": source}])
    assert str(refused.value) == message
    kind, body = next(iter(source.items()))
    if kind != "fieldRef":
        optional = {kind: {**body, "optional": True}}
        assert "IT" not in variables(env=[{"name": "IT", "valueFrom": optional}])


def test_binary_keys_are_no_variables() -> None:
    found = msgspec.structs.replace(FOUND, binary={"conf": frozenset({"SIZE"})})
    given = container(envFrom=[{"configMapRef": {"name": "conf"}}])
    env = environment.environment(given, POD, found, {}, service_links=False)
    assert env["color"] == "red"
    assert "SIZE" not in env


def test_services_become_variables() -> None:
    env = variables(links=True)
    assert env["CART_DB_SERVICE_HOST"] == "10.96.0.9"
    assert env["CART_DB_SERVICE_PORT_PG"] == "5432"
    assert env["CART_DB_PORT_53_UDP"] == "udp://10.96.0.9:53"
    assert env["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert not [name for name in env if name.startswith(("FAR", "HEADLESS"))]
    assert set(variables()) == {n for n in env if n.startswith("KUBERNETES")}


def test_quantities() -> None:
    table = {"1": 1, "250m": 0.25, "1Ki": 1024, "2k": 2000, "1.5Gi": 1.5 * 2**30, "1E": 1e18}
    assert {text: references.quantity(text) for text in table} == table
    for bad in ("", "x", "1Q", "m"):
        with pytest.raises(ValueError, match="not a quantity"):
            references.quantity(bad)


def test_unknown_resources_are_refused() -> None:
    with pytest.raises(Missing, match="unsupported container resource: cpu"):
        references.resource_field(ResourceFieldSelector(resource="cpu"), container(), {})


def test_names_that_a_pod_uses() -> None:
    body: dict[str, Any] = {
        "containers": [
            {
                "name": "a",
                "image": "a",
                "envFrom": [{"configMapRef": {"name": "c1"}}, {"secretRef": {"name": "s1"}}],
                "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "s2", "key": "k"}}}],
            }
        ],
        "volumes": [
            {"name": "v1", "configMap": {"name": "c2"}},
            {"name": "v2", "secret": {"secretName": "s3"}},
            {"name": "v3", "projected": {"sources": [{"secret": {"name": "s4"}}]}},
        ],
    }
    used = references.names_used(msgspec.convert(body, PodSpec), body["volumes"])
    assert used == ({"c1", "c2"}, {"s1", "s2", "s3", "s4"})


def test_object_data_is_decoded() -> None:
    word = base64.b64encode(b"\xff").decode()
    assert references.secret_data({"data": {"a": word}}) == {"a": b"\xff"}
    found = references.config_map_data({"data": {"a": "b"}, "binaryData": {"c": word}})
    assert found == {"a": b"b", "c": b"\xff"}


@pytest.mark.parametrize(
    ("volume", "files"),
    [
        (
            {
                "configMap": {
                    "name": "conf",
                    "items": [{"key": "color", "path": "a/b", "mode": 0o400}],
                }
            },
            {"a/b": File(b"red", 0o400)},
        ),
        (
            {"secret": {"secretName": "key", "defaultMode": 0o600}},
            {"pass": File(b"\x00word", 0o600)},
        ),
        ({"configMap": {"name": "no", "optional": True}}, {}),
        (
            {"downwardAPI": {"items": [{"path": "l", **field_of("metadata.labels")}]}},
            {"l": File(b'app="web"\ntier="a\\"b"')},
        ),
        (
            {
                "projected": {
                    "sources": [
                        {"serviceAccountToken": {"path": "token", "audience": "x"}},
                        {"secret": {"name": "key"}},
                    ]
                }
            },
            {"token": File(b"t0k3n"), "pass": File(b"\x00word")},
        ),
        ({"secret": {"secretName": "key", "defaultMode": 0}}, {"pass": File(b"\x00word", 0)}),
    ],
)
def test_file_volumes(volume: dict[str, Any], files: dict[str, File]) -> None:
    sources = Sources(POD, FOUND, tokens={"x": "t0k3n"})
    assert volumes.contents({"name": "v", **volume}, sources) == files


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        ({"configMap": {"name": "no"}}, 'configmap "no" not found'),
        ({"secret": {"secretName": "key", "items": [{"key": "no", "path": "p"}]}}, "non-existent"),
        (
            {"projected": {"sources": [{"clusterTrustBundle": {}}]}},
            "cannot hold clusterTrustBundle",
        ),
    ],
)
def test_volumes_that_cannot_be_filled(volume: dict[str, Any], message: str) -> None:
    with pytest.raises(Missing, match=message):
        volumes.contents({"name": "v", **volume}, Sources(POD, FOUND))


def test_host_paths_need_permission(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    inside = {"name": "v", "hostPath": {"path": str(tmp_path / "data")}}
    assert volumes.host_path(inside, [str(tmp_path)]) == (str(tmp_path), "data")
    assert volumes.host_path(inside, [str(tmp_path / "data")]) == (str(tmp_path / "data"), "")
    for path in ("/etc", str(tmp_path / "link"), f"{tmp_path}/../x", f"{tmp_path}x"):
        with pytest.raises(volumes.VolumeRefused, match="hostPaths"):
            volumes.host_path({"name": "v", "hostPath": {"path": path}}, [str(tmp_path)])
    assert "emptyDir" in str(volumes.unsupported({"name": "v", "nfs": {}}))


@pytest.mark.parametrize(
    ("sub", "stays"),
    [("a/b", True), ("", True), ("../x", False), ("a/../../x", False), ("/etc", False)],
)
def test_the_text_of_a_sub_path_may_not_lead_out(sub: str, stays: bool) -> None:
    assert files.within(sub) == stays


def test_volumes_are_replaced_as_a_whole(tmp_path: Path) -> None:
    store = volumes.VolumeStore(tmp_path / "run", tmp_path / "state")
    path = store.publish("v", {"a": File(b"1", 0o640), "d/b": File(b"2")})
    assert (path / "a").read_bytes() == b"1"
    assert (path / "a").stat().st_mode & 0o777 == 0o640
    assert (path / "d" / "b").read_bytes() == b"2"
    first = os.readlink(path / "..data")
    assert store.publish("v", {"a": File(b"1", 0o640), "d/b": File(b"2")}) == path
    assert os.readlink(path / "..data") == first, "nothing changed"
    store.publish("v", {"a": File(b"3"), "c": File(b"4")})
    assert sorted(p.name for p in path.iterdir()) == [
        "..data",
        os.readlink(path / "..data"),
        "a",
        "c",
    ]
    assert (path / "a").read_bytes() == b"3"
    empty = store.empty("e", in_memory=False)
    (empty / "kept").touch()
    assert (store.empty("e", in_memory=False) / "kept").exists()
    store.remove()
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "state").exists()


LAB = launch.LabFacts(
    node_name="lateen",
    python=("/usr/bin/python3",),
    mesh=MeshSettings(features=versions.features("1.28")),
    dns_ip="10.96.0.10",
    images={"mine": ["/opt/mine", "$(A)"]},
    real_root=True,
)


def spec_of(pod_spec: dict[str, Any] | None = None, **fields: Any) -> Any:
    given = launch.Inputs(
        container=container(**fields),
        pod=POD,
        spec=msgspec.convert({"containers": [], **(pod_spec or {})}, PodSpec),
        env={"A": "1"},
        mounts=(Mount("/v", "/data"),),
        log="/logs/0.log",
    )
    return launch.container_spec(LAB, given)


def test_a_container_is_described_to_the_shim() -> None:
    got = spec_of({"hostname": "box"}, command=["echo", "$(A)"], args=["$(B)"], workingDir="/w")
    assert got.argv == ("echo", "1", "$(B)")
    assert (got.cwd, got.hostname, got.log) == ("/w", "box", "/logs/0.log")
    assert {"A=1", "HOSTNAME=box"} <= set(got.env)
    assert Mount("/v", "/data") in got.mounts
    files = dict(got.files)
    assert "10.244.0.7\tbox\n" in files["/etc/hosts"]
    assert files["/etc/resolv.conf"] == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local\n"
        "nameserver 10.96.0.10\noptions ndots:5\n"
    )


def test_resolver_files() -> None:
    own = {
        "nameservers": ["1.1.1.1"],
        "searches": ["x"],
        "options": [{"name": "ndots", "value": "2"}],
    }
    none = msgspec.convert({"containers": [], "dnsPolicy": "None", "dnsConfig": own}, PodSpec)
    assert (
        launch.resolver_file("shop", none, LAB) == "search x\nnameserver 1.1.1.1\noptions ndots:2\n"
    )
    default = msgspec.convert({"containers": [], "dnsPolicy": "Default"}, PodSpec)
    assert launch.resolver_file("shop", default, LAB) == "nameserver 10.96.0.10\n"


def test_hosts_file_of_a_pod_with_a_subdomain() -> None:
    body = {
        "containers": [],
        "subdomain": "sub",
        "hostAliases": [{"ip": "1.2.3.4", "hostnames": ["a", "b"]}],
    }
    text = launch.hosts_file(POD, msgspec.convert(body, PodSpec), "box", "cluster.local")
    assert "10.244.0.7\tbox.sub.shop.svc.cluster.local\tbox\n" in text
    assert text.endswith("1.2.3.4\ta\tb\n")


@pytest.mark.parametrize(
    ("image", "reason"),
    [("nobody/knows", "ErrImagePull"), ("UPPER/:bad", "InvalidImageName")],
)
def test_unknown_images(image: str, reason: str) -> None:
    with pytest.raises(launch.ImageUnknownError) as refused:
        spec_of(image=image)
    assert refused.value.reason == reason


def test_users_own_images_and_security() -> None:
    pod = {"securityContext": {"runAsUser": 5, "fsGroup": 7, "supplementalGroups": [6]}}
    got = spec_of(
        pod, image="mine:1", securityContext={"runAsUser": 8, "readOnlyRootFilesystem": True}
    )
    assert got.argv[0] == "/opt/mine"
    assert (got.uid, got.gid, got.groups, got.read_only_root) == (8, 0, (6, 7), True)
    assert got.no_new_privileges is False
    assert spec_of(securityContext={"allowPrivilegeEscalation": False}).no_new_privileges


def test_root_is_refused_where_a_pod_says_so() -> None:
    assert spec_of({"securityContext": {"runAsNonRoot": True, "runAsUser": 5}}).uid == 5
    assert spec_of({"securityContext": {"runAsNonRoot": True}}).uid > 0
    with pytest.raises(Missing, match="container's runAsUser breaks non-root policy"):
        spec_of(securityContext={"runAsNonRoot": True, "runAsUser": 0})


def test_where_there_is_one_user_the_fields_of_others_are_named() -> None:
    body = {
        "securityContext": {"fsGroup": 7, "runAsUser": 0},
        "containers": [
            {"name": "a", "securityContext": {"runAsUser": 5, "runAsNonRoot": False}},
            {"name": "istio-proxy", "securityContext": {"runAsUser": 1337}},
        ],
    }
    assert launch.without_users(msgspec.convert(body, PodSpec)) == (
        "spec.securityContext.fsGroup",
        "spec.containers[a].securityContext.runAsUser",
    )


@pytest.mark.parametrize(
    ("fields", "signal"),
    [
        ({"image": "nginx:1"}, "SIGQUIT"),
        ({"image": "nginx:1", "lifecycle": {"stopSignal": "SIGUSR1"}}, "SIGUSR1"),
        ({"image": "busybox"}, "SIGTERM"),
        ({"image": "mine"}, "SIGTERM"),
        ({"image": "nobody/knows"}, "SIGTERM"),
        ({"image": "UPPER/:bad"}, "SIGTERM"),
    ],
)
def test_stop_signals(fields: dict[str, Any], signal: str) -> None:
    assert launch.stop_signal(container(**fields), LAB.images, None) == signal


def test_capabilities() -> None:
    def of(**fields: Any) -> tuple[int, ...] | None:
        return launch.capabilities(msgspec.convert(fields, SecurityContext))

    default = launch.capabilities(None)
    assert default is not None
    assert 21 not in default, "SYS_ADMIN"
    assert of(privileged=True) is None
    assert of(capabilities={"drop": ["ALL"]}) == ()
    assert of(capabilities={"drop": ["all"], "add": ["CAP_NET_ADMIN"]}) == (12,)
    assert of(capabilities={"drop": ["NET_RAW"]}) == tuple(c for c in default if c != 13)
    assert 12 in (launch.capabilities(None, proxy=True) or ())


def test_the_proxy_runs_envoy_with_its_own_bootstrap() -> None:
    given = launch.Inputs(
        container=container(name="istio-proxy", args=["proxy", "router"]),
        pod=POD,
        spec=msgspec.convert({"containers": []}, PodSpec),
        env={"ISTIO_META_WORKLOAD_NAME": "web"},
        mounts=(),
        log="",
        xds="/run/pods/uid-1",
    )
    got = launch.container_spec(LAB, given)
    assert got.argv[0].endswith("/envoy/_bin/envoy")
    assert "--disable-hot-restart" in got.argv
    assert Mount("/run/pods/uid-1", sidecar.XDS_DIRECTORY) in got.mounts
    body = msgspec.json.decode(dict(got.files)[sidecar.BOOTSTRAP])
    assert body["node"]["id"] == "router~10.244.0.7~web-1.shop~shop.svc.cluster.local"
    assert f"{sidecar.XDS_DIRECTORY}/xds.sock" in dict(got.files)[sidecar.BOOTSTRAP]


def test_capture_options_come_from_annotations() -> None:
    prefix = "traffic.sidecar.istio.io/"
    plain = sidecar.capture_options({})
    assert plain.exclude_inbound_ports == ("15090", "15021", "15020")
    assert plain.include_outbound_ranges == ("*",)
    got = sidecar.capture_options(
        {
            f"{prefix}excludeInboundPorts": "22, 80",
            f"{prefix}includeInboundPorts": "",
            f"{prefix}excludeOutboundIPRanges": "10.0.0.0/8",
            "sidecar.istio.io/interceptionMode": "NONE",
        }
    )
    assert got.exclude_inbound_ports[3:] == ("22", "80")
    assert (got.include_inbound_ports, got.mode) == ((), "NONE")
    assert got.exclude_outbound_ranges == ("10.0.0.0/8",)


def test_connections_to_the_proxy_are_counted() -> None:
    def row(port: int, state: str) -> str:
        return f"  0: 0100007F:{port:04X} 0100007F:9999 {state} 00000000:00000000"

    table = "\n".join(
        [
            "  sl  local_address rem_address   st",
            *(row(port, "0A") for port in (15000, 15001, 15006, 15021, 15090)),
            *(row(port, "01") for port in (15000, 15006, 15006, 15021, 33333)),
            row(15006, "06"),
        ]
    )
    assert sidecar.active_connections(table) == 2


@pytest.mark.parametrize(
    ("resources", "wanted"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        (
            {
                "limits": {"cpu": "1", "memory": "1Gi"},
                "requests": {"cpu": "1000m", "memory": "1Gi"},
            },
            "Guaranteed",
        ),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1m"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: dict[str, Any], wanted: str) -> None:
    body = {"containers": [{"name": "a", "image": "a", "resources": resources}]}
    assert qos.qos_class(msgspec.convert(body, PodSpec)) == wanted
