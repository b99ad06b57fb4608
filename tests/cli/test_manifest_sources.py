"""Manifests from files, folders, standard input, charts and kustomizations."""

import io
import os
import shutil
import sys
from pathlib import Path

import pytest

from lateen.app.lab.lab import LabError
from lateen.cli.manifests import files, foreign, helm, kustomize, sources
from lateen.cli.manifests.crds import Defined
from lateen.cli.manifests.named import Named
from lateen.model.manifests.reader import parse

MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n"
MONITOR = (
    "apiVersion: monitoring.coreos.com/v1\nkind: ServiceMonitor\nmetadata: {name: web}\n"
    "spec: {endpoints: []}\nanything: [1]\n"
)
CHART = "metadata:\n  name: {{ .Release.Name }}\nkind: ConfigMap\napiVersion: v1\n"


def accepted(named: Named, known: files.Surroundings = files.NOWHERE) -> files.ManifestSet:
    found = files.load(named, known)
    assert isinstance(found, files.ManifestSet), found
    return found


def refused(named: Named) -> str:
    found = files.load(named)
    assert isinstance(found, files.RefusedManifests), found
    return "\n".join(found.messages)


def test_a_folder_gives_its_files_in_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml"):
        (tmp_path / name).write_text(MAP % name[0])
    (tmp_path / "c.txt").write_text("no manifest")
    (tmp_path / "lateen.yaml").write_text("istio: '1.17'\n")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "d.json").write_text(
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}}'
    )
    flat = accepted(Named([str(tmp_path)]))
    deep = accepted(Named([str(tmp_path)], recursive=True))
    assert [item.name for item in flat.items] == ["a", "b"]
    assert [item.name for item in deep.items] == ["a", "b", "d"]


def test_an_empty_folder_gives_nothing_and_is_no_error(tmp_path: Path) -> None:
    assert accepted(Named([str(tmp_path)])) == files.ManifestSet()


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("gone.yaml")
    with pytest.raises(FileNotFoundError, match=r"a\.yaml"):
        files.load(Named([str(tmp_path)]))


def test_standard_input_is_read_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((MAP % "a").encode())))
    (item,) = accepted(Named(["-"])).items
    assert item.where == "<stdin>:1"


@pytest.mark.parametrize(("content", "code"), [(None, 64), (b"a: \xff", 65)])
def test_what_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, code: int) -> None:
    file = tmp_path / "a.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(LabError, match=r"a\.yaml") as caught:
        files.load(Named([str(file)]))
    assert caught.value.code == code


def test_an_unrendered_chart_is_told_from_broken_yaml(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "map.yaml").write_text(CHART)
    told = refused(Named([str(tmp_path / "templates")]))
    assert f"{tmp_path}/templates/map.yaml:2: a Helm template" in told
    assert "helm template NAME CHART | lateen apply -f -" in told
    (tmp_path / "Chart.yaml").write_text("apiVersion: v2\nname: c\n")
    assert f"helm template NAME {tmp_path} |" in refused(Named([str(tmp_path)]))


def test_braces_of_other_templates_are_none_of_helms(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text(MAP % "a" + "data: {alert: 'pod {{ $labels.pod }}', use: '{{ .Values.x }}'}\n")
    assert [item.name for item in accepted(Named([str(file)])).items] == ["a"]
    assert helm.line_of("a: {{ $labels.pod }} {{ .name }}") is None


def test_a_foreign_kind_is_kept_with_one_warning(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(MONITOR + "---\n" + MONITOR.replace("web", "api") + "---\n" + MAP % "a")
    found = accepted(Named([str(file)]))
    assert [item.name for item in found.items if not item.stands_in] == ["web", "api", "a"]
    (definition,) = (item for item in found.items if item.stands_in)
    assert definition.name == "servicemonitors.monitoring.coreos.com"
    (warning,) = found.warnings
    assert f"{file}:1 and 1 more: ServiceMonitor (monitoring.coreos.com/v1)" in warning
    assert "ServiceEntry" not in warning
    assert "--strict" in refused(Named([str(file)], strict=True))


def test_a_stand_in_of_the_lab_keeps_its_scope_and_versions(tmp_path: Path) -> None:
    file = tmp_path / "m.yaml"
    file.write_text(MONITOR.replace("/v1", "/v1beta1"))
    row = foreign.info("monitoring.coreos.com/v1", "ServiceMonitor", namespaced=False, known=())
    known = files.Surroundings(made=lambda: Defined(standing_in=(row,)))
    definition, item = accepted(Named([str(file)]), known).items
    assert [v["name"] for v in definition.body["spec"]["versions"]] == ["v1", "v1beta1"]
    assert definition.body["spec"]["scope"] == "Cluster"
    assert item.namespace == ""


def test_a_definition_among_the_manifests_makes_a_kind_known(tmp_path: Path) -> None:
    row = foreign.info("monitoring.coreos.com/v1", "ServiceMonitor", namespaced=True, known=())
    body = foreign.definition(row)
    body["metadata"].pop("annotations")
    (tmp_path / "a.json").write_text(files.msgspec.json.encode(body).decode())
    (tmp_path / "m.yaml").write_text(MONITOR)
    found = accepted(Named([str(tmp_path)], strict=True))
    assert len(found.items) == 2
    assert not found.warnings


@pytest.mark.parametrize(
    ("api_version", "kind", "expected"),
    [
        ("gateway.networking.k8s.io/v1", "HTTPRoute", False),
        ("serving.knative.dev/v1", "Service", True),
        ("acme.io/v1alpha1", "Widget", True),
        ("networking.istio.io/v1", "VirtualServices", False),  # a served group: misspelt
        ("networking.isto.io/v1", "VirtualService", False),  # a group misspelt
        ("app/v1", "Deployment", False),  # no custom resource's group lacks a dot
        ("extensions/v1beta1", "Ingress", False),
        ("v1", "Pods", False),
        ("acme.io/v1/v2", "Widget", False),
        ("acme.io/v1", "a widget", False),
        ("", "", False),
    ],
)
def test_which_kinds_can_only_be_another_projects(
    api_version: str, kind: str, expected: bool
) -> None:
    assert foreign.is_foreign(api_version, kind) is expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("HTTPRoute", "httproutes"), ("GatewayClass", "gatewayclasses"), ("Policy", "policies"),
     ("Proxy", "proxies"), ("Key", "keys"), ("Switch", "switches")],
)  # fmt: skip
def test_plurals_as_kubernetes_guesses_them(kind: str, expected: str) -> None:
    assert foreign.plural(kind) == expected


def overlay(tmp_path: Path) -> Path:
    base, over = tmp_path / "base", tmp_path / "over"
    for folder in (base, over):
        folder.mkdir()
    (base / "maps.yaml").write_text(MAP % "other" + "---\n" + MAP % "web" + "data:\n  a: b\n")
    (base / "kustomization.yaml").write_text("resources: [maps.yaml]\n")
    (over / "kustomization.yaml").write_text(
        "resources: [../base]\nnamePrefix: x-\n"
        "configMapGenerator:\n- name: made\n  literals: [a=b]\n"
    )
    return over


@pytest.mark.skipif(kustomize.command() is None, reason="neither kubectl nor kustomize is here")
@pytest.mark.parametrize("form", ["-k folder", "-f folder", "-f kustomization.yaml"])
def test_what_kustomize_builds_names_the_lines_of_its_sources(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overlay(tmp_path)
    monkeypatch.chdir(tmp_path)
    named = {
        "-k folder": Named(overlays=["over"]),
        "-f folder": Named(["over"]),
        "-f kustomization.yaml": Named(["over/kustomization.yaml"]),
    }[form]
    found = {item.name: item for item in accepted(named).items}
    assert found["x-web"].where == "base/maps.yaml:5"
    assert str(found["x-web"].manifest.locate("data.a")).startswith("base/maps.yaml:9")
    assert "annotations" not in found["x-web"].body["metadata"]
    (made,) = (item for name, item in found.items() if name.startswith("x-made-"))
    assert made.where == "over/kustomization.yaml:1"


@pytest.mark.skipif(kustomize.command() is None, reason="neither kubectl nor kustomize is here")
def test_what_kustomize_refuses_is_told_in_one_line(tmp_path: Path) -> None:
    over = overlay(tmp_path)
    (tmp_path / "base" / "kustomization.yaml").write_text("resources: [missing.yaml]\n")
    with pytest.raises(LabError) as caught:
        files.load(Named(overlays=[str(over)]))
    assert caught.value.code == 65
    assert "missing.yaml: no such file or directory" in str(caught.value)
    assert "accumulat" not in str(caught.value)


def test_without_kustomize_it_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = overlay(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabError, match="neither kubectl nor kustomize"):
        files.load(Named([str(over)]))


def test_a_standalone_kustomize_is_taken_where_kubectl_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kustomize").symlink_to(shutil.which("true") or "/bin/true")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert kustomize.command() == [os.path.join(tmp_path, "kustomize"), "build"]


def test_a_kustomization_below_a_folder_is_not_read_as_a_manifest(tmp_path: Path) -> None:
    overlay(tmp_path)
    told = refused(Named([str(tmp_path)], recursive=True))
    assert f"pass it alone, with -k {tmp_path}/over" in told


def test_a_folder_that_is_no_kustomization(tmp_path: Path) -> None:
    with pytest.raises(LabError, match=r"no kustomization\.yaml there"):
        sources.read(Named(overlays=[str(tmp_path)]))


def test_the_origin_of_a_built_object_is_the_longest_name_in_it() -> None:
    text = "---\n".join(MAP % name for name in ("web", "web-db", "other"))
    written = parse(text, "f.yaml").manifests
    body = {"kind": "ConfigMap", "metadata": {"name": "x-web-db-5h7"}}
    found = kustomize.origin(body, written)
    assert found is not None
    assert found.body["metadata"]["name"] == "web-db"
    assert kustomize.origin({"kind": "Secret", "metadata": {"name": "web"}}, written) is None
