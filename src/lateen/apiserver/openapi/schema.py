"""The model's schemas as OpenAPI schema objects, each struct a named definition. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.apiserver.kinds.resources import Kind
from lateen.apiserver.openapi import discovery, meta
from lateen.base.jsonvalue import Json
from lateen.model.schema import describe as schemas, objectmeta

_SHARED = frozenset(
    {
        "ObjectMeta",
        "OwnerReference",
        "LabelSelector",
        "LabelSelectorRequirement",
        "ManagedFieldsEntry",
        "Condition",
    }
)


class Definitions(msgspec.Struct):
    """Named schemas as they are collected. `reference` is where they will live, such as
    `#/components/schemas/`."""

    reference: str
    found: dict[str, Json] = msgspec.field(default_factory=dict)

    def add_kind(self, kind: Kind, version: str) -> str:
        """Add a kind in one version, with all it is made of; return its name."""
        info = kind.info
        package = package_of(info.group, version)
        name = f"{package}.{info.kind}"
        custom = kind.schemas.get(version)
        if custom is not None:
            self.found[name] = self._custom(custom)
        else:
            self.found[name] = self._object(schemas.of_kind(info), package)
        made = self.found[name]
        made["x-kubernetes-group-version-kind"] = [_gvk(info.group, version, info.kind)]
        properties = made.setdefault("properties", {})
        properties.setdefault("apiVersion", {"type": "string", "description": _API_VERSION})
        properties.setdefault("kind", {"type": "string", "description": _KIND})
        self.found[f"{package}.{info.kind}List"] = {
            "type": "object",
            "description": f"A list of {info.kind}.",
            "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string", "description": _API_VERSION},
                "kind": {"type": "string", "description": _KIND},
                "metadata": {"type": "object"},
                "items": {"type": "array", "items": {"$ref": self.reference + name}},
            },
            "x-kubernetes-group-version-kind": [_gvk(info.group, version, info.kind + "List")],
        }
        return name

    def add_review(self, virtual: discovery.Virtual) -> str:
        """Add a review, which is asked and not stored; return its name."""
        name = f"{package_of(virtual.group, virtual.version)}.{virtual.kind}"
        metadata = schemas.of_struct(objectmeta.StoredObject).fields["metadata"]
        free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        self.found[name] = {
            "type": "object",
            "properties": {
                "apiVersion": {"type": "string", "description": _API_VERSION},
                "kind": {"type": "string", "description": _KIND},
                "metadata": self.node(metadata, meta.META),
                "spec": {**free, "description": "What is asked."},
                "status": {**free, "description": "The answer."},
            },
            "x-kubernetes-group-version-kind": [_gvk(virtual.group, virtual.version, virtual.kind)],
        }
        return name

    def _custom(self, custom: Mapping[str, Any]) -> Json:
        made = dict(custom)
        properties = dict(made.get("properties") or {})
        metadata = schemas.of_struct(objectmeta.StoredObject).fields["metadata"]
        properties["metadata"] = self.node(metadata, meta.META)
        made["properties"] = properties
        return made

    def _named(self, node: schemas.Schema, package: str) -> Json:
        place = meta.META if node.name in _SHARED else package
        name = f"{place}.{node.name}"
        if name not in self.found:
            self.found[name] = {}
            own = node if node.definition is None else schemas.of_struct(node.definition)
            self.found[name].update(self._object(own, place))
        return {"$ref": self.reference + name}

    def _object(self, node: schemas.Schema, package: str) -> Json:
        made: Json = {"type": "object"}
        if node.description:
            made["description"] = node.description
        if node.required:
            made["required"] = list(node.required)
        made["properties"] = {
            name: self.node(child, package) for name, child in node.fields.items()
        }
        if node.preserve_unknown:
            made["x-kubernetes-preserve-unknown-fields"] = True
        if node.atomic:
            made["x-kubernetes-map-type"] = "atomic"
        return made

    def node(self, node: schemas.Schema, package: str) -> Json:
        """Return the schema of one field."""
        if node.type == "object" and node.name:
            made: Json = {"allOf": [self._named(node, package)]}
            if node.strategies:
                made["x-kubernetes-patch-strategy"] = ",".join(node.strategies)
        elif node.type == "object":
            made = self._object(node, package)
        elif node.type in ("map", "array"):
            made = self._container(node, package)
        elif node.type == "int-or-string" or node.form == "quantity":
            made = {"allOf": [self._scalar(node)]}
        elif node.type == "any":
            made = {"x-kubernetes-preserve-unknown-fields": True}
        else:
            made = {"type": node.type}
            if node.form:
                made["format"] = node.form
            if node.enum:
                made["enum"] = list(node.enum)
        if node.description:
            made["description"] = node.description
        return made

    def _scalar(self, node: schemas.Schema) -> Json:
        """Refer to a scalar with a name of its own, which `kubectl explain` shows as the type."""
        name, made = _QUANTITY if node.form == "quantity" else _INT_OR_STRING
        self.found.setdefault(name, dict(made))
        return {"$ref": self.reference + name}

    def _container(self, node: schemas.Schema, package: str) -> Json:
        items = self.node(node.items, package) if node.items is not None else {}
        if node.type == "map":
            mapped: Json = {"type": "object", "additionalProperties": items or True}
            if node.atomic:
                mapped["x-kubernetes-map-type"] = "atomic"
            return mapped
        made: Json = {"type": "array", "items": items}
        if node.list_type:
            made["x-kubernetes-list-type"] = node.list_type
        if node.list_keys:
            made["x-kubernetes-list-map-keys"] = list(node.list_keys)
        if node.merge_key:
            made["x-kubernetes-patch-merge-key"] = node.merge_key
        if node.strategies:
            made["x-kubernetes-patch-strategy"] = ",".join(node.strategies)
        return made


_INT_OR_STRING = (
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    {
        "description": "A number, or a text such as a percentage or a name.",
        "x-kubernetes-int-or-string": True,
        "oneOf": [{"type": "integer"}, {"type": "string"}],
    },
)
_QUANTITY = (
    "io.k8s.apimachinery.pkg.api.resource.Quantity",
    {
        "description": "A number with a suffix, such as 100m, 0.5 or 1Gi.",
        "oneOf": [{"type": "string"}, {"type": "number"}],
    },
)

_API_VERSION = "The versioned schema of this representation of an object."
_KIND = "The REST resource this object represents, in CamelCase."


def package_of(group: str, version: str) -> str:
    """Return the name space of a group's definitions: `io.k8s.api.apps.v1`."""
    if not group:
        return f"io.k8s.api.core.{version}"
    if group.endswith(".k8s.io") or "." not in group:
        return f"io.k8s.api.{group.split('.')[0]}.{version}"
    return f"{'.'.join(reversed(group.split('.')))}.{version}"


def _gvk(group: str, version: str, kind: str) -> Json:
    return {"group": group, "version": version, "kind": kind}
