"""A request body into an object of its kind: type, name and place checked. Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.apiserver import errors
from lateen.apiserver.kinds.resources import Target
from lateen.base.jsonvalue import Json

MAX_DEPTH = 100


def too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Tell whether JSON nests deeper than the limit; never recurses itself."""
    level = [value]
    for _ in range(limit):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return False
    return True


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for one in value.values() if isinstance(one, (dict, list))]
    if isinstance(value, list):
        return [one for one in value if isinstance(one, (dict, list))]
    return []


def typed(target: Target, body: Any) -> Json:
    """Check that a body is an object of the target's kind; return it with metadata as a dict.

    Raises ApiError 400.
    """
    if not isinstance(body, dict):
        raise errors.bad_request("the body of the request must be a JSON object")
    info = target.info
    kind, version = body.get("kind") or info.kind, body.get("apiVersion") or target.api_version
    if version != target.api_version:
        raise errors.bad_request(
            f"the API version in the data ({version}) does not match the expected API version "
            f"({target.api_version})"
        )
    if kind != info.kind:
        raise errors.bad_request(
            f"the kind in the data ({kind}) does not match the expected kind ({info.kind})"
        )
    metadata = body.get("metadata")
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, dict):
        raise errors.bad_request("metadata must be an object")
    return {**body, "apiVersion": version, "kind": kind, "metadata": dict(metadata)}


def placed(target: Target, body: Json) -> Json:
    """Set or check namespace and name against the URL. Raises ApiError 400."""
    metadata = body["metadata"]
    for field, wanted in (("namespace", target.namespace), ("name", target.name)):
        given = metadata.get(field)
        if given and wanted and given != wanted:
            if field == "namespace":
                raise errors.bad_request(
                    "the namespace of the provided object does not match the namespace sent "
                    "on the request"
                )
            raise errors.bad_request(
                f"the name of the object ({given}) does not match the name on the URL ({wanted})"
            )
        if wanted:
            metadata[field] = wanted
    if not target.info.namespaced:
        metadata.pop("namespace", None)
    return body


def stored(target: Target, body: Json) -> Json:
    """Return the object in the version it is stored in: the versions of a kind differ in name."""
    info = target.info
    version = f"{info.group}/{info.versions[0]}" if info.group else info.versions[0]
    if body["apiVersion"] == version:
        return body
    return {**body, "apiVersion": version}


def served(target: Target, value: Mapping[str, Any]) -> Json:
    """Return a stored object in the version asked for (shares everything below the top)."""
    if value.get("apiVersion") == target.api_version:
        return dict(value)
    return {**value, "apiVersion": target.api_version}
