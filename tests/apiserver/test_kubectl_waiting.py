"""Watching and waiting, custom kinds, and Helm, with real clients."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            required: [cronSpec]
            x-kubernetes-validations:
            - {rule: "self.cronSpec.split(' ').size() == 5", message: cronSpec has five parts}
            - {rule: self.cronSpec == oldSelf.cronSpec, message: cronSpec stays}
            properties:
              cronSpec: {type: string, description: When it runs.}
              replicas: {type: integer, minimum: 1, maximum: 10, default: 1}
          status: {type: object, properties: {replicas: {type: integer}}}
"""
TAB = """
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: mine}
spec: {cronSpec: '* * * * *'}
"""


def test_watch_shows_changes_as_they_come(kubectl: Any) -> None:
    kubectl("create", "cm", "a", "--from-literal=x=1")
    process = kubectl.start("get", "cm", "-w", "--output-watch-events", "--no-headers")
    try:
        assert process.stdout.readline().split()[:3] == ["ADDED", "a", "1"]
        kubectl("label", "cm", "a", "x=y")
        assert process.stdout.readline().split()[:3] == ["MODIFIED", "a", "1"]
        kubectl("create", "cm", "b")
        assert process.stdout.readline().split()[:3] == ["ADDED", "b", "0"]
        kubectl("delete", "cm", "a")
        assert process.stdout.readline().split()[:2] == ["DELETED", "a"]
    finally:
        process.kill()
        process.communicate()


def test_wait_for_a_condition_a_field_and_the_end(kubectl: Any) -> None:
    kubectl("create", "deployment", "d", "--image=nginx")
    waiting = kubectl.start("wait", "--for=condition=Available", "deploy/d", "--timeout=10s")
    status = {"status": {"conditions": [{"type": "Available", "status": "True"}]}}
    kubectl(
        *("patch", "deploy", "d", "--subresource=status", "--type=merge", "-p", json.dumps(status))
    )
    assert waiting.communicate(timeout=15)[0] == "deployment.apps/d condition met\n"
    done = kubectl("wait", "--for=jsonpath={.spec.replicas}=1", "deploy/d", "--timeout=5s")
    assert done.out == "deployment.apps/d condition met\n"
    waiting = kubectl.start("wait", "--for=delete", "deploy/d", "--timeout=10s")
    kubectl("delete", "deploy", "d")
    assert waiting.wait(15) == 0
    waiting.communicate()
    late = kubectl("wait", "--for=condition=Ready", "ns/default", "--timeout=1s", code=1)
    assert "timed out waiting for the condition" in late.err


def test_custom_kinds(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=CRD)
    name = "crd/crontabs.stable.example.com"
    kubectl("wait", "--for=condition=Established", name, "--timeout=5s")
    kubectl("apply", "-f", "-", stdin=TAB)
    assert [line.split() for line in kubectl("get", "ct").lines] == [
        ["NAME", "SPEC", "REPLICAS"],
        ["mine", "*", "*", "*", "*", "*", "1"],
    ]
    kubectl("scale", "ct", "mine", "--replicas=4")
    kubectl(
        *("patch", "ct", "mine", "--type=merge", "--subresource=status"),
        *("-p", '{"status":{"replicas":3},"spec":{"replicas":9}}'),
    )
    left = json.loads(kubectl("get", "ct", "mine", "-o", "json").out)
    assert (left["spec"]["replicas"], left["status"]["replicas"]) == (4, 3)
    assert left["metadata"]["generation"] == 2
    refused = kubectl("apply", "-f", "-", stdin=TAB.replace("{cron", "{replicas: 11, cron"), code=1)
    assert "spec.replicas in body should be less than or equal to 10" in refused.err
    refused = kubectl("apply", "-f", "-", stdin=TAB.replace("{cron", "{foo: 1, cron"), code=1)
    assert 'strict decoding error: unknown field "spec.foo"' in refused.err
    refused = kubectl("apply", "-f", "-", stdin=TAB.replace("'* *", "'*"), code=1)
    assert [line.rpartition(": ")[2] for line in refused.err.splitlines()[1:]] == [
        "cronSpec has five parts",
        "cronSpec stays",
    ]
    assert "When it runs." in kubectl("explain", "ct.spec").out
    kubectl("delete", name)
    gone = kubectl("get", "crontabs.stable.example.com", code=1).err
    assert 'the server doesn\'t have a resource type "crontabs"' in gone
    assert kubectl("get", name, code=1).err.startswith("Error from server (NotFound)")


CHART = {
    "Chart.yaml": "apiVersion: v2\nname: small\nversion: 0.1.0\n",
    "values.yaml": "replicas: 1\n",
    "templates/all.yaml": """
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  replicas: {{ .Values.replicas }}
  selector: {matchLabels: {app: x}}
  template:
    metadata: {labels: {app: x}}
    spec: {containers: [{name: main, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {name: {{ .Release.Name }}}
spec: {selector: {app: x}, ports: [{port: 80}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: {{ .Release.Name }}}
spec:
  hosts: [{{ .Release.Name }}]
  http: [{route: [{destination: {host: {{ .Release.Name }}}}]}]
""",
}


@pytest.fixture
def helm(kubectl: Any, tmp_path: Path) -> Any:
    path = (
        os.environ.get("LATEEN_HELM")
        or shutil.which("helm")
        or str(Path(__file__).parents[2] / ".venv" / "kubectl" / "helm")
    )
    if not Path(path).exists():
        raise pytest.UsageError("no helm: put it on the PATH or name it in LATEEN_HELM")

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [path, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=kubectl.environment,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for name, text in CHART.items():
        (tmp_path / "small" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "small" / name).write_text(text)
    return run


@pytest.mark.parametrize("kubectl", ["1.37"], indirect=True)
def test_helm_installs_upgrades_rolls_back_and_uninstalls(kubectl: Any, helm: Any) -> None:
    def replicas() -> str:
        out: str = kubectl("get", "deploy", "shop", "-o", "jsonpath={.spec.replicas}").out
        return out

    helm("install", "shop", "./small")
    assert replicas() == "1"
    assert kubectl("get", "svc,vs", "-o", "name").lines == [
        "service/shop",
        "virtualservice.networking.istio.io/shop",
    ]
    helm("upgrade", "shop", "./small", "--set", "replicas=3")
    assert replicas() == "3"
    helm("rollback", "shop", "1")
    assert replicas() == "1"
    listed = yaml.safe_load(helm("list", "-o", "yaml"))
    assert (listed[0]["revision"], listed[0]["status"]) == ("3", "deployed")
    helm("uninstall", "shop")
    assert kubectl("get", "deploy,svc,vs", "-o", "name").out == ""
