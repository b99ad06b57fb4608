"""The object that a person wrote behind a pod: its Deployment, StatefulSet, Job or the pod.
Pure.
"""

from lateen.compiler.frontend.registry import workloads
from lateen.model.kube.core import pod as core_pod
from lateen.model.meta import ObjectRef, Source

_DEEPER = {"CronJob": "spec.jobTemplate.spec.template."}


def owner_source(pod: core_pod.Pod, path: str = "") -> Source:
    """Return the source of a pod's field in the manifest that made it."""
    _, name, kind = workloads.owner(pod)
    before = "" if kind == "Pod" else _DEEPER.get(kind, "spec.template.")
    return Source(ObjectRef(kind, pod.metadata.namespace, name), f"{before}{path}" if path else "")
