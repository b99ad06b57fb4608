"""Defaults, refusals and addresses, kind by kind."""

import base64
import copy
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.apiserver.kinds.strategy import addresses, registry

Json = dict[str, Any]
RANGES = addresses.Ranges(service_cidr="10.0.0.0/29", reserved=frozenset({"10.0.0.1"}))


def optional(**fields: Any) -> Any:
    return st.fixed_dictionaries({}, optional=fields)


HANDLER = st.one_of(
    st.builds(lambda p: {"httpGet": {"port": p}}, st.integers(1, 9)),
    st.just({"tcpSocket": {"port": 1}}),
    st.just({"grpc": {"port": 2}}),
)
PROBE = st.builds(
    lambda handler, more: {**handler, **more},
    HANDLER,
    optional(periodSeconds=st.integers(0, 5), timeoutSeconds=st.integers(0, 5)),
)
CONTAINER = st.builds(
    lambda name, more: {"name": name, **more},
    st.sampled_from(["a", "b"]),
    optional(
        image=st.sampled_from(["nginx", "nginx:1", "r.io:5000/x", "x@sha256:00"]),
        ports=st.lists(optional(containerPort=st.integers(1, 9)), max_size=2),
        resources=optional(limits=st.just({"cpu": "1"}), requests=st.just({"memory": "1Mi"})),
        livenessProbe=PROBE,
        readinessProbe=PROBE,
        env=st.just([{"name": "X", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]),
    ),
)
VOLUME = st.builds(
    lambda more: {"name": "v", **more},
    st.sampled_from(
        [
            {},
            {"secret": {"secretName": "s"}},
            {"hostPath": {"path": "/x"}},
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {"downwardAPI": {"items": [{"path": "l", "fieldRef": {"fieldPath": "x"}}]}},
        ]
    ),
)
POD_SPEC = optional(
    containers=st.lists(CONTAINER, max_size=2),
    initContainers=st.lists(CONTAINER, max_size=1),
    volumes=st.lists(VOLUME, max_size=2),
    hostNetwork=st.booleans(),
    serviceAccountName=st.just("me"),
    restartPolicy=st.sampled_from(["Always", "Never"]),
)
TEMPLATE = st.builds(lambda spec: {"metadata": {"labels": {"a": "b"}}, "spec": spec}, POD_SPEC)
SERVICE_SPEC = optional(
    type=st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]),
    ports=st.lists(optional(port=st.integers(1, 9), targetPort=st.just("x")), max_size=2),
    clusterIP=st.sampled_from(["None", "10.0.0.3", ""]),
    sessionAffinity=st.sampled_from(["ClientIP", "None"]),
)
WORKLOAD_SPEC = optional(
    template=TEMPLATE,
    replicas=st.integers(0, 3),
    strategy=st.sampled_from(
        [
            {},
            {"type": "Recreate"},
            {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        ]
    ),
    updateStrategy=st.sampled_from([{}, {"type": "OnDelete"}]),
)
SPECS = {
    "pods": POD_SPEC,
    "services": SERVICE_SPEC,
    "deployments.apps": WORKLOAD_SPEC,
    "replicasets.apps": WORKLOAD_SPEC,
    "statefulsets.apps": WORKLOAD_SPEC,
    "daemonsets.apps": WORKLOAD_SPEC,
    "jobs.batch": WORKLOAD_SPEC,
    "cronjobs.batch": optional(jobTemplate=st.builds(lambda s: {"spec": s}, WORKLOAD_SPEC)),
    "namespaces": st.just({}),
    "secrets": st.just({}),
}


@given(st.data(), st.sampled_from(sorted(SPECS)))
def test_defaulting_again_changes_nothing(data: Any, resource: str) -> None:
    strategy = registry.strategy_for(resource)
    obj = {"metadata": {"name": "x", "namespace": "d"}, "spec": data.draw(SPECS[resource])}
    before = copy.deepcopy(obj)
    once = strategy.default(obj)
    assert obj == before
    assert strategy.default(once) == once
    born = strategy.prepare_create(once)
    assert strategy.default(born) == born
    assert strategy.prepare_create(born) == born


def container(**more: Any) -> Json:
    return {"name": "app", "image": "nginx", **more}


def pod(**spec: Any) -> Json:
    strategy = registry.strategy_for("pods")
    given_pod = {"metadata": {"name": "x"}, "spec": {"containers": [container()], **spec}}
    return strategy.prepare_create(strategy.default(given_pod))


def deployment(**spec: Any) -> Json:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container()]}}
    obj = {
        "metadata": {"name": "x"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template, **spec},
    }
    return registry.strategy_for("deployments.apps").default(obj)


def test_a_pod_gets_what_a_cluster_gives() -> None:
    spec = pod()["spec"]
    expected = {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "terminationGracePeriodSeconds": 30,
        "serviceAccountName": "default",
        "serviceAccount": "default",
        "schedulerName": "default-scheduler",
        "enableServiceLinks": True,
        "priority": 0,
    }
    assert expected.items() <= spec.items()
    (main,) = spec["containers"]
    assert main["terminationMessagePath"] == "/dev/termination-log"
    assert main["terminationMessagePolicy"] == "File"
    (mount,) = main["volumeMounts"]
    assert mount["mountPath"] == "/var/run/secrets/kubernetes.io/serviceaccount"
    assert mount["name"].startswith("kube-api-access-")
    assert [one["key"] for one in spec["tolerations"]] == [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ]
    assert pod(automountServiceAccountToken=False)["spec"].get("volumes") is None


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.27", "IfNotPresent"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1", "IfNotPresent"),
        ("nginx@sha256:abc", "IfNotPresent"),
    ],
)
def test_the_pull_policy_follows_the_tag(image: str, policy: str) -> None:
    (main,) = pod(containers=[container(image=image)])["spec"]["containers"]
    assert main["imagePullPolicy"] == policy


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "1"}}, "Burstable"),
    ],
)
def test_quality_of_service(resources: Json, expected: str) -> None:
    found = pod(containers=[container(resources=resources)])
    assert found["status"] == {"phase": "Pending", "qosClass": expected}


REFUSED: list[tuple[str, str, Json, str]] = [
    (
        "no containers",
        "pods",
        {"metadata": {"name": "x"}, "spec": {}},
        "spec.containers: Required value",
    ),
    (
        "upper-case name",
        "configmaps",
        {"metadata": {"name": "Foo"}},
        'metadata.name: Invalid value: "Foo": a lowercase RFC 1123 subdomain must consist of',
    ),
    (
        "service name with a digit first",
        "services",
        {"metadata": {"name": "1x"}, "spec": {"ports": [{"port": 80}]}},
        'metadata.name: Invalid value: "1x": a DNS-1035 label must consist of',
    ),
    (
        "service without ports",
        "services",
        {"metadata": {"name": "x"}, "spec": {}},
        "spec.ports: Required value",
    ),
    (
        "several ports, one unnamed",
        "services",
        {"metadata": {"name": "x"}, "spec": {"ports": [{"port": 1}, {"port": 2, "name": "b"}]}},
        "spec.ports[0].name: Required value",
    ),
    (
        "twice the same port",
        "services",
        {
            "metadata": {"name": "x"},
            "spec": {"ports": [{"port": 1, "name": "a"}, {"port": 1, "name": "b"}]},
        },
        'spec.ports[1]: Duplicate value: {"port":1,"protocol":"TCP"}',
    ),
    (
        "another family",
        "services",
        {"metadata": {"name": "x"}, "spec": {"ipFamilies": ["IPv6"], "ports": [{"port": 1}]}},
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster',
    ),
    (
        "both families",
        "services",
        {
            "metadata": {"name": "x"},
            "spec": {"ipFamilyPolicy": "RequireDualStack", "ports": [{"port": 1}]},
        },
        'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured',
    ),
    (
        "selector misses the template",
        "deployments.apps",
        deployment(selector={"matchLabels": {"a": "c"}}),
        'spec.template.metadata.labels: Invalid value: {"a":"b"}: `selector` does not match '
        "template `labels`",
    ),
    (
        "job that restarts always",
        "jobs.batch",
        {"metadata": {"name": "x"}, "spec": {"template": {"spec": {"containers": [container()]}}}},
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"',
    ),
    (
        "mount without volume",
        "pods",
        {
            "metadata": {"name": "x"},
            "spec": {"containers": [container(volumeMounts=[{"name": "no", "mountPath": "/x"}])]},
        },
        'spec.containers[0].volumeMounts[0].name: Not found: "no"',
    ),
    (
        "a key that is no file name",
        "configmaps",
        {"metadata": {"name": "x"}, "data": {"a/b": ""}},
        'data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric',
    ),
    (
        "a key that leaves its directory",
        "secrets",
        {"metadata": {"name": "x"}, "data": {"..x": ""}},
        "data[..x]: Invalid value: \"..x\": must not be '.' or '..', or start with '..'",
    ),
    (
        "a key twice",
        "configmaps",
        {"metadata": {"name": "x"}, "data": {"a": ""}, "binaryData": {"a": ""}},
        'data[a]: Invalid value: "a": duplicate of key present in binaryData',
    ),
    (
        "more than a cluster stores",
        "configmaps",
        {"metadata": {"name": "x"}, "data": {"a": "x" * (1 << 20), "b": "y"}},
        "[]: Too long: may not be more than 1048576 bytes",
    ),
    (
        "tls secret without key",
        "secrets",
        {"metadata": {"name": "x"}, "type": "kubernetes.io/tls", "data": {"tls.crt": ""}},
        "data[tls.key]: Required value",
    ),
]


@pytest.mark.parametrize(
    ("resource", "obj", "message"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED]
)
def test_refusals_in_kubernetes_words(resource: str, obj: Json, message: str) -> None:
    strategy = registry.strategy_for(resource)
    causes = strategy.validate_create(strategy.default(obj))
    assert any(str(one).startswith(message) for one in causes), [str(one) for one in causes]


def changed(obj: Json, path: str, value: Any) -> Json:
    copied = copy.deepcopy(obj)
    *steps, last = path.split(".")
    place = copied
    for step in steps:
        place = place[int(step)] if isinstance(place, list) else place.setdefault(step, {})
    place[last] = value
    return copied


def service(**spec: Any) -> Json:
    body = {"metadata": {"name": "x", "namespace": "d"}, "spec": {"ports": [{"port": 80}], **spec}}
    return registry.strategy_for("services").default(body)


CHANGES: list[tuple[str, str, Json, str, Any, str]] = [
    (
        "selector",
        "deployments.apps",
        deployment(),
        "spec.selector.matchLabels",
        {"a": "z"},
        'spec.selector: Invalid value: {"matchLabels":{"a":"z"}}: field is immutable',
    ),
    ("replicas", "deployments.apps", deployment(), "spec.replicas", 7, ""),
    (
        "cluster IP",
        "services",
        service(clusterIP="10.0.0.2"),
        "spec.clusterIP",
        "10.0.0.4",
        "spec.clusterIPs[0]: Invalid value: ",
    ),
    ("image of a pod", "pods", pod(), "spec.containers.0.image", "other", ""),
    (
        "command of a pod",
        "pods",
        pod(),
        "spec.containers.0.command",
        ["x"],
        "spec: Forbidden: pod updates may not change fields other than",
    ),
    ("binding", "pods", pod(), "spec.nodeName", "n", ""),
    (
        "moving a pod",
        "pods",
        pod(nodeName="m"),
        "spec.nodeName",
        "n",
        "spec: Forbidden: pod updates may not change fields other than",
    ),
    (
        "secret type",
        "secrets",
        {"metadata": {"name": "x"}, "type": "Opaque"},
        "type",
        "other",
        'type: Invalid value: "other": field is immutable',
    ),
]


@pytest.mark.parametrize(
    ("resource", "old", "path", "value", "message"),
    [row[1:] for row in CHANGES],
    ids=[row[0] for row in CHANGES],
)
def test_what_may_change(resource: str, old: Json, path: str, value: Any, message: str) -> None:
    strategy = registry.strategy_for(resource)
    causes = [str(one) for one in strategy.validate_update(old, changed(old, path, value))]
    if message:
        assert causes
        assert causes[0].startswith(message)
    else:
        assert causes == []


def test_a_spec_write_keeps_the_status_and_a_status_write_the_spec() -> None:
    strategy = registry.strategy_for("deployments.apps")
    old = {**deployment(), "status": {"replicas": 1}}
    old["metadata"] = {**old["metadata"], "generation": 4}
    sent = {**changed(old, "spec.replicas", 9), "status": {"replicas": 9}}
    assert strategy.prepare_update(old, sent)["status"] == {"replicas": 1}
    assert strategy.generation_changed(old, strategy.prepare_update(old, sent))
    only_status = strategy.prepare_status_update(old, sent)
    assert only_status["status"] == {"replicas": 9}
    assert only_status["spec"]["replicas"] == 1
    assert not strategy.generation_changed(old, only_status)


def test_a_binding_brings_its_condition_and_nothing_else() -> None:
    strategy, old = registry.strategy_for("pods"), pod()
    bound = {"type": "PodScheduled", "status": "True"}
    forged = {"type": "Ready", "status": "True"}
    sent = changed(old, "spec.nodeName", "n")
    sent["status"] = {"phase": "Running", "conditions": [forged, bound]}
    result = strategy.prepare_update(old, sent)
    assert result["status"]["conditions"] == [bound]
    assert result["status"]["phase"] == "Pending"


def test_string_data_becomes_data() -> None:
    found = registry.strategy_for("secrets").default({"stringData": {"a": "b"}})
    assert found == {"type": "Opaque", "data": {"a": base64.b64encode(b"b").decode()}}


def test_a_namespace_is_labelled_and_held() -> None:
    strategy = registry.strategy_for("namespaces")
    made = strategy.prepare_create(strategy.default({"metadata": {"name": "shop"}}))
    assert made["metadata"]["labels"] == {"kubernetes.io/metadata.name": "shop"}
    assert made["spec"]["finalizers"] == ["kubernetes"]
    assert made["status"] == {"phase": "Active"}
    emptied = changed(made, "spec.finalizers", [])
    assert strategy.prepare_update(made, emptied)["spec"]["finalizers"] == ["kubernetes"]
    dying = changed(made, "metadata.deletionTimestamp", "2026-11-24T08:00:00Z")
    assert strategy.prepare_update(dying, emptied)["spec"]["finalizers"] == []


def allocated(obj: Json, *others: Json, old: Json | None = None) -> addresses.Allocated:
    return addresses.allocate(obj, addresses.in_use(others), RANGES, old)


def test_addresses_are_given_once_until_none_is_left() -> None:
    made: list[Json] = []
    for number in range(5):
        body = service()
        body["metadata"]["name"] = f"s{number}"
        found = allocated(body, *made)
        assert found.causes == ()
        made.append(found.service)
    given_out = {one["spec"]["clusterIP"] for one in made}
    assert given_out == {f"10.0.0.{n}" for n in range(2, 7)}
    assert allocated(service(), *made).causes


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("10.0.0.1", ""),
        ("10.0.0.2", "provided IP is already allocated"),
        ("10.1.0.1", "the provided network does not match"),
        ("hello", "must be a valid IP address"),
    ],
)
def test_addresses_asked_for(wanted: str, message: str) -> None:
    other = allocated(service(clusterIP="10.0.0.2")).service
    found = allocated(service(clusterIP=wanted), other)
    text = " ".join(str(one) for one in found.causes)
    assert message in text
    assert bool(text) is bool(message)


def test_a_headless_service_has_no_address() -> None:
    assert allocated(service(clusterIP="None")).service["spec"]["clusterIPs"] == ["None"]


def test_node_ports_follow_the_type_and_stay() -> None:
    first = allocated(service(type="NodePort")).service
    port = first["spec"]["ports"][0]["nodePort"]
    assert 30000 <= port <= 32767
    again = allocated(service(type="LoadBalancer"), old=first).service
    assert again["spec"]["ports"][0]["nodePort"] == port
    assert again["spec"]["clusterIP"] == first["spec"]["clusterIP"]
    plain = allocated({**again, "spec": {**again["spec"], "type": "ClusterIP"}}, old=again)
    assert "nodePort" not in plain.service["spec"]["ports"][0]
    asked = service(type="NodePort", ports=[{"port": 80, "nodePort": port}])
    asked["metadata"]["name"] = "other"
    (cause,) = allocated(asked, first).causes
    assert str(cause).endswith("provided port is already allocated")
    outside = service(type="NodePort", ports=[{"port": 80, "nodePort": 80}])
    assert "valid range" in str(allocated(outside).causes[0])


@given(st.lists(st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]), max_size=6))
def test_nothing_is_given_twice(types: list[str]) -> None:
    ranges = addresses.Ranges(first_node_port=30000, last_node_port=30003)
    made: list[Json] = []
    for number, kind in enumerate(types):
        body = service(type=kind)
        body["metadata"]["name"] = f"s{number}"
        found = addresses.allocate(body, addresses.in_use(made), ranges)
        if not found.causes:
            made.append(found.service)
    ports = [p["nodePort"] for s in made for p in s["spec"]["ports"] if "nodePort" in p]
    assert len(ports) == len(set(ports)) <= 4
    assert len({s["spec"]["clusterIP"] for s in made}) == len(made)
