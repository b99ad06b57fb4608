"""What kubectl's commands on objects print here, with two real kubectls."""

import json
from typing import Any

import pytest
import yaml

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: main, image: nginx, ports: [{containerPort: 80}]}]
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web, labels: {app: web}}
spec:
  selector: {app: web}
  ports: [{name: http, port: 8080, targetPort: 80}]
"""
RULE = """
apiVersion: networking.istio.io/v1alpha3
kind: DestinationRule
metadata: {name: web}
spec:
  host: web
  subsets: [{name: v1, labels: {version: v1}}]
"""
ALL = "---".join((DEPLOYMENT, SERVICE, RULE))
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: config}\ndata: {a: '1'}\n"


def test_apply_says_created_then_unchanged_then_configured(kubectl: Any) -> None:
    names = ("deployment.apps/web", "service/web", "destinationrule.networking.istio.io/web")
    for text, word in (
        (ALL, "created"),
        (ALL, "unchanged"),
    ):
        assert kubectl("apply", "-f", "-", stdin=text).lines == [f"{n} {word}" for n in names]
    more = ALL.replace("replicas: 1", "replicas: 2").replace("version: v1", "version: v2")
    assert kubectl("apply", "-f", "-", stdin=more).lines == [
        "deployment.apps/web configured",
        "service/web unchanged",
        "destinationrule.networking.istio.io/web configured",
    ]
    gone = kubectl("delete", "-f", "-", stdin=ALL).lines
    assert [line.split(" from ")[0] for line in gone] == [
        'deployment.apps "web" deleted',
        'service "web" deleted',
        'destinationrule.networking.istio.io "web" deleted',
    ]


def test_apply_removes_what_the_manifest_no_longer_says(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=CONFIG.replace("a: '1'", "a: '1', b: '2'"))
    kubectl("patch", "cm", "config", "--type=merge", "-p", '{"data":{"c":"3"}}')
    kubectl("apply", "-f", "-", stdin=CONFIG)
    assert json.loads(kubectl("get", "cm", "config", "-o", "jsonpath={.data}").out) == {
        "a": "1",
        "c": "3",
    }


def test_server_side_apply_and_its_conflicts(kubectl: Any) -> None:
    apply = ("apply", "--server-side", "-f", "-")
    assert kubectl(*apply, stdin=CONFIG).lines == ["configmap/config serverside-applied"]
    other = CONFIG.replace("'1'", "'2'")
    refused = kubectl(*apply, "--field-manager=other", stdin=other, code=1)
    assert 'Apply failed with 1 conflict: conflict with "kubectl": .data.a' in refused.err
    kubectl(*apply, "--field-manager=other", "--force-conflicts", stdin=other)
    shown = yaml.safe_load(
        kubectl("get", "cm", "config", "-o", "yaml", "--show-managed-fields").out
    )
    owners = {one["manager"]: one["fieldsV1"] for one in shown["metadata"]["managedFields"]}
    assert owners["other"]["f:data"] == {"f:a": {}}
    assert "f:data" not in owners.get("kubectl", {})


def test_dry_runs_store_nothing(kubectl: Any) -> None:
    assert kubectl("apply", "--dry-run=server", "-f", "-", stdin=CONFIG).lines == [
        "configmap/config created (server dry run)"
    ]
    assert kubectl("apply", "--dry-run=client", "-f", "-", stdin=CONFIG).lines == [
        "configmap/config created (dry run)"
    ]
    assert "not found" in kubectl("get", "cm", "config", code=1).err


def test_unknown_fields_by_validation(kubectl: Any) -> None:
    typo = DEPLOYMENT.replace("replicas", "replica")
    refused = kubectl("apply", "-f", "-", stdin=typo, code=1).err
    assert (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'unknown field "spec.replica"'
    ) in refused
    warned = kubectl("apply", "--validate=warn", "-f", "-", stdin=typo)
    assert 'Warning: unknown field "spec.replica"' in warned.err
    ignored = kubectl("apply", "--validate=ignore", "-f", "-", stdin=typo)
    assert "Warning" not in ignored.err


def test_what_is_invalid_names_the_field(kubectl: Any) -> None:
    wrong = SERVICE.replace("port: 8080", "port: 80800")
    assert kubectl("apply", "-f", "-", stdin=wrong, code=1).err.strip() == (
        'The Service "web" is invalid: spec.ports[0].port: Invalid value: 80800: must be between '
        "1 and 65535, inclusive"
    )
    wrong = DEPLOYMENT.replace("replicas: 1", "replicas: many")
    refused = kubectl("create", "-f", "-", stdin=wrong, code=1).err
    assert "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas" in refused


def test_tables_and_other_outputs(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=ALL)
    assert kubectl("get", "svc").lines[0].split() == [
        "NAME",
        "TYPE",
        "CLUSTER-IP",
        "EXTERNAL-IP",
        "PORT(S)",
        "AGE",
    ]
    wide = kubectl("get", "deploy", "-o", "wide").lines
    assert wide[0].split()[-3:] == ["CONTAINERS", "IMAGES", "SELECTOR"]
    assert wide[1].split()[-3:] == ["main", "nginx", "app=web"]
    assert kubectl("get", "dr", "--no-headers").out.split()[:2] == ["web", "web"]
    assert kubectl("get", "svc,dr", "-o", "name").lines == [
        "service/web",
        "destinationrule.networking.istio.io/web",
    ]
    assert kubectl("get", "svc", "-o", "jsonpath={.items[0].spec.ports[0].port}").out == "8080"
    assert kubectl("get", "svc", "web", "-o", "go-template={{.metadata.name}}").out == "web"
    columns = kubectl("get", "deploy", "-o", "custom-columns=N:.metadata.name,R:.spec.replicas")
    assert [line.split() for line in columns.lines] == [["N", "R"], ["web", "1"]]
    assert json.loads(kubectl("get", "svc", "web", "-o", "json").out)["kind"] == "Service"
    asked = yaml.safe_load(
        kubectl("get", "destinationrules.v1beta1.networking.istio.io", "-o", "yaml").out
    )
    assert asked["items"][0]["apiVersion"] == "networking.istio.io/v1beta1"


def test_lists_in_chunks_by_selectors_and_sorted(kubectl: Any) -> None:
    for number in range(7):
        kubectl("create", "cm", f"c{number}", f"--from-literal=n={number}")
    kubectl("label", "cm", "c1", "c3", "odd=yes")
    named = kubectl("get", "cm", "--chunk-size=2", "-o", "name").lines
    assert [n for n in named if "/c" in n] == [f"configmap/c{n}" for n in range(7)]
    assert kubectl("get", "cm", "-l", "odd=yes", "-o", "name").lines == [
        "configmap/c1",
        "configmap/c3",
    ]
    assert kubectl("get", "cm", "--field-selector", "metadata.name=c4", "-o", "name").lines == [
        "configmap/c4"
    ]
    assert "unable to parse" in kubectl("get", "cm", "-l", "a=b=c", code=1).err


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ("pods", "--field-selector=spec.foo=1", "-l", "a=b"),
            'Unable to find "/v1, Resource=pods" that match label selector "a=b", field selector '
            '"spec.foo=1": field label not supported: spec.foo',
        ),
        (
            ("deploy", "--field-selector=spec.replicas=1"),
            '"spec.replicas" is not a known field selector: only "metadata.name", '
            '"metadata.namespace"',
        ),
        (("vs", "--field-selector=spec.hosts=a"), "field label not supported: spec.hosts"),
    ],
    ids=["pods", "deployments", "istio"],
)
def test_fields_that_nothing_is_selected_by(
    kubectl: Any, arguments: tuple[str, ...], why: str
) -> None:
    assert why in kubectl("get", *arguments, code=1).err


def test_fields_by_which_objects_are_selected(kubectl: Any) -> None:
    kubectl("create", "secret", "generic", "plain")
    kubectl(
        "create", "secret", "docker-registry", "r", "--docker-username=a", "--docker-password=b"
    )
    chosen = kubectl("get", "secrets", "--field-selector=type!=Opaque", "-o", "name")
    assert chosen.lines == ["secret/r"]
    event = {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Pod", "name": "x"},
        "source": {"component": "mine"},
    }
    kubectl("create", "-f", "-", stdin=json.dumps(event))
    chosen = kubectl("get", "events", "--field-selector=source=mine,involvedObject.kind=Pod")
    assert len(chosen.lines) == 2


def test_a_scale_is_a_table(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    shown = kubectl("get", "deploy", "web", "--subresource=scale").lines
    assert [line.split()[:3] for line in shown] == [
        ["NAME", "DESIRED", "AVAILABLE"],
        ["web", "1", "0"],
    ]


def test_small_changes(kubectl: Any) -> None:
    kubectl("apply", "-f", "-", stdin=DEPLOYMENT)
    assert kubectl("label", "deploy", "web", "x=y").lines == ["deployment.apps/web labeled"]
    assert kubectl("annotate", "deploy", "web", "n=m").lines == ["deployment.apps/web annotated"]
    assert kubectl("scale", "deploy", "web", "--replicas=3").lines == ["deployment.apps/web scaled"]
    assert kubectl("set", "image", "deploy/web", "main=nginx:2").lines == [
        "deployment.apps/web image updated"
    ]
    assert kubectl("set", "env", "deploy/web", "A=B").lines == ["deployment.apps/web env updated"]
    assert kubectl("rollout", "restart", "deploy/web").lines == ["deployment.apps/web restarted"]
    assert kubectl("rollout", "pause", "deploy/web").lines == ["deployment.apps/web paused"]
    for kind, patch in (
        ("strategic", '{"spec":{"template":{"spec":{"containers":[{"name":"b","image":"x"}]}}}}'),
        ("merge", '{"metadata":{"labels":{"x":null}}}'),
        ("json", '[{"op":"replace","path":"/spec/replicas","value":5}]'),
    ):
        done = kubectl("patch", "deploy", "web", f"--type={kind}", "-p", patch)
        assert done.lines == ["deployment.apps/web patched"]
    left = json.loads(kubectl("get", "deploy", "web", "-o", "json").out)
    containers = {
        one["name"]: one["image"] for one in left["spec"]["template"]["spec"]["containers"]
    }
    assert containers == {"main": "nginx:2", "b": "x"}
    assert (left["spec"]["replicas"], left["spec"]["paused"]) == (5, True)
    assert left["metadata"]["labels"] == {"app": "web"}


def test_edit_replace_and_diff(kubectl: Any) -> None:
    kubectl("create", "cm", "config", "--from-literal=a=1")
    kubectl("edit", "cm", "config", EDITOR="sed -i '/^data:/,/^kind/s/a: .*/b: changed/'")
    assert kubectl("get", "cm", "config", "-o", "jsonpath={.data}").out == '{"b":"changed"}'
    assert kubectl("replace", "-f", "-", stdin=CONFIG).lines == ["configmap/config replaced"]
    assert kubectl("diff", "-f", "-", stdin=CONFIG.replace("'1'", "'2'"), code=1).out.count(
        "\n+  a: "
    )
    assert kubectl("replace", "--force", "-f", "-", stdin=CONFIG).lines[-1] == (
        "configmap/config replaced"
    )


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (("configmap", "x", "--from-literal=a=b"), "cm"),
        (("secret", "generic", "x", "--from-literal=a=b"), "secret"),
        (("serviceaccount", "x"), "sa"),
        (("deployment", "x", "--image=nginx", "--replicas=2", "--port=80"), "deploy"),
        (("service", "nodeport", "x", "--tcp=80:8080"), "svc"),
        (("job", "x", "--image=busybox", "--", "echo", "hi"), "job"),
        (("cronjob", "x", "--image=busybox", "--schedule=* * * * *"), "cronjob"),
        (("ingress", "x", "--rule=a.com/x=svc:80"), "ingress"),
        (("role", "x", "--verb=get", "--resource=pods"), "role"),
        (("rolebinding", "x", "--role=r", "--user=u"), "rolebinding"),
        (("quota", "x", "--hard=pods=1"), "quota"),
        (("poddisruptionbudget", "x", "--selector=a=b", "--min-available=1"), "pdb"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_create_commands(kubectl: Any, arguments: tuple[str, ...], kind: str) -> None:
    """kubectl sends these in its protobuf form: what arrives must be what it would have printed."""
    printed = yaml.safe_load(
        kubectl("create", *_before_dashes(arguments, "--dry-run=client", "-o", "yaml")).out
    )
    assert kubectl("create", *arguments).out.endswith(" created\n")
    stored = yaml.safe_load(kubectl("get", kind, "x", "-o", "yaml").out)
    for field in ("data", "spec", "rules", "roleRef", "subjects", "type"):
        assert _within(printed.get(field), stored.get(field)), field


def _before_dashes(arguments: tuple[str, ...], *more: str) -> tuple[str, ...]:
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    return (*arguments[:cut], *more, *arguments[cut:])


def _within(part: Any, whole: Any) -> bool:
    """Tell whether everything that is said in one is in the other; empty values say nothing."""
    if isinstance(part, dict):
        return all(_within(v, (whole or {}).get(k)) for k, v in part.items())
    if isinstance(part, list):
        return not part or (
            len(part) == len(whole or [])
            and all(_within(a, b) for a, b in zip(part, whole, strict=True))
        )
    return part is None or part == whole


def test_tokens_and_who_am_i(kubectl: Any) -> None:
    kubectl("create", "sa", "bob")
    token = kubectl("create", "token", "bob").out.strip()
    asked = kubectl("auth", "whoami", "--token", token, "-o", "json")
    name = json.loads(asked.out)["status"]["userInfo"]["username"]
    assert name == f"system:serviceaccount:{kubectl.namespace}:bob"
    assert kubectl("auth", "can-i", "delete", "pods").out == "yes\n"
    assert kubectl("auth", "can-i", "delete", "nodes", "--token", token, code=1).out[:2] == "no"
    refused = kubectl("delete", "ns", "default", "--token", token, code=1).err
    assert "is forbidden" in refused
    assert "Unauthorized" in kubectl("get", "pods", "--token", "wrong", code=1).err


def test_namespaces_that_end(kubectl: Any) -> None:
    name = f"{kubectl.namespace}-gone"
    kubectl("create", "ns", name)
    kubectl("delete", "ns", name, "--wait=false")
    assert kubectl("get", "ns", name).lines[1].split()[1] == "Terminating"
    refused = kubectl("-n", name, "create", "cm", "x", code=1).err
    assert "because it is being terminated" in refused
    held = kubectl("get", "ns", name, "-o", "json").out
    free = {**json.loads(held), "spec": {"finalizers": []}}
    kubectl(
        "replace", "--raw", f"/api/v1/namespaces/{name}/finalize", "-f", "-", stdin=json.dumps(free)
    )
    assert "not found" in kubectl("get", "ns", name, code=1).err


def test_kinds_that_nothing_acts_on_are_stored_with_a_warning(kubectl: Any) -> None:
    done = kubectl("create", "priorityclass", f"p{kubectl.namespace}", "--value=10")
    assert "Warning: priorityclasses.scheduling.k8s.io are stored and listed" in done.err
    assert "Warning" not in kubectl("get", "priorityclass").err


def test_explain_and_what_is_served(kubectl: Any) -> None:
    shown = kubectl("explain", "deployment.spec.strategy.rollingUpdate").out
    assert "maxSurge" in shown
    assert "maxUnavailable" in shown
    recursive = kubectl("explain", "vs.spec.http", "--recursive").out
    assert "retries\t<HTTPRetry>" in recursive
    rows = [line.split() for line in kubectl("api-resources", "--no-headers").lines]
    short = {row[0]: row[1] for row in rows}
    assert (short["virtualservices"], short["peerauthentications"]) == ("vs", "pa")
    versions = kubectl("api-versions").lines
    assert {"v1", "apps/v1", "networking.istio.io/v1alpha3"} <= set(versions)
    assert "is running at" in kubectl("cluster-info").out
    assert "Metrics API not available" in kubectl("top", "pods", code=1).err
    served = json.loads(kubectl("version", "-o", "json").out)["serverVersion"]
    assert served["gitVersion"].startswith("v1.")


def test_component_statuses_are_deprecated_and_healthy(kubectl: Any) -> None:
    done = kubectl("get", "cs")
    assert "Warning: v1 ComponentStatus is deprecated in v1.19+" in done.err
    assert [line.split() for line in done.lines] == [
        ["NAME", "STATUS", "MESSAGE", "ERROR"],
        ["scheduler", "Healthy", "ok"],
        ["controller-manager", "Healthy", "ok"],
        ["etcd-0", "Healthy", "ok"],
    ]
    one = kubectl("get", "componentstatuses", "etcd-0", "-o", "jsonpath={.conditions[0].status}")
    assert one.out == "True"
    assert "NotFound" in kubectl("get", "cs", "nobody", code=1).err
    assert kubectl("get", "csr").err == "No resources found\n"


def test_a_review_is_created_from_a_file(kubectl: Any) -> None:
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}},
    }
    made = kubectl("create", "-f", "-", "-o", "jsonpath={.status}", stdin=json.dumps(body))
    assert json.loads(made.out) == {"allowed": True}


def test_a_list_is_applied_as_it_was_printed(kubectl: Any) -> None:
    """Of a `kind: List` kubectl checks the fields itself, by OpenAPI v2 in protobuf's form."""
    kubectl("apply", "-f", "-", stdin=ALL)
    printed = kubectl("get", "deploy,svc,dr,cm", "-o", "yaml").out
    assert yaml.safe_load(printed)["kind"] == "List"
    kubectl("apply", "-f", "-", stdin=printed)
    wrong = printed.replace("subsets:", "subsetz:").replace("replicas: 1", "replicaz: 1")
    refused = kubectl("apply", "-f", "-", stdin=wrong, code=1).err
    assert 'unknown field "replicaz" in io.k8s.api.apps.v1.DeploymentSpec' in refused
    bare = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(CONFIG)]}
    assert kubectl("create", "-f", "-", stdin=json.dumps(bare)).out == "configmap/config created\n"


def test_a_kind_that_is_not_served_is_named(kubectl: Any) -> None:
    text = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\n"
    refused = kubectl("apply", "-f", "-", stdin=text, code=1).err
    assert 'no matches for kind "Widget" in version "example.com/v1"' in refused
