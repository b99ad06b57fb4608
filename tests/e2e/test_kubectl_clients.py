"""Other people's clients on a whole lab: Helm, the official Python client, lightkube."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.labs import Lab, kubectl_path

kubernetes = pytest.importorskip("kubernetes")
lightkube = pytest.importorskip("lightkube")

pytestmark = pytest.mark.e2e

CHART = Path(__file__).parent / "charts" / "greeter"
HOST = "greeter.example.com"
AUTOSCALER = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: kept}
spec: {maxReplicas: 3, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}}
"""
POD: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {
        "name": "worker",
        "labels": {"app": "worker", "sidecar.istio.io/inject": "false"},
    },
    "spec": {
        "terminationGracePeriodSeconds": 0,
        "containers": [
            {
                "name": "shell",
                "image": "busybox",
                "command": ["sh", "-c", "echo ready; exec sleep 3600"],
            }
        ],
    },
}


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab]) -> Iterator[Lab]:
    """A lab with nothing but its gateway."""
    made = make_lab("clients")
    made.ok("up")
    yield made
    made.ok("down")


@pytest.fixture
def config(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> str:
    """The kubeconfig, as clients find it."""
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    monkeypatch.setenv("KUBECONFIG", lab.env["KUBECONFIG"])
    return lab.env["KUBECONFIG"]


def until(seen: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


# --- Helm ---


def helm(lab: Lab, *args: str) -> str:
    """Run Helm, which must succeed."""
    done = lab.run(kubectl_path("helm"), *args)
    assert done.returncode == 0, f"helm {args}: {done.stdout}{done.stderr}"
    return done.stdout


def said(lab: Lab) -> str:
    """Ask the chart's web server through the ingress gateway."""
    # The exit code says whether the mesh is in step, which an upgrade just made it leave.
    status = json.loads(lab.lateen("status", "-o", "json").stdout)
    url = next(u for g in status["gateways"] for u in g["urls"] if u.startswith("http://"))
    return lab.run("curl", "-s", "-m", "5", "-H", f"Host: {HOST}", url).stdout.strip()


def test_helm_installs_upgrades_rolls_back_and_uninstalls(lab: Lab) -> None:
    wait = ("--wait", "--timeout", "30s")
    notes = helm(lab, "install", "web", str(CHART), *wait)
    assert "STATUS: deployed" in notes
    assert f"curl -H 'Host: {HOST}'" in notes
    until(lambda: said(lab) == "hello from release 1", "the first release")
    told = helm(lab, "test", "web", "--logs", "--timeout", "30s")
    assert "Phase:          Succeeded" in told
    assert "hello from release 1\n" in told.partition("POD LOGS: web-test (ask)\n")[2]
    helm(lab, "upgrade", "web", str(CHART), "--set", "greeting=bye,replicas=2", *wait)
    until(lambda: said(lab) == "bye from release 2", "the second release")
    deployed = lab.kubectl("get", "deployment", "web", "--no-headers").stdout.split()
    assert deployed[:2] == ["web", "2/2"]
    helm(lab, "rollback", "web", "1", *wait)
    until(lambda: said(lab) == "hello from release 1", "the first release again")
    history = json.loads(helm(lab, "history", "web", "-o", "json"))
    assert [(row["revision"], row["status"]) for row in history] == [
        (1, "superseded"),
        (2, "superseded"),
        (3, "deployed"),
    ]
    policy = lab.kubectl("get", "peerauthentication", "web", "-o", "jsonpath={.spec.mtls.mode}")
    assert policy.stdout == "STRICT"
    helm(lab, "uninstall", "web", "--wait")
    hooks = lab.kubectl("logs", "-l", "hook", "--tail=-1").stdout.splitlines()
    assert sorted(hooks) == [
        "post-install of 1",
        "post-rollback of 1",
        "pre-delete of 1",
        "pre-upgrade of 2",
    ]
    lab.kubectl("delete", "jobs", "-l", "!none")
    lab.kubectl("delete", "pod", "web-test")
    kinds = "deployment,configmap,gateway,virtualservice,peerauthentication"
    left = lab.kubectl("get", kinds, "-l", "app.kubernetes.io/managed-by=Helm", "-o", "name")
    assert left.stdout == ""
    assert json.loads(helm(lab, "list", "-o", "json")) == []


def test_helm_refuses_a_chart_that_istio_refuses(lab: Lab, tmp_path: Path) -> None:
    bad = ("--set", "host=-bad-")
    done = lab.run(kubectl_path("helm"), "install", "bad", str(CHART), *bad)
    assert done.returncode == 1
    assert "-bad-" in done.stderr
    helm(lab, "uninstall", "bad", "--ignore-not-found")


# --- what kubectl may not do ---


@pytest.mark.parametrize("version", ["kubectl-1.37", "kubectl-1.32"])
def test_looking_into_the_node_is_refused_at_once(lab: Lab, version: str) -> None:
    """It would wait for ever for a directory of the host that no pod is given."""
    asked = ("debug", "node/lateen", "-it", "--image=nginx", "--", "ls", "/host")
    done = lab.kubectl(*asked, version=version, timeout=20)
    assert done.returncode == 1, done.stdout
    assert "name / or a directory above it under `hostPaths` in lateen.yaml" in done.stderr
    assert "node-debugger" not in lab.kubectl("get", "pods", "-A").stdout


@pytest.mark.parametrize("version", ["kubectl-1.37", "kubectl-1.32"])
def test_autoscale_is_refused_and_a_manifest_of_it_is_kept(lab: Lab, version: str) -> None:
    why = "a lab measures no load, so nothing would be scaled: choose the number of pods with"
    asked = ("autoscale", "deployment", "istio-ingressgateway", "-n", "istio-system", "--max=3")
    done = lab.kubectl(*asked, version=version)
    assert done.returncode == 1
    if version == "kubectl-1.32":  # it knows autoscaling/v1 only, which is not served
        assert "could not find the requested resource" in done.stderr
    else:
        assert f"Warning: refused: {why}" in done.stderr
    kubectl = kubectl_path(version)
    applied = lab.run(kubectl, "apply", "-f", "-", stdin=AUTOSCALER)
    assert applied.stdout == "horizontalpodautoscaler.autoscaling/kept created\n"
    assert "Warning: horizontalpodautoscalers.autoscaling are stored and listed" in applied.stderr
    again = lab.run(kubectl, "apply", "-f", "-", stdin=AUTOSCALER)
    assert again.stdout == "horizontalpodautoscaler.autoscaling/kept unchanged\n"
    listed = lab.kubectl("get", "hpa", "-A", "-o", "name", version=version)
    assert listed.stdout == "horizontalpodautoscaler.autoscaling/kept\n"
    lab.kubectl("delete", "hpa", "kept", version=version)


# --- the official Python client ---


@pytest.fixture
def official(config: str) -> Iterator[Any]:
    """A client of `kubernetes`, configured by the kubeconfig."""
    settings = kubernetes.client.Configuration()
    kubernetes.config.load_kube_config(config, client_configuration=settings)
    with kubernetes.client.ApiClient(settings) as client:
        yield client


def test_the_python_client_lists_watches_runs_and_deletes(lab: Lab, official: Any) -> None:
    core = kubernetes.client.CoreV1Api(official)
    assert "istio-system" in [each.metadata.name for each in core.list_namespace().items]
    seen: list[tuple[str, str]] = []

    def follow() -> None:
        options = {"label_selector": "app=worker", "timeout_seconds": 20}
        for event in kubernetes.watch.Watch().stream(
            core.list_namespaced_pod, "default", **options
        ):
            seen.append((event["type"], event["object"].status.phase or ""))
            if event["type"] == "DELETED":
                return

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    core.create_namespaced_pod("default", POD)
    until(lambda: ("MODIFIED", "Running") in seen, f"a running pod: {seen}")
    command = ["sh", "-c", "read word; echo got $word; echo trouble >&2; exit 3"]
    stream = kubernetes.stream.stream(
        core.connect_get_namespaced_pod_exec,
        "worker",
        "default",
        command=command,
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    stream.write_stdin("seven\n")
    stream.run_forever(timeout=10)
    assert stream.read_stdout() == "got seven\n"
    assert stream.read_stderr() == "trouble\n"
    assert stream.returncode == 3
    assert core.read_namespaced_pod_log("worker", "default") == "ready\n"
    core.delete_namespaced_pod("worker", "default")
    follower.join(20)
    assert seen[0][0] == "ADDED"
    assert seen[-1][0] == "DELETED"


def test_the_python_client_applies_and_meets_conflicts(lab: Lab, official: Any) -> None:
    custom = kubernetes.client.CustomObjectsApi(official)
    where = ("networking.istio.io", "v1", "default", "virtualservices")
    body = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "applied"},
        "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}}]}]},
    }
    apply: dict[str, Any] = {"_content_type": "application/apply-patch+yaml"}
    custom.patch_namespaced_custom_object(*where, "applied", body, field_manager="one", **apply)
    made = custom.get_namespaced_custom_object(*where, "applied")
    assert made["metadata"]["managedFields"][0]["manager"] == "one"
    other = {**body, "spec": {**body["spec"], "hosts": ["b"]}}
    with pytest.raises(kubernetes.client.ApiException) as refused:
        custom.patch_namespaced_custom_object(
            *where, "applied", other, field_manager="two", **apply
        )
    assert refused.value.status == 409
    assert 'conflict with "one"' in json.loads(refused.value.body)["message"]
    stale = {**made, "metadata": {**made["metadata"], "resourceVersion": "1"}}
    with pytest.raises(kubernetes.client.ApiException) as refused:
        custom.replace_namespaced_custom_object(*where, "applied", stale)
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    custom.delete_namespaced_custom_object(*where, "applied")


# --- lightkube ---


def test_lightkube_creates_waits_patches_and_scales(lab: Lab, config: str) -> None:
    from lightkube.core.exceptions import ApiError
    from lightkube.generic_resource import create_namespaced_resource
    from lightkube.models.apps_v1 import DeploymentSpec
    from lightkube.models.autoscaling_v1 import ScaleSpec
    from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec
    from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
    from lightkube.resources.apps_v1 import Deployment
    from lightkube.resources.core_v1 import Pod
    from lightkube.types import PatchType

    client = lightkube.Client(
        config=lightkube.KubeConfig.from_file(config), field_manager="lightkube", trust_env=False
    )
    labels = {"app": "light"}
    template = PodTemplateSpec(
        metadata=ObjectMeta(labels=labels),
        spec=PodSpec(containers=[Container(name="web", image="nginx")]),
    )
    spec = DeploymentSpec(selector=LabelSelector(matchLabels=labels), template=template, replicas=1)
    client.apply(Deployment(metadata=ObjectMeta(name="light"), spec=spec))
    client.wait(Deployment, "light", for_conditions=["Available"])
    client.replace(
        Deployment.Scale(
            metadata=ObjectMeta(name="light", namespace="default"), spec=ScaleSpec(replicas=2)
        )
    )
    until(lambda: len(list(client.list(Pod, labels=labels))) == 2, "two pods")
    pod = next(iter(client.list(Pod, labels=labels)))
    assert pod.spec is not None
    assert [each.name for each in pod.spec.containers] == ["web", "istio-proxy"]
    policies = create_namespaced_resource(
        "security.istio.io", "v1", "PeerAuthentication", "peerauthentications"
    )
    client.create(policies(metadata={"name": "light"}, spec={"mtls": {"mode": "STRICT"}}))
    softer = {"spec": {"mtls": {"mode": "PERMISSIVE"}}}
    client.patch(policies, "light", softer, patch_type=PatchType.MERGE)
    assert client.get(policies, "light").spec == {"mtls": {"mode": "PERMISSIVE"}}
    client.delete(policies, "light")
    client.delete(Deployment, "light")
    with pytest.raises(ApiError) as gone:
        client.get(policies, "light")
    assert gone.value.status.reason == "NotFound"
    until(lambda: not list(client.list(Pod, labels=labels)), "no pod left")
