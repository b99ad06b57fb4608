"""kubectl's JSONPath: what templates give, what they refuse; `test_kubectls_words` compares."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.cli.objects import forms, jsonpath
from lateen.cli.objects.jsonpath_template import TemplateError, parse, relaxed

POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"name": "web", "labels": {"app.io/name": "x", "b": "y"}},
    "spec": {
        "containers": [
            {"name": "a", "ports": [{"port": 80}, {"port": 443}], "ok": True},
            {"name": "b)", "cpu": 0.5},
            {"name": "c", "ok": False},
        ]
    },
    "none": None,
}
GIVES = {
    "{.metadata.name}": "web",
    "a {.kind}-{.metadata.name}\\n": "a Pod-web\\n",
    '{.kind}{"\\n"}': "Pod\n",
    "{'it\\'s'}": "it's",
    '{"\\u0041\\x42\\103"}': "ABC",
    "{.spec.containers[*].name}": "a b) c",
    "{.spec.containers[-1].name}{.spec.containers[0].name}": "ca",
    "{.spec.containers[1:].name}": "b) c",
    "{.spec.containers[:-1].name}": "a b)",
    "{.spec.containers[::2].name}": "a c",
    "{.spec.containers[0,2].name}": "a c",
    "{.spec.containers[0:0].name}": "",
    "{.metadata.labels.app\\.io/name}": "x",
    "{.metadata.labels['app\\.io/name']}": "x",
    "{.metadata['name','labels']}": 'web {"app.io/name":"x","b":"y"}',
    "{.metadata.labels.*}": "x y",
    "{..port}": "80 443",
    "{.spec..name}": "a b) c",
    "{.spec.containers[?(@.ok)].name}": "a c",
    "{.spec.containers[?(@.ok==true)].name}": "a",
    '{.spec.containers[?(@.name=="b)")].cpu}': "0.5",
    "{.spec.containers[?(@.name!='a')].name}": "b) c",
    "{.spec.containers[?(@.cpu<=0.5)].name}": "b)",
    "{.spec.containers[0].ports[?(@.port>80)].port}": "443",
    "{range .spec.containers[*]}[{range .ports[*]}{.port} {end}]{end}.": "[80 443 ][][].",
    "{range .nosuch[*]}x{end}y": "y",
    "{.nosuch.deeper}{.kind.x}": "",
    "{.none}": "null",
    "{$.kind}{@.kind}{ .kind }": "PodPodPod",
    "{1}{-2.50}{true}": "1-2.5true",
    "plain": "plain",
    "": "",
}
REFUSED = {
    "{.kind": "unclosed action",
    "{.spec.containers[0": "unterminated array",
    "{.spec.containers[x]}": "invalid array index x",
    "{.spec.containers[?(@.x]}": "unterminated filter",
    "{.spec.containers[?(@.x)}": "unclosed array expect ]",
    "{'open}": "unterminated quoted string",
    "{.kind !}": "unrecognized character in action: U+0021 '!'",
    "{....name}": "invalid multiple recursive descent",
    "{foo}": "unrecognized identifier foo",
    "{end}": "not in range, nothing to end",
    "{.spec.containers[7]}": "array index out of bounds: index 7, length 3",
    "{.spec.containers[-4]}": "array index out of bounds: index -1, length 3",
    "{.spec.containers[2:1]}": "starting index 2 is greater than ending index 1",
    "{.spec.containers[::0]}": "step must be > 0",
    "{.kind[0]}": "string is not array or slice",
    "{.spec[?(@.x)]}": "is not array or slice and cannot be filtered",
    "{.spec.containers[?(@.name==1)]}": "incompatible types for comparison",
    "{.spec.containers[?(@.ok<true)]}": "invalid type for comparison",
    "{.spec.containers[?(@.name=<'a')]}": "unrecognized filter operator =<",
    "{1.2.3}": "cannot parse number 1.2.3",
    '{"\\q"}': "invalid syntax",
}


@pytest.mark.parametrize("template", GIVES)
def test_what_a_template_gives(template: str) -> None:
    assert jsonpath.printed(jsonpath.find(parse(template), POD)) == GIVES[template]


@pytest.mark.parametrize("template", REFUSED)
def test_what_is_refused(template: str) -> None:
    with pytest.raises(TemplateError) as refused:
        jsonpath.find(parse(template), POD)
    assert REFUSED[template] in str(refused.value)


KEYS = st.text(min_size=1, max_size=6).filter(lambda key: key != "*" and "'" not in key)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def escaped(key: str) -> str:
    return "".join(char if char.isalnum() else f"\\{char}" for char in key)


@given(st.data(), VALUES)
def test_a_path_to_a_value_gives_that_value(data: st.DataObject, value: Any) -> None:
    path, at = "", value
    while isinstance(at, dict | list) and at and data.draw(st.booleans()):
        if isinstance(at, dict):
            key = data.draw(st.sampled_from(sorted(at)))
            if "\\" in key:
                return
            path, at = f"{path}.{escaped(key)}", at[key]
        else:
            index = data.draw(st.integers(-len(at), len(at) - 1))
            path, at = f"{path}[{index}]", at[index]
    found = jsonpath.find(parse(f"{{{path}}}"), value)
    assert found == [[at]]
    if not isinstance(at, str):
        assert json.loads(jsonpath.printed(found)) == at


@given(st.text(alphabet="{}[]()?@.$*:,'\"\\\\=<>! \n019abrangeend-+", max_size=24), VALUES)
def test_any_template_gives_text_or_is_refused(template: str, value: Any) -> None:
    with contextlib.suppress(TemplateError):
        assert isinstance(jsonpath.printed(jsonpath.find(parse(template), value)), str)


@given(st.text().filter(lambda text: "{" not in text))
def test_text_outside_braces_is_itself(text: str) -> None:
    assert jsonpath.printed(jsonpath.find(parse(text), {})) == text


@pytest.mark.parametrize("path", ["a.b", ".a.b", "{a.b}", "{.a.b}"])
def test_paths_of_columns_may_be_short(path: str) -> None:
    assert relaxed(path) == "{.a.b}"


def test_the_order_of_objects() -> None:
    names = ["a10", "b", "a9", "", "a"]
    every = [{"n": name} for name in names] + [{"x": 1}]
    order = forms.Order("n").sorted(every, lambda one: one)
    assert [one.get("n") for one in order] == [None, "", "a", "a9", "a10", "b"]
