"""What `kubectl get` prints, kind by kind."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.apiserver.reading import tables
from lateen.apiserver.reading.printers import cells, pods
from lateen.model.schema import kinds

Json = dict[str, Any]
NOW = datetime(2026, 11, 24, 8, 0, 0, tzinfo=UTC)
BORN = "2026-11-22T17:00:00Z"


def printed(resource: str, obj: Json, *, wide: bool = False) -> dict[str, Any]:
    """Return the row by column heading."""
    columns, (row,) = tables.table(kinds.KINDS[resource], [obj], NOW, wide)
    return dict(zip([one["name"].upper() for one in columns], row, strict=True))


def named(**more: Any) -> Json:
    return {"metadata": {"name": "x", "creationTimestamp": BORN}, **more}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "<invalid>"), (-0.5, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (123, "2m3s"),
        (599, "9m59s"), (600, "10m"), (10799, "179m"), (10800, "3h"), (11100, "3h5m"),
        (28799, "7h59m"), (28800, "8h"), (140400, "39h"), (172799, "47h"), (172800, "2d"),
        (180000, "2d2h"), (691200, "8d"), (63071999, "729d"), (63072000, "2y"),
        (63158400, "2y1d"), (252288000, "8y"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert cells.duration(seconds) == text


def test_every_kind_has_as_many_cells_as_columns() -> None:
    for info in kinds.KINDS.values():
        columns, (row,) = tables.table(info, [named()], NOW)
        assert len(columns) == len(row), info.resource
        assert columns[0]["name"] in ("Name", "Last Seen"), info.resource


def test_the_walkthroughs_service_line() -> None:
    ports = [
        {"port": 15021, "nodePort": 31316, "protocol": "TCP"},
        {"port": 80, "nodePort": 32012, "protocol": "TCP"},
        {"port": 443, "nodePort": 32486, "protocol": "TCP"},
    ]
    service = named(
        spec={"type": "LoadBalancer", "clusterIP": "10.97.47.216", "ports": ports},
        status={"loadBalancer": {"ingress": [{"ip": "192.168.1.50"}]}},
    )
    assert printed("services", service) == {
        "NAME": "x",
        "TYPE": "LoadBalancer",
        "CLUSTER-IP": "10.97.47.216",
        "EXTERNAL-IP": "192.168.1.50",
        "PORT(S)": "15021:31316/TCP,80:32012/TCP,443:32486/TCP",
        "AGE": "39h",
    }


@pytest.mark.parametrize(
    ("spec", "status", "external"),
    [
        ({"type": "ClusterIP"}, {}, "<none>"),
        ({"type": "ClusterIP", "externalIPs": ["1.2.3.4"]}, {}, "1.2.3.4"),
        ({"type": "LoadBalancer"}, {}, "<pending>"),
        ({"type": "ExternalName", "externalName": "a.b"}, {}, "a.b"),
        (
            {"type": "LoadBalancer", "externalIPs": ["9.9.9.9"]},
            {"loadBalancer": {"ingress": [{"hostname": "h"}]}},
            "h,9.9.9.9",
        ),
    ],
)
def test_external_addresses(spec: Json, status: Json, external: str) -> None:
    assert printed("services", named(spec=spec, status=status))["EXTERNAL-IP"] == external


def container(name: str = "a", restarts: int = 0, ready: bool = False, **state: Any) -> Json:
    return {"name": name, "restartCount": restarts, "ready": ready, "state": state}


RUN = {"running": {}}
WAIT = {"waiting": {"reason": "PodInitializing"}}
DEL = {"deletionTimestamp": BORN}


def ended(code: int = 0, reason: str = "", **more: Any) -> Json:
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason else {}), **more}}


POD_STATUS: list[tuple[str, Json, list[Json], list[Json], Json, str, str]] = [
    ("pending", {"phase": "Pending"}, [], [], {}, "Pending", "0/1"),
    ("running", {"phase": "Running"}, [], [container(ready=True, **RUN)], {}, "Running", "1/1"),
    (
        "unknown image",
        {"phase": "Pending"},
        [],
        [container(waiting={"reason": "ErrImagePull"})],
        {},
        "ErrImagePull",
        "0/1",
    ),
    (
        "crash loop",
        {"phase": "Running"},
        [],
        [container(restarts=3, waiting={"reason": "CrashLoopBackOff"})],
        {},
        "CrashLoopBackOff",
        "0/1",
    ),
    (
        "completed",
        {"phase": "Succeeded"},
        [],
        [container(**ended(0, "Completed"))],
        {},
        "Completed",
        "0/1",
    ),
    ("error", {"phase": "Failed"}, [], [container(**ended(1, "Error"))], {}, "Error", "0/1"),
    ("exit code", {"phase": "Failed"}, [], [container(**ended(7))], {}, "ExitCode:7", "0/1"),
    ("signal", {"phase": "Failed"}, [], [container(**ended(1, signal=9))], {}, "Signal:9", "0/1"),
    (
        "terminating",
        {"phase": "Running"},
        [],
        [container(ready=True, **RUN)],
        DEL,
        "Terminating",
        "1/1",
    ),
    (
        "ended while being deleted",
        {"phase": "Succeeded"},
        [],
        [container(**ended(0, "Completed"))],
        DEL,
        "Completed",
        "0/1",
    ),
    (
        "first init container runs",
        {"phase": "Pending"},
        [container("i", **RUN)],
        [container(**WAIT)],
        {},
        "Init:0/1",
        "0/1",
    ),
    (
        "init failed",
        {"phase": "Pending"},
        [container("i", **ended(1, "Error"))],
        [container(**WAIT)],
        {},
        "Init:Error",
        "0/1",
    ),
    (
        "init crash loop",
        {"phase": "Pending"},
        [container("i", waiting={"reason": "CrashLoopBackOff"})],
        [container(**WAIT)],
        {},
        "Init:CrashLoopBackOff",
        "0/1",
    ),
    (
        "init done",
        {"phase": "Pending"},
        [container("i", **ended(0, "Completed"))],
        [container(**WAIT)],
        {},
        "PodInitializing",
        "0/1",
    ),
    (
        "evicted",
        {"phase": "Failed", "reason": "Evicted"},
        [],
        [],
        {},
        "Evicted",
        "0/1",
    ),
]


@pytest.mark.parametrize(
    ("status", "inits", "mains", "meta", "expected", "ready"),
    [row[1:] for row in POD_STATUS],
    ids=[row[0] for row in POD_STATUS],
)
def test_pod_status(
    status: Json, inits: list[Json], mains: list[Json], meta: Json, expected: str, ready: str
) -> None:
    pod = named(
        spec={"containers": [{"name": "a"}], "initContainers": [{"name": "i"}] if inits else []},
        status={**status, "initContainerStatuses": inits, "containerStatuses": mains},
    )
    pod["metadata"] |= meta
    row = printed("pods", pod)
    assert (row["STATUS"], row["READY"]) == (expected, ready)


def test_restarts_say_when_the_last_one_was() -> None:
    last = {"terminated": {"finishedAt": "2026-11-24T07:58:00Z"}}
    pod = named(
        spec={"containers": [{"name": "a"}], "nodeName": "n"},
        status={
            "phase": "Running",
            "podIP": "10.244.0.7",
            "containerStatuses": [
                {**container(restarts=2, ready=True, running={}), "lastState": last}
            ],
        },
    )
    assert printed("pods", pod, wide=True) == {
        "NAME": "x",
        "READY": "1/1",
        "STATUS": "Running",
        "RESTARTS": "2 (2m ago)",
        "AGE": "39h",
        "IP": "10.244.0.7",
        "NODE": "n",
        "NOMINATED NODE": "<none>",
        "READINESS GATES": "<none>",
        "IMAGES": "<none>",
    }


def test_a_sidecar_that_is_an_init_container_counts() -> None:
    pod = named(
        spec={
            "containers": [{"name": "a"}],
            "initContainers": [{"name": "s", "restartPolicy": "Always"}],
        },
        status={
            "phase": "Running",
            "conditions": [{"type": "Initialized", "status": "True"}],
            "initContainerStatuses": [
                {**container("s", ready=True, restarts=1, running={}), "started": True}
            ],
            "containerStatuses": [container(ready=True, running={})],
        },
    )
    row = printed("pods", pod)
    assert (row["READY"], row["STATUS"], row["RESTARTS"]) == ("2/2", "Running", "1")
    assert pods.reason(pod) == "Running"


ROWS: list[tuple[str, Json, Json]] = [
    (
        "deployments.apps",
        {
            "spec": {
                "replicas": 3,
                "selector": {"matchLabels": {"app": "x"}},
                "template": {"spec": {"containers": [{"name": "a", "image": "nginx"}]}},
            },
            "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
        },
        {
            "READY": "2/3",
            "UP-TO-DATE": 3,
            "AVAILABLE": 2,
            "CONTAINERS": "a",
            "IMAGES": "nginx",
            "SELECTOR": "app=x",
        },
    ),
    (
        "replicasets.apps",
        {"spec": {"replicas": 2}, "status": {"replicas": 1}},
        {"DESIRED": 2, "CURRENT": 1, "READY": 0},
    ),
    ("statefulsets.apps", {"spec": {"replicas": 2}, "status": {}}, {"READY": "0/2"}),
    (
        "daemonsets.apps",
        {"status": {"desiredNumberScheduled": 1, "numberReady": 1}},
        {"DESIRED": 1, "CURRENT": 0, "READY": 1, "NODE SELECTOR": "<none>"},
    ),
    (
        "jobs.batch",
        {
            "spec": {"completions": 3, "parallelism": 2},
            "status": {
                "succeeded": 3,
                "startTime": "2026-11-24T07:50:00Z",
                "completionTime": "2026-11-24T07:51:05Z",
                "conditions": [{"type": "Complete", "status": "True"}],
            },
        },
        {"STATUS": "Complete", "COMPLETIONS": "3/3", "DURATION": "65s"},
    ),
    (
        "cronjobs.batch",
        {"spec": {"schedule": "* * * * *"}, "status": {"lastScheduleTime": BORN}},
        {"SCHEDULE": "* * * * *", "SUSPEND": "False", "ACTIVE": 0, "LAST SCHEDULE": "39h"},
    ),
    ("secrets", {"type": "kubernetes.io/tls", "data": {"a": "", "b": ""}}, {"DATA": 2}),
    ("configmaps", {"data": {"a": ""}, "binaryData": {"b": ""}}, {"DATA": 2}),
    ("namespaces", {"status": {"phase": "Active"}}, {"STATUS": "Active", "AGE": "39h"}),
    (
        "nodes",
        {
            "status": {
                "conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": {"kubeletVersion": "v1.34.0"},
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
            }
        },
        {"STATUS": "Ready", "ROLES": "<none>", "VERSION": "v1.34.0", "INTERNAL-IP": "10.0.0.1"},
    ),
    (
        "endpoints",
        {
            "subsets": [
                {"addresses": [{"ip": f"10.0.0.{n}"} for n in range(5)], "ports": [{"port": 80}]}
            ]
        },
        {"ENDPOINTS": "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more..."},
    ),
    (
        "endpointslices.discovery.k8s.io",
        {"addressType": "IPv4", "ports": [{"port": 80}], "endpoints": [{"addresses": ["1.1.1.1"]}]},
        {"ADDRESSTYPE": "IPv4", "PORTS": "80", "ENDPOINTS": "1.1.1.1"},
    ),
    (
        "events",
        {
            "involvedObject": {"kind": "Pod", "name": "p"},
            "reason": "Pulled",
            "message": "m ",
            "type": "Normal",
            "lastTimestamp": "2026-11-24T07:59:00Z",
            "firstTimestamp": "2026-11-24T07:00:00Z",
            "count": 4,
            "source": {"component": "kubelet", "host": "n"},
        },
        {
            "LAST SEEN": "60s",
            "OBJECT": "pod/p",
            "MESSAGE": "m",
            "FIRST SEEN": "60m",
            "COUNT": 4,
            "SOURCE": "kubelet, n",
        },
    ),
    (
        "virtualservices.networking.istio.io",
        {"spec": {"gateways": ["g"], "hosts": ["*"]}},
        {"GATEWAYS": '["g"]', "HOSTS": '["*"]', "AGE": "39h"},
    ),
    (
        "peerauthentications.security.istio.io",
        {"spec": {"mtls": {"mode": "STRICT"}}},
        {"MODE": "STRICT", "AGE": "39h"},
    ),
    ("gateways.networking.istio.io", {"spec": {}}, {"AGE": "39h"}),
    (
        "customresourcedefinitions.apiextensions.k8s.io",
        {},
        {"CREATED AT": BORN},
    ),
]


@pytest.mark.parametrize(("resource", "more", "expected"), ROWS, ids=[row[0] for row in ROWS])
def test_rows(resource: str, more: Json, expected: Json) -> None:
    row = printed(resource, named(**more), wide=True)
    assert {key: row[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".spec.a", 1),
        (".spec.list[1].b", "two"),
        ('.spec.list[?(@.b=="two")].c', 3),
        (".metadata.labels.app\\.dev/name", "n"),
        (".spec['a']", 1),
        (".spec.none.x", None),
        (".spec.list[9]", None),
    ],
)
def test_json_paths(path: str, expected: Any) -> None:
    obj = {
        "metadata": {"labels": {"app.dev/name": "n"}},
        "spec": {"a": 1, "list": [{"b": "one"}, {"b": "two", "c": 3}]},
    }
    assert tables.at(obj, path) == expected


def test_a_whole_table_is_what_kubectl_reads() -> None:
    table = tables.render(kinds.KINDS["pods"], [named()], NOW)
    assert (table["kind"], table["apiVersion"]) == ("Table", "meta.k8s.io/v1")
    assert [one["priority"] for one in table["columnDefinitions"]] == [0] * 5 + [1] * 5
    (row,) = table["rows"]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["name"] == "x"
