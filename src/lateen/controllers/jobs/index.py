"""Indexed Jobs: which completion indexes are done, which are free. Pure."""

from collections.abc import Iterable

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import fields
from lateen.controllers.workloads import pods

INDEX = "batch.kubernetes.io/job-completion-index"


def of(pod: JsonView) -> int | None:
    """Return the pod's index."""
    text = fields.annotations(pod).get(INDEX, "")
    return int(text) if text.isdigit() else None


def read(text: str) -> set[int]:
    """Read `0-2,5`."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def written(indexes: Iterable[int]) -> str:
    """Write indexes as `0-2,5`."""
    spans: list[list[int]] = []
    for one in sorted(indexes):
        if spans and spans[-1][1] == one - 1:
            spans[-1][1] = one
        else:
            spans.append([one, one])
    return ",".join(f"{first}-{last}" if last > first else str(first) for first, last in spans)


def completed(job: JsonView, mine: Iterable[JsonView]) -> set[int]:
    """Return the indexes that succeeded, by the status and by the pods that are there."""
    done = read(str(fields.status(job).get("completedIndexes") or ""))
    for pod in mine:
        index = of(pod)
        if index is not None and fields.status(pod).get("phase") == "Succeeded":
            done.add(index)
    return done


def free(job: JsonView, mine: Iterable[JsonView], completions: int) -> list[int]:
    """Return the indexes that neither succeeded nor run, lowest first."""
    listed = list(mine)
    busy = {of(pod) for pod in listed if not pods.finished(pod)}
    done = completed(job, listed)
    return [one for one in range(completions) if one not in done and one not in busy]


def mark(pod: Json, job: str, index: int) -> None:
    """Tell a new pod its index: in annotation, label, hostname and environment."""
    meta, spec = pod["metadata"], pod["spec"]
    meta["generateName"] = f"{job}-{index}-"
    meta.setdefault("annotations", {})[INDEX] = str(index)
    meta["labels"][INDEX] = str(index)
    spec.setdefault("hostname", f"{job}-{index}")
    path = f"metadata.labels['{INDEX}']"
    variable = {
        "name": "JOB_COMPLETION_INDEX",
        "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}},
    }
    for container in (*spec.get("containers", ()), *spec.get("initContainers", ())):
        environment = container.setdefault("env", [])
        if all(one.get("name") != variable["name"] for one in environment):
            environment.append(variable)
