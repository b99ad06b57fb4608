"""How Istio merges messages: as protobuf does, but that durations are replaced whole. Pure."""

from typing import Any

from google.protobuf import any_pb2
from google.protobuf.message import Message

from lateen.compiler.backend import pack
from lateen.compiler.backend.patches import types

_WHOLE = "google.protobuf.Duration"


def merge(target: Message, change: Message, *, replace_lists: bool = False) -> None:
    """Merge a message into another of its type: what is set in the change overwrites, messages
    merge, lists append (or, as MERGE_AND_REPLACE_LIST asks, replace), maps merge by key."""
    if replace_lists:
        for field, value in change.ListFields():
            if field.is_repeated and not _is_map(field) and len(value):
                target.ClearField(field.name)
    _clear_durations(target, change)
    target.MergeFrom(change)


def _is_map(field: Any) -> bool:
    kind = field.message_type
    return bool(kind is not None and kind.GetOptions().map_entry)


def _clear_durations(target: Any, change: Message) -> None:
    for field, value in change.ListFields():
        if field.is_repeated or field.message_type is None:
            continue
        if field.message_type.full_name == _WHOLE:
            target.ClearField(field.name)
        elif target.HasField(field.name):
            _clear_durations(getattr(target, field.name), value)


def merge_packed(target: any_pb2.Any, change: any_pb2.Any) -> bool:
    """Merge what an Any holds into another, read as the target's type; tell whether that could be
    done. What cannot be read leaves the target as it is."""
    try:
        known = types.unpacked(target)
        added = type(known)()
        if change.value:
            added = types.unpacked(any_pb2.Any(type_url=target.type_url, value=change.value))
    except ValueError:
        return False
    merge(known, added)
    target.CopyFrom(pack.any_of(known))
    return True
