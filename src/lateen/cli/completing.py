"""What the shell's completion offers: kinds, and the names of objects in a running lab.

Completion must never fail aloud: without a lab, or with one that does not answer, it offers less.
"""

from collections.abc import Mapping
from typing import Any

from lateen.app import lab as labs
from lateen.app.lab import LabError
from lateen.cli import api as lab_api
from lateen.cli.options import DEFAULT_LAB
from lateen.model import kinds
from lateen.model.client import ApiError
from lateen.model.kinds import KindInfo


def kind_or_name(given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete `get`: the first word is a kind, later ones are names of it."""
    so_far = given.get("words") or []
    if not so_far:
        words = [k.plural for k in kinds.KINDS.values()] + [
            short for k in kinds.KINDS.values() for short in k.short_names
        ]
        return sorted(w for w in words if w.startswith(incomplete))
    info = kinds.find_resource(so_far[0])
    return [n for n in _names(given, info) if n.startswith(incomplete)] if info else []


def workload(given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete the target of `exec` and `logs`: pods, and `deploy/NAME`."""
    offered = _names(given, kinds.KINDS["pods"])
    offered += [f"deploy/{n}" for n in _names(given, kinds.KINDS["deployments.apps"])]
    return [word for word in offered if word.startswith(incomplete)]


def _names(given: Mapping[str, Any], info: KindInfo) -> list[str]:
    lab = given.get("lab") or DEFAULT_LAB
    namespace = given.get("namespace") or "default"
    try:
        running = labs.find(lab)
        if running is None:
            return []
        path = lab_api.collection_path(info, namespace)
        items = lab_api.Api.of(running).request("GET", path).body["items"]
    except (ApiError, LabError, OSError):
        return []
    return sorted(item["metadata"]["name"] for item in items)
