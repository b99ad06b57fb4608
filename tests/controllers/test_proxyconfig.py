"""A proxy's own configuration: who has a say, and what of it reaches the container."""

import json
from typing import Any

import pytest
import yaml

from lateen.controllers.injection import injector, proxyconfig, sidecar

Json = dict[str, Any]


def of(name: str, namespace: str, created: str = "", /, selector: Json | None = None, **spec: Any):
    meta = {"name": name, "namespace": namespace, "creationTimestamp": created}
    if selector is not None:
        spec["selector"] = {"matchLabels": selector}
    return {"metadata": meta, "spec": spec}


def pod(**notes: str) -> Json:
    meta = {"name": "p", "namespace": "a", "labels": {"app": "web"}, "annotations": notes}
    return {"metadata": meta, "spec": {"containers": [{"name": "app", "image": "x"}]}}


ROOT = of("mesh", "istio-system", concurrency=1)
OWN = of("own", "a", concurrency=2)
CHOSEN = of("chosen", "a", selector={"app": "web"}, concurrency=3)
NOTE = {"proxy.istio.io/config": "concurrency: 9"}


@pytest.mark.parametrize(
    ("objects", "notes", "default", "expected"),
    [
        ([], {}, {}, None),
        ([], {}, {"concurrency": 7}, 7),
        ([ROOT], {}, {"concurrency": 7}, 1),
        ([OWN, ROOT], {}, {}, 2),
        ([OWN, ROOT], NOTE, {}, 9),
        ([OWN, CHOSEN, ROOT], NOTE, {}, 3),
        ([of("other", "b", concurrency=5)], {}, {}, None),
        ([of("other", "a", selector={"app": "api"}, concurrency=5)], {}, {}, None),
        # A selector in the root namespace chooses nobody elsewhere.
        ([of("r", "istio-system", selector={"app": "web"}, concurrency=5)], {}, {}, None),
        (
            [of("b", "a", "2025-02", concurrency=5), of("c", "a", "2025-01", concurrency=6)],
            {},
            {},
            6,
        ),
        ([of("zero", "a", concurrency=0)], NOTE, {}, 9),
        ([], {"proxy.istio.io/config": "["}, {"concurrency": 7}, 7),
    ],
)
def test_who_decides(objects: list[Json], notes: Json, default: Json, expected: int | None) -> None:
    found = proxyconfig.effective(pod(**notes), "a", objects, default, "istio-system")
    assert found.get("concurrency") == expected


def injected(*objects: Json, default: Json | None = None, **notes: str) -> Json:
    settings = injector.InjectionSettings(
        mesh=sidecar.InjectedMesh(istio_version="1.30.0"),
        proxy_configs=objects,
        default_config=default or {},
    )
    made = injector.inject(pod(**notes), {"metadata": {"name": "a"}}, settings)
    return {**made["spec"], "proxy": made["spec"]["containers"][-1]}


def test_variables_are_joined_and_reach_the_container() -> None:
    note = yaml.safe_dump({"proxyMetadata": {"B": "note", "C": 1}})
    proxy = injected(
        of("own", "a", environmentVariables={"A": "own", "B": "own"}),
        default={"proxyMetadata": {"A": "mesh", "D": "mesh"}},
        **{"proxy.istio.io/config": note},
    )["proxy"]
    env = {row["name"]: row.get("value") for row in proxy["env"]}
    assert [env[name] for name in "ABCD"] == ["own", "note", "1", "mesh"]
    assert json.loads(env["PROXY_CONFIG"])["proxyMetadata"]["A"] == "own"


def test_a_variable_of_istios_own_is_there_once() -> None:
    chosen = of("own", "a", environmentVariables={"ISTIO_META_CLUSTER_ID": "mine"})
    rows = [row for row in injected(chosen)["proxy"]["env"] if row["name"].endswith("CLUSTER_ID")]
    assert [row["value"] for row in rows] == ["mine"]


def test_which_image() -> None:
    usual = "docker.io/istio/proxyv2:1.30.0"
    kind = of("own", "a", image={"imageType": "distroless"})
    debug = {"sidecar.istio.io/proxyImageType": "debug"}
    assert injected()["proxy"]["image"] == usual
    assert injected(kind)["proxy"]["image"] == f"{usual}-distroless"
    assert injected(kind, **debug)["proxy"]["image"] == f"{usual}-debug"
    assert (
        injected(kind, **{"sidecar.istio.io/proxyImage": "own/p:1"})["proxy"]["image"] == "own/p:1"
    )


def test_resources_that_a_pod_names_are_all_that_there_are() -> None:
    assert injected()["proxy"]["resources"]["limits"] == {"cpu": "2", "memory": "1Gi"}
    notes = {"sidecar.istio.io/proxyCPU": "10m", "sidecar.istio.io/proxyMemoryLimit": "64Mi"}
    own = {"requests": {"cpu": "10m"}, "limits": {"memory": "64Mi"}}
    assert injected(**notes)["proxy"]["resources"] == own


@pytest.mark.parametrize(
    "volume",
    ['[{"name": "more", "emptyDir": {}}]', '{"more": {"emptyDir": {}}}'],
)
def test_volumes_for_the_proxy(volume: str) -> None:
    mount = '{"more": {"mountPath": "/more"}}'
    notes = {"sidecar.istio.io/userVolume": volume, "sidecar.istio.io/userVolumeMount": mount}
    found = injected(**notes)
    assert {"name": "more", "emptyDir": {}} in found["volumes"]
    assert {"name": "more", "mountPath": "/more"} in found["proxy"]["volumeMounts"]


@pytest.mark.parametrize("text", ["", "[", "3", '["x"]', '{"a": 1}'])
def test_what_cannot_be_read_adds_nothing(text: str) -> None:
    notes = {"sidecar.istio.io/userVolume": text, "sidecar.istio.io/userVolumeMount": text}
    assert injected(**notes) == injected() | {"proxy": injected(**notes)["proxy"]}
    assert injected(**notes)["proxy"]["volumeMounts"] == injected()["proxy"]["volumeMounts"]
