"""Client-side apply's memory of what it applied. Light: every `lateen apply` loads it. Pure."""

import json
from collections.abc import Mapping
from typing import Any

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
"""The annotation in which client-side `kubectl apply` keeps what it applied."""


def text(config: Mapping[str, Any]) -> str:
    """Return a manifest as the annotation holds it."""
    return json.dumps(config, separators=(",", ":"), sort_keys=True) + "\n"


def remembered(body: Mapping[str, Any]) -> dict[str, Any]:
    """Return a manifest with the annotation, so that a later `kubectl apply` takes over; what it
    remembers already is not in it."""
    metadata = dict(body.get("metadata") or {})
    given = {k: v for k, v in (metadata.get("annotations") or {}).items() if k != ANNOTATION}
    plain = text({**body, "metadata": {**metadata, "annotations": given}})
    return {**body, "metadata": {**metadata, "annotations": {**given, ANNOTATION: plain}}}
