"""Making the SourceMap of an object: where its fields stand, for which spec. Pure."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.model.schema import decode, kinds


def spec_hash(kind: str, spec: Any) -> str:
    """Return a hash of a spec (JSON) that does not depend on how it is spelt: order of fields,
    fields set to their defaults, alternative names. Unknown kinds are hashed as they are."""
    for info in kinds.KINDS.values():
        if info.kind == kind and info.struct is not None:
            return hash_of(decode.decode_stored(info, {"spec": spec}))
    return _digest(spec)


def hash_of(value: Any) -> str:
    """Return the hash of a typed object's spec."""
    spec = getattr(value, "spec", None)
    return _digest(None if spec is None else msgspec.to_builtins(spec, str_keys=True))


def _digest(plain: Any) -> str:
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def source_map_name(kind: str, name: str) -> str:
    """Return the name of the SourceMap that belongs to an object."""
    plain = f"{kind.lower()}.{name}"
    fit = re.sub(r"[^a-z0-9.-]", "-", plain.lower())[:220].rstrip(".-")
    return fit if fit == plain else f"{fit}-{_digest(plain)[:12]}"


def source_map(
    *,
    kind: str,
    namespace: str,
    name: str,
    owner_uid: str,
    api_version: str,
    spec: Any,
    file: str,
    lines: Mapping[str, int],
) -> dict[str, Any]:
    """Return the SourceMap (JSON) of an object as the server answered it; `spec` is the server's,
    defaults and all, `lines` the line of each JSON path. The object owns it: both go together."""
    return {
        "apiVersion": "lateen.dev/v1",
        "kind": "SourceMap",
        "metadata": {
            "name": source_map_name(kind, name),
            "namespace": namespace,
            "ownerReferences": [
                {"apiVersion": api_version, "kind": kind, "name": name, "uid": owner_uid}
            ],
        },
        "spec": {
            "target": {"kind": kind, "name": name},
            "file": file,
            "specHash": spec_hash(kind, spec),
            "lines": dict(lines),
        },
    }
