"""What hosts outside the mesh are to a prediction: their names, and what their pods speak. Pure."""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from lateen.app.foresight import image_protocols
from lateen.model import external
from lateen.model.kube.core import objects
from lateen.model.snapshot import Snapshot
from lateen.node.images.flags import parse_flags
from lateen.predict.values.facts import Speech
from lateen.predict.values.request import Credential


def names(snapshot: Snapshot) -> list[tuple[str, str]]:
    """Return (host, address) of every host outside that a snapshot has an answer for."""
    space = snapshot.namespaces.get(("", external.NAMESPACE))
    found = list(external.addresses_in(space.metadata.annotations).items()) if space else []
    for (namespace, _), pod in snapshot.pods.items():
        if pod.status.pod_ip and not pod.metadata.deletion_timestamp:
            hosts = external.hosts_of(namespace, pod.metadata.annotations)
            found += [(host, pod.status.pod_ip) for host in hosts]
    return found


def roots(snapshot: Snapshot) -> frozenset[str]:
    """Return the names of the roots that proxies trust as the system's."""
    space = snapshot.namespaces.get(("", external.NAMESPACE))
    return frozenset({external.ROOT}) if space else frozenset()


def speeches(pod: objects.Pod, images: Mapping[str, Sequence[str]]) -> Mapping[int, Speech] | None:
    """Return what a pod's applications speak, by port; what stands before that of a host outside
    says what the application says, on one port in TLS."""
    spoken = image_protocols.speeches(pod, images)
    hosts = external.hosts_of(pod.metadata.namespace, pod.metadata.annotations)
    front = next((c for c in pod.spec.containers if c.image == external.IMAGE), None)
    if spoken is None or front is None or not hosts:
        return spoken
    flags = parse_flags(tuple(front.args))
    said = spoken.get(int(flags["to"]))
    if said is None:
        return spoken
    found = dict(spoken)
    if "port" in flags:
        found[int(flags["port"])] = said
    if "tls-port" in flags:
        alpn = tuple(each for each in flags.get("alpn", "").split(",") if each)
        certificate = Credential(
            dns=tuple(name for host in hosts for name in external.certificate_names(host)),
            subject=f"CN={hosts[0]}",
            signers=(external.ROOT,),
        )
        found[int(flags["tls-port"])] = replace(said, certificate=certificate, alpn=alpn)
    return found
