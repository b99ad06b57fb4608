"""Structural schemas: pruning, defaults, validation; and definitions as served kinds."""

from datetime import UTC, datetime
from typing import Any

import pytest

from lateen.apiserver.kinds import crds, structural
from lateen.apiserver.writing import verbs
from lateen.base.clock import ManualClock
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore
from tests import first_namespaces

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "required": ["size"],
            "properties": {
                "size": {"type": "integer", "minimum": 1, "maximum": 5},
                "color": {"type": "string", "enum": ["red", "blue"], "default": "red"},
                "port": {"x-kubernetes-int-or-string": True},
                "code": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 4},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                "tags": {"type": "object", "additionalProperties": {"type": "string"}},
                "parts": {
                    "type": "array",
                    "maxItems": 2,
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["name"],
                    "items": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
                    },
                },
                "one": {"oneOf": [{"required": ["a"]}, {"required": ["b"]}], "type": "object",
                        "properties": {"a": {"type": "string"}, "b": {"type": "string"}}},
                "maybe": {"type": "string", "nullable": True},
            },
        }
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "field", "words"),
    [
        ({"size": 1}, "", ""),
        ({}, "spec.size", "Required value"),
        ({"size": 0}, "spec.size", "greater than or equal to 1"),
        ({"size": 9}, "spec.size", "less than or equal to 5"),
        ({"size": "1"}, "spec.size", 'must be of type integer: "string"'),
        ({"size": True}, "spec.size", 'must be of type integer: "boolean"'),
        ({"size": 2.0}, "", ""),
        ({"size": 1, "color": "green"}, "spec.color", 'supported values: "blue", "red"'),
        ({"size": 1, "port": 80}, "", ""),
        ({"size": 1, "port": "http"}, "", ""),
        ({"size": 1, "port": 1.5}, "spec.port", "must be of type integer or string"),
        ({"size": 1, "code": "AB"}, "spec.code", "should match '^[a-z]+$'"),
        ({"size": 1, "code": "abcde"}, "spec.code", "may not be more than 4"),
        ({"size": 1, "tags": {"a": 1}}, "spec.tags.a", "must be of type string"),
        ({"size": 1, "parts": [{"name": "a"}, {"name": "a"}]}, "spec.parts[1]", "Duplicate value"),
        ({"size": 1, "parts": [{}, {}, {}]}, "spec.parts", "must have at most 2 items"),
        ({"size": 1, "one": {}}, "spec.one", "Found 0 valid alternatives"),
        ({"size": 1, "one": {"a": "", "b": ""}}, "spec.one", "Found 2 valid alternatives"),
        ({"size": 1, "one": {"a": ""}}, "", ""),
        ({"size": 1, "maybe": None}, "", ""),
        ({"size": None}, "spec.size", 'must be of type integer: "null"'),
    ],
)
def test_validation(spec: dict[str, Any], field: str, words: str) -> None:
    causes = structural.validate(SCHEMA, {"kind": "X", "metadata": {}, "spec": spec})
    if not field:
        assert causes == ()
    else:
        assert causes[0].field == field
        assert words in causes[0].message


def test_pruning_keeps_what_is_known_and_what_is_to_be_kept() -> None:
    body = {
        "apiVersion": "v1",
        "kind": "X",
        "metadata": {"name": "x"},
        "spec": {
            "size": 1,
            "new": 1,
            "free": {"x": 1},
            "tags": {"y": "z"},
            "parts": [{"name": "a", "q": 1}],
        },
        "other": 1,
    }
    kept, dropped = structural.prune(SCHEMA, body)
    assert sorted(dropped) == ["other", "spec.new", "spec.parts[0].q"]
    assert kept["spec"] == {
        "size": 1,
        "free": {"x": 1},
        "tags": {"y": "z"},
        "parts": [{"name": "a"}],
    }
    assert kept["metadata"] == {"name": "x"}
    assert structural.prune(SCHEMA, kept) == (kept, [])


def test_defaults_are_filled_once() -> None:
    filled = structural.defaulted(SCHEMA, {"spec": {"size": 1}})
    assert filled == {"spec": {"size": 1, "color": "red"}}
    assert structural.defaulted(SCHEMA, filled) == filled


NAMES = {"plural": "boxes", "kind": "Box"}


def definition(**changes: Any) -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": SCHEMA},
    }
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": NAMES,
        "versions": [version],
    }
    return {"metadata": {"name": "boxes.example.com"}, "spec": spec | changes}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scope": "Galaxy"}, "spec.scope"),
        ({"group": "x"}, "spec.group"),
        ({"names": {"kind": "Box"}}, "spec.names.plural"),
        ({"names": {"plural": "cups", "kind": "Box"}}, "metadata.name"),
        ({"versions": []}, "spec.versions"),
        ({"versions": [3]}, "spec.versions[0]"),
        ({"names": {"plural": "boxes", "kind": "Box", "shortNames": 5}}, "spec.names.shortNames"),
        (
            {"names": {"plural": "boxes", "kind": "Box", "categories": [{}]}},
            "spec.names.categories[0]",
        ),
        ({"versions": [{"subresources": "x"}]}, "spec.versions[0].subresources"),
        ({"versions": [{"subresources": {"scale": 3}}]}, "spec.versions[0].subresources.scale"),
        (
            {"versions": [{"additionalPrinterColumns": [{"name": "A"}]}]},
            "spec.versions[0].additionalPrinterColumns[0].jsonPath",
        ),
        ({"versions": [{"selectableFields": [1]}]}, "spec.versions[0].selectableFields[0]"),
        (
            {"versions": [{"name": "v1", "storage": True}]},
            "spec.versions[0].schema.openAPIV3Schema",
        ),
    ],
)
def test_definitions_are_checked(changes: dict[str, Any], field: str) -> None:
    assert field in {cause.field for cause in crds.check(definition(**changes))}
    assert crds.check(definition()) == ()


def api() -> verbs.Api:
    made = verbs.Api(MemoryStore(), ManualClock(datetime(2026, 11, 24, 8, 0, tzinfo=UTC)))
    first_namespaces.ensure(made)
    return made


def test_a_definition_goes_when_its_last_object_is_gone() -> None:
    server = api()
    done = verbs.WriteOptions()
    server.create(server.target(crds.RESOURCE), definition(), done)
    box = {"metadata": {"name": "b", "finalizers": ["x/y"]}, "spec": {"size": 1}}
    server.create(server.target("boxes.example.com", "default"), box, done)
    of = server.target(crds.RESOURCE, name="boxes.example.com")
    server.delete(of, verbs.objects.DeleteOptions(), done)
    assert server.get(of)["metadata"]["finalizers"] == [crds.CLEANUP]
    held = server.target("boxes.example.com", "default", "b")
    assert server.get(held)["metadata"]["deletionTimestamp"]
    server.patch(held, {"metadata": {"finalizers": None}}, "application/merge-patch+json", done)
    with pytest.raises(ApiError, match="not found"):
        server.get(of)
    with pytest.raises(ApiError, match="could not find the requested resource"):
        server.target("boxes.example.com")


def test_stored_definitions_are_served_after_a_restart() -> None:
    server = api()
    server.create(server.target(crds.RESOURCE), definition(), verbs.WriteOptions())
    again = verbs.Api(server.store, server.clock)
    assert again.target("boxes.example.com").info.kind == "Box"


def test_a_name_of_another_definition_is_not_accepted_until_it_is_free() -> None:
    server, done = api(), verbs.WriteOptions()
    names = {"plural": "boxes", "kind": "Box", "shortNames": ["bx"]}
    server.create(server.target(crds.RESOURCE), definition(names=names), done)
    second = definition(names={"plural": "crates", "kind": "Box", "shortNames": ["bx"]})
    second["metadata"]["name"] = "crates.example.com"
    made = server.create(server.target(crds.RESOURCE), second, done).object
    conditions = {one["type"]: one for one in made["status"]["conditions"]}
    assert conditions["NamesAccepted"]["status"] == "False"
    assert conditions["NamesAccepted"]["reason"] == "SingularConflict"
    assert '"Box" is already in use' in conditions["NamesAccepted"]["message"]
    assert conditions["Established"]["reason"] == "NotAccepted"
    with pytest.raises(ApiError, match="could not find the requested resource"):
        server.target("crates.example.com")
    again = verbs.Api(server.store, server.clock)
    with pytest.raises(ApiError, match="could not find the requested resource"):
        again.target("crates.example.com")
    first = server.target(crds.RESOURCE, name="boxes.example.com")
    server.delete(first, verbs.objects.DeleteOptions(), done)
    assert server.target("crates.example.com").info.kind == "Box"
    now = server.get(server.target(crds.RESOURCE, name="crates.example.com"))
    assert crds.is_established(now)
    assert now["status"]["acceptedNames"]["shortNames"] == ["bx"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"scope": "Cluster"}, 'spec.scope: Invalid value: "Cluster": field is immutable'),
        ({"names": {"plural": "boxes", "kind": "Crate"}}, "spec.names.kind: Invalid value"),
    ],
)
def test_what_a_definition_cannot_become(change: dict[str, Any], says: str) -> None:
    server, done = api(), verbs.WriteOptions()
    server.create(server.target(crds.RESOURCE), definition(), done)
    of = server.target(crds.RESOURCE, name="boxes.example.com")
    with pytest.raises(ApiError) as caught:
        server.update(of, definition(**change), done)
    assert says in caught.value.message
    other = definition()
    other["spec"]["versions"][0]["name"] = "v2"
    with pytest.raises(ApiError, match=r'storedVersions\[0\]: Invalid value: "v1": must appear'):
        server.update(of, other, done)


@pytest.mark.timeout(10)
def test_a_long_set_takes_no_time() -> None:
    tree = {"properties": {"tags": {"type": "array", "x-kubernetes-list-type": "set"}}}
    found = structural.validate(tree, {"tags": [*map(str, range(100_000)), "7"]})
    assert [str(one) for one in found] == ['tags[100000]: Duplicate value: "7"']


def test_what_is_twice_and_what_is_embedded() -> None:
    tree = {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {}, "x-kubernetes-list-type": "set"},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": True},
        },
    }
    found = [
        str(one) for one in structural.validate(tree, {"tags": ["a", "a"], "pod": {"kind": "x"}})
    ]
    assert found == [
        'tags[1]: Duplicate value: "a"',
        "pod.apiVersion: Required value: must not be empty",
    ]
