"""Which objects do not concern a proxy though somebody meant them to: Gateways that select other
pods, Sidecars that leave a Service out. Pure."""

from collections.abc import Mapping

from lateen.causes.situation import GatewayChoice
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema.selectors import subset
from lateen.model.snapshot import Snapshot

_SIDECARS = "sidecars.networking.istio.io"
_LABEL = "istio"
"""The label of gateways' pods that Gateways select by, where nobody chose another."""


def gateways(pod: str, snapshot: Snapshot) -> tuple[GatewayChoice, ...]:
    """Return every Gateway, and whether it selects a gateway's pod (`namespace/name`)."""
    namespace, _, name = pod.partition("/")
    found = snapshot.pods.get((namespace, name))
    if found is None:
        return ()
    labels = found.metadata.labels
    return tuple(
        GatewayChoice(
            Source(ObjectRef("Gateway", space, each), "spec.selector"),
            _words(gateway.spec.selector),
            selects=subset(gateway.spec.selector, labels),
            wanted={_LABEL: labels[_LABEL]} if _LABEL in labels else {},
        )
        for (space, each), gateway in snapshot.gateways.items()
    )


def _words(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{key}={value}" for key, value in labels.items())


def service_at(address: str, snapshot: Snapshot) -> ObjectRef | None:
    """Return the Service that has an address (`IP:port`, or the IP alone)."""
    host = address.rpartition(":")[0] or address
    for (namespace, name), service in snapshot.services.items():
        if host and host in (service.spec.cluster_ip, *service.spec.cluster_ips):
            return ObjectRef("Service", namespace, name)
    return None


def ports(service: ObjectRef | None, snapshot: Snapshot) -> tuple[int, ...]:
    """Return the ports of a Service."""
    found = snapshot.services.get((service.namespace, service.name)) if service else None
    return tuple(each.port for each in found.spec.ports) if found is not None else ()


def sidecar_of(pod: str, snapshot: Snapshot) -> Source | None:
    """Return what the Sidecar of a pod lists; None where none, or more than one, may be meant."""
    namespace, _, name = pod.partition("/")
    found = snapshot.pods.get((namespace, name))
    chosen: list[Source] = []
    for (space, each), sidecar in snapshot.of(_SIDECARS).items():
        selector = sidecar.spec.workload_selector
        fits = selector is None or (
            found is not None and subset(selector.labels, found.metadata.labels)
        )
        if space == namespace and fits and sidecar.spec.egress:
            ref = ObjectRef("Sidecar", space, each)
            chosen.append(Source(ref, "spec.egress[0].hosts"))
    return chosen[0] if len(chosen) == 1 else None
