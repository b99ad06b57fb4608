"""Real images in labs: pulled from a real registry, loaded from files, run behind the walls."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import registries
from tests.e2e.labs import USERS, Lab
from tests.e2e.registries import Registry
from tests.node import layers
from tests.node.layers import Layer

pytestmark = pytest.mark.e2e

FAR = 30
PODS = """\
apiVersion: v1
kind: Service
metadata: {{name: site}}
spec: {{selector: {{app: site}}, ports: [{{name: http, port: 80, targetPort: 8080}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: site, labels: {{app: site}}}}
spec:
  containers:
  - {{name: app, image: "{site}", env: [{{name: OWN, value: "$(SITE)"}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: client}}
spec:
  containers: [{{name: app, image: curlimages/curl, command: [sleep, "3600"]}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: missing, labels: {{sidecar.istio.io/inject: "false"}}}}
spec:
  containers: [{{name: app, image: "{host}/nobody/has:1"}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: never, labels: {{sidecar.istio.io/inject: "false"}}}}
spec:
  containers: [{{name: app, image: "{host}/nobody/has:2", imagePullPolicy: Never}}]
"""


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with registries.registry() as running:
        yield running


@pytest.fixture(scope="module", params=USERS)
def lab(
    request: pytest.FixtureRequest,
    make_lab: Callable[..., Lab],
    registry: Registry,
    tmp_path_factory: pytest.TempPathFactory,
) -> Lab:
    made = make_lab("images", ordinary=request.param)
    folder = registries.site(tmp_path_factory.mktemp("site"), "a page of the image\n")
    site = registry.push("me/site:1", folder)
    done = made.lateen("up", "-", stdin=PODS.format(site=site, host=registry.host))
    assert done.returncode == 1, done.stdout + done.stderr  # two pods cannot be had
    assert "manifest unknown" in done.stderr
    return made


def shown(lab: Lab, pod: str) -> Any:
    return json.loads(lab.ok("get", "pod", pod, "-o", "json"))["status"]


def until(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + FAR
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def waiting(lab: Lab, pod: str) -> Any:
    return shown(lab, pod)["containerStatuses"][0]["state"].get("waiting") or {}


def test_a_pulled_image_serves_in_the_mesh(lab: Lab, registry: Registry) -> None:
    told = lab.ok("curl", "--from", "pod/client", "http://site/index.html")
    assert "a page of the image" in told
    assert "mutual TLS" in told
    (status,) = [c for c in shown(lab, "site")["containerStatuses"] if c["name"] == "app"]
    assert status["imageID"].startswith(f"{registry.host}/me/site@sha256:")
    assert f"{registry.host}/me/site@sha256:" in lab.ok("status")
    wide = lab.ok("get", "pods", "-o", "wide")
    assert f"{registry.host}/me/site@sha256:" in wide
    assert "curlimages/curl (stand-in)" in wide
    events = lab.ok("get", "events")
    assert f'Pulling image "{registry.host}/me/site:1"' in events
    assert f'Successfully pulled image "{registry.host}/me/site:1" in' in events


def test_a_container_is_what_its_image_says(lab: Lab) -> None:
    def ask(*words: str) -> str:
        return lab.ok("exec", "site", "-c", "app", "--", *words)

    assert ask("/bin/sh", "-c", "echo $SITE $OWN $HOME; pwd").split() == (
        ["image", "$(SITE)", "/root" if lab.ordinary else "/srv", "/www"]
    )
    who = ask("id", "-u") + ask("id", "-g")
    assert who.split() == (["0", "0"] if lab.ordinary else ["33", "34"])
    assert ask("ls", "/www").split() == ["index.html"], "what a layer removes is gone"
    assert ask("cat", "/etc/hosts").startswith("# Kubernetes-managed")


def test_the_walls_stand_around_an_image(lab: Lab) -> None:
    def ask(script: str) -> str:
        return lab.ok("exec", "site", "-c", "app", "--", "/bin/sh", "-c", script)

    top = set(ask("ls /").split())
    assert top <= {"bin", "dev", "etc", "proc", "sys", "tmp", "var", "www"}
    assert str(lab.home) not in ask("cat /proc/self/mounts")
    assert ask("head -c 1 /proc/kcore 2>/dev/null | wc -c").strip() == "0"
    assert ask("echo 1 > /proc/sys/kernel/core_pattern 2>/dev/null && echo wrote || echo no") == (
        "no\n"
    )


def test_an_image_that_cannot_be_had_says_so_in_the_registrys_words(lab: Lab) -> None:
    state = until(
        lambda: (
            waiting(lab, "missing").get("reason") == "ImagePullBackOff" and waiting(lab, "missing")
        )
    )
    assert "404 MANIFEST_UNKNOWN: manifest unknown" in state["message"]
    never = waiting(lab, "never")
    assert never["reason"] == "ErrImageNeverPull"
    assert "is not present with pull policy of Never" in never["message"]


def test_a_pull_secret_opens_a_guarded_registry(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = registries.site(tmp_path_factory.mktemp("guarded"), "guarded\n")
    with registries.registry(guarded=True) as guarded:
        image = guarded.push("me/guarded:1", folder)
        auths = {guarded.host: {"auth": registries.auth()}}
        # A Secret names no program of the host.
        config = json.dumps({"auths": auths, "credsStore": "of-no-machine"})
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "guarded", "labels": {"sidecar.istio.io/inject": "false"}},
            "spec": {
                "containers": [{"name": "app", "image": image}],
                "imagePullSecrets": [{"name": "reader"}],
            },
        }
        lab.lateen("apply", "-f", "-", "--timeout", "10", stdin=json.dumps(pod))
        told = until(lambda: waiting(lab, "guarded").get("message"))
        assert "401 UNAUTHORIZED: authentication required" in told
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "reader"},
            "type": "kubernetes.io/dockerconfigjson",
            "stringData": {".dockerconfigjson": config},
        }
        lab.ok("apply", "-f", "-", stdin=json.dumps(secret))
        until(lambda: shown(lab, "guarded")["phase"] == "Running")


def test_what_is_loaded_goes_before_the_stand_in(lab: Lab, tmp_path: Path) -> None:
    folder = lab.home / "layout"
    layer = registries.busybox().file("mine", "loaded").done()
    layers.layout(folder, [layer], name="nginx:mine", process={"Cmd": ["/bin/sleep", "3600"]})
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    assert lab.ok("image", "load", str(folder)).startswith("docker.io/library/nginx:mine sha256:")
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "mine", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"containers": [{"name": "app", "image": "nginx:mine"}]},
    }
    lab.ok("apply", "-f", "-", stdin=json.dumps(pod))
    assert lab.ok("exec", "mine", "--", "/bin/cat", "/mine") == "loaded"
    refused = lab.lateen("image", "rm", "nginx:mine")
    assert refused.returncode == 1
    assert "a pod of a lab uses docker.io/library/nginx:mine" in refused.stderr
    lab.ok("delete", "pod", "mine")
    assert "docker.io/library/nginx:mine removed" in lab.ok("image", "rm", "nginx:mine")
    assert "nginx" not in lab.ok("image", "ls")


def test_workers_of_another_user_run(
    lab: Lab, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = registry.push("me/nginx:1", registries.nginx(tmp_path_factory.mktemp("nginx")))
    objects = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "real"},
            "spec": {"selector": {"app": "real"}, "ports": [{"name": "http", "port": 80}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "real", "labels": {"app": "real"}},
            "spec": {"containers": [{"name": "app", "image": image}]},
        },
    ]
    body = {"apiVersion": "v1", "kind": "List", "items": objects}
    lab.ok("apply", "-f", "-", stdin=json.dumps(body))

    def answer() -> str:
        said = str(lab.lateen("curl", "--from", "pod/client", "http://real/").stdout)
        return said if "a real nginx" in said else ""

    assert "mutual TLS" in until(answer)
    users = lab.ok("exec", "real", "-c", "app", "--", "/bin/ps").split("\n")
    workers = {line.split()[1] for line in users if "worker process" in line}
    assert workers == ({"root"} if lab.ordinary else {"web"})


def test_an_empty_image_is_told(lab: Lab) -> None:
    folder = lab.home / "empty"
    layers.layout(folder, [Layer().file("a", "a").done()], name="empty:1")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    lab.ok("image", "load", str(folder))
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "empty", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {"containers": [{"name": "app", "image": "empty:1"}]},
    }
    lab.lateen("apply", "-f", "-", "--timeout", "2", stdin=json.dumps(pod))
    assert until(lambda: waiting(lab, "empty").get("message")) == "no command specified"


def test_a_hostile_root_changes_nothing_of_the_host(
    lab: Lab, registry: Registry, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Places that are made in every container are links or files in this image."""
    before = Path("/etc/hosts").read_bytes()
    layer = registries.busybox().folder("real")
    layer.link("dev", "/../../../../dev").file("proc", "a file").link("sys", "/proc/self/root")
    layer.link("app", "../../../../../../../tmp").link("var", "/../../real")
    above = Layer().file(".wh.etc", "").link("etc", "/../../real").done()
    folder = tmp_path_factory.mktemp("hostile")
    process = {"Cmd": ["/bin/sleep", "3600"], "WorkingDir": "/app/made"}
    layers.layout(folder, [layer.done(), above], process=process)
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "hostile", "labels": {"sidecar.istio.io/inject": "false"}},
        "spec": {
            "volumes": [{"name": "v", "emptyDir": {}}],
            "containers": [
                {
                    "name": "app",
                    "image": registry.push("me/hostile:1", folder),
                    "volumeMounts": [{"name": "v", "mountPath": "/app/volume"}],
                }
            ],
        },
    }
    lab.ok("apply", "-f", "-", stdin=json.dumps(pod))

    def ask(script: str) -> str:
        return lab.ok("exec", "hostile", "--", "/bin/sh", "-c", script)

    assert ask("cat /real/hosts").startswith("# Kubernetes-managed")
    assert ask("pwd; ls /tmp").split() == ["/tmp/made", "made", "volume"]
    assert ask("cat /proc/self/comm; test -c /dev/null && echo device") == "cat\ndevice\n"
    assert Path("/etc/hosts").read_bytes() == before
    assert not Path("/tmp/made").exists()
    assert not Path("/tmp/volume").exists()
