"""Sidecars that are not where they seem to be wanted, and containers that go past them. Pure."""

from collections.abc import Iterator

from lateen.analysis.objects.owners import owner_source
from lateen.compiler.frontend.registry import workloads
from lateen.model.kube.core import pod as core_pod
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import fieldpath
from lateen.model.snapshot import Snapshot

PROXY_USER = 1337
_LABEL, _REVISION, _INJECT = "istio-injection", "istio.io/rev", "sidecar.istio.io/inject"
_OF_THE_CLUSTER = frozenset(
    {"kube-system", "kube-public", "kube-node-lease", "local-path-storage", "istio-system"}
)


def findings(snapshot: Snapshot, *, unlabelled: bool) -> Iterator[Diagnostic]:
    """Yield what is said of namespaces and pods. `unlabelled` is whether namespaces without a
    label are injected."""
    yield from _namespaces(snapshot, unlabelled)
    said: set[Source] = set()
    for pod in snapshot.pods.values():
        for found in (*_without(snapshot, pod, unlabelled), *_users(pod)):
            if found.source not in said:
                said.add(found.source)
                yield found


def _namespaces(snapshot: Snapshot, unlabelled: bool) -> Iterator[Diagnostic]:
    populated = {namespace for namespace, _ in snapshot.pods}
    for (_, name), obj in sorted(snapshot.namespaces.items()):
        labels = obj.metadata.labels
        ref = ObjectRef("Namespace", "", name)
        if _LABEL in labels and _REVISION in labels:
            source = Source(ref, fieldpath.join("metadata.labels", _LABEL))
            counts = f"{_LABEL}={labels[_LABEL]}"
            yield make("IST0123", source, labels=f"{_LABEL} and {_REVISION}", counts=counts)
        elif not {_LABEL, _REVISION} & labels.keys() and name in populated - _OF_THE_CLUSTER:
            yield make("IST0148" if unlabelled else "IST0102", Source(ref), namespace=name)


def _without(snapshot: Snapshot, pod: core_pod.Pod, unlabelled: bool) -> Iterator[Diagnostic]:
    """A pod of an injected namespace without a proxy, unless it says itself that it wants none."""
    namespace = snapshot.namespaces.get(("", pod.metadata.namespace))
    if namespace is None or pod.metadata.namespace in _OF_THE_CLUSTER or pod.spec.host_network:
        return
    chosen = namespace.metadata.labels.get(_LABEL) == "enabled" or (
        _LABEL not in namespace.metadata.labels and _REVISION in namespace.metadata.labels
    )
    refuses = "false" in (
        pod.metadata.labels.get(_INJECT, "").lower(),
        pod.metadata.annotations.get(_INJECT, "").lower(),
    )
    if chosen and not refuses and workloads.proxy_container(pod) is None:
        yield make("IST0103", owner_source(pod), pod=pod.metadata.name)


def _users(pod: core_pod.Pod) -> Iterator[Diagnostic]:
    """Containers under the proxy's own user: capture takes what they send for the proxy's."""
    if workloads.proxy_container(pod) is None:
        return
    context = pod.spec.security_context
    whole = context.run_as_user if context is not None else None
    for index, container in enumerate(pod.spec.containers):
        own = container.security_context
        user = own.run_as_user if own is not None and own.run_as_user is not None else whole
        if container.name != workloads.PROXY_CONTAINER and user == PROXY_USER:
            path = f"spec.containers[{index}].securityContext.runAsUser"
            if own is None or own.run_as_user is None:
                path = "spec.securityContext.runAsUser"
            yield make("IST0144", owner_source(pod, path), container=container.name)
