"""A change of manifests, as a value that can be shown, tried and applied. Pure."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.model.meta import ObjectRef, Source

Step = str | int
APPEND = -1
"""As the last step of a path: one more entry of a list, which is made if it is not there."""


class Edit(msgspec.Struct, frozen=True):
    """One field of one object set to a value, or taken away. An empty path is the whole object,
    which is then made, or taken away."""

    ref: ObjectRef
    path: tuple[Step, ...]
    value: Any = None
    remove: bool = False

    @property
    def source(self) -> Source:
        """The field as a place in a manifest."""
        return Source(self.ref, shown(self.path))

    @property
    def words(self) -> str:
        """The edit in words: `set spec.mtls.mode of PeerAuthentication/a/b to PERMISSIVE`."""
        if not self.path:
            return f"remove {self.ref}" if self.remove else f"add {self.ref}"
        if self.remove:
            return f"remove {shown(self.path)} from {self.ref}"
        value = self.value if isinstance(self.value, str) else json.dumps(self.value)
        if self.path[-1] == APPEND:
            return f"add {value} to {shown(self.path[:-1])} of {self.ref}"
        return f"set {shown(self.path)} of {self.ref} to {value}"


def steps(path: str) -> tuple[Step, ...]:
    """Return the steps of a Source's path: `spec.http[0].route` is ("spec", "http", 0, "route")."""
    found: list[Step] = []
    for part in path.split(".") if path else ():
        name, *indexes = part.split("[")
        found += [name] * bool(name)
        found += [int(index.rstrip("]")) for index in indexes]
    return tuple(found)


def at(field: Source, *more: Step) -> tuple[Step, ...]:
    """Return the steps to a field, or to something within it."""
    return (*steps(field.path), *more)


def shown(path: tuple[Step, ...]) -> str:
    """Return a path as people write it; a name with dots in it stands in quotes."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += "[]" if step == APPEND else f"[{step}]"
        elif "." in step or "/" in step:
            text += f'["{step}"]'
        else:
            text += f".{step}" if text else step
    return text


def quoted(path: tuple[Step, ...]) -> str:
    """Return a path as `model.manifests.edit` takes it: any name may have dots in it."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif "." in step or "/" in step:
            text += f"['{step}']"
        else:
            text += f".{step}" if text else step
    return text


def applied(edit: Edit, body: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return an object (its JSON) with an edit made; None once it is taken away.

    Raises KeyError where a list has no such entry, or where there is no object to edit.
    """
    if not edit.path:
        return None if edit.remove else dict(edit.value)
    if body is None:
        raise KeyError(str(edit.ref))
    made = _with(body, edit.path, edit)
    assert isinstance(made, dict)
    return made


def _with(node: Any, path: tuple[Step, ...], edit: Edit) -> Any:
    if not path:
        return edit.value
    step, *rest = path
    if isinstance(step, int):
        return _in_list(list(node or ()), step, tuple(rest), edit)
    table = dict(node or {})
    if not rest and edit.remove:
        table.pop(step, None)
        return table
    table[step] = _with(table.get(step), tuple(rest), edit)
    if edit.remove and table[step] in ({}, []):
        del table[step]  # an empty block says something else, or is refused
    return table


def _in_list(entries: list[Any], step: int, rest: tuple[Step, ...], edit: Edit) -> list[Any]:
    if step == APPEND:
        return [*entries, _with(None, rest, edit)]
    if step >= len(entries):
        raise KeyError(f"{edit.ref}: {shown(edit.path)}")
    if not rest and edit.remove:
        del entries[step]
    else:
        entries[step] = _with(entries[step], rest, edit)
    return entries
