"""OpenAPI v2 (Swagger): everything in one document, for clients that ask for it. Pure."""

from collections.abc import Iterable

from lateen.apiserver import openapi_paths, openapi_schema
from lateen.apiserver.resources import Kind
from lateen.model.client import Json

_REFERENCE = "#/definitions/"


def document(kinds: Iterable[Kind]) -> Json:
    """/openapi/v2"""
    definitions = openapi_schema.Definitions(_REFERENCE)
    paths: Json = {}
    for kind in kinds:
        for version in kind.info.versions:
            name = definitions.add_kind(kind, version)
            paths |= openapi_paths.of_kind(kind, version, _REFERENCE + name, swagger=True)
    return {
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.36.0"},
        "paths": paths,
        "definitions": definitions.found,
    }
