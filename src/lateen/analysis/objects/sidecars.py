"""Sidecar resources that claim the same pods. Pure."""

from collections import defaultdict
from collections.abc import Iterator

from lateen.compiler.frontend import precedence
from lateen.model.istio import networking_proxy
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.snapshot import Snapshot

_SIDECARS = "sidecars.networking.istio.io"


def findings(snapshot: Snapshot) -> Iterator[Diagnostic]:
    """Yield which Sidecars select one pod, and which cover one namespace whole."""
    whole: defaultdict[str, list[networking_proxy.Sidecar]] = defaultdict(list)
    claimed: defaultdict[tuple[str, str], list[networking_proxy.Sidecar]] = defaultdict(list)
    for obj in sorted(snapshot.of(_SIDECARS).values(), key=precedence.age):
        selector = obj.spec.workload_selector
        home = obj.metadata.namespace
        if selector is None or not selector.labels:
            whole[home].append(obj)
            continue
        for pod in snapshot.matching("pods", home, selector.labels):
            claimed[home, pod.metadata.name].append(obj)
    for home, several in whole.items():
        if len(several) > 1:
            for obj in several:
                source = precedence.source("Sidecar", obj)
                yield make("IST0111", source, sidecars=_names(several), namespace=home)
    said = set()
    for (home, pod), several in sorted(claimed.items()):
        if len(several) < 2 or tuple(map(id, several)) in said:
            continue
        said.add(tuple(map(id, several)))
        for obj in several:
            source = precedence.source("Sidecar", obj, "spec.workloadSelector")
            yield make("IST0110", source, sidecars=_names(several), namespace=home, pod=pod)


def _names(several: list[networking_proxy.Sidecar]) -> str:
    return ", ".join(obj.metadata.name for obj in several)
