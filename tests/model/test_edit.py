"""A field is changed in the text that somebody wrote, and nothing else is."""

import pytest
import yaml

from lateen.model.manifests import edit
from lateen.model.manifests.edit import Append, Drop, Put

TEXT = """\
# a comment
kind: A
spec:
  mtls:
    mode: STRICT   # why
  ports: [1, 2]
  flow: {a: 1, b: {c: 2}}
  list:
    - name: one
      value: 1
    - name: two
---
kind: B
spec:
  empty: {}
"""


@pytest.mark.parametrize(
    ("change", "removed", "added"),
    [
        (Put("spec.mtls.mode", "DISABLE"), "    mode: STRICT   # why", "    mode: DISABLE   # why"),
        (Put("spec.mtls.more", "x"), "", "    more: x"),
        (Put("spec.flow.b.c", 3), "  flow: {a: 1, b: {c: 2}}", "  flow: {a: 1, b: {c: 3}}"),
        (Put("spec.flow.d", "x"), "  flow: {a: 1, b: {c: 2}}", "  flow: {a: 1, b: {c: 2}, d: x}"),
        (Drop("spec.flow.a"), "  flow: {a: 1, b: {c: 2}}", "  flow: {b: {c: 2}}"),
        (Drop("spec.flow.b"), "  flow: {a: 1, b: {c: 2}}", "  flow: {a: 1}"),
        (Append("spec.ports", 3), "  ports: [1, 2]", "  ports: [1, 2, 3]"),
        (Drop("spec.ports[0]"), "  ports: [1, 2]", "  ports: [2]"),
        (Append("spec.list", {"name": "three"}), "", "    - {name: three}"),
        (Drop("spec.list[1]"), "    - name: two", ""),
        (Put("spec.list[0].value", "2"), "      value: 1", '      value: "2"'),
    ],
)
def test_one_line_changes(change: edit.Edit, removed: str, added: str) -> None:
    after = edit.edited(TEXT, 2, change)
    before_lines, after_lines = TEXT.splitlines(), after.splitlines()
    assert [line for line in before_lines if line not in after_lines] == [removed] * bool(removed)
    assert [line for line in after_lines if line not in before_lines] == [added] * bool(added)
    assert list(yaml.safe_load_all(after))[1] == {"kind": "B", "spec": {"empty": {}}}


def test_what_is_deeper_is_added_with_its_parents() -> None:
    after = edit.edited(TEXT, 2, Put("spec.mtls.ports.443.mode", "DISABLE"))
    wanted = {"mode": "STRICT", "ports": {443: {"mode": "DISABLE"}}}
    assert next(yaml.safe_load_all(after))["spec"]["mtls"] == wanted


def test_a_field_that_is_left_empty_goes_too() -> None:
    after = edit.edited(TEXT, 2, Drop("spec.mtls.mode"))
    assert "mtls" not in next(yaml.safe_load_all(after))["spec"]


def test_the_first_field_of_an_element() -> None:
    after = edit.edited(TEXT, 2, Drop("spec.list[0].name"))
    assert next(yaml.safe_load_all(after))["spec"]["list"][0] == {"value": 1}


def test_another_document() -> None:
    after = edit.edited(TEXT, 13, Put("spec.empty.a", 1))
    assert list(yaml.safe_load_all(after))[1]["spec"] == {"empty": {"a": 1}}
    with pytest.raises(edit.EditError, match="line 3"):
        edit.edited(TEXT, 3, Drop("spec"))
