"""Between the versions of a kind: the name changes, and for HorizontalPodAutoscaler the form. Pure.

Custom kinds convert by the strategy None, which changes apiVersion and nothing else.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from lateen.model.client import Json

Convert = Callable[[Json], Json]

_METRICS = "autoscaling.alpha.kubernetes.io/metrics"
_CURRENT = "autoscaling.alpha.kubernetes.io/current-metrics"
_BEHAVIOR = "autoscaling.alpha.kubernetes.io/behavior"
_CONDITIONS = "autoscaling.alpha.kubernetes.io/conditions"
"""The annotations in which autoscaling/v1 carries what v2 has fields for, as Kubernetes does."""

_CPU = "targetCPUUtilizationPercentage"
_CPU_NOW = "currentCPUUtilizationPercentage"
_PARTS = {
    "ContainerResource": "containerResource",
    "External": "external",
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
}
_TARGETS = (
    ("Utilization", "averageUtilization", "AverageUtilization"),
    ("AverageValue", "averageValue", "AverageValue"),
    ("Value", "value", "Value"),
)


def to_stored(resource: str, version: str) -> Convert | None:
    """Return how an object of a version becomes one of the storage version; None: as it is."""
    return _newer if (resource, version) == _OLD_AUTOSCALER else None


def to_served(resource: str, version: str) -> Convert | None:
    """Return how a stored object becomes one of a version; None: as it is."""
    return _older if (resource, version) == _OLD_AUTOSCALER else None


_OLD_AUTOSCALER = ("horizontalpodautoscalers.autoscaling", "v1")


def _newer(obj: Json) -> Json:
    """autoscaling/v1 to v2."""
    made, notes = _opened(obj)
    spec = dict(_part(made, "spec"))
    metrics = [_metric(one, current=False) for one in _listed(notes.pop(_METRICS, ""))]
    if (percent := spec.pop(_CPU, None)) is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    behavior = _read(notes.pop(_BEHAVIOR, ""))
    if isinstance(behavior, dict):
        spec["behavior"] = behavior
    status = dict(_part(made, "status"))
    current = [_metric(one, current=True) for one in _listed(notes.pop(_CURRENT, ""))]
    if (percent := status.pop(_CPU_NOW, None)) is not None:
        now = {"averageUtilization": percent}
        current.append({"type": "Resource", "resource": {"name": "cpu", "current": now}})
    if current:
        status["currentMetrics"] = current
    if conditions := _listed(notes.pop(_CONDITIONS, "")):
        status["conditions"] = conditions
    return _closed(made, notes, spec, status)


def _older(obj: Json) -> Json:
    """autoscaling/v2 to v1."""
    made, notes = _opened(obj)
    spec, status = dict(_part(made, "spec")), dict(_part(made, "status"))
    rest, percent = _without_cpu(spec.pop("metrics", None), "target")
    if percent is not None:
        spec[_CPU] = percent
    if rest:
        notes[_METRICS] = _written([_flat(one, "target") for one in rest])
    if spec.get("behavior") is not None:
        notes[_BEHAVIOR] = _written(spec.pop("behavior"))
    rest, percent = _without_cpu(status.pop("currentMetrics", None), "current")
    if percent is not None:
        status[_CPU_NOW] = percent
    if rest:
        notes[_CURRENT] = _written([_flat(one, "current") for one in rest])
    if status.get("conditions"):
        notes[_CONDITIONS] = _written(status.pop("conditions"))
    return _closed(made, notes, spec, status)


def _opened(obj: Json) -> tuple[Json, Json]:
    metadata = dict(obj["metadata"])
    notes = dict(metadata.pop("annotations", None) or {})
    return {**obj, "metadata": metadata}, notes


def _closed(made: Json, notes: Json, spec: Json, status: Json) -> Json:
    if notes:
        made["metadata"]["annotations"] = notes
    for name, part in (("spec", spec), ("status", status)):
        if part or name in made:
            made[name] = part
    return made


def _part(obj: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = obj.get(name)
    return found if isinstance(found, dict) else {}


def _taken(part: Json, name: str) -> Mapping[str, Any]:
    found = part.pop(name, None)
    return found if isinstance(found, dict) else {}


def _without_cpu(metrics: Any, goal: str) -> tuple[list[Any], Any]:
    """Return the metrics without the first that asks for a share of CPU, and that share."""
    rest, percent = [], None
    for one in metrics if isinstance(metrics, list) else ():
        resource = _part(one, "resource") if isinstance(one, dict) else {}
        share = _part(resource, goal).get("averageUtilization")
        if percent is None and resource.get("name") == "cpu" and share is not None:
            percent = share
        else:
            rest.append(one)
    return rest, percent


def _flat(metric: Any, goal: str) -> Any:
    """Write a metric of v2 as v1's annotation has it: its target in fields of its own."""
    kind = metric.get("type") if isinstance(metric, dict) else None
    name = _PARTS.get(str(kind))
    if name is None:
        return metric
    part = dict(_part(metric, name))
    wanted, measured = _taken(part, goal), _taken(part, "metric")
    for short, long in (("name", "metricName"), ("selector", _selector(name))):
        if short in measured:
            part[long] = measured[short]
    if "describedObject" in part:
        part["target"] = part.pop("describedObject")
    for _, field, ending in _TARGETS:
        if field in wanted:
            part[_lower(f"{goal}{ending}", name, field)] = wanted[field]
    return {"type": kind, name: part}


def _metric(metric: Any, *, current: bool) -> Any:
    """Read a metric of v1's annotation as v2 has it."""
    kind = metric.get("type") if isinstance(metric, dict) else None
    name = _PARTS.get(str(kind))
    if name is None:
        return metric
    goal = "current" if current else "target"
    part, wanted = dict(_part(metric, name)), dict[str, Any]()
    if isinstance(part.get("target"), dict):
        part["describedObject"] = part.pop("target")
    for form, field, ending in _TARGETS:
        long = _lower(f"{goal}{ending}", name, field)
        if long in part:
            if not current:
                wanted["type"] = form
            wanted[field] = part.pop(long)
    measured = {}
    for short, long in (("name", "metricName"), ("selector", _selector(name))):
        if long in part:
            measured[short] = part.pop(long)
    if measured:
        part["metric"] = measured
    return {"type": kind, name: {**part, goal: wanted}}


def _selector(part: str) -> str:
    return "metricSelector" if part == "external" else "selector"


def _lower(long: str, part: str, field: str) -> str:
    """An Object metric names its average without the word before it."""
    return "averageValue" if part == "object" and field == "averageValue" else long


def _listed(text: Any) -> list[Any]:
    found = _read(text)
    return found if isinstance(found, list) else []


def _read(text: Any) -> Any:
    try:
        return json.loads(text) if text else None
    except (TypeError, ValueError, RecursionError):
        return None


def _written(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))
