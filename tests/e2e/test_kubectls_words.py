"""`lateen get`, `apply` and `delete` print what the real kubectl prints of the same objects."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.labs import WALKTHROUGH, Lab

pytestmark = pytest.mark.e2e

TEXTS = (
    "žluť 日本", "yes", "1", "one\ntwo\n", "one\ntwo", "trailing \nx", "0x1F", "", "2020-01-01",
    "it's", "a: b", "<html>&", "-1", "-foo", "- a", "? x", "--- x", "y", "n", "on", "~", "null",
    "#c", "a #c", "a#c", "x:", "@a", "`a", "%a", "!a", "&a", "*", "|", '"q"', " lead", "trail ",
    "tab\tx", "1:30", "12:30:45", "1_000", "1e3", ".5", "0o7", "010", "+1", "True", "{a}", "a]b",
    "http://x:80/y", "\n", "\n\nx", "a\n  b\n", "  a\nb\n", "ends\n\n", "C:\\x", "1.0", ".inf",
    "0b1", "2001-12-14t21:59:43.10-05:00", "a\u2028b", "word " * 30,
)  # fmt: skip
"""What is written in YAML in one way or another, and in JSON escaped or not."""
TORTURE = json.dumps(
    {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "texts"},
        "data": {f"k{number:02}": text for number, text in enumerate(TEXTS)},
    }
)
DEFINED = """
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
spec: {size: 3}
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  names: {kind: Widget, plural: widgets, singular: widget, shortNames: [wd]}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        {type: object, properties: {spec: {type: object, properties: {size: {type: integer}}}}}
"""
COMMANDS = (
    "get pods",
    "get pods -A",
    "get pods -A --no-headers",
    "get all",
    "get all -n kube-system",
    "get svc,deploy",
    "get vs,dr,gw,pa",
    "get istio-io",
    "get node,pods",
    "get nodes -A lateen",
    "get pods nosuch",
    "get pod/nosuch svc/kubernetes",
    "get svc kubernetes nosuch",
    "get deploy,svc helloworld",
    "get svc/helloworld deploy/helloworld-mtls svc/kubernetes",
    "get nosuchkind",
    "get pods -A helloworld",
    "get pods -n nosuch",
    "get pods -A -l app=nobody",
    "get crd",
    "get widgets",
    "get wd w -o name",
    "get cm texts -o yaml",
    "get cm texts -o json",
    "get cm,sa,ns,deploy,svc -A -o yaml",
    "get vs,deploy -o json",
    "get pods -l app=nobody -o yaml",
    "get deploy helloworld-mtls nosuch -o name",
    "get pods nosuch -o yaml",
    "delete cm nosuch",
    "delete cm nosuch kube-root-ca.crt --wait=false",
    "delete pod/nosuch",
)
JSONPATH = (
    "{.items[*].metadata.name}",
    "{.items[-1].metadata.name}",
    "{.items[0:1].metadata.name}",
    "{.items[::2].metadata.name}",
    "{.items[0,1].metadata.name}",
    "{.items[*]['metadata.name', 'status.phase']}",
    '{range .items[*]}{.metadata.name}{"\\t"}{.status.phase}{"\\n"}{end}',
    "{range .items[*]}[{.metadata.name}, {range .spec.containers[*]}{.name} {end}] {end}",
    "{range .items[*]}{.metadata.name}",
    '{.items[?(@.metadata.labels.mtls=="true")].metadata.name}',
    "{.items[?(@.metadata.labels.mtls!='true')].metadata.name}",
    "{.items[*].status.containerStatuses[?(@.ready==true)].name}",
    "{.items[*].spec.containers[*].ports[?(@.containerPort>80)].containerPort}",
    "{.items[*].spec.containers[?(@.ports)].name}",
    '{.items[0].status.conditions[?(@.type=="Ready")].status}',
    "{.items[0].metadata.annotations.sidecar\\.istio\\.io/status}",
    "{.items[0].metadata.annotations['sidecar\\.istio\\.io/status']}",
    "{.items[0].spec.containers[*].ports}",
    "{.items[0].nosuch.deeper}",
    "{.items[7].metadata.name}",
    "{.items[2:1]}",
    "{.items[?(@.spec.terminationGracePeriodSeconds<30.5)].metadata.name}",
    "{.items..image}",
    "{.kind}{$.kind}{@.apiVersion}{ .kind }",
    "{'it\\'s'}{1}{-1.5}{true}",
    "{.items}",
    "{.items[0",
    "{foo}",
    "{end}",
    "plain",
)
FORMS = (
    *(("pods", f"-o=jsonpath={template}") for template in JSONPATH),
    ("svc", "kubernetes", "-o", "jsonpath-as-json={.spec.ports[*]['name','port']}{.spec}"),
    ("pods", "-o", "jsonpath"),
    ("pods", "-A", "--sort-by=.metadata.name", "-o=name"),
    ("svc", "-A", "--sort-by={.spec.ports[0].port}", "-o=name"),
    ("pods", "--sort-by=.nosuch", "-o=name"),
    ("sa", "-A", "--sort-by=metadata.name"),
    ("pods", "-A", "--show-labels", "--no-headers"),
    ("pods", "-L=app,mtls", "-L", "istio.io/rev"),
    ("svc,deploy", "--show-labels"),
)


@pytest.fixture(scope="module")
def lab(make_lab: Callable[..., Lab], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    lab = make_lab("words")
    texts = tmp_path_factory.mktemp("words") / "texts.json"
    texts.write_text(TORTURE)
    lab.ok("up", str(WALKTHROUGH), str(texts), "-", stdin=DEFINED)
    yield lab
    lab.lateen("down")


def words(text: str) -> str:
    """Leave out what goes on between two commands, and the columns' width that follows it."""
    text = re.sub(r"\b(\d+[smh])+\b", "AGE", text)
    return re.sub(r'(resourceVersion"?: )"\d+"', r"\1VERSION", text)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_same_words(lab: Lab, command: str) -> None:
    ours = lab.lateen(*command.replace("--wait=false", "--no-wait").split())
    real = lab.kubectl(*command.split())
    assert words(ours.stdout) == words(real.stdout)
    assert words(ours.stderr) == words(real.stderr)
    assert ours.returncode == real.returncode


@pytest.mark.parametrize("command", FORMS, ids=" ".join)
def test_the_same_in_a_form_of_ones_own(lab: Lab, command: tuple[str, ...]) -> None:
    ours, real = lab.lateen("get", *command), lab.kubectl("get", *command)
    assert words(ours.stdout) == words(real.stdout)
    assert (ours.returncode == 0) == (real.returncode == 0)


def test_forms_from_a_file_and_those_that_are_not_there(lab: Lab, tmp_path: Path) -> None:
    template = tmp_path / "template"
    template.write_text("{range .items[*]}{.metadata.name}{'\\n'}{end}")
    form = f"jsonpath-file={template}"
    ours = lab.ok("get", "pods", "-o", form)
    assert ours == lab.kubectl("get", "pods", "-o", form).stdout
    for kubectls in ("go-template={{.kind}}", "custom-columns=N:.metadata.name"):
        refused = lab.lateen("get", "pods", "-o", kubectls)
        assert refused.returncode == 64
        assert "use jsonpath" in refused.stderr


def test_apply_and_delete_by_file(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"
    file.write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n---\n"
        "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: two}\n"
    )
    lab.kubectl("create", "namespace", "elsewhere")
    for home in ((), ("-n", "elsewhere")):
        here = ("-f", str(file), *home)
        real = [
            lab.kubectl(*words, *here).stdout
            for words in (("apply", "--dry-run=server"), ("apply",), ("apply",), ("delete",))
        ]
        ours = [
            lab.ok(*words, *here)
            for words in (("apply", "--dry-run"), ("apply",), ("apply",), ("delete",))
        ]
        assert ours == real
    lab.kubectl("apply", "-f", str(file))
    assert lab.ok("apply", "-f", str(file)).count("unchanged") == 2
    lab.ok("delete", "-f", str(file))
    again = lab.lateen("delete", "-f", str(file))
    assert again.returncode == 1
    assert again.stderr.count("not found") == 2
    assert lab.lateen("delete", "-f", str(file), "--ignore-not-found").returncode == 0
    elsewhere = file.read_text().replace("name: one", "name: one, namespace: elsewhere")
    refused = lab.lateen("apply", "-n", "default", "-f", "-", stdin=elsewhere)
    assert refused.returncode == 65
    assert 'namespace from the provided object "elsewhere" does not match' in refused.stderr


def test_a_deletion_waits_until_the_object_is_gone(lab: Lab) -> None:
    name = lab.ok("get", "pods", "-l", "mtls=true", "-o", "name").strip()
    lab.ok("delete", name)
    assert lab.lateen("get", name).returncode == 1


def test_a_pod_that_fails_already_holds_up_no_other_change(lab: Lab) -> None:
    crashing = (
        "apiVersion: v1\nkind: Pod\nmetadata: {name: crash}\n"
        "spec: {containers: [{name: a, image: curlimages/curl, command: ['false']}]}\n"
    )
    waited = lab.lateen("apply", "--timeout", "2", "-f", "-", stdin=crashing)
    assert waited.returncode == 1
    assert "pod default/crash: " in waited.stderr
    lab.ok("apply", "--timeout", "2", "-f", "-", stdin=TORTURE)
    lab.ok("delete", "pod", "crash")


def test_what_was_printed_can_be_applied(lab: Lab) -> None:
    for form in ("yaml", "json"):
        printed = lab.ok("get", "cm", "texts", "-o", form)
        lab.ok("apply", "--no-wait", "-f", "-", stdin=printed)
        held = json.loads(lab.kubectl("get", "cm", "texts", "-o", "json").stdout)
        assert list(held["data"].values()) == list(TEXTS)


def test_kinds_that_a_definition_makes(lab: Lab) -> None:
    assert "widget.example.com/w unchanged" in lab.ok(
        "apply", "--no-wait", "-f", "-", stdin=DEFINED
    )
    wrong = lab.lateen("apply", "-f", "-", stdin=DEFINED.replace("size: 3", "sise: 3"))
    assert wrong.returncode == 1
    assert '<stdin>:2: Widget in version "v1"' in wrong.stderr
    assert 'unknown field "spec.sise"' in wrong.stderr
    near = lab.lateen("get", "wigdets")
    assert "did you mean widgets?" in near.stderr
    lab.ok("delete", "widget", "w")
    assert lab.ok("get", "wd", "-o", "name") == ""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("get widg", {"widgets"}),
        ("get deploy helloworld-m", {"helloworld-mtls"}),
        ("delete svc hel", {"helloworld"}),
        ("get pods -n ist", {"istio-system"}),
        ("get pods -o y", {"yaml"}),
        ("status --lab wor", {"words"}),
        ("up --istio 1.16", {"1.16"}),
        ("exec deploy/helloworld-mtls -c ist", {"istio-proxy"}),
        ("exec deploy/helloworld-mtls -c ", {"helloworld", "istio-proxy"}),
        ("logs -n istio-system deploy/istio-ingressgateway -c ", {"istio-proxy"}),
        ("curl --from deploy/helloworld-m", {"deploy/helloworld-mtls"}),
        ("up exam", {"file,exam"}),
        ("apply -f exam", {"file,exam"}),
    ],
)
def test_what_a_shell_is_offered(lab: Lab, words: str, offered: set[str]) -> None:
    asked = f"lateen {words}"
    lab.env |= {
        "_LATEEN_COMPLETE": "bash_complete",
        "COMP_WORDS": asked,
        "COMP_CWORD": str(len(asked.split(" ")) - 1),
    }
    try:
        found = lab.lateen().stdout.split()
    finally:
        del lab.env["_LATEEN_COMPLETE"]
    assert {one.removeprefix("plain,") for one in found} == offered
