"""Rules in CEL: what they see, what they say, and that they end."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.apiserver.kinds import cel, celrules, crds, structural
from lateen.apiserver.writing import verbs
from lateen.base.clock import ManualClock
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore
from tests import first_namespaces

Json = dict[str, Any]


def rule(text: str, **more: Any) -> Json:
    return {"rule": text, **more}


def schema(*rules: Json, **fields: Json) -> Json:
    """A schema whose spec has some fields, and rules."""
    usual: Json = {
        "size": {"type": "integer"},
        "most": {"type": "integer"},
        "ratio": {"type": "number"},
        "color": {"type": "string"},
        "when": {"type": "string", "format": "date-time"},
        "wait": {"type": "string", "format": "duration"},
        "namespace": {"type": "string"},
        "a-b": {"type": "string"},
        "words": {"type": "array", "items": {"type": "string"}},
        "memory": {"x-kubernetes-int-or-string": True},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    }
    spec = {"type": "object", "properties": {**usual, **fields}, celrules.KEY: list(rules)}
    return {"type": "object", "properties": {"spec": spec}}


def said(tree: Json, spec: Json, old: Json | None = None) -> list[str]:
    before = None if old is None else {"spec": old}
    return [str(cause) for cause in celrules.evaluate(tree, {"spec": spec}, before)]


HOLDING = [
    ("self.size <= self.most", {"size": 1, "most": 2}),
    ("!has(self.size) || self.size > 0", {}),
    ("self.ratio * 2.0 == 6.0", {"ratio": 3}),
    ("self.when < timestamp('2030-01-01T00:00:00Z')", {"when": "2026-01-01T00:00:00Z"}),
    ("self.wait == duration('90s')", {"wait": "1m30s"}),
    ("self.__namespace__ == 'x'", {"namespace": "x"}),
    ("self.a__dash__b == 'x'", {"a-b": "x"}),
    ("self.words.all(w, w.matches('^[a-z]+$'))", {"words": ["a", "b"]}),
    ("self.words.isSorted() && self.words.indexOf('b') == 1", {"words": ["a", "b"]}),
    ("self.words.map(w, size(w)).sum() == 3", {"words": ["a", "bb"]}),
    ("self.labels.all(k, self.labels[k] == k)", {"labels": {"a": "a"}}),
    ("'a' in self.labels", {"labels": {"a": "a"}}),
    ("quantity(string(self.memory)).isLessThan(quantity('1Gi'))", {"memory": "500Mi"}),
    ("quantity('1500m').add(quantity('500m')).asInteger() == 2", {}),
    ("isURL('https://a:8443/p') && url('https://a:8443/p').getPort() == '8443'", {}),
    ("cidr('10.0.0.0/8').containsIP('10.1.2.3') && !isIP('10.0.0')", {}),
    ("cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && ip('::1').isLoopback()", {}),
    ("self.?color.orValue('red') == 'red'", {}),
    ("cel.bind(n, self.size, n + n == 4)", {"size": 2}),
    (
        "sets.contains(self.words, ['a']) && 'A,b'.lowerAscii().split(',')[0] == 'a'",
        {"words": ["a"]},
    ),
]


@pytest.mark.parametrize(("text", "spec"), HOLDING)
def test_what_rules_can_say(text: str, spec: Json) -> None:
    assert celrules.check(schema(rule(text)), "x") == structural.RuleFindings()
    assert said(schema(rule(text)), spec) == []
    assert said(schema(rule(f"!({text})")), spec) != []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (rule("self.size > 1"), 'spec: Invalid value: "object": failed rule: self.size > 1'),
        (rule("self.size > 1", message="too small"), 'spec: Invalid value: "object": too small'),
        (
            rule("self.size > 1", messageExpression="'size is ' + string(self.size)"),
            'spec: Invalid value: "object": size is 1',
        ),
        (
            rule("self.size > 1", messageExpression="self.nope", message="plain"),
            'spec: Invalid value: "object": plain',
        ),
        (
            rule("self.size > 1", reason="FieldValueForbidden", fieldPath=".size", message="no"),
            "spec.size: Forbidden: no",
        ),
        (
            rule("self.size > 1", reason="FieldValueRequired", message="needed"),
            "spec: Required value: needed",
        ),
        (rule("self.size > 1", reason="FieldValueDuplicate"), 'spec: Duplicate value: "object"'),
        (
            rule("self.most > 1", message="m"),
            'spec: Invalid value: "object": no such key: most evaluating rule: m',
        ),
    ],
)
def test_what_a_broken_rule_says(given: Json, says: str) -> None:
    assert said(schema(given), {"size": 1}) == [says]


def test_rules_inside_of_lists_and_maps() -> None:
    item = {"type": "string", celrules.KEY: [rule("size(self) < 3", message="long")]}
    tree = schema(
        words={"type": "array", "items": item},
        labels={"type": "object", "additionalProperties": item},
    )
    broken = said(tree, {"words": ["a", "long"], "labels": {"k": "long"}})
    assert broken == [
        'spec.words[1]: Invalid value: "string": long',
        'spec.labels[k]: Invalid value: "string": long',
    ]
    root = {**schema(), celrules.KEY: [rule("self.spec.size == 1", message="one")]}
    assert said(root, {"size": 2}) == ['<nil>: Invalid value: "object": one']


KEYED = {
    "type": "array",
    "x-kubernetes-list-type": "map",
    "x-kubernetes-list-map-keys": ["name"],
    "items": {
        "type": "object",
        "properties": {"name": {"type": "string"}, "port": {"type": "integer"}},
        celrules.KEY: [rule("self.port == oldSelf.port", message="ports stay")],
    },
}


def test_rules_about_a_change() -> None:
    fixed = schema(rule("self.color == oldSelf.color", message="color stays"))
    assert said(fixed, {"color": "red"}) == []
    assert said(fixed, {"color": "red"}, {"color": "red"}) == []
    assert said(fixed, {"color": "blue"}, {"color": "red"}) == [
        'spec: Invalid value: "object": color stays'
    ]
    once = schema(
        rule("!oldSelf.hasValue() || oldSelf.value().size <= self.size", optionalOldSelf=True)
    )
    assert said(once, {"size": 1}) == []
    assert said(once, {"size": 2}, {"size": 1}) == []
    assert said(once, {"size": 1}, {"size": 2}) != []
    ports = schema(ports=KEYED)
    before = {"ports": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}
    moved = {
        "ports": [{"name": "b", "port": 2}, {"name": "c", "port": 3}, {"name": "a", "port": 9}]
    }
    assert said(ports, moved, before) == ['spec.ports[2]: Invalid value: "object": ports stay']


def test_what_a_change_leaves_as_it_was_may_stay() -> None:
    old, strict = (
        {"spec": {"size": 1, "color": "x"}},
        schema(size={"type": "integer", "minimum": 5}),
    )
    new = {"spec": {"size": 1, "color": "y"}}
    assert structural.validate(strict, new)
    assert structural.validate(strict, new, old) == ()
    assert structural.validate(strict, {"spec": {"size": 2, "color": "x"}}, old)
    own = {"type": "integer", celrules.KEY: [rule("self > 4")]}
    assert said(schema(size=own), new["spec"])
    assert said(schema(size=own), new["spec"], old["spec"]) == []
    assert said(schema(size=own), {"size": 2}, old["spec"])


@pytest.mark.parametrize(
    ("given", "field", "says"),
    [
        (rule("self.size >"), "rule", "compilation failed: ERROR: <input>:1:"),
        (rule("nope == 1"), "rule", "undeclared reference to 'nope'"),
        (rule("1 + 'a' == 2"), "rule", "found no matching overload"),
        (rule("  "), "rule", "rule is not specified"),
        (rule("true", messageExpression="'a' +"), "messageExpression", "compilation failed"),
        (rule("true", reason="Because"), "reason", "supported values"),
        (rule("true", fieldPath="size]"), "fieldPath", "must be a valid path"),
        (rule("true", message="a\nb"), "message", "line breaks"),
    ],
)
def test_rules_are_compiled_when_they_are_defined(given: Json, field: str, says: str) -> None:
    (cause,) = celrules.check(schema(given), "root").causes
    assert cause.field == f"root.properties[spec].{celrules.KEY}[0].{field}"
    assert says in cause.message


def test_a_change_cannot_be_told_in_a_plain_list() -> None:
    item = {"type": "string", celrules.KEY: [rule("self == oldSelf")]}
    tree = schema(words={"type": "array", "items": item})
    (cause,) = celrules.check(tree, "root").causes
    assert "oldSelf cannot be used" in cause.message
    quoted = schema(rule("self.color != 'oldSelf'"))
    assert said(quoted, {"color": "oldSelf"}) != [], "a text is no name"


@pytest.mark.parametrize(
    "text",
    ["self.words.all(i, w, size(w) > i)", "'a1'.find('[0-9]') == '1'", "isSemver(self.color)"],
)
def test_what_is_not_known_here_is_left_out_and_said(text: str) -> None:
    found = celrules.check(schema(rule(text)), "root")
    assert found.causes == ()
    assert found.skipped[0][:2] == (f"root.properties[spec].{celrules.KEY}[0]", text)
    assert said(schema(rule(text)), {"words": [""], "color": "x"}) == []


@pytest.mark.timeout(10)
def test_nothing_runs_for_ever() -> None:
    triple = "self.words.all(a, self.words.all(b, self.words.all(c, a + b + c != '')))"
    (broken,) = said(schema(rule(triple, message="m")), {"words": ["x"] * 1000})
    assert "cost limit exceeded evaluating rule: m" in broken
    item = {"type": "string", celrules.KEY: [rule("self != 'y'")]}
    many = schema(words={"type": "array", "items": item})
    causes = said(many, {"words": ["x"] * (celrules.MAX_EVALUATIONS + 10)})
    assert len(causes) == 1
    assert "running out of cost budget" in causes[0]
    assert not cel.matches("(a+)+$", "a" * 100_000 + "b"), "linear in the text"


def definition(tree: Json, *versions: str, **spec: Any) -> Json:
    made = [
        {"name": name, "served": True, "storage": index == 0, "schema": {"openAPIV3Schema": tree}}
        for index, name in enumerate(versions or ("v1",))
    ]
    names = {"plural": "boxes", "kind": "Box"}
    body = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": made}
    return {"metadata": {"name": "boxes.example.com"}, "spec": body | spec}


def server() -> verbs.Api:
    made = verbs.Api(MemoryStore(), ManualClock(datetime(2026, 11, 24, 8, 0, tzinfo=UTC)))
    first_namespaces.ensure(made)
    return made


def test_objects_meet_their_rules_at_the_server() -> None:
    api, options = server(), verbs.WriteOptions()
    tree = schema(
        rule("self.size <= self.most", message="size is above most"),
        rule("!has(oldSelf.color) || self.color == oldSelf.color", message="color stays"),
    )
    api.create(api.target(crds.RESOURCE), definition(tree), options)
    boxes = api.target("boxes.example.com", "default")
    with pytest.raises(ApiError) as caught:
        api.create(boxes, {"metadata": {"name": "b"}, "spec": {"size": 3, "most": 2}}, options)
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == (
        'Box.example.com "b" is invalid: spec: Invalid value: "object": size is above most'
    )
    spec = {"size": 1, "most": 2, "color": "red"}
    api.create(boxes, {"metadata": {"name": "b"}, "spec": spec}, options)
    box, media = api.target("boxes.example.com", "default", "b"), "application/merge-patch+json"
    with pytest.raises(ApiError, match="color stays"):
        api.patch(box, {"spec": {"color": "blue"}}, media, options)
    api.patch(box, {"spec": {"size": 2}}, media, options)
    bad = definition(schema(rule("self.")))
    with pytest.raises(ApiError, match=r"x-kubernetes-validations\[0\].rule: Invalid value"):
        api.create(api.target(crds.RESOURCE), bad, options)


def test_what_a_definition_does_not_get_is_said_with_a_code() -> None:
    api, options = server(), verbs.WriteOptions()
    hook = {"strategy": "Webhook", "webhook": {"conversionReviewVersions": ["v1"]}}
    body = definition(schema(rule("isSemver(self.color)")), "v1", "v1beta1", conversion=hook)
    written = api.create(api.target(crds.RESOURCE), body, options)
    assert [text.partition(" ")[0] for text in written.warnings] == [
        "[LTN0018]",
        "[LTN0018]",
        "[LTN0019]",
    ]


def test_a_deprecated_version_warns_and_selectable_fields_select(in_process: Any) -> None:
    app = in_process({})
    body = definition(schema(), "v1", "v1beta1")
    old = body["spec"]["versions"][1]
    old["additionalPrinterColumns"] = [
        {"name": "Color", "type": "string", "jsonPath": ".spec.color"}
    ]
    old |= {"deprecated": True, "selectableFields": [{"jsonPath": ".spec.color"}]}
    code, made = app("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
    assert code == 201, made
    boxes = "/apis/example.com/v1beta1/namespaces/default/boxes"
    for color in ("red", "blue"):
        box = {"metadata": {"name": color}, "spec": {"color": color}}
        assert app("POST", boxes, box)[0] == 201
    text = '299 - "example.com/v1beta1 Box is deprecated"'
    assert app.headers["warning"] == text
    code, listed = app("GET", f"{boxes}?fieldSelector=spec.color%3Dred")
    assert [one["metadata"]["name"] for one in listed["items"]] == ["red"]
    assert app.headers["warning"] == text
    as_table = {"accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}
    for path, wanted in (
        (boxes, ["Name", "Color"]),
        (boxes.replace("v1beta1", "v1"), ["Name", "Age"]),
    ):
        _, shown = app("GET", path, **as_table)
        assert [one["name"] for one in shown["columnDefinitions"]] == wanted
    code, refused = app("GET", f"{boxes.replace('v1beta1', 'v1')}?fieldSelector=spec.color%3Dred")
    assert code == 400
    assert "warning" not in app.headers
    assert refused["message"].endswith("field label not supported: spec.color")
