"""Who is at the ends of what travels: pods and Services by address and by name. Pure."""

import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lateen.model import wellknown
from lateen.model.schema import selectors

HOST = "host"
"""What the machine outside the lab's pods is called."""
_PROXY = wellknown.PROXY
_ACCOUNT = "/sa/"


class End(msgspec.Struct, frozen=True):
    """One end. `name` is `namespace/pod`, `namespace/service`, `host` or an address; `services` are
    `namespace/name`; `identity` is `namespace/serviceaccount`, or whatever else was proved."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] = {}
    services: tuple[str, ...] = ()
    identity: str = ""


def short_identity(text: str) -> str:
    """Return a SPIFFE id as `namespace/serviceaccount`; other names unchanged."""
    path = text.partition("/ns/")[2]
    if not text.startswith("spiffe://") or path.count("/") != 2 or _ACCOUNT not in path:
        return text
    return path.replace(_ACCOUNT, "/")


def host_end(balancer: str) -> str:
    """Return the address that the machine has on a lab's link, from a load balancer's: the first
    of the /24 that both belong to (`node.net.hostlink.Pool`)."""
    return str(ipaddress.ip_network((balancer, 24), strict=False)[1])


class Places:
    """The ends of one moment, from the JSON of its Pods and Services."""

    def __init__(
        self, pods: Iterable[Mapping[str, Any]], services: Iterable[Mapping[str, Any]] = ()
    ) -> None:
        listed = list(services)
        self._named: dict[str, End] = {}
        self.names: dict[str, str] = {}
        """Address to name."""
        for service in listed:
            self._add_service(service)
        for pod in pods:
            self._add_pod(pod, listed)

    def named(self, name: str) -> End:
        """Return the end of that name; one of which nothing else is known if there is none."""
        return self._named.get(name) or End(name)

    def knows(self, name: str) -> bool:
        """Whether a name is a pod's or a Service's of that moment."""
        return name in self._named

    def _add_service(self, service: Mapping[str, Any]) -> None:
        metadata, spec = service["metadata"], service["spec"]
        name = f"{metadata['namespace']}/{metadata['name']}"
        labels = metadata.get("labels") or {}
        self._named[name] = End(name, metadata["namespace"], labels, (name,))
        balancer = (service.get("status") or {}).get("loadBalancer") or {}
        addresses = [spec.get("clusterIP"), *(spec.get("clusterIPs") or ())]
        outside = [i["ip"] for i in balancer.get("ingress") or () if i.get("ip")]
        addresses += outside
        self.names.update({host_end(each): HOST for each in outside})
        self.names.update({each: name for each in addresses if each and each != "None"})

    def _add_pod(self, pod: Mapping[str, Any], services: Sequence[Mapping[str, Any]]) -> None:
        metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
        namespace, labels = metadata["namespace"], metadata.get("labels") or {}
        name = f"{namespace}/{metadata['name']}"
        behind = [
            f"{namespace}/{each['metadata']['name']}"
            for each in services
            if each["metadata"]["namespace"] == namespace
            and (wanted := each["spec"].get("selector"))
            and selectors.subset(wanted, labels)
        ]
        account = spec.get("serviceAccountName") or "default"
        identity = f"{namespace}/{account}" if has_proxy(pod) else ""
        self._named[name] = End(name, namespace, labels, tuple(behind), identity)
        if status.get("hostIP"):
            self.names.setdefault(status["hostIP"], HOST)
        if status.get("podIP") and status.get("phase") == "Running":
            self.names[status["podIP"]] = name


def has_proxy(pod: Mapping[str, Any]) -> bool:
    """Whether a Pod (its JSON) runs a proxy, as a container or as a native sidecar."""
    spec = pod["spec"]
    every = (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
    return any(container["name"] == _PROXY for container in every)
