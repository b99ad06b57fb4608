"""The pods that metrics name: who has an address, and what a workload's labels are. Pure."""

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.model import wellknown
from lateen.node.metrics.text import UNKNOWN, Workload

_KEPT = 8192
"""Pods that are remembered after their end: what they asked is still counted."""
_NAME = "ISTIO_META_WORKLOAD_NAME"


class KnownPod(msgspec.Struct, frozen=True):
    """What is kept of a pod."""

    name: str
    """Its workload's."""
    namespace: str
    labels: dict[str, str]


class Pods:
    """The pods with a proxy that the agent has seen."""

    def __init__(self, cluster: str) -> None:
        self._cluster = cluster
        self._by_address: dict[str, KnownPod] = {}
        self._by_name: dict[tuple[str, str], KnownPod] = {}

    def learn(self, body: JsonView) -> None:
        """Take what a Pod object says; one without a proxy tells nobody who it is."""
        address = str((body.get("status") or {}).get("podIP") or "")
        if not address or not has_proxy(body):
            return
        found = seen(body)
        self._by_address.pop(address, None)
        self._by_address[address] = found
        self._by_name[(found.namespace, found.name)] = found
        if len(self._by_address) > _KEPT:
            self._by_address.pop(next(iter(self._by_address)))
        if len(self._by_name) > _KEPT:
            self._by_name.pop(next(iter(self._by_name)))

    def peer(self, written: str) -> Workload | None:
        """Return who an address is, or what an endpoint's metadata say: name, namespace, canonical
        name, revision and cluster, by semicolons."""
        name, *more = written.split(";")
        if not more:
            known = self._by_address.get(name)
            return workload(known, self._cluster) if known is not None else None
        namespace, canonical, revision, cluster = (*more, "", "", "", "")[:4]
        if known := self._by_name.get((namespace, name)):
            made = workload(known, cluster)
            if (made.canonical, made.revision) == (canonical, revision):
                return made
        told = (name, namespace, canonical, revision, canonical, revision, cluster)
        return Workload(*(word or UNKNOWN for word in told))


def has_proxy(body: JsonView) -> bool:
    """Whether a pod has a proxy of Istio's."""
    return bool(_proxy(body))


def _proxy(body: JsonView) -> JsonView:
    spec = body.get("spec") or {}
    every = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return next((one for one in every if one.get("name") == wellknown.PROXY), {})


def variable(body: JsonView, name: str) -> str:
    """Return a variable of a pod's proxy; empty where it has none."""
    found: list[JsonView] = [one for one in _proxy(body).get("env") or () if one["name"] == name]
    return str(found[-1].get("value") or "") if found else ""


def seen(body: JsonView) -> KnownPod:
    """Return what is kept of a Pod object."""
    metadata = body["metadata"]
    return KnownPod(
        variable(body, _NAME) or str(metadata["name"]),
        str(metadata.get("namespace") or "default"),
        dict(metadata.get("labels") or {}),
    )


def workload(pod: KnownPod, cluster: str) -> Workload:
    """Return what metrics say of a pod."""
    from lateen.compiler.frontend.registry import workloads  # needed by whoever scrapes

    labels = pod.labels
    return Workload(
        name=pod.name,
        namespace=pod.namespace,
        app=labels.get("app") or UNKNOWN,
        version=labels.get("version") or UNKNOWN,
        canonical=workloads.canonical_name(labels, pod.name),
        revision=workloads.canonical_revision(labels, ""),
        cluster=cluster,
    )
