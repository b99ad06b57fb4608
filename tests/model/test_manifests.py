"""Manifests are read as kubectl reads them, and every field knows its line."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from lateen.model.manifests import reader
from lateen.model.schema import fieldpath

WALKTHROUGH = Path(__file__).parents[2] / "examples" / "walkthrough"


def bodies(text: str) -> list[dict[str, Any]]:
    parsed = reader.parse(text, "f.yaml")
    assert not parsed.problems
    return [manifest.body for manifest in parsed.manifests]


def problems(text: str) -> list[str]:
    return [str(problem) for problem in reader.parse(text, "f.yaml").problems]


def test_the_walkthrough_is_read_with_its_lines() -> None:
    text = (WALKTHROUGH / "VirtualService.yaml").read_text()
    parsed = reader.parse(text, "VirtualService.yaml")
    (manifest,) = parsed.manifests
    path = "spec.http[2].route[0].destination.subset"
    place = manifest.locate(path)
    assert text.splitlines()[place.line - 1].strip() == "subset: nomtls"
    assert str(place).startswith("VirtualService.yaml:")
    files = sorted(WALKTHROUGH.glob("*.yaml"))
    assert sum(len(bodies(file.read_text())) for file in files) == 8


def test_a_missing_field_is_located_at_what_is_around_it() -> None:
    (manifest,) = reader.parse("a:\n  b:\n    - c: 1\n", "f.yaml").manifests
    assert manifest.locate("a.b[0].d.e").line == 3
    assert manifest.locate("x.y").line == 1
    assert manifest.locate('a["b.c/d"].e').line == 1


def test_documents_and_empty_ones() -> None:
    parsed = reader.parse("---\n# nothing\n---\na: 1\n---\n---\n\nb: 2\n...\n", "f.yaml")
    assert [(m.body, m.line) for m in parsed.manifests] == [({"a": 1}, 4), ({"b": 2}, 8)]


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", True),
        ("Off", False),
        ("y", True),
        ("010", 8),
        ("0o10", 8),
        ("0x1F", 31),
        ("-0b11", -3),
        ("1_000", 1000),
        ("08", 8.0),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("+5", 5),
        ("~", None),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("1.2.3", "1.2.3"),
        ("5Gi", "5Gi"),
        ("'yes'", "yes"),
        ("!!str 5", "5"),
        ("|-\n  on", "on"),
    ],
)
def test_scalars_as_kubectl_reads_them(written: str, value: object) -> None:
    (body,) = bodies(f"a: {written}\n")
    assert body["a"] == value
    assert type(body["a"]) is type(value)


def test_keys_become_text() -> None:
    assert bodies("80: a\ntrue: b\n1.5: c\n'90': d\n") == [
        {"80": "a", "true": "b", "1.5": "c", "90": "d"}
    ]


def test_anchors_and_merge_keys() -> None:
    assert bodies("a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\nc: *x\n") == [
        {"a": {"p": 1, "q": 2}, "b": {"p": 1, "q": 3}, "c": {"p": 1, "q": 2}}
    ]


def test_lists_are_opened_and_their_elements_located() -> None:
    text = "kind: List\nitems:\n- kind: A\n- kind: PodList\n  items:\n  - kind: B\n    x:\n"
    text += "      z: 1\n"
    found = reader.parse(text, "f.yaml").manifests
    assert [(m.body["kind"], m.line) for m in found] == [("A", 3), ("B", 6)]
    assert found[1].locate("x.w").line == 7
    assert "z.x" not in found[1].locations


def test_json_with_tabs_and_escapes() -> None:
    text = '{\n\t"kind": "List",\n\t"items": [{"kind": "A", "path": "\\/x"}]\n}\n'
    assert bodies(text) == [{"kind": "A", "path": "/x"}]
    (manifest,) = reader.parse('{"a":\n {"b": 1}}', "f.json").manifests
    assert manifest.locate("a.b").line == 2


@pytest.mark.parametrize("between", ["", " ", "\n", "\n\n", "\n---\n", "\t\n"])
def test_json_documents_one_after_the_other(between: str) -> None:
    one, two = '{"kind": "A"}', '{"kind": "B",\n "s": {"x": 1}}'
    text = f"{one}{between}{two}{between}{one}\n"
    found = reader.parse(text, "f.json").manifests
    assert [m.body["kind"] for m in found] == ["A", "B", "A"]
    start = between.count("\n")
    assert found[1].line == start + 1
    place = found[1].locate("s.x")
    assert (place.line, place.column) == (start + 2, 8)


def test_what_is_wrong_among_json_documents() -> None:
    assert bodies('{"kind": "A"}\n---\nkind: B\n') == [{"kind": "A"}, {"kind": "B"}]
    text = '{"kind": "A"}\n{"kind": "B"}\n{"kind": [}\n'
    parsed = reader.parse(text, "f.json")
    assert [m.body["kind"] for m in parsed.manifests] == ["A", "B"]
    assert parsed.problems[0].location.line == 3
    twice = reader.parse('{"kind": "A"}{"a": 1,\n"a": 2}', "f.json").problems
    assert [p.location.line for p in twice] == [2]


def test_elements_of_typed_lists_need_no_kind() -> None:
    text = "apiVersion: apps/v1\nkind: DeploymentList\nitems:\n- metadata: {name: a}\n"
    text += "- kind: B\n- apiVersion: v9\n"
    assert bodies(text) == [
        {"metadata": {"name": "a"}, "apiVersion": "apps/v1", "kind": "Deployment"},
        {"kind": "B"},
        {"apiVersion": "v9"},
    ]
    assert bodies("apiVersion: v1\nkind: List\nitems: [{a: 1}]\n") == [{"a": 1}]


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("a: b: c\n", "f.yaml:1:5: a colon where no field can begin."),
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab in the indentation."),
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3:1: key "a" already set in map at line 1.'),
        ("a: &x [*x]\n", "f.yaml:1:4: aliases grow without bound."),
        ("- 1\n", "f.yaml:1:1: a manifest must be a mapping of fields."),
        ("text\n", "f.yaml:1:1: a manifest must be a mapping of fields."),
        ("a: {{ .Values.x }}\n", "f.yaml:1:5: a key must be a single value."),
        ("a: !thing x\n", "f.yaml:1:4: unknown tag !thing."),
        ("a: .inf\n", "f.yaml:1:4: .inf is not a JSON number."),
        ("~: a\n", "f.yaml:1:1: null cannot be a key."),
        ("a: {<<: 5}\n", "f.yaml:1:9: only a mapping can be merged in."),
        ("a: 1\nb: 'open\n\n", "f.yaml:2:4: found unexpected end of stream."),
        ("a: \x07\n", "f.yaml:1:1: a character that YAML does not allow."),
    ],
)
def test_broken_text_says_where_and_what_to_do(text: str, start: str) -> None:
    (problem,) = problems(text)
    assert problem.startswith(start)
    assert len(problem) > len(start) + 5


def test_a_broken_document_does_not_hide_the_others() -> None:
    text = "a: 1\n---\nb: [1,\n---\nc: 3\n---\nd: e: f\n---\ng: 7\n"
    parsed = reader.parse(text, "f.yaml")
    assert [manifest.body for manifest in parsed.manifests] == [{"a": 1}, {"c": 3}, {"g": 7}]
    assert [manifest.line for manifest in parsed.manifests] == [1, 5, 9]
    assert [problem.location.line for problem in parsed.problems] == [4, 7]


def test_aliases_that_multiply_are_stopped() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert "aliases grow without bound" in problems("\n".join(lines) + "\n")[0]


names = st.text("abcxyz/.-", min_size=1, max_size=6).filter(lambda t: t not in ("y", "-", "."))
values: st.SearchStrategy[Any] = st.recursive(
    st.text("ab\u00e9 :#-'\"\n&*[{%@", max_size=8)
    | st.integers(-(10**9), 10**9)
    | st.booleans()
    | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=12,
)
documents = st.dictionaries(names, values, min_size=1, max_size=4)


@given(documents=st.lists(documents, min_size=1, max_size=3))
def test_what_was_written_is_read_and_every_place_holds_its_field(
    documents: list[dict[str, Any]],
) -> None:
    text = yaml.safe_dump_all(documents, explicit_start=True, default_flow_style=False)
    lines = text.split("\n")
    parsed = reader.parse(text, "f.yaml")
    assert not parsed.problems
    assert [manifest.body for manifest in parsed.manifests] == documents
    for manifest in parsed.manifests:
        for path, place in manifest.locations.items():
            steps = list(fieldpath.steps(path))
            if steps and isinstance(steps[-1], str):
                assert steps[-1] in lines[place.line - 1]
            assert manifest.line <= place.line <= len(lines)


def test_paths() -> None:
    path = 'spec.http[0].headers["example.com/a"].exact'
    assert list(fieldpath.steps(path)) == ["spec", "http", 0, "headers", "example.com/a", "exact"]
    joined = ""
    for step in fieldpath.steps(path):
        joined = fieldpath.join(joined, step)
    assert joined == path
    assert list(fieldpath.enclosing("a.b[0].c")) == ["a.b[0].c", "a.b[0]", "a.b", "a", ""]
    assert fieldpath.lookup({"a": [{"b": 5}]}, "a[0].b") == 5
    assert fieldpath.lookup({"a": []}, "a[0].b") is None
