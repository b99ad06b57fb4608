"""The operations of a kind as OpenAPI paths: clients look for parameters and kinds. Pure."""

from collections.abc import Sequence

import msgspec

from lateen.apiserver.kinds.resources import Kind
from lateen.apiserver.openapi import discovery, meta
from lateen.apiserver.protocol import negotiate
from lateen.base.jsonvalue import Json

_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_LIST = (
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "timeoutSeconds",
    "watch",
)
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_LOG = (
    "container",
    "follow",
    "limitBytes",
    "previous",
    "sinceSeconds",
    "tailLines",
    "timestamps",
)
_TYPES = {
    **dict.fromkeys(
        (
            "gracePeriodSeconds",
            "limit",
            "limitBytes",
            "sinceSeconds",
            "tailLines",
            "timeoutSeconds",
        ),
        "integer",
    ),
    **dict.fromkeys(
        (
            "allowWatchBookmarks",
            "follow",
            "force",
            "orphanDependents",
            "previous",
            "sendInitialEvents",
            "timestamps",
            "watch",
        ),
        "boolean",
    ),
}
_READ_FAILS = (400, 401, 403, 404, 406)
_LIST_FAILS = (*_READ_FAILS, 410, 422, 429, 504)
_WRITE_FAILS = (400, 401, 403, 404, 406, 409, 413, 415, 422)
_OPERATION: Json = {
    "type": "object",
    "required": ["op", "path"],
    "properties": {
        "op": {"type": "string", "enum": ["add", "remove", "replace", "move", "copy", "test"]},
        "path": {"type": "string"},
        "from": {"type": "string"},
    },
}
_FORMS: dict[str, Json] = {"application/json-patch+json": {"type": "array", "items": _OPERATION}}
"""The bodies that are not of the operation's own schema."""
_CREATED = ("binding", "eviction", "token")
"""Subresources that are only posted to, each in a form of its own."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path. `answers` are schemas by status; `media` what a body may be."""

    id: str
    action: str
    parameters: tuple[str, ...] = ()
    answers: dict[int, Json]
    fails: tuple[int, ...]
    body: Json | None = None
    media: tuple[str, ...] = ("application/json", "application/yaml")
    optional: bool = False
    text: bool = False


def of_kind(kind: Kind, version: str, references: meta.References) -> Json:
    """Return the paths of a kind."""
    info = kind.info
    base = f"/apis/{info.group}/{version}" if info.group else f"/api/{version}"
    plain = f"{base}/{info.plural}"
    space = f"{base}/namespaces/{{namespace}}/{info.plural}" if info.namespaced else plain
    named = (info.group, version, info.kind)
    make = _Maker(*named, namespaced=info.namespaced, references=references)
    found = {
        space: make.path(_collection(kind, references), named=False),
        f"{space}/{{name}}": make.path(_object(kind, references), named=True),
    }
    if info.namespaced:
        listed = _listing("listForAllNamespaces", references)
        found[plain] = {"get": make.operation(listed), "parameters": []}
    for sub in discovery.subresources(kind, version):
        operations = _subresource(kind, sub.name, references)
        if operations:
            found[f"{space}/{{name}}/{sub.name}"] = make.path(operations, named=True)
    return found


def of_review(virtual: discovery.Virtual, references: meta.References) -> Json:
    """Return the path of a review: it is posted, and the answer is what was posted, filled in."""
    base = f"/apis/{virtual.group}/{virtual.version}"
    space = f"{base}/namespaces/{{namespace}}" if virtual.namespaced else base
    post = Operation(
        id="create",
        action="post",
        parameters=_WRITE,
        answers={201: references.object},
        fails=_WRITE_FAILS,
        body=references.object,
    )
    named = (virtual.group, virtual.version, virtual.kind)
    make = _Maker(*named, namespaced=virtual.namespaced, references=references)
    return {f"{space}/{virtual.plural}": make.path({"post": post}, named=False)}


def _listing(name: str, references: meta.References) -> Operation:
    return Operation(
        id=name,
        action="list",
        parameters=_LIST,
        answers={200: references.listed},
        fails=_LIST_FAILS,
    )


def _collection(kind: Kind, references: meta.References) -> dict[str, Operation]:
    return {
        "get": _listing("list", references),
        "post": Operation(
            id="create",
            action="post",
            parameters=_WRITE,
            answers={201: references.object},
            fails=_WRITE_FAILS,
            body=references.object,
        ),
        "delete": Operation(
            id="deletecollection",
            action="deletecollection",
            parameters=tuple(dict.fromkeys((*_LIST, *_DELETE))),
            answers={200: references.listed},
            fails=(*_WRITE_FAILS, 410, 429, 504),
            body=references.delete_options,
            optional=True,
        ),
    }


def _object(kind: Kind, references: meta.References) -> dict[str, Operation]:
    return {
        **_changes("", references.object, negotiate.patch_types(strategic=kind.strategic)),
        "delete": Operation(
            id="delete",
            action="delete",
            parameters=_DELETE,
            answers={200: references.deleted},
            fails=_WRITE_FAILS,
            body=references.delete_options,
            optional=True,
        ),
    }


def _changes(name: str, schema: Json, patches: tuple[str, ...]) -> dict[str, Operation]:
    patched = {200: schema} if name else {200: schema, 201: schema}
    return {
        "get": Operation(id=f"read{name}", action="get", answers={200: schema}, fails=_READ_FAILS),
        "put": Operation(
            id=f"replace{name}",
            action="put",
            parameters=_WRITE,
            answers={200: schema},
            fails=_WRITE_FAILS,
            body=schema,
        ),
        "patch": Operation(
            id=f"patch{name}",
            action="patch",
            parameters=(*_WRITE, "force"),
            answers=patched,
            fails=_WRITE_FAILS,
            body={"type": "object"},
            media=patches,
        ),
    }


def _subresource(kind: Kind, name: str, references: meta.References) -> dict[str, Operation]:
    """Return the operations of a subresource; none of one that is a connection."""
    patches = negotiate.patch_types(strategic=kind.strategic)
    if name == "status":
        return _changes("Status", references.object, patches)
    if name == "ephemeralcontainers":
        return _changes("Ephemeralcontainers", references.object, patches)
    if name == "approval":
        return _changes("Approval", references.object, patches)
    if name == "scale":
        return _changes("Scale", references.scale, patches)
    if name == "finalize":
        return {"put": _changes("Finalize", references.object, patches)["put"]}
    if name == "log":
        read = Operation(
            id="readLog",
            action="get",
            parameters=_LOG,
            answers={200: {"type": "string"}},
            fails=_READ_FAILS,
            text=True,
        )
        return {"get": read}
    if name in _CREATED:
        post = Operation(
            id=f"create{name.capitalize()}",
            action="post",
            parameters=("dryRun",),
            answers={201: {"type": "object"}},
            fails=(*_WRITE_FAILS, 429),
            body={"type": "object"},
        )
        return {"post": post}
    return {}


class _Maker:
    """Writes operations of one kind down."""

    def __init__(
        self,
        group: str,
        version: str,
        kind: str,
        *,
        namespaced: bool,
        references: meta.References,
    ) -> None:
        self._gvk = {"group": group, "version": version, "kind": kind}
        short = "".join(part.capitalize() for part in (group or "core").split("."))
        self._suffix = f"{short}{version.capitalize()}{kind}"
        self._tag = f"{group or 'core'}_{version}"
        self._namespaced = namespaced
        self._references = references

    def path(self, operations: dict[str, Operation], *, named: bool) -> Json:
        """Return a path with what its URL must name."""
        made: Json = {method: self.operation(one) for method, one in operations.items()}
        names = (["name"] if named else []) + (["namespace"] if self._namespaced else [])
        made["parameters"] = [
            {"name": name, "in": "path", "required": True, **self._typed("string")}
            for name in names
        ]
        return made

    def operation(self, given: Operation) -> Json:
        """Return one operation."""
        answers = {str(code): self._answer(one, given) for code, one in given.answers.items()}
        failure = {"$ref": self._references.failure}
        made: Json = {
            "operationId": f"{given.id}{self._suffix}",
            "tags": [self._tag],
            "x-kubernetes-action": given.action,
            "x-kubernetes-group-version-kind": self._gvk,
            "parameters": self._query(given.parameters),
            "responses": answers | {str(code): failure for code in given.fails},
        }
        if given.body is not None:
            self._body(made, given, given.body)
        return made

    def _query(self, names: Sequence[str]) -> list[Json]:
        return [
            {"name": name, "in": "query", **self._typed(_TYPES.get(name, "string"))}
            for name in names
        ]

    def _typed(self, name: str) -> Json:
        return {"type": name} if self._references.swagger else {"schema": {"type": name}}

    def _answer(self, schema: Json, given: Operation) -> Json:
        if self._references.swagger:
            return {"description": "OK", "schema": schema}
        media = "text/plain" if given.text else "application/json"
        return {"description": "OK", "content": {media: {"schema": schema}}}

    def _body(self, made: Json, given: Operation, schema: Json) -> None:
        if self._references.swagger:
            made["consumes"] = list(given.media)
            body = {"name": "body", "in": "body", "required": not given.optional}
            made["parameters"].append({**body, "schema": schema})
            return
        content = {one: {"schema": _FORMS.get(one, schema)} for one in given.media}
        made["requestBody"] = {"required": not given.optional, "content": content}
