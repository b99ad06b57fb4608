"""A CustomResourceDefinition as a served kind: row, schemas, how its objects merge. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lateen.apiserver import structural
from lateen.apiserver.resources import Kind, ScalePaths
from lateen.apiserver.strategy import base
from lateen.apiserver.strategy.base import Cause
from lateen.base import clock
from lateen.model import kinds
from lateen.model import schema as schemas
from lateen.model.client import Json

RESOURCE = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition until its last object is gone."""

_ANY: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_MAX_DEPTH = 40


def resource_of(definition: Mapping[str, Any]) -> str:
    """Return the resource that a definition serves: its own name is plural.group."""
    return str(definition["metadata"]["name"])


def check(definition: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Return what is wrong with a definition."""
    spec = definition.get("spec")
    if not isinstance(spec, dict):
        return (base.required("spec"),)
    causes = list(_check_names(definition, spec))
    versions = spec.get("versions")
    if not isinstance(versions, list) or not all(isinstance(one, dict) for one in versions):
        return (*causes, base.required("spec.versions", "must have at least one version"))
    if sum(one.get("storage") is True for one in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        causes.append(base.invalid("spec.versions", [v.get("name") for v in versions], detail))
    for index, version in enumerate(versions):
        causes += _check_version(version, f"spec.versions[{index}]")
    return tuple(causes)


def _check_names(definition: Mapping[str, Any], spec: Mapping[str, Any]) -> list[Cause]:
    causes = []
    given = spec.get("names")
    found: Mapping[str, Any] = given if isinstance(given, dict) else {}
    for field in ("plural", "kind"):
        if not isinstance(found.get(field), str) or not found[field]:
            causes.append(base.required(f"spec.names.{field}"))
    if not isinstance(spec.get("group"), str) or "." not in spec["group"]:
        causes.append(base.invalid("spec.group", spec.get("group"), "should be a domain"))
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        allowed = ("Cluster", "Namespaced")
        causes.append(base.unsupported("spec.scope", spec.get("scope"), allowed))
    wanted = f"{found.get('plural')}.{spec.get('group')}"
    if not causes and definition["metadata"].get("name") != wanted:
        name = definition["metadata"].get("name")
        causes.append(
            base.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
        )
    return causes


def _check_version(version: Mapping[str, Any], path: str) -> list[Cause]:
    causes = []
    if not isinstance(version.get("name"), str) or not version["name"]:
        causes.append(base.required(f"{path}.name"))
    root = _root(version)
    if root is None:
        detail = "schemas are required"
        causes.append(base.required(f"{path}.schema.openAPIV3Schema", detail))
    elif root.get("type") != "object":
        causes.append(
            base.invalid(
                f"{path}.schema.openAPIV3Schema.type",
                root.get("type"),
                "must be object at the root",
            )
        )
    elif not _sound(root, 0):
        detail = f"must be a schema that nests no deeper than {_MAX_DEPTH} levels"
        causes.append(base.invalid(f"{path}.schema.openAPIV3Schema", "", detail))
    return causes


_NUMBERS = ("minimum", "maximum", "multipleOf")
_COUNTS = (
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
)


def _sound(schema: Any, depth: int) -> bool:
    """Tell whether a schema can be walked: every part of the type that its keyword asks for."""
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return False
    if any(not isinstance(schema.get(k, 0), (int, float)) for k in _NUMBERS):
        return False
    if any(type(schema.get(k, 0)) is not int for k in _COUNTS):
        return False
    if any(not isinstance(schema.get(k, []), list) for k in ("enum", "required")):
        return False
    if not isinstance(schema.get("pattern", ""), str):
        return False
    fields = schema.get("properties", {})
    if not isinstance(fields, dict):
        return False
    inner = list(fields.values())
    for word in ("items", "not"):
        inner += [schema[word]] if word in schema else []
    if isinstance(schema.get("additionalProperties"), dict):
        inner.append(schema["additionalProperties"])
    for word in ("allOf", "anyOf", "oneOf"):
        group = schema.get(word, [])
        if not isinstance(group, list):
            return False
        inner += group
    return all(_sound(one, depth + 1) for one in inner)


def _root(version: Mapping[str, Any]) -> Json | None:
    schema = version.get("schema")
    root = schema.get("openAPIV3Schema") if isinstance(schema, dict) else None
    return root if isinstance(root, dict) else None


def kind_of(definition: Mapping[str, Any]) -> Kind:
    """Return the kind that a checked definition serves."""
    spec = definition["spec"]
    named = spec["names"]
    versions = [one for one in spec["versions"] if one.get("served", True)]
    storage = next(one for one in spec["versions"] if one.get("storage"))
    if storage not in versions:
        versions.append(storage)
    versions.sort(key=lambda one: one is not storage)
    loose = spec.get("preserveUnknownFields") is True
    trees = {one["name"]: _ANY if loose else (_root(one) or _ANY) for one in versions}
    subresources = {one["name"]: one.get("subresources") or {} for one in versions}
    info = kinds.KindInfo(
        group=spec["group"],
        versions=tuple(one["name"] for one in versions),
        kind=named["kind"],
        plural=named["plural"],
        singular=named.get("singular") or named["kind"].lower(),
        short_names=tuple(named.get("shortNames") or ()),
        categories=tuple(named.get("categories") or ()),
        namespaced=spec["scope"] == "Namespaced",
        columns=_columns(storage),
        status="status" in subresources[storage["name"]],
        scale="scale" in subresources[storage["name"]],
        acted_on=True,
    )
    return Kind(
        info,
        _strategy(trees[storage["name"]], status=info.status),
        trees,
        {name: merge_schema(tree) for name, tree in trees.items()},
        {n: _scale(sub["scale"]) for n, sub in subresources.items() if sub.get("scale")},
    )


def _strategy(tree: Json, *, status: bool) -> base.Standard:
    def defaults(obj: Json) -> None:
        obj.update(structural.defaulted(tree, obj))

    return base.Standard(defaults=defaults, status=status)


def _columns(version: Mapping[str, Any]) -> tuple[kinds.Column, ...]:
    found = []
    for one in version.get("additionalPrinterColumns") or ():
        if isinstance(one, dict) and isinstance(one.get("jsonPath"), str):
            wide = bool(one.get("priority"))
            kind = str(one.get("type", "string"))
            found.append(kinds.Column(str(one.get("name", "")), one["jsonPath"], kind, wide))
    return tuple(found)


def _scale(given: Mapping[str, Any]) -> ScalePaths:
    def path(name: str, usual: str) -> str:
        return str(given.get(name) or usual).lstrip(".")

    return ScalePaths(
        path("specReplicasPath", "spec.replicas"),
        path("statusReplicasPath", "status.replicas"),
        path("labelSelectorPath", ""),
    )


def merge_schema(tree: Mapping[str, Any]) -> schemas.Schema:
    """Return how objects of a structural schema merge."""
    made = _node(tree)
    stored = schemas.of_kind(kinds.KINDS[RESOURCE])
    server = {name: stored.fields[name] for name in ("metadata",) if name in stored.fields}
    return schemas.Schema(
        type="object",
        name=made.name,
        given=schemas.Parts({**made.fields, **server}),
        preserve_unknown=made.preserve_unknown,
    )


def _node(tree: Any) -> schemas.Schema:
    if not isinstance(tree, dict):
        return schemas.Schema(type="any")
    kind = tree.get("type")
    if tree.get("x-kubernetes-int-or-string"):
        return schemas.Schema(type="int-or-string")
    if kind == "array":
        return schemas.Schema(
            type="array",
            items=_node(tree.get("items")),
            list_type=tree.get("x-kubernetes-list-type") or "atomic",
            list_keys=tuple(tree.get("x-kubernetes-list-map-keys") or ()),
        )
    if kind == "object":
        atomic = tree.get("x-kubernetes-map-type") == "atomic"
        extra = tree.get("additionalProperties")
        if isinstance(extra, dict):
            return schemas.Schema(type="map", items=_node(extra), atomic=atomic)
        fields = {name: _node(one) for name, one in (tree.get("properties") or {}).items()}
        loose = tree.get("x-kubernetes-preserve-unknown-fields") is True
        parts = schemas.Parts(fields)
        return schemas.Schema(type="object", given=parts, atomic=atomic, preserve_unknown=loose)
    if kind in ("string", "integer", "number", "boolean"):
        return schemas.Schema(type=kind)
    return schemas.Schema(type="any")


def established(definition: Mapping[str, Any], now: datetime) -> Json:
    """Return the definition with the status of one that is served."""
    spec = definition["spec"]
    named = {"singular": spec["names"]["kind"].lower(), **spec["names"]}
    named.setdefault("listKind", f"{named['kind']}List")
    before = (definition.get("status") or {}).get("conditions") or []
    since = {
        one["type"]: one["lastTransitionTime"] for one in before if one.get("status") == "True"
    }
    stamp = clock.rfc3339(now)
    storage = next(one["name"] for one in spec["versions"] if one.get("storage"))
    held = (definition.get("status") or {}).get("storedVersions") or []
    conditions = [
        _condition("NamesAccepted", "NoConflicts", "no conflicts found", since, stamp),
        _condition(
            "Established",
            "InitialNamesAccepted",
            "the initial names have been accepted",
            since,
            stamp,
        ),
    ]
    return {
        "conditions": conditions,
        "acceptedNames": named,
        "storedVersions": held if storage in held else [*held, storage],
    }


def _condition(kind: str, reason: str, message: str, since: Mapping[str, str], stamp: str) -> Json:
    return {
        "type": kind,
        "status": "True",
        "lastTransitionTime": since.get(kind, stamp),
        "reason": reason,
        "message": message,
    }
