"""What the shell's completion offers: kinds, and the names of objects in a running lab.

Completion must never fail aloud: without a lab, or with one that does not answer, it offers less.
"""

from collections.abc import Mapping
from typing import Any

from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError
from lateen.cli.connection import api as lab_api
from lateen.cli.manifests import crds
from lateen.model.client import ApiError
from lateen.model.schema import kinds
from lateen.model.schema.kindinfo import KindInfo

_CONTAINERS = ("containers", "initContainers", "ephemeralContainers")


def kind_or_name(given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete `get`: the first word is a kind, later ones are names of it."""
    so_far = given.get("words") or []
    every = (*kinds.KINDS.values(), *_made(given))
    if not so_far:
        words = [k.plural for k in every] + [short for k in every for short in k.short_names]
        return sorted(w for w in words if w.startswith(incomplete))
    info = kinds.find_resource(so_far[0]) or crds.named(so_far[0], every)
    return [n for n in _names(given, info) if n.startswith(incomplete)] if info else []


def workload(given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete the target of `exec` and `logs`: pods, and `deploy/NAME`."""
    offered = _names(given, kinds.KINDS["pods"])
    offered += [f"deploy/{n}" for n in _names(given, kinds.KINDS["deployments.apps"])]
    return [word for word in offered if word.startswith(incomplete)]


def container(given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete `-c`: the containers of the pod that is named, of all the namespace's before."""
    # Where an option waits for its value, click has read words but not what they are for.
    target = given.get("target") or next(iter(given.get("args") or ()), "")
    namespace = given.get("namespace") or "default"
    pods = _pod(given, target, namespace) if target else []
    pods = pods or _items(given, kinds.KINDS["pods"], namespace)
    found = {
        one["name"] for pod in pods for field in _CONTAINERS for one in pod["spec"].get(field) or ()
    }
    return sorted(word for word in found if word.startswith(incomplete))


def _pod(given: Mapping[str, Any], target: str, namespace: str) -> list[dict[str, Any]]:
    """Return the pod that a target means, if it is there."""
    from lateen.cli.objects import workloads  # other completions need no terminal

    try:
        running = labs.find(given["lab"])
        if running is None:
            return []
        return [workloads.pod_named(lab_api.Api.of(running), target, namespace)]
    except (ApiError, LabError, OSError):
        return []


def lab(_given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete the names of this user's labs."""
    try:
        return [name for name in labs.every() if name.startswith(incomplete)]
    except (LabError, OSError):
        return []


def istio(_given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete the versions that can be behaved as."""
    from lateen.compiler.frontend import versions

    (major, first), (_, last) = versions.OLDEST[:2], versions.NEWEST[:2]
    made = [f"{major}.{minor}" for minor in range(first, last + 1)]
    return [version for version in made if version.startswith(incomplete)]


def word(*arguments: Any) -> list[str]:
    """Complete one of some words; the two last arguments are those of every completion."""
    *words, _given, incomplete = arguments
    return [one for one in words if one.startswith(incomplete)]


def end(kind: str, given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete a filter of an end: `namespace/name`, a label that pods have, and so on."""
    pods = _items(given, kinds.KINDS["pods"], "")
    named = [item["metadata"] for item in pods]
    if kind == "service":
        named = [item["metadata"] for item in _items(given, kinds.KINDS["services"], "")]
    if kind in ("pod", "service"):
        offered = {f"{each['namespace']}/{each['name']}" for each in named}
    elif kind == "namespace":
        offered = {each["namespace"] for each in named}
    elif kind == "label":
        offered = {f"{k}={v}" for each in named for k, v in (each.get("labels") or {}).items()}
    else:
        accounts = ((item["metadata"]["namespace"], item["spec"]) for item in pods)
        offered = {
            f"{where}/{spec.get('serviceAccountName', 'default')}" for where, spec in accounts
        }
    return sorted(word for word in offered if word.startswith(incomplete))


def tls(_given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete the kinds of TLS."""
    return [word for word in ("mtls", "tls", "none") if word.startswith(incomplete)]


def leg(_given: Mapping[str, Any], incomplete: str) -> list[str]:
    """Complete the legs of a pod."""
    return [word for word in ("wire", "app", "all") if word.startswith(incomplete)]


def _made(given: Mapping[str, Any]) -> tuple[KindInfo, ...]:
    """Return the kinds that the lab's definitions make."""
    return crds.of_definitions(_items(given, crds.DEFINITIONS, ""))


def _names(given: Mapping[str, Any], info: KindInfo) -> list[str]:
    items = _items(given, info, given.get("namespace") or "default")
    return sorted(item["metadata"]["name"] for item in items)


def _items(given: Mapping[str, Any], info: KindInfo, namespace: str) -> list[dict[str, Any]]:
    """Return the objects of a kind in a namespace, or in all of them."""
    try:
        running = labs.find(given["lab"])
        if running is None:
            return []
        path = lab_api.collection_path(info, namespace)
        found: list[dict[str, Any]] = lab_api.Api.of(running).request("GET", path).body["items"]
    except (ApiError, LabError, OSError):
        return []
    return found
