"""A CustomResourceDefinition as a served kind: row, schemas, how its objects merge. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from msgspec.structs import replace

from lateen.apiserver import fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds import structural
from lateen.apiserver.kinds.resources import Kind, ScalePaths
from lateen.apiserver.kinds.strategy import base
from lateen.base import clock
from lateen.base.jsonvalue import Json
from lateen.model.messages import diagnostics
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import describe as schemas, kinds
from lateen.model.schema.kindinfo import Column, KindInfo

RESOURCE = "customresourcedefinitions.apiextensions.k8s.io"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
"""The finalizer that keeps a definition until its last object is gone."""

_ANY: Json = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_MAX_DEPTH = 40


def resource_of(definition: Mapping[str, Any]) -> str:
    """Return the resource that a definition serves: its own name is plural.group."""
    return str(definition["metadata"]["name"])


def _part(*needed: str, **fields: Json) -> Json:
    made: Json = {"type": "object", "nullable": True, "properties": fields}
    return {**made, "required": list(needed)} if needed else made


def _many(one: Json) -> Json:
    return {"type": "array", "nullable": True, "items": {**one, "nullable": False}}


_TEXT: Json = {"type": "string", "nullable": True}
_FLAG: Json = {"type": "boolean", "nullable": True}
_NAME: Json = {"type": "string"}
_SCALE = _part(specReplicasPath=_TEXT, statusReplicasPath=_TEXT, labelSelectorPath=_TEXT)
_COLUMN = _part(
    "jsonPath",
    "name",
    "type",
    description=_TEXT,
    format=_TEXT,
    jsonPath=_NAME,
    name=_NAME,
    priority={"type": "integer", "nullable": True},
    type=_NAME,
)
_VERSION = _part(
    name=_TEXT,
    served=_FLAG,
    storage=_FLAG,
    deprecated=_FLAG,
    deprecationWarning=_TEXT,
    schema=_part(openAPIV3Schema=_part()),
    subresources=_part(status=_part(), scale=_SCALE),
    additionalPrinterColumns=_many(_COLUMN),
    selectableFields=_many(_part("jsonPath", jsonPath=_NAME)),
)
_SPEC = _part(
    conversion=_part(strategy=_TEXT),
    group=_TEXT,
    names=_part(
        plural=_TEXT,
        singular=_TEXT,
        kind=_TEXT,
        listKind=_TEXT,
        shortNames=_many(_NAME),
        categories=_many(_NAME),
    ),
    preserveUnknownFields=_FLAG,
    scope=_TEXT,
    versions=_many(_VERSION),
)
_SHAPE: Json = _part(spec=_SPEC)
"""Of which types the fields of a definition are; it is kept as it is sent, so nothing else asks."""


def check(definition: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Return what is wrong with a definition."""
    spec = definition.get("spec")
    if not isinstance(spec, dict):
        return (fieldcauses.required("spec"),)
    if misshapen := structural.validate(_SHAPE, {"spec": spec}):
        return misshapen
    causes = list(_check_names(definition, spec))
    versions = spec.get("versions")
    if not isinstance(versions, list) or not all(isinstance(one, dict) for one in versions):
        return (*causes, fieldcauses.required("spec.versions", "must have at least one version"))
    if sum(one.get("storage") is True for one in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        causes.append(
            fieldcauses.invalid("spec.versions", [v.get("name") for v in versions], detail)
        )
    for index, version in enumerate(versions):
        causes += _check_version(version, f"spec.versions[{index}]")
    return tuple(causes)


def rules(definition: Mapping[str, Any]) -> structural.RuleFindings:
    """Return what is wrong with the rules in a definition that is sound otherwise."""
    versions = definition["spec"]["versions"]
    if not any(structural.has_rules(_root(version)) for version in versions):
        return structural.RuleFindings()
    from lateen.apiserver.kinds import celrules  # a start does not need it

    causes: list[Cause] = []
    skipped: list[tuple[str, str, str]] = []
    for index, version in enumerate(versions):
        path = f"spec.versions[{index}].schema.openAPIV3Schema"
        found = celrules.check(_root(version) or {}, path)
        causes += found.causes
        skipped += found.skipped
    return structural.RuleFindings(tuple(causes), tuple(skipped))


def _check_names(definition: Mapping[str, Any], spec: Mapping[str, Any]) -> list[Cause]:
    causes = []
    given = spec.get("names")
    found: Mapping[str, Any] = given if isinstance(given, dict) else {}
    for field in ("plural", "kind"):
        if not isinstance(found.get(field), str) or not found[field]:
            causes.append(fieldcauses.required(f"spec.names.{field}"))
    if not isinstance(spec.get("group"), str) or "." not in spec["group"]:
        causes.append(fieldcauses.invalid("spec.group", spec.get("group"), "should be a domain"))
    if spec.get("scope") not in ("Namespaced", "Cluster"):
        allowed = ("Cluster", "Namespaced")
        causes.append(fieldcauses.unsupported("spec.scope", spec.get("scope"), allowed))
    wanted = f"{found.get('plural')}.{spec.get('group')}"
    if not causes and definition["metadata"].get("name") != wanted:
        name = definition["metadata"].get("name")
        causes.append(
            fieldcauses.invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
        )
    return causes


def _check_version(version: Mapping[str, Any], path: str) -> list[Cause]:
    causes = []
    if not isinstance(version.get("name"), str) or not version["name"]:
        causes.append(fieldcauses.required(f"{path}.name"))
    root = _root(version)
    if root is None:
        detail = "schemas are required"
        causes.append(fieldcauses.required(f"{path}.schema.openAPIV3Schema", detail))
    elif root.get("type") != "object":
        causes.append(
            fieldcauses.invalid(
                f"{path}.schema.openAPIV3Schema.type",
                root.get("type"),
                "must be object at the root",
            )
        )
    elif not _sound(root, 0):
        detail = f"must be a schema that nests no deeper than {_MAX_DEPTH} levels"
        causes.append(fieldcauses.invalid(f"{path}.schema.openAPIV3Schema", "", detail))
    return causes


_NUMBERS = ("minimum", "maximum", "multipleOf")
_LISTS = ("enum", "required", "x-kubernetes-list-map-keys")
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
    if any(not isinstance(schema.get(k, []), list) for k in _LISTS):
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
    info = KindInfo(
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
        frozenset(name for name, tree in trees.items() if structural.has_rules(tree)),
        {one["name"]: _selectable(one) for one in versions},
        {one["name"]: _deprecation(info, one) for one in versions if one.get("deprecated") is True},
        {one["name"]: replace(info, columns=_columns(one)) for one in versions},
    )


def _selectable(version: Mapping[str, Any]) -> tuple[str, ...]:
    found = version.get("selectableFields") or ()
    return tuple(str(one["jsonPath"]).removeprefix(".") for one in found)


def _deprecation(info: KindInfo, version: Mapping[str, Any]) -> str:
    usual = f"{info.group}/{version['name']} {info.kind} is deprecated"
    return str(version.get("deprecationWarning") or usual)


def remarks(definition: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a sound definition asks for and does not get, as warnings with their codes."""
    name = str(definition["metadata"]["name"])
    source = Source(ObjectRef("CustomResourceDefinition", "", name))
    found = [
        diagnostics.make("LTN0018", source, path=path, rule=rule, detail=why)
        for path, rule, why in rules(definition).skipped
    ]
    conversion = definition["spec"].get("conversion") or {}
    if conversion.get("strategy") == "Webhook":
        found.append(diagnostics.make("LTN0019", source, name=name))
    return tuple(f"[{one.code}] {one.message}" for one in found)


def _strategy(tree: Json, *, status: bool) -> base.Standard:
    def defaults(obj: Json) -> None:
        obj.update(structural.defaulted(tree, obj))

    return base.Standard(defaults=defaults, status=status)


def _columns(version: Mapping[str, Any]) -> tuple[Column, ...]:
    found = []
    for one in version.get("additionalPrinterColumns") or ():
        if isinstance(one, dict) and isinstance(one.get("jsonPath"), str):
            wide = bool(one.get("priority"))
            kind = str(one.get("type", "string"))
            found.append(Column(str(one.get("name", "")), one["jsonPath"], kind, wide))
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


def is_established(definition: Mapping[str, Any]) -> bool:
    """Tell whether a stored definition is served: once it is, it stays so."""
    found = (definition.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == "Established" and one.get("status") == "True" for one in found)


class Clash(NamedTuple):
    """A name that another definition of the group has: which kind of name it is, and the name."""

    reason: str
    name: str


def clashes(
    definition: Mapping[str, Any], others: Iterable[Mapping[str, Any]]
) -> tuple[Clash, ...]:
    """Return the names of a definition that others of its group, which are served, have already."""
    spec = definition["spec"]
    resources, kinds_taken = set[str](), set[str]()
    for other in others:
        itself = other["metadata"]["name"] == definition["metadata"]["name"]
        if itself or other["spec"]["group"] != spec["group"] or not is_established(other):
            continue
        names = other["status"]["acceptedNames"]
        resources |= {names["plural"], names["singular"], *(names.get("shortNames") or ())}
        kinds_taken |= {names["kind"], names["listKind"]}
    mine = _full_names(spec)
    found = [
        Clash(reason, mine[field])
        for field, reason, taken in (
            ("plural", "PluralConflict", resources),
            ("singular", "SingularConflict", resources),
            ("kind", "KindConflict", kinds_taken),
            ("listKind", "ListKindConflict", kinds_taken),
        )
        if mine[field] in taken
    ]
    short = mine.get("shortNames") or ()
    return (*found, *(Clash("ShortNamesConflict", one) for one in short if one in resources))


def _full_names(spec: Mapping[str, Any]) -> Json:
    named = {name: value for name, value in spec["names"].items() if value}
    named.setdefault("singular", named["kind"].lower())
    named.setdefault("listKind", f"{named['kind']}List")
    return named


def settled(definition: Mapping[str, Any], taken: Sequence[Clash], now: datetime) -> Json:
    """Return the status of a definition, some of whose names may be taken."""
    spec = definition["spec"]
    before = (definition.get("status") or {}).get("conditions") or []
    storage = next(one["name"] for one in spec["versions"] if one.get("storage"))
    held = (definition.get("status") or {}).get("storedVersions") or []
    if taken:
        shown = ", ".join(f'"{one.name}" is already in use' for one in taken)
        accepted = ("NamesAccepted", "False", taken[0].reason, shown)
        served = ("Established", "False", "NotAccepted", "not all names are accepted")
    else:
        accepted = ("NamesAccepted", "True", "NoConflicts", "no conflicts found")
        text = "the initial names have been accepted"
        served = ("Established", "True", "InitialNamesAccepted", text)
    conditions = [_condition(accepted, before, now)]
    if taken and is_established(definition):
        conditions += [one for one in before if one["type"] == "Established"]
    else:
        conditions.append(_condition(served, before, now))
    return {
        "conditions": conditions,
        "acceptedNames": {"kind": "", "plural": ""} if taken else _full_names(spec),
        "storedVersions": held if storage in held else [*held, storage],
    }


def _condition(
    given: tuple[str, str, str, str], before: Iterable[Mapping[str, Any]], now: datetime
) -> Json:
    kind, status, reason, message = given
    same = (one for one in before if (one.get("type"), one.get("status")) == (kind, status))
    since = next((one["lastTransitionTime"] for one in same), clock.rfc3339(now))
    return {
        "type": kind,
        "status": status,
        "lastTransitionTime": since,
        "reason": reason,
        "message": message,
    }
