"""The lab's state as one document: what `lateen status` and `lateen up` read. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lateen.app.api import envoyjson
from lateen.base.jsonvalue import Json
from lateen.compiler.output import Resource, ResourceType
from lateen.model import wellknown
from lateen.model.kube.core import objects
from lateen.model.labapi.status import FindingLine, GatewayUrls, PodState, ProxyState
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.snapshot import Snapshot
from lateen.xds.resources import Config
from lateen.xds.status import ProxyStatus

_TYPES = {
    ResourceType.CLUSTER: "CDS",
    ResourceType.ENDPOINT: "EDS",
    ResourceType.LISTENER: "LDS",
    ResourceType.ROUTE: "RDS",
    ResourceType.SECRET: "SDS",
    ResourceType.EXTENSION: "ECDS",
    ResourceType.RUNTIME: "RTDS",
}


def pods(values: Iterable[Mapping[str, Any]]) -> tuple[PodState, ...]:
    """Return each pod's name, readiness and, if it waits, for what; that of the plane, which
    answers, is left out."""
    live = (one for one in values if not one["metadata"].get("deletionTimestamp"))
    return tuple(_pod(value) for value in live if not wellknown.stands_for_plane(value))


def _pod(value: Mapping[str, Any]) -> PodState:
    status = value.get("status") or {}
    waits = _waiting(status)
    conditions = {c["type"]: c["status"] for c in status.get("conditions") or []}
    done = status.get("phase") == "Succeeded"
    phase = status.get("phase", "")
    return PodState(
        namespace=value["metadata"]["namespace"],
        name=value["metadata"]["name"],
        uid=value["metadata"]["uid"],
        ip=status.get("podIP", ""),
        ready=conditions.get(wellknown.READY) == "True" or done,
        images=_images(status),
        **{**waits, "reason": waits["reason"] or ("" if phase == "Running" else phase)},
    )


def _images(status: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the images that a pod's containers run, name and digest; stand-ins are left out."""
    every = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    found = [str(one.get("imageID") or "") for one in every]
    return tuple(dict.fromkeys(one for one in found if "@" in one))


def _waiting(status: Mapping[str, Any]) -> Json:
    """Return what a pod waits for: the first container that waits or failed, why, how often it
    was started again, and the exit code with which it ended last (None if it never did)."""
    every = [
        *(status.get("initContainerStatuses") or []),
        *(status.get("containerStatuses") or []),
    ]
    for container in every:
        state = container.get("state") or {}
        ended = state.get("terminated") or {}
        if not (waiting := state.get("waiting") or (ended if ended.get("exitCode") else None)):
            continue
        last = ended or (container.get("lastState") or {}).get("terminated") or {}
        return {
            "reason": waiting.get("reason", ""),
            "message": waiting.get("message", ""),
            "container": container["name"],
            "restarts": container.get("restartCount", 0),
            "exit_code": last.get("exitCode"),
        }
    return {
        "reason": status.get("reason", ""),
        "message": status.get("message", ""),
        "container": "",
        "restarts": 0,
        "exit_code": None,
    }


def proxies(statuses: Sequence[ProxyStatus], kinds: Mapping[str, str]) -> tuple[ProxyState, ...]:
    """Return each proxy's state per xDS type, and its problems in words."""
    return tuple(
        ProxyState(
            proxy=status.proxy,
            kind=kinds.get(status.proxy, ""),
            connected=status.connected,
            synced=status.synced,
            types={_TYPES[kind]: found.state.value for kind, found in status.types.items()},
            problems=tuple(
                f"{_TYPES[kind]} rejected: {found.error}"
                + (f" ({found.explanation})" if found.explanation else "")
                for kind, found in status.types.items()
                if found.error
            ),
        )
        for status in statuses
    )


def diagnostic_lines(found: Iterable[Diagnostic], snapshot: Snapshot) -> tuple[FindingLine, ...]:
    """Return diagnostics with their places, as text and as fields."""
    return tuple(finding_line(each.located(snapshot.locate(each.source))) for each in found)


def finding_line(placed: Diagnostic) -> FindingLine:
    """Return a diagnostic that has its place, as text and as fields."""
    return FindingLine(
        code=placed.code,
        level=placed.level.value,
        origin=str(placed.source),
        reference=str(placed.location or ""),
        message=placed.message,
        remedy=placed.remedy,
        text=str(placed),
    )


def gateways(
    snapshot: Snapshot, forwards: Mapping[tuple[str, str, int], int]
) -> tuple[GatewayUrls, ...]:
    """Return the LoadBalancer Services with URLs that answer from the host.

    `forwards` maps (namespace, service, port) to the port on 127.0.0.1 that leads there; where
    it has nothing, the load balancer's own address is named.
    """
    found = []
    for (namespace, name), service in snapshot.services.items():
        if service.spec.type != "LoadBalancer":
            continue
        balancer = service.status.load_balancer
        ingress = balancer.ingress if balancer is not None else ()
        urls = []
        for port in service.spec.ports:
            scheme = "https" if port.port == 443 or port.name.startswith("https") else "http"
            if port.port == 15021:
                continue
            if local := forwards.get((namespace, name, port.port)):
                urls.append(f"{scheme}://127.0.0.1:{local}")
            else:
                plain = port.port in (80, 443)
                urls += [f"{scheme}://{i.ip}{'' if plain else f':{port.port}'}" for i in ingress]
        found.append(GatewayUrls(name=f"{namespace}/{name}", urls=tuple(urls)))
    return tuple(found)


def lagging(snapshot: Snapshot) -> bool:
    """Whether a ready pod is not yet a ready endpoint of a Service that selects it."""
    serving = {
        (
            slice_.metadata.namespace,
            slice_.metadata.labels.get(wellknown.SERVICE_NAME, ""),
            ref.name,
        )
        for slice_ in snapshot.endpoint_slices.values()
        for endpoint in slice_.endpoints
        if (ref := endpoint.target_ref) is not None and endpoint.conditions.ready is not False
    }
    for (namespace, name), service in snapshot.services.items():
        if service.spec.selector:
            for pod in snapshot.matching("pods", namespace, service.spec.selector):
                if (
                    pod.status.pod_ip
                    and _serves(pod)
                    and (namespace, name, pod.metadata.name) not in serving
                ):
                    return True
    return False


def progressing(deployments: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a Deployment has not yet the pods that its newest spec asks for."""
    for value in deployments:
        spec, status = value["spec"], value.get("status") or {}
        wanted = spec.get("replicas", 1)
        seen = status.get("observedGeneration", 0) >= value["metadata"].get("generation", 1)
        made = status.get("updatedReplicas", 0) == status.get("replicas", 0) == wanted
        if not spec.get("paused") and not (seen and made):
            return True
    return False


def _serves(pod: objects.Pod) -> bool:
    ready = any(c.type == wellknown.READY and c.status == "True" for c in pod.status.conditions)
    return ready and not pod.metadata.deletion_timestamp


def resources(config: Config) -> Json:
    """Return a proxy's resources by type and name: Envoy's own JSON, and what caused each.

    Secrets are named, never shown.
    """
    return {
        _TYPES[kind]: [_resource(kind, each) for each in found.values()]
        for kind, found in config.items()
    }


def _resource(kind: ResourceType, found: Resource) -> Json:
    shown = {
        "name": found.name,
        "version": found.version,
        "sources": [str(source) for source in found.sources],
    }
    if kind is ResourceType.SECRET:
        return shown
    return {**shown, "resource": envoyjson.as_json(kind, found.body)}
