"""Ports of pods to which several Services lead that name another protocol for them. Pure.

The oldest Service decides what is spoken at a pod's port.
"""

from collections.abc import Iterable, Iterator, Mapping

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.registry import protocols, workloads
from lateen.compiler.ir.workload import Protocol
from lateen.model.kube.core import pod as core_pod, service as core_service
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.snapshot import Key, Snapshot

_Pair = tuple[str, str, str]


class _Selectors:
    """Services with a selector, oldest first, found by the labels of a pod: each is filed under one
    label of its selector, so that thousands of them cost a pod no more than those that may fit."""

    def __init__(self, services: Iterable[core_service.Service]) -> None:
        self._filed: dict[_Pair, list[tuple[int, core_service.Service]]] = {}
        for rank, service in enumerate(sorted(services, key=precedence.age)):
            if wanted := service.spec.selector:
                pair = (service.metadata.namespace, *min(wanted.items()))
                self._filed.setdefault(pair, []).append((rank, service))

    def of(self, pod: core_pod.Pod) -> list[core_service.Service]:
        """Return the Services that select a pod, oldest first."""
        labels, namespace = pod.metadata.labels, pod.metadata.namespace
        found = [
            (rank, service)
            for pair in labels.items()
            for rank, service in self._filed.get((namespace, *pair), ())
            if precedence.selects(service.spec.selector, labels)
        ]
        return [service for _, service in sorted(found, key=lambda entry: entry[0])]


def findings(snapshot: Snapshot) -> Iterator[Diagnostic]:
    """Yield LTN0033 for each port of a Service that an older one has with another protocol, judged
    by the first pod that it selects."""
    judged: dict[Key, set[str]] = {}
    first: dict[Key, core_pod.Pod] = {}
    for service in snapshot.services.values():
        if not service.spec.selector:
            continue
        namespace = service.metadata.namespace
        pod = next(snapshot.matching("pods", namespace, service.spec.selector), None)
        if pod is not None:
            key = (namespace, pod.metadata.name)
            first[key] = pod
            judged.setdefault(key, set()).add(service.metadata.name)
    selectors = _Selectors(snapshot.services.values())
    for key, pod in first.items():
        yield from _of_pod(pod, selectors.of(pod), judged[key])


def _of_pod(
    pod: core_pod.Pod, services: Iterable[core_service.Service], judged: set[str]
) -> Iterator[Diagnostic]:
    oldest: dict[int, tuple[core_service.Service, Protocol]] = {}
    for service in services:
        targets = list(_targets(service, pod))
        if service.metadata.name in judged:
            yield from _conflicts(service, targets, oldest)
        for number, protocol, _ in targets:
            oldest.setdefault(number, (service, protocol))


def _conflicts(
    service: core_service.Service,
    targets: Iterable[tuple[int, Protocol, int]],
    oldest: Mapping[int, tuple[core_service.Service, Protocol]],
) -> Iterator[Diagnostic]:
    for number, protocol, index in targets:
        known = oldest.get(number)
        if known is not None and known[1] is not protocol:
            at = precedence.source("Service", service, f"spec.ports[{index}]")
            ref = precedence.source("Service", known[0]).ref
            yield make("LTN0033", at, port=number, other=ref, service=service.metadata.name)


def _targets(
    service: core_service.Service, pod: core_pod.Pod
) -> Iterator[tuple[int, Protocol, int]]:
    """Return the pod's ports that a Service leads to, with protocol and place."""
    for index, port in enumerate(service.spec.ports):
        number = workloads.container_port(pod, port.target_port or port.port)
        spoken = protocols.select(port.port, port.name, port.app_protocol or "", port.protocol)
        if number is not None and (port.protocol or "TCP") == "TCP":
            yield number, spoken, index
