"""OpenAPI v3: one document per group and version, named by its hash in the index."""

import hashlib
from collections.abc import Iterable

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.kinds.resources import Kind
from lateen.apiserver.openapi import discovery, meta, paths as openapi_paths, schema
from lateen.base.jsonvalue import Json

_SCHEMAS = "#/components/schemas/"
_RESPONSES = "#/components/responses/"
_REVIEWS = tuple(
    dict.fromkeys(f"apis/{one.group}/{one.version}" for one in discovery.VIRTUAL if one.group)
)
TITLE = {"title": "Kubernetes", "version": "v1.36.0"}


class Documents:
    """Documents as they are asked for, kept until the kinds of their group change."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[tuple[Kind, ...], Json, str]] = {}

    def index(self, kinds: Iterable[Kind]) -> Json:
        """/openapi/v3"""
        found = {}
        for path, members in _by_path(kinds).items():
            digest = self._get(path, members)[1]
            found[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
        return {"paths": found}

    def document(self, kinds: Iterable[Kind], path: str) -> Json:
        """/openapi/v3/apis/GROUP/VERSION. Raises ApiError 404."""
        members = _by_path(kinds).get(path)
        if members is None:
            raise errors.unknown_path()
        return self._get(path, members)[0]

    def _get(self, path: str, members: tuple[Kind, ...]) -> tuple[Json, str]:
        held = self._made.get(path)
        same = held is not None and len(held[0]) == len(members)
        if held is not None and same and all(a is b for a, b in zip(held[0], members, strict=True)):
            return held[1], held[2]
        made = document(members, path)
        digest = hashlib.sha256(msgspec.json.encode(made)).hexdigest()[:32].upper()
        self._made[path] = (members, made, digest)
        return made, digest


def _by_path(kinds: Iterable[Kind]) -> dict[str, tuple[Kind, ...]]:
    found: dict[str, list[Kind]] = {}
    for kind in kinds:
        for version in kind.info.versions:
            group = kind.info.group
            path = f"apis/{group}/{version}" if group else f"api/{version}"
            found.setdefault(path, []).append(kind)
    for path in _REVIEWS:
        found.setdefault(path, [])
    return {path: tuple(members) for path, members in found.items()}


def document(members: tuple[Kind, ...], path: str) -> Json:
    """Return the document of a group and version (`apis/apps/v1`) with these kinds."""
    version = path.rsplit("/", 1)[1]
    definitions = schema.Definitions(_SCHEMAS)
    paths: Json = {}
    for kind in members:
        name = definitions.add_kind(kind, version)
        references = meta.references(_SCHEMAS, _RESPONSES, name, swagger=False)
        paths |= openapi_paths.of_kind(kind, version, references)
    for virtual in discovery.VIRTUAL:
        if f"apis/{virtual.group}/{virtual.version}" == path:
            name = definitions.add_review(virtual)
            references = meta.references(_SCHEMAS, _RESPONSES, name, swagger=False)
            paths |= openapi_paths.of_review(virtual, references)
    return {
        "openapi": "3.0.0",
        "info": TITLE,
        "paths": paths,
        "components": {
            "schemas": definitions.found | meta.definitions(_SCHEMAS),
            "responses": {"Failure": meta.failure(_SCHEMAS, swagger=False)},
        },
    }
