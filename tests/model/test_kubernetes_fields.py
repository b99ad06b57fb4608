"""Kubernetes' kinds have Kubernetes' fields: a client library lists them."""

import importlib
import types
import typing
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec
import pytest

from lateen.model.gatewayapi import references
from lateen.model.schema import describe, kinds
from lateen.model.schema.describe import Schema
from lateen.model.schema.kindinfo import KindInfo

pytest.importorskip("lightkube.models.core_v1")

ROWS = [
    (info, version)
    for info in kinds.KINDS.values()
    for version in info.versions
    if info.typed and not info.is_istio and info.group not in ("lateen.dev", references.GROUP)
]
SHARED = ("metadata", "conditions", "template")
"""Parts that kinds share here, whatever else a cluster has in one of them."""
LEFT_OUT = ("spec", "metadata", "value")
"""Fields that a schema has for required and a server does not: what it needs below them, and the
value of a probe's header, may be missing or empty."""
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", datetime: "string"}


def differences(node: Schema, model: Any, path: str) -> Iterator[str]:
    """Compare fields, what is required of them, and their types, all the way down."""
    names = dict(zip(model.__struct_encode_fields__, model.__struct_fields__, strict=True))
    hints = typing.get_type_hints(model)
    required = model.__struct_encode_fields__[: len(names) - len(model.__struct_defaults__)]
    for name in names.keys() ^ node.fields.keys():
        yield f"{path}.{name}: there in one of both"
    for name in set(required) ^ set(node.required):
        if name not in LEFT_OUT:
            yield f"{path}.{name}: required in one of both"
    for name in names.keys() & node.fields.keys():
        if name not in SHARED:
            yield from _field(node.fields[name], hints[names[name]], f"{path}.{name}")


def _field(node: Schema, hint: Any, path: str) -> Iterator[str]:
    some = [arm for arm in typing.get_args(hint) if arm is not types.NoneType]
    if typing.get_origin(hint) is typing.Union:
        if len(some) == 2:
            if node.type != "int-or-string":
                yield f"{path}: {node.type}, not an integer or a text"
            return
        hint = some[0]
    origin = typing.get_origin(hint) or hint
    if node.type == "any" or (node.type == "object" and not node.fields):
        return
    if origin in (list, dict):
        if node.type != ("array" if origin is list else "map"):
            yield f"{path}: {node.type}, not {origin.__name__}"
        elif origin is list and node.items is not None:
            yield from _field(node.items, typing.get_args(hint)[0], path)
    elif issubclass(origin, msgspec.Struct):
        if node.type == "object":
            yield from differences(node, origin, path)
        else:
            yield f"{path}: {node.type}, not an object"
    elif node.type != TYPES[origin]:
        yield f"{path}: {node.type}, not {origin.__name__}"


@pytest.mark.parametrize(("info", "version"), ROWS, ids=lambda one: str(getattr(one, "kind", one)))
def test_the_fields_of_a_kind_are_those_of_a_cluster(info: KindInfo, version: str) -> None:
    group = info.group.split(".")[0] or "core"
    model = getattr(importlib.import_module(f"lightkube.models.{group}_{version}"), info.kind)
    node = describe.of_kind(info)
    assert sorted(differences(node, model, info.kind)) == []
