"""A pod's quality of service class, by Kubernetes' rules. Pure."""

from lateen.model.kube.core.pod import PodSpec
from lateen.node.container.references import quantity

_COUNTED = ("cpu", "memory")


def qos_class(spec: PodSpec) -> str:
    """Return BestEffort, Burstable or Guaranteed."""
    asked = False
    guaranteed = True
    for container in (*spec.init_containers, *spec.containers):
        given = container.resources
        limits = {k: v for k, v in (given.limits if given else {}).items() if k in _COUNTED}
        requests = {k: v for k, v in (given.requests if given else {}).items() if k in _COUNTED}
        asked = asked or bool(limits or requests)
        equal = all(k in limits and quantity(limits[k]) == quantity(requests[k]) for k in requests)
        guaranteed = guaranteed and equal and set(limits) == set(_COUNTED)
    if not asked:
        return "BestEffort"
    return "Guaranteed" if guaranteed else "Burstable"
