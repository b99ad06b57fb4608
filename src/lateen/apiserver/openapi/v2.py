"""OpenAPI v2 (Swagger): everything in one document, for clients that ask for it. Pure."""

from collections.abc import Iterable
from typing import Any

from lateen.apiserver.kinds.resources import Kind
from lateen.apiserver.openapi import meta, paths as openapi_paths, schema as openapi_schema
from lateen.base.jsonvalue import Json

_SCHEMAS = "#/definitions/"
_RESPONSES = "#/responses/"
_UNKNOWN = ("anyOf", "oneOf", "not", "nullable")
"""Keywords that v2 does not have; a cluster leaves them out too."""


def document(kinds: Iterable[Kind]) -> Json:
    """/openapi/v2"""
    definitions = openapi_schema.Definitions(_SCHEMAS)
    paths: Json = {}
    for kind in kinds:
        for version in kind.info.versions:
            name = definitions.add_kind(kind, version)
            references = meta.references(_SCHEMAS, _RESPONSES, name, swagger=True)
            paths |= openapi_paths.of_kind(kind, version, references)
    found = {name: _plain(schema) for name, schema in definitions.found.items()}
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "definitions": found | meta.definitions(_SCHEMAS),
        "responses": {"Failure": meta.failure(_SCHEMAS, swagger=True)},
    }


def _plain(schema: Any) -> Any:
    """Return a schema in the words of v2."""
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        kept = {k: v for k, v in schema.items() if k not in (*_UNKNOWN, "type")}
        return {**kept, "type": "string", "format": "int-or-string"}
    made = {key: value for key, value in schema.items() if key not in _UNKNOWN}
    if any(one.get("type") == "string" for one in schema.get("oneOf") or ()):
        made.setdefault("type", "string")  # a quantity, as a cluster puts it there
    for word in ("items", "additionalProperties"):
        if word in made:
            made[word] = _plain(made[word])
    if "properties" in made:
        made["properties"] = {name: _plain(one) for name, one in made["properties"].items()}
    parts: list[Json] = made.get("allOf") or []
    if len(parts) == 1 and "$ref" in parts[0]:
        del made["allOf"]  # in v2 a reference may stand beside words about it
        return {**parts[0], **made}
    if parts:
        made["allOf"] = [_plain(one) for one in parts]
    return made
