"""The operations of a kind as OpenAPI paths: clients look for parameters and kinds. Pure."""

from lateen.apiserver import negotiate
from lateen.apiserver.resources import Kind
from lateen.model.client import Json

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
_NUMBERS = ("limit", "timeoutSeconds", "gracePeriodSeconds")
_FLAGS = ("allowWatchBookmarks", "sendInitialEvents", "watch", "orphanDependents", "force")


def of_kind(kind: Kind, version: str, definition: str, *, swagger: bool) -> Json:
    """Return the paths of a kind; `definition` is the reference to its schema."""
    info = kind.info
    base = f"/apis/{info.group}/{version}" if info.group else f"/api/{version}"
    plain = f"{base}/{info.plural}"
    space = f"{base}/namespaces/{{namespace}}/{info.plural}" if info.namespaced else plain
    make = _Operations(kind, version, definition, swagger)
    found: Json = {
        space: {
            "get": make("list", "list", _LIST),
            "post": make("create", "post", _WRITE, body=True),
            "delete": make("deletecollection", "deletecollection", (*_LIST, *_DELETE)),
            "parameters": _place(info.namespaced, named=False, swagger=swagger),
        },
        f"{space}/{{name}}": {
            "get": make("read", "get", ()),
            "put": make("replace", "put", _WRITE, body=True),
            "patch": make("patch", "patch", (*_WRITE, "force"), body=True),
            "delete": make("delete", "delete", _DELETE),
            "parameters": _place(info.namespaced, named=True, swagger=swagger),
        },
    }
    if info.namespaced:
        found[plain] = {"get": make("listForAllNamespaces", "list", _LIST), "parameters": []}
    if info.status:
        found[f"{space}/{{name}}/status"] = {
            "get": make("readStatus", "get", ()),
            "put": make("replaceStatus", "put", _WRITE, body=True),
            "patch": make("patchStatus", "patch", (*_WRITE, "force"), body=True),
            "parameters": _place(info.namespaced, named=True, swagger=swagger),
        }
    return found


def _place(namespaced: bool, *, named: bool, swagger: bool) -> list[Json]:
    names = (["name"] if named else []) + (["namespace"] if namespaced else [])
    return [
        {"name": name, "in": "path", "required": True, **_type("string", swagger=swagger)}
        for name in names
    ]


def _type(name: str, *, swagger: bool) -> Json:
    return {"type": name} if swagger else {"schema": {"type": name}}


class _Operations:
    """Makes operations of one kind."""

    def __init__(self, kind: Kind, version: str, definition: str, swagger: bool) -> None:
        self._info = kind.info
        self._version = version
        self._definition = definition
        self._swagger = swagger
        self._patches = negotiate.patch_types(strategic=kind.strategic)

    def __call__(
        self, verb: str, action: str, names: tuple[str, ...], *, body: bool = False
    ) -> Json:
        info = self._info
        group = "".join(part.capitalize() for part in (info.group or "core").split("."))
        made: Json = {
            "operationId": f"{verb}{group}{self._version.capitalize()}{info.kind}",
            "tags": [f"{info.group or 'core'}_{self._version}"],
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": {
                "group": info.group,
                "version": self._version,
                "kind": info.kind,
            },
            "parameters": [self._parameter(name) for name in names],
            "responses": {"200": self._answer()},
        }
        if body:
            self._body(made, action)
        return made

    def _parameter(self, name: str) -> Json:
        kind = "integer" if name in _NUMBERS else "boolean" if name in _FLAGS else "string"
        return {"name": name, "in": "query", **_type(kind, swagger=self._swagger)}

    def _answer(self) -> Json:
        schema = {"$ref": self._definition}
        if self._swagger:
            return {"description": "OK", "schema": schema}
        return {"description": "OK", "content": {"application/json": {"schema": schema}}}

    def _body(self, made: Json, action: str) -> None:
        patch = action == "patch"
        schema: Json = {"type": "object"} if patch else {"$ref": self._definition}
        media = self._patches if patch else ("application/json", "application/yaml")
        if self._swagger:
            made["consumes"] = list(media)
            made["parameters"].append(
                {"name": "body", "in": "body", "required": True, "schema": schema}
            )
        else:
            content = {one: {"schema": schema} for one in media}
            made["requestBody"] = {"required": True, "content": content}
