"""JSON Merge Patch (RFC 7386). Pure."""

from collections.abc import Mapping
from typing import Any

from lateen.model.patch.problem import PatchError


def apply_merge_patch(obj: Any, patch: Any) -> Any:
    """Return the object with the patch merged in: null removes, lists are replaced.

    Raises PatchError for a patch that is not an object, since that would replace a whole
    resource by something that is none.
    """
    if not isinstance(patch, Mapping):
        raise PatchError("a merge patch is an object")
    return merge_value(obj, patch)


def merge_value(target: Any, patch: Any) -> Any:
    """Merge as RFC 7386 section 2 says, any value into any value."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_value(result.get(key), value)
    return result
