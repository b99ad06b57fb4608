"""The OpenAPI v2 document in protobuf's form says what the one in JSON says."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from lateen.apiserver.kinds.resources import Resources
from lateen.apiserver.openapi import v2, wire
from lateen.apiserver.protocol import negotiate, protobuf

PACKED, OLD = wire.ASKED


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return v2.document(Resources())


def fields(data: bytes, number: int) -> Iterator[bytes]:
    """Yield the contents of a message's fields of one number."""
    for found, value in protobuf._fields(data):
        if found == number and isinstance(value, bytes):
            yield value


def one(data: bytes, *path: int) -> bytes:
    """Follow a path of field numbers to the one content there."""
    for number in path:
        (data,) = fields(data, number)
    return data


def named(data: bytes, number: int = 1) -> dict[str, bytes]:
    """Read a map."""
    return {one(entry, 1).decode(): one(entry, 2) for entry in fields(data, number)}


def test_every_schema_keeps_its_properties_and_types(document: dict[str, Any]) -> None:
    schemas = named(one(wire.encode(document), 9))
    assert schemas.keys() == document["definitions"].keys()
    for name, wanted in document["definitions"].items():
        found = named(b"".join(fields(schemas[name], 25)))
        assert found.keys() == wanted.get("properties", {}).keys(), name
        for key, inner in wanted.get("properties", {}).items():
            types = [one(value, 1).decode() for value in fields(found[key], 22)]
            assert types == ([inner["type"]] if "type" in inner else []), (name, key)
            references = [value.decode() for value in fields(found[key], 1)]
            assert references == ([inner["$ref"]] if "$ref" in inner else []), (name, key)
        required = [value.decode() for value in fields(schemas[name], 19)]
        assert required == wanted.get("required", []), name


def test_a_patch_says_of_what_kind_it_is_and_what_it_takes(document: dict[str, Any]) -> None:
    """This is where clients look for the parameter `fieldValidation`."""
    paths = named(one(wire.encode(document), 8), 2)
    assert paths.keys() == document["paths"].keys()
    patch = one(paths["/api/v1/namespaces/{name}"], 8)
    extensions = {
        name: msgspec.json.decode(one(value, 2)) for name, value in named(patch, 13).items()
    }
    kind = {"group": "", "version": "v1", "kind": "Namespace"}
    assert extensions["x-kubernetes-group-version-kind"] == kind
    names = [
        one(query, 4).decode()
        for item in fields(patch, 8)
        for parameter in fields(one(item, 1), 2)
        for query in fields(parameter, 3)
    ]
    assert "fieldValidation" in names


@pytest.mark.parametrize(
    ("accept", "packed"),
    [
        (OLD, True),
        (PACKED, True),
        (f"{OLD}, application/json", True),
        (f"application/json, {OLD}", False),
        ("application/json", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_who_gets_which_form(accept: str, packed: bool) -> None:
    assert negotiate.prefers(accept, wire.ASKED) is packed
