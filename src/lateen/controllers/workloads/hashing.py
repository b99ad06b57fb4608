"""Names from hashes, as Kubernetes makes them: FNV-1a, in letters that spell no words. Pure."""

import json
from collections.abc import Mapping
from typing import Any

LETTERS = "bcdfghjklmnpqrstvwxz2456789"
_FNV_OFFSET, _FNV_PRIME = 0x811C9DC5, 0x01000193

TEMPLATE_HASH = "pod-template-hash"
"""The label by which a ReplicaSet's pods are told from those of its siblings."""


def safe(text: str) -> str:
    """Write a text in the 27 letters: no vowels, none that look like another."""
    return "".join(LETTERS[ord(one) % len(LETTERS)] for one in text)


def template_hash(template: Mapping[str, Any], collisions: int = 0) -> str:
    """Return the hash of a pod template; `collisions` makes another one of the same template."""
    canonical = json.dumps(template, sort_keys=True, separators=(",", ":"))
    salt = str(collisions) if collisions else ""
    return safe(str(fnv1a(canonical + salt)))


def fnv1a(text: str) -> int:
    """Return the 32-bit FNV-1a hash of a text."""
    value = _FNV_OFFSET
    for one in text.encode():
        value = ((value ^ one) * _FNV_PRIME) & 0xFFFFFFFF
    return value
