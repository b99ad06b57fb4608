"""Makes the rows of `published.json`: the structs of kinds that no code here reads by attribute."""

import ast
import functools
from pathlib import Path
from typing import Any

import go_types
from go_types import API, EXTENSIONS, Field

Json = dict[str, Any]
Words = dict[str, Json]

ROOM = Path(__file__).parent.parent / "src" / "lateen"
IN_OBJECT = frozenset({"apiVersion", "kind", "metadata"})


def made(wanted: Json) -> Json:
    """Return the structs of `wanted` (group, name, words), each with its facts. A type that is
    neither wanted nor written by hand in the model is kept as JSON (`any`)."""
    return {
        group: {name: _struct(group, name, old, wanted) for name, old in sorted(structs.items())}
        for group, structs in sorted(wanted.items())
    }


def _struct(group: str, name: str, old: Json, wanted: Json) -> Json:
    source = go_types.package(_path(group)).structs[name]
    fields = list(go_types.flat(source))
    is_object = {field.name for field in fields} >= IN_OBJECT
    words = {key: row[2] for key, row in old.get("fields", {}).items()}
    found: Json = {"words": old.get("words", "")}
    if is_object:
        found["object"] = True
    if "+structType=atomic" in source.markers:
        found["atomic"] = True
    found["fields"] = {
        field.name: [*_facts(source.package, field, wanted), words.get(field.name, "")]
        for field in fields
        if not (is_object and field.name in IN_OBJECT)
    }
    return found


def _path(group: str) -> str:
    if group.startswith("apiextensions/"):
        return f"{EXTENSIONS}/pkg/apis/{group}"
    return f"{API}/{group}"


def _facts(package: str, field: Field, wanted: Json) -> tuple[str, Json]:
    around, home, bare = go_types.shape(package, field.type)
    kind, enum = go_types.scalar(home, bare)
    marks: Json = {"required": True} if _required(field) else {}
    if kind:
        marks |= {"enum": list(enum)} if enum else {}
        marks |= {"form": "int64"} if bare == "int64" else {}
    else:
        kind = _struct_named(bare, wanted)
    return around + kind, marks | _merging(field, around)


def _struct_named(bare: str, wanted: Json) -> str:
    if any(bare in structs for structs in wanted.values()):
        return bare
    written = _written_by_hand()
    if bare in written:
        return f"{written[bare]}.{bare}"
    return f"{written['Condition']}.Condition" if bare.endswith("Condition") else "any"


@functools.cache
def _written_by_hand() -> dict[str, str]:
    """Every struct of the model that stands for a type of Kubernetes, with its module as seen from
    that room."""
    model = ROOM / "model"
    found: dict[str, str] = {}
    for source in sorted(model.rglob("*.py")):
        module = ".".join(source.relative_to(model).with_suffix("").parts)
        for node in ast.parse(source.read_text()).body:
            bases = [base.id for base in getattr(node, "bases", ()) if isinstance(base, ast.Name)]
            if isinstance(node, ast.ClassDef) and bases and "ProtoStruct" not in bases:
                found[node.name] = module
    return found


def _required(field: Field) -> bool:
    if "+required" in field.markers:
        return True
    return "+optional" not in field.markers and not field.omitted_when_empty


def _merging(field: Field, around: str) -> Json:
    """How patches and server-side apply join two values of a field."""
    merged = "merge" in field.patch_strategies
    marks: Json = {}
    if around.lstrip("?").startswith("[]"):
        if merged and field.patch_key:
            marks["merge"] = field.patch_key
        keys = [one.partition("=")[2] for one in field.markers if one.startswith("+listMapKey=")]
        if "+listType=map" in field.markers:
            marks["keys"] = sorted(keys, key=lambda key: (key != field.patch_key, key))
        elif "+listType=set" in field.markers:
            marks["unique" if merged else "distinct"] = True
        elif merged and field.patch_key:
            marks["atomic"] = True
        elif merged:
            marks["unique"] = True
    elif field.markers & {"+mapType=atomic", "+structType=atomic"}:
        marks["atomic"] = True
    elif "+structType=granular" in field.markers:
        marks["granular"] = True
    for strategy, mark in (("retainKeys", "retain_keys"), ("replace", "replace")):
        if strategy in field.patch_strategies:
            marks[mark] = True
    return marks
