"""A destination: whose pods it means, and why those are no endpoints that are not. Pure."""

from collections.abc import Mapping

from lateen.causes.situation import ChosenPod
from lateen.compiler.ir.proxy import OutboundCluster
from lateen.compiler.ir.workload import Service
from lateen.model import wellknown
from lateen.model.kube.core.container import ContainerState
from lateen.model.kube.core.pod import Pod
from lateen.model.schema.selectors import subset
from lateen.model.snapshot import Snapshot
from lateen.observe.verdicts import manifest_text


def labels(
    service: Service | None, cluster: OutboundCluster | None, snapshot: Snapshot
) -> dict[str, str]:
    """Return what the pods of a destination are chosen by."""
    own = dict(service.selector) if service is not None else {}
    if cluster is None or not cluster.subset:
        return own
    return own | dict(manifest_text.value(snapshot, cluster.source.at("labels")) or {})


def namesakes(host: str, snapshot: Snapshot) -> tuple[str, ...]:
    """Return the Services that are called as the first label of a host, in whatever namespace."""
    short = host.partition(".")[0]
    found = (key for key in snapshot.services if key[1] == short)
    return tuple(f"{name}.{namespace}.svc.cluster.local" for namespace, name in found)


def subsets(every: list[OutboundCluster]) -> tuple[str, ...]:
    """Return the subsets among clusters, each once."""
    return tuple(dict.fromkeys(each.subset for each in every if each.subset))


def chosen(namespace: str, labels: Mapping[str, str], snapshot: Snapshot) -> tuple[ChosenPod, ...]:
    """Return the pods of a namespace that have all labels, by name; none for no labels."""
    return tuple(
        ChosenPod(f"{space}/{name}", _why_not(pod))
        for (space, name), pod in sorted(snapshot.pods.items())
        if space == namespace and labels and subset(labels, pod.metadata.labels)
    )


def _why_not(pod: Pod) -> str:
    """Return why a pod is not ready, in Kubernetes' own word where there is one; empty if it is."""
    status = pod.status
    if pod.metadata.deletion_timestamp is not None:
        return "it is being deleted"
    if any(each.type == wellknown.READY and each.status == "True" for each in status.conditions):
        return ""
    for each in (*status.init_container_statuses, *status.container_statuses):
        state = each.state or ContainerState()
        if state.waiting is not None and state.waiting.reason:
            return f"container {each.name}: {state.waiting.reason}"
        if state.terminated is not None and not each.ready:
            ended = state.terminated
            return f"container {each.name} ended with {ended.exit_code} ({ended.reason})"
    unready = [each.name for each in status.container_statuses if not each.ready]
    if unready:
        return f"container {unready[0]} runs and is not ready: see its readiness probe"
    return status.reason or status.phase or "it was not started yet"
