"""Each message has a mesh that it is said of, and one much like it of which it is not."""

from pathlib import Path

import pytest

from lateen.analysis import run
from lateen.app.foresight import findings
from lateen.app.foresight.rehearsal import Item, Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.model.manifests import reader
from lateen.model.messages import analysis
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.schema import decode, kinds
from lateen.model.validation import dispatch

CASES = Path(__file__).parent / "cases"
CODES = {row.code for row in (*analysis.ISTIO, *analysis.LATEEN)}
SETTINGS = LabSettings(lab="x", istio="1.32", user=0)
AS_ASKED = LabSettings(lab="x", istio="1.32", user=0, inject_unlabelled=False)
"""As on a cluster: only namespaces that ask for sidecars get them."""


def items(text: str, file: str = "mesh.yaml") -> list[Item]:
    """Read manifests that are sound."""
    parsed = reader.parse(text, file)
    assert not parsed.problems
    for each in parsed.manifests:
        info = kinds.find(str(each.body["apiVersion"]), str(each.body["kind"]))
        assert info is not None, each.body
        decoded = decode.decode(info, each.body, strict=True)
        assert decoded.object is not None
        assert not decoded.problems
        assert not dispatch.validate(info, decoded.object).errors
    return [Item(each.body, each.locate) for each in parsed.manifests]


def found(name: str, settings: LabSettings = SETTINGS) -> list[Diagnostic]:
    """Return what is found in a case's file."""
    file = CASES / name
    return findings.of_manifests(items(file.read_text(), file.name), settings)


def test_every_message_has_its_case() -> None:
    assert {one.name for one in CASES.iterdir()} == CODES


@pytest.mark.parametrize("code", sorted(CODES))
def test_it_is_said_of_this_mesh_with_its_place(code: str) -> None:
    settings = AS_ASKED if code == "IST0102" else SETTINGS
    said = [each for each in found(f"{code}/fires.yaml", settings) if each.code == code]
    assert said
    for each in said:
        assert each.location is not None
        assert each.location.file == "fires.yaml"


@pytest.mark.parametrize("code", sorted(CODES))
def test_it_is_not_said_of_one_much_like_it(code: str) -> None:
    assert code not in {each.code for each in found(f"{code}/near.yaml")}


def test_a_mesh_without_objects_has_no_findings() -> None:
    assert findings.of_manifests([], SETTINGS) == []


def test_an_annotation_silences_its_own_object_alone() -> None:
    text = (CASES / "IST0118" / "fires.yaml").read_text()
    marked = text.replace(
        "{name: web, namespace: shop}\nspec:\n  selector: {app: web}\n  ports",
        "{name: web, namespace: shop, annotations: {galley.istio.io/analyze-suppress: IST0118}}\n"
        "spec:\n  selector: {app: web}\n  ports",
    )
    assert marked != text
    codes = {each.code for each in findings.of_manifests(items(marked), SETTINGS)}
    assert "IST0118" not in codes


def test_findings_of_one_snapshot_are_the_same_in_any_order() -> None:
    every = items((CASES / "LTN0150" / "fires.yaml").read_text())
    one, other = (Rehearsal(order, SETTINGS) for order in (every, [every[0], *reversed(every[1:])]))
    codes = []
    for made in (one, other):
        snapshot = made.snapshot()
        chosen = run.AnalysisSettings(mesh=made.settings)
        each = run.findings(snapshot, made.mesh(snapshot), chosen, made.locate)
        codes.append([(f.code, f.source) for f in each])
    assert codes[0] == codes[1]
