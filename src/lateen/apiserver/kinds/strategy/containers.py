"""Defaults of containers and their probes, as they stand in a pod spec. Pure.

The functions write into the container they are given, which belongs to the caller.
"""

from collections.abc import Mapping
from typing import Any

from lateen.base.jsonvalue import Json

_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}


def fill(container: Json) -> None:
    """Fill what Kubernetes fills in a container of any sort, wherever it stands."""
    image = str(container.get("image", ""))
    container.setdefault("imagePullPolicy", pull_policy(image))
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _probe(container[name])
    for handler in (container.get("lifecycle") or {}).values():
        if isinstance(handler, dict):
            _http(handler)
    for variable in container.get("env") or ():
        references(variable.get("valueFrom") or {})


def fill_in_pod(container: Json, *, host_network: bool) -> None:
    """Fill what Kubernetes fills in a pod's container and not in a template's."""
    _resources(container.setdefault("resources", {}))
    for port in container.get("ports") or () if host_network else ():
        if port.get("containerPort") and not port.get("hostPort"):
            port["hostPort"] = port["containerPort"]


def references(source: Json) -> None:
    """Fill what a reference to a field or a resource of the pod leaves out."""
    if source.get("fieldRef") is not None:
        source["fieldRef"].setdefault("apiVersion", "v1")
    if source.get("resourceFieldRef") is not None:
        source["resourceFieldRef"].setdefault("divisor", "0")


def pull_policy(image: str) -> str:
    """Always for the tag `latest` or none, IfNotPresent otherwise (also for a digest)."""
    if "@" in image:
        return "IfNotPresent"
    _, _, last = image.rpartition("/")
    _, _, tag = last.partition(":")
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _resources(resources: Json) -> None:
    limits: Mapping[str, Any] = resources.get("limits") or {}
    if limits:
        requests = resources.setdefault("requests", {})
        for name, amount in limits.items():
            requests.setdefault(name, amount)


def _probe(probe: Json) -> None:
    for name, value in _PROBE.items():
        if not probe.get(name):
            probe[name] = value
    _http(probe)
    if probe.get("grpc") is not None:
        probe["grpc"].setdefault("service", "")


def _http(handler: Json) -> None:
    action = handler.get("httpGet")
    if action is not None:
        action.setdefault("path", "/")
        action.setdefault("scheme", "HTTP")


def quality_of_service(spec: Mapping[str, Any]) -> str:
    """Guaranteed, Burstable or BestEffort, by the containers' cpu and memory."""
    every = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    resources = [one.get("resources") or {} for one in every]
    if not any(_amounts(one, part) for one in resources for part in ("requests", "limits")):
        return "BestEffort"
    return "Guaranteed" if all(_guaranteed(one) for one in resources) else "Burstable"


def _amounts(resources: Mapping[str, Any], part: str) -> dict[str, Any]:
    named: Mapping[str, Any] = resources.get(part) or {}
    return {name: named[name] for name in ("cpu", "memory") if name in named}


def _guaranteed(resources: Mapping[str, Any]) -> bool:
    limits = _amounts(resources, "limits")
    return len(limits) == 2 and limits == _amounts(resources, "requests")
