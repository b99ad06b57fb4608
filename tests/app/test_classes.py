"""Statements about all requests, against the requests themselves."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from lateen.analysis.expectations.values import Assertion
from lateen.app.foresight import offline
from lateen.app.foresight.classes import assertions, posture, posture_diff, upgrade
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.app.foresight.classes.posture_diff import Pair
from lateen.app.foresight.rehearsal import Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.base.jsonvalue import Json
from lateen.cli.analysis import test as test_command
from lateen.model.manifests import reader
from lateen.predict.classes.regions import Regions, Witness
from lateen.predict.envoy import paths
from lateen.predict.spaces import cells, effects, explore
from lateen.predict.spaces.cells import Cell
from lateen.predict.values.request import Http
from lateen.predict.values.trail import Literal
from lateen.predict.walk import way

WALKTHROUGH = Path(__file__).parents[2] / "examples" / "walkthrough"
MESH = Path(__file__).parent / "classes" / "mesh.yaml"
SETTINGS = LabSettings(lab="files", istio="1.32", user=0)


def rehearsed(text: str, istio: str = "1.32") -> upgrade.Version:
    found = reader.parse(text, "mesh.yaml").manifests
    bodies = [{**m.body, "metadata": {"namespace": "default", **m.body["metadata"]}} for m in found]
    items = [offline.Item(b, m.locate) for b, m in zip(bodies, found, strict=True)]
    chosen = LabSettings(lab="files", istio=istio, user=0)
    return upgrade.Version(Rehearsal(items, chosen), chosen)


def standing(text: str) -> CompiledState:
    return rehearsed(text).standing()


@pytest.fixture(scope="module")
def mesh() -> CompiledState:
    return standing(MESH.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def spaces(mesh: CompiledState) -> list[Cell]:
    return list(posture.found(mesh, posture.PostureFilter(), Regions()))


def answers(witness: Witness, note: Literal) -> bool:
    """Whether a request answers a test as noted, asked of the request itself."""
    fields = dict(witness.fields)
    value: str | None
    if note.field == "path":
        value = witness.path
        if note.test.cut or note.test.put:
            if not value.startswith(note.test.cut):
                return note.answer is False
            value = note.test.put + value[len(note.test.cut) :]
    else:
        value = witness.method if note.field == "method" else fields.get(note.field)
    if note.test.kind == "present":
        return (value is not None) == note.answer
    return (value is not None and cells.passes(note.test, value)) == note.answer


_segments = st.lists(
    st.sampled_from(["old", "new", "x", "v1", "away", "gone", "a.key"]), max_size=3
)
_requests = st.builds(
    lambda segments, slash, method, tier, query: Witness(
        path="/" + "/".join(segments) + ("/" if slash and segments else ""),
        method=method,
        fields=tuple(
            (name, value)
            for name, value in (("header x-tier", tier), ("query q", query))
            if value is not None
        ),
    ),
    _segments,
    st.booleans(),
    st.sampled_from(["GET", "POST"]),
    st.sampled_from([None, "", "gold", "golden", "tin"]),
    st.sampled_from([None, "1", "2"]),
)


@settings(max_examples=40, deadline=None)
@given(request=_requests)
def test_each_request_is_of_one_class_and_goes_its_way(
    mesh: CompiledState, spaces: list[Cell], request: Witness
) -> None:
    for cell in spaces:
        assert not cell.space.open
        holding = [one for one in cell.space.classes if all(answers(request, n) for n in one.notes)]
        assert len(holding) == 1, (cell.target.name, request, [h.notes for h in holding])
        for client in cell.clients:
            (state,) = mesh.place(client, cell.target)
            sent = explore.sending(state.asked, request)
            found = way.predict(state.world, sent)
            effect = effects.of(found, client.identity, mesh.workloads)
            assert effect == holding[0].effect, (client.name, cell.target.name, request)


def test_no_request_is_of_two_classes(spaces: list[Cell], mesh: CompiledState) -> None:
    regions = Regions()
    for cell in spaces:
        (state,) = mesh.place(cell.clients[0], cell.target)
        base = state.asked.content
        if not isinstance(base, Http):
            continue
        for one, other in itertools.combinations(cell.space.classes, 2):
            assert regions.witness((*one.notes, *other.notes), base) is None
        for one in cell.space.classes:
            assert all(answers(one.witness, note) for note in one.notes)
            assert paths.normalized(one.witness.path) == one.witness.path


def told(mesh: CompiledState, **asked: Any) -> Json:
    return posture.document(mesh, posture.PostureFilter(**asked))


def test_clients_that_fare_alike_stand_together(mesh: CompiledState) -> None:
    rows = told(mesh, to="cart")["cells"]
    together = {tuple(row["clients"]) for row in rows}
    assert ("shop/old", "a pod without sidecar") in together
    assert ("shop/ads",) in together
    (web,) = (row for row in rows if "shop/web" in row["clients"])
    codes = {way["code"] for each in web["classes"] for way in each["ways"]}
    assert codes == {"ok", "rbac-not-allowed", "direct-response"}


def test_filters(mesh: CompiledState) -> None:
    plain = told(mesh, only="plaintext")["cells"]
    assert plain
    assert all(each["plaintext"] for row in plain for each in row["classes"])
    denied = told(mesh, start="shop/ads", to="shop/cart", only="denied")["cells"]
    assert [row["to"] for row in denied] == ["shop/cart:80"]
    assert told(mesh, start="nobody")["cells"] == []


def changed(old: str, new: str) -> Json:
    return posture_diff.document(Pair(standing(old), standing(new)))


def test_nothing_changes_where_nothing_changed(mesh: CompiledState) -> None:
    text = MESH.read_text(encoding="utf-8")
    found = changed(text, text)
    assert found["changes"] == []
    assert found["open"] == []
    assert found["unchanged"] > 10


@pytest.mark.parametrize(
    ("old", "new", "kind", "path"),
    [
        (
            'principals: ["cluster.local/ns/shop/sa/default"]',
            'namespaces: ["shop"]',
            "less-secure",
            "/",
        ),
        ('notPaths: ["/new/x*", "*.key"]', 'notPaths: ["/new/x*"]', "less-secure", "/.key"),
        ("prefix: /away", "prefix: /awry", "moved", "/away"),
        ('exact: "1"', 'exact: "2"', "moved", "/gone?q=1"),
        ("{name: http, port: 80}", "{name: http, port: 80, targetPort: 81}", "broken", "/"),
    ],
)
def test_a_change_is_told_with_a_request_that_shows_it(
    old: str, new: str, kind: str, path: str
) -> None:
    text = MESH.read_text(encoding="utf-8")
    assert old in text
    found = changed(text, text.replace(old, new))
    kinds = {each["kind"] for each in found["changes"]}
    assert kind in kinds, found["counts"]
    shown = {each["witness"]["path"] for each in found["changes"]}
    assert path in shown, shown
    back = changed(text.replace(old, new), text)
    assert back["changes"]
    if kind == "less-secure":
        assert {each["kind"] for each in back["changes"]} == {"more-secure"}


def test_less_secure_comes_first() -> None:
    text = MESH.read_text(encoding="utf-8")
    other = text.replace("prefix: /away", "prefix: /awry").replace(', "*.key"', "")
    kinds = [each["kind"] for each in changed(text, other)["changes"]]
    assert kinds[0] == "less-secure"
    assert "moved" in kinds[1:]


def test_an_upgrade_names_the_default_that_changes_a_class() -> None:
    files = sorted(WALKTHROUGH.glob("*.yaml"))
    text = "\n---\n".join(file.read_text(encoding="utf-8") for file in files)
    before, after = rehearsed(text, "1.20"), rehearsed(text, "1.21")
    found = upgrade.document(before, after)
    assert found["changes"]
    assert all("upstream-cert-verify-default" in each["gates"] for each in found["changes"])
    assert "without-headers-missing" not in found["gates"]
    same = upgrade.document(rehearsed(text, "1.21"), rehearsed(text, "1.22"))
    assert same["changes"] == []


def asserted(mesh: CompiledState, kind: str, **given: Any) -> str:
    """Return what a statement fails by; empty if it holds."""
    made = Assertion(name="", place="", kind=kind, **given)
    found = assertions.first(mesh, made)
    if found is None:
        return ""
    asked = assertions.request(found)
    if asked is not None and kind != "equal":
        shown = mesh.known.predict(asked)
        reached = any(branch.outcome.destination for branch in shown.branches)
        assert reached or kind == "all", "the request that is shown does what is said"
    return found.problem


@pytest.mark.parametrize(
    ("kind", "given", "problem"),
    [
        ("none", {"to": ("svc/cart",), "tls": ("plaintext",)}, ""),
        ("none", {"to": ("ns/shop",), "tls": ("plaintext",)}, "shop/old:80"),
        ("only", {"to": ("svc/cart",), "start": ("sa/shop/default",)}, ""),
        ("only", {"to": ("svc/spare",), "start": ("sa/shop/default",)}, "from shop/ads"),
        ("none", {"to": ("svc/spare",), "start": ("sa/ads",)}, "/away from shop/ads"),
        ("all", {"to": ("svc/spare",), "start": ("sa/ads",), "tls": ("mtls",)}, ""),
        ("all", {"to": ("svc/cart",), "start": ("deploy/web",)}, "it comes to"),
        ("none", {"to": ("svc/cart",), "start": ("deploy/web",), "path": "/new/x*"}, ""),
        ("none", {"to": ("svc/cart",), "start": ("deploy/web",), "path": "/v1/x*"}, "/v1/x"),
        ("none", {"to": ("svc/cart",), "method": "PUT"}, "PUT /"),
        ("equal", {"to": ("svc/old",), "start": ("deploy/web", "deploy/ads")}, ""),
        ("equal", {"to": ("svc/cart",), "start": ("deploy/web", "deploy/ads")}, "alike"),
        ("none", {"to": ("svc/nowhere",)}, "no destination"),
        ("none", {"start": ("nobody",)}, "no client"),
    ],
)
def test_a_statement_holds_or_fails_by_a_request(
    mesh: CompiledState, kind: str, given: dict[str, Any], problem: str
) -> None:
    found = asserted(mesh, kind, **given)
    assert problem in found
    assert bool(found) == bool(problem)


def test_what_is_left_open_fails_unless_it_is_allowed() -> None:
    text = MESH.read_text(encoding="utf-8").replace("{prefix: /away}", '{regex: "/a{0,2}\\\\b.*"}')
    odd = standing(text)
    given: dict[str, Any] = {"to": ("svc/cart",), "start": ("sa/ads",)}
    assert asserted(odd, "none", **given)
    assert not asserted(odd, "none", allow_open=True, **given)


def test_a_file_of_statements(capsys: pytest.CaptureFixture[str]) -> None:
    file = MESH.parent / "mesh.cases.yaml"
    assert test_command.test("", test_command.CaseOptions(files=[str(file)])) == 0
    assert "6 passed, 0 failed" in capsys.readouterr().out
