"""What a manifest field says as it was written, by the source that a value carries. Pure."""

from typing import Any

import msgspec

from lateen.causes import change
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import kinds
from lateen.model.snapshot import Snapshot


def value(snapshot: Snapshot, source: Source) -> Any:
    """Return the field as JSON has it; None if there is no such object or field."""
    node = body(snapshot, source.ref)
    for step in change.steps(source.path):
        try:
            node = node[step] if node is not None else None
        except (KeyError, IndexError, TypeError):
            return None
    return node


def body(snapshot: Snapshot, ref: ObjectRef) -> Any:
    """Return an object as JSON has it; None if there is none."""
    for info in kinds.KINDS.values():
        if info.kind == ref.kind and info.compiled:
            found = snapshot.of(info.resource).get((ref.namespace, ref.name))
            if found is not None:
                return msgspec.to_builtins(found, str_keys=True)
    return None
