"""Structs of kinds that no code here reads by attribute, made from a table on demand. Pure.

`published.json` is generated (`tools/kubernetes_types.py`) from what Kubernetes publishes of its
types. A struct is had by its name here, such as `published.StorageClass`, like any other.
"""

import functools
import pkgutil
from typing import Annotated, Any

import msgspec

from lateen.base import byname
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Bytes, IntOrString, KubeObject, Quantity, Time

_SCALARS: dict[str, Any] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": float,
    "any": Any,
    "byte": Bytes,
    "date-time": Time,
    "quantity": Quantity,
    "int-or-string": IntOrString,
}
_Row = tuple[str, dict[str, Any], str]
"""The type (`?` may be missing, `[]` list, `{}` map by text), its marks, and words about it."""


class _Entry(msgspec.Struct, frozen=True):
    words: str
    fields: dict[str, _Row]
    object: bool = False
    atomic: bool = False


class _File(msgspec.Struct, frozen=True):
    structs: dict[str, dict[str, _Entry]]


def __getattr__(name: str) -> type[msgspec.Struct]:
    entry = _entries().get(name)
    if entry is None:
        raise AttributeError(f"no struct {name!r} is published")
    return _made(name)


@functools.cache
def _entries() -> dict[str, _Entry]:
    text = pkgutil.get_data(__name__, "published.json") or b""
    groups = msgspec.json.decode(text, type=_File).structs.values()
    return {name: entry for group in groups for name, entry in group.items()}


@functools.cache
def _made(name: str) -> type[msgspec.Struct]:
    entry = _entries()[name]
    return msgspec.defstruct(
        name,
        [(key, *_typed(row)) for key, row in entry.fields.items()],
        bases=(KubeObject if entry.object else KubeStruct,),
        module=__name__,
        namespace={"__doc__": entry.words, "ATOMIC": entry.atomic},
        frozen=True,
        kw_only=True,
    )


def _typed(row: _Row) -> tuple[Any, Any]:
    """Return the annotated type of a field, and its default: what it is when it is missing."""
    text, marks, words = row
    given: dict[str, Any] = {
        key: tuple(one) if isinstance(one, list) else one for key, one in marks.items()
    }
    enum = given.pop("enum", ())
    kind, default = _shaped(text, Annotated[_named(text), doc(enum=enum)] if enum else _named(text))
    return Annotated[kind, doc(words, **given)], default


def _named(text: str) -> Any:
    """Return the scalar or struct at the end of a type's text."""
    name = text.lstrip("?[]{}")
    if name in _SCALARS:
        return _SCALARS[name]
    return byname.attribute(f"lateen.model.{name}") if "." in name else _made(name)


def _shaped(text: str, inner: Any) -> tuple[Any, Any]:
    shape = text[:2] if text[:2] in ("[]", "{}") else text[:1]
    if shape == "?":
        return _shaped(text[1:], inner)[0] | None, None
    if shape == "[]":
        return tuple.__class_getitem__((_shaped(text[2:], inner)[0], ...)), ()
    if shape == "{}":
        held = dict.__class_getitem__((str, _shaped(text[2:], inner)[0]))
        return held, msgspec.field(default_factory=dict)
    return (inner, _EMPTY[text]) if text in _EMPTY else (inner | None, None)


_EMPTY = {"string": "", "byte": "", "boolean": False, "integer": 0, "number": 0.0}
