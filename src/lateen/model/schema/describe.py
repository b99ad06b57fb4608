"""An explicit tree of what a kind may contain, derived from its struct. Pure.

Decoding, OpenAPI, `kubectl explain`, the strategic merge patch and server-side apply all read it.
"""

import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, Union

import msgspec

from lateen.model.schema import fieldpath
from lateen.model.schema.kindinfo import KindInfo, struct_at
from lateen.model.schema.marks import KubeStruct, ProtoStruct
from lateen.model.schema.objectmeta import StoredObject

Type = Literal[
    "object", "map", "array", "string", "integer", "number", "boolean", "int-or-string", "any"
]
ListType = Literal["", "map", "set", "atomic"]

_Struct: TypeAlias = type[msgspec.Struct]


class Parts(NamedTuple):
    """What an object is made of."""

    fields: "Mapping[str, Schema]" = types.MappingProxyType({})
    required: tuple[str, ...] = ()
    aliases: Mapping[str, str] = types.MappingProxyType({})
    """Protobuf messages: the names in the .proto file, by which fields may be written too."""


_NONE = Parts()


@dataclass(frozen=True, eq=False)
class Schema:
    """One node. What does not apply to its type is empty."""

    type: Type
    description: str = ""
    form: str = ""
    """OpenAPI format (`int32`, `int64`, `byte`, `date-time`), or `quantity`, `duration`, `uint32`,
    `uint64`."""
    name: str = ""
    """Object: the struct's name, such as `PodSpec`."""
    struct: _Struct | None = None
    """Object: the struct that `parts` are read from when they are first asked for."""
    place: str = ""
    """Object without either: where its struct is, which loads when `parts` are first asked for."""
    given: Parts = _NONE
    """Object without a struct: its parts."""
    items: "Schema | None" = None
    """Of an array's elements or a map's values."""
    integer_keys: bool = False
    enum: tuple[str, ...] = ()
    list_type: ListType = ""
    list_keys: tuple[str, ...] = ()
    """Server-side apply: what tells the elements of a list of type `map` apart."""
    merge_key: str = ""
    """Strategic merge patch: the same for it; empty for a list of scalars."""
    strategies: tuple[str, ...] = ()
    """Strategic merge patch: `merge`, `retainKeys`, `replace`; empty means `replace` for a list and
    `merge` for an object."""
    atomic: bool = False
    """Object or map that server-side apply owns as a whole."""
    proto: bool = False
    """Whether it belongs to a protobuf message (Istio's kinds)."""
    preserve_unknown: bool = False
    """Whether fields that are not listed are kept."""

    @functools.cached_property
    def parts(self) -> Parts:
        """What an object is made of. Lazy, since most kinds reach far more structs than one
        process ever reads."""
        found = self.definition
        return self.given if found is None else _parts(found)

    @functools.cached_property
    def definition(self) -> _Struct | None:
        """The struct that an object's `parts` are read from; None where they are given."""
        return self.struct if not self.place else struct_at(self.place)

    @functools.cached_property
    def fields(self) -> "Mapping[str, Schema]":
        """The fields by their names in JSON."""
        return self.parts.fields

    @property
    def required(self) -> tuple[str, ...]:
        """The names of fields that must be there."""
        return self.parts.required

    @property
    def aliases(self) -> Mapping[str, str]:
        """The other names that fields may be written by, each with the usual one."""
        return self.parts.aliases


def of_kind(info: KindInfo) -> Schema:
    """Return the schema of a kind's objects."""
    if info.struct is None:
        return _stored()
    return of_struct(info.struct)


@functools.cache
def _stored() -> Schema:
    return replace(of_struct(StoredObject), preserve_unknown=True)


@functools.cache
def of_struct(struct: type[msgspec.Struct]) -> Schema:
    """Return the schema of a struct; the same node each time."""
    return Schema(
        type="object",
        description=" ".join((struct.__doc__ or "").split()),
        name=struct.__name__,
        struct=struct,
        atomic=issubclass(struct, KubeStruct | ProtoStruct) and struct.ATOMIC,
        proto=issubclass(struct, ProtoStruct),
    )


@functools.cache
def _parts(struct: type[msgspec.Struct]) -> Parts:
    hints = typing.get_type_hints(struct, include_extras=True)
    proto = issubclass(struct, ProtoStruct)
    fields: dict[str, Schema] = {}
    required: list[str] = []
    aliases: dict[str, str] = {}
    for attribute, name in zip(
        struct.__struct_fields__, struct.__struct_encode_fields__, strict=True
    ):
        marks = _marks(hints[attribute])
        fields[name] = _node(hints[attribute], proto)
        if marks.get("required"):
            required.append(name)
        if proto and attribute.rstrip("_") != name:
            aliases[attribute.rstrip("_")] = name
    return Parts(types.MappingProxyType(fields), tuple(required), types.MappingProxyType(aliases))


def at(schema: Schema, path: str) -> Schema | None:
    """Return the node at a path of field names such as `spec.containers.ports`; indexes are
    stepped over. None when a name is unknown."""
    node: Schema | None = schema
    for step in fieldpath.steps(path):
        if isinstance(step, int) or node is None:
            continue
        while node.type == "array" and node.items is not None:
            node = node.items
        node = node.items if node.type == "map" else node.fields.get(step)
    return node


@functools.cache
def marked(struct: type[msgspec.Struct], mark: str) -> frozenset[str]:
    """Return the attributes of a struct whose declarations have a mark (`uncompiled`, `own` …)."""
    hints = typing.get_type_hints(struct, include_extras=True)
    return frozenset(name for name in struct.__struct_fields__ if _marks(hints[name]).get(mark))


def _marks(hint: Any) -> dict[str, Any]:
    """Join the marks of all layers of Annotated; typing lists the outermost last, and it wins."""
    if typing.get_origin(hint) is not Annotated:
        return {}
    found: dict[str, Any] = {}
    for meta in typing.get_args(hint)[1:]:
        found.update(meta.extra or {})
        if meta.description:
            found["description"] = meta.description
    return found


def _bare(hint: Any) -> Any:
    return typing.get_args(hint)[0] if typing.get_origin(hint) is Annotated else hint


def _node(hint: Any, proto: bool) -> Schema:
    marks = _marks(hint)
    bare = _bare(hint)
    if typing.get_origin(bare) in (Union, types.UnionType):
        some = [arm for arm in typing.get_args(bare) if arm is not type(None)]
        if {int, str} == set(some):
            return _described(Schema(type="int-or-string", proto=proto), marks)
        return _described(_node(some[0], proto), marks)
    return _described(_plain(bare, proto), marks)


_SCALARS: dict[Any, tuple[Type, str]] = {
    str: ("string", ""),
    bool: ("boolean", ""),
    int: ("integer", "int32"),
    float: ("number", "double"),
    Any: ("any", ""),
}


def _plain(bare: Any, proto: bool) -> Schema:
    if bare in _SCALARS:
        type_, form = _SCALARS[bare]
        return Schema(type=type_, form=form, proto=proto)
    origin, arguments = typing.get_origin(bare), typing.get_args(bare)
    if origin is tuple:
        return Schema(type="array", items=_node(arguments[0], proto), proto=proto)
    if origin is dict:
        return Schema(
            type="map",
            items=_node(arguments[1], proto),
            integer_keys=arguments[0] is int,
            proto=proto,
        )
    return of_struct(bare)


def _described(node: Schema, marks: Mapping[str, Any]) -> Schema:
    if not marks:
        return node
    if place := marks.get("of", ""):
        node = _placed(node, place, bool(marks.get("atomic")))
    merge = marks.get("merge", "")
    unique = bool(marks.get("unique"))
    strategies = ("merge",) if merge or unique else ()
    if marks.get("retain_keys"):
        strategies = (*strategies, "retainKeys")
    if marks.get("replace"):
        strategies = ("replace",)
    list_type: ListType = ""
    if node.type == "array":
        distinct = unique or marks.get("distinct")
        list_type = "map" if marks.get("keys") else "set" if distinct else "atomic"
    return replace(
        node,
        description=marks.get("description") or node.description,
        form=marks.get("form") or node.form,
        enum=marks.get("enum", node.enum),
        list_type=list_type,
        list_keys=marks.get("keys", ()),
        merge_key=merge,
        strategies=strategies,
        atomic=not marks.get("granular")
        and (node.atomic or (node.type != "array" and bool(marks.get("atomic")))),
    )


def _placed(node: Schema, place: str, atomic: bool) -> Schema:
    """Return the node of a field of type Any, or of a list of them, as the struct at a place."""
    found = Schema(type="object", name=place.rpartition(".")[2], place=place)
    if node.type == "array":
        return replace(node, items=found)
    return replace(found, atomic=atomic)
