"""What a struct's field declares beside its type: the one source of schemas. Pure."""

from collections.abc import Callable
from typing import Any, ClassVar

import msgspec

_UPPER = {
    "api": "API",
    "io": "IO",
    "ip": "IP",
    "ips": "IPs",
    "cidr": "CIDR",
    "cidrs": "CIDRs",
    "id": "ID",
    "pid": "PID",
    "ipc": "IPC",
    "fqdn": "FQDN",
    "uuid": "UUID",
    "uid": "UID",
    "cpu": "CPU",
    "uri": "URI",
    "ca": "CA",
    "urls": "URLs",
    "wwns": "WWNs",
}


def _camel(words: dict[str, str]) -> Callable[[str], str]:
    def rename(attribute: str) -> str:
        first, *rest = attribute.rstrip("_").split("_")
        return first + "".join(words.get(word, word[:1].upper() + word[1:]) for word in rest)

    return rename


class KubeStruct(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    gc=False,
    rename=_camel(_UPPER),
):
    """Base of Kubernetes' own types: acronyms keep their capitals (`podIP`, `clusterIP`)."""

    PROTO: ClassVar[bool] = False
    ATOMIC: ClassVar[bool] = False


class ProtoStruct(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    gc=False,
    rename=_camel({}),
):
    """Base of Istio's types, which are protobuf messages written as JSON.

    Their readers take snake_case names, numbers for enums and digits in quotes as well.
    """

    PROTO: ClassVar[bool] = True
    ATOMIC: ClassVar[bool] = False


def doc(
    description: str = "",
    *,
    required: bool = False,
    enum: tuple[str, ...] = (),
    keys: tuple[str, ...] = (),
    merge: str = "",
    unique: bool = False,
    distinct: bool = False,
    atomic: bool = False,
    granular: bool = False,
    retain_keys: bool = False,
    replace: bool = False,
    form: str = "",
    of: str = "",
    compiled: bool = True,
    inert: bool = False,
    inherited: bool = True,
) -> msgspec.Meta:
    """Describe one field.

    `keys` are the list map keys of server-side apply, `merge` is the key of the strategic merge
    patch (and the list map key when `keys` is not given and the list is not `atomic`), `unique`
    marks a list as a set, which the strategic merge patch joins too; `distinct` one that it
    replaces. `granular` undoes for one field that its struct is atomic. `retain_keys` adds the
    strategy of that name; `replace` is that of an object which such a patch takes as a whole.
    `form` is an OpenAPI format or one of ours: `quantity`, `time`, `duration`, `uint32`, `uint64`.
    For a protobuf enum, `enum` lists its names in the order of their numbers. `of` is where the
    struct of a field of type Any (or of its elements) is, such as `kube.published.Affinity`. The
    value is kept as JSON and checked by that struct, which loads with the first manifest that has
    the field.

    Istio's fields say what the front end does not do with them. Without `compiled` an object that
    sets one is told so. An `inert` field does nothing in Istio either. Without `inherited` a rule
    of a delegate has its own alone.
    """
    marks: dict[str, Any] = {
        "required": required,
        "enum": enum,
        "keys": keys or ((merge,) if merge and not atomic else ()),
        "merge": merge,
        "unique": unique,
        "distinct": distinct,
        "atomic": atomic,
        "granular": granular,
        "retain_keys": retain_keys,
        "replace": replace,
        "form": form,
        "of": of,
        "uncompiled": not compiled,
        "inert": inert,
        "own": not inherited,
    }
    extra = {name: mark for name, mark in marks.items() if mark}
    return msgspec.Meta(description=description or None, extra=extra)
