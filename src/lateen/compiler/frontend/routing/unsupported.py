"""What is valid in Istio and has no effect here yet: nothing is ignored in silence. Pure.

A field of the model says in its declaration that it is not compiled; an object that sets it is
told so. That every other field has an effect is tested from the schema, so a new one cannot be
forgotten.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from lateen.model.messages import diagnostics
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import Source
from lateen.model.schema import describe, fieldpath


def unread(spec: msgspec.Struct, source: Source) -> tuple[Diagnostic, ...]:
    """Return a finding for every field set in a spec that the front end does not read."""
    return tuple(_struct(spec, source))


_EFFECTS = {
    "WasmPlugin": "proxies run without its filter",
}
"""What differs from a cluster, for kinds that change traffic or who may send it."""


def kind_not_acted_on(kind: str, source: Source) -> Diagnostic:
    """Return the finding for an object of a kind that is not compiled: a warning if traffic or
    security is another with it."""
    effect = _EFFECTS.get(kind)
    if effect is None:
        return diagnostics.make("LTN0011", source, kind=kind)
    return diagnostics.make("LTN0060", source, kind=kind, effect=effect)


def _struct(value: msgspec.Struct, source: Source) -> Iterator[Diagnostic]:
    struct = type(value)
    for attribute, name, default in _layout(struct):
        found = getattr(value, attribute)
        if found == default or attribute in describe.marked(struct, "inert"):
            continue
        at = source.at(name)
        if attribute in describe.marked(struct, "uncompiled"):
            yield diagnostics.make("LTN0010", at, field=name)
            continue
        yield from _nested(found, at)


def _nested(found: Any, at: Source) -> Iterator[Diagnostic]:
    if isinstance(found, msgspec.Struct):
        yield from _struct(found, at)
    elif isinstance(found, tuple):
        for index, item in enumerate(found):
            if isinstance(item, msgspec.Struct):
                yield from _struct(item, Source(at.ref, f"{at.path}[{index}]"))
    elif isinstance(found, dict):
        for key, item in found.items():
            if isinstance(item, msgspec.Struct):
                yield from _struct(item, Source(at.ref, fieldpath.join(at.path, str(key))))


@cache
def _layout(struct: type[msgspec.Struct]) -> tuple[tuple[str, str, Any], ...]:
    """Return (attribute, JSON name, default) of each field."""
    return tuple((f.name, f.encode_name, _default(f)) for f in msgspec.structs.fields(struct))


def _default(field: msgspec.structs.FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default
