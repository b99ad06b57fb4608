"""EndpointSlices and Endpoints: which pods stand behind a Service, and in what state. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lateen.base.jsonvalue import Json, JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.controllers.workloads import pods
from lateen.model import wellknown

RESOURCE = "endpointslices.discovery.k8s.io"
SERVICE_LABEL = wellknown.SERVICE_NAME
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
_MANAGER = "endpointslice-controller.k8s.io"
_MIRROR = "endpointslicemirroring-controller.k8s.io"
_HEADLESS = "service.kubernetes.io/headless"
_MOST = 100
"""Endpoints in one slice, as in Kubernetes."""


class Member(msgspec.Struct, frozen=True):
    """A pod behind a Service, with the ports that it resolved to."""

    pod: JsonView
    ports: tuple[tuple[str, int, str, str], ...]
    """(name, number, protocol, appProtocol), in the Service's order."""
    endpoint: Json


def members(service: JsonView, candidates: Iterable[JsonView]) -> list[Member]:
    """Return the Service's pods: selected, with an address, not ended; by name."""
    selector = fields.spec(service).get("selector") or {}
    chosen = [
        pod
        for pod in candidates
        if selector.items() <= fields.labels(pod).items()
        and fields.status(pod).get("podIP")
        and not pods.finished(pod)
    ]
    chosen.sort(key=fields.name)
    return [Member(pod, _ports(service, pod), endpoint(service, pod)) for pod in chosen]


def endpoint(service: JsonView, pod: JsonView) -> Json:
    """Return the endpoint of a pod: ready means serving and not terminating, unless the Service
    publishes what is not ready."""
    spec, serving, ending = fields.spec(pod), pods.ready(pod), fields.dying(pod)
    anyway = bool(fields.spec(service).get("publishNotReadyAddresses"))
    result: Json = {
        "addresses": [fields.status(pod)["podIP"]],
        "conditions": {
            "ready": anyway or (serving and not ending),
            "serving": serving,
            "terminating": ending,
        },
        "targetRef": {
            "kind": "Pod",
            "name": fields.name(pod),
            "namespace": fields.namespace(pod),
            "uid": fields.uid(pod),
        },
    }
    if spec.get("nodeName"):
        result["nodeName"] = spec["nodeName"]
    if spec.get("hostname") and spec.get("subdomain") == fields.name(service):
        result["hostname"] = spec["hostname"]
    return result


def _ports(service: JsonView, pod: JsonView) -> tuple[tuple[str, int, str, str], ...]:
    found = []
    for port in fields.spec(service).get("ports") or ():
        number = target_port(port, pod)
        if number:
            protocol = str(port.get("protocol") or "TCP")
            name, application = str(port.get("name") or ""), str(port.get("appProtocol") or "")
            found.append((name, number, protocol, application))
    return tuple(found)


def target_port(port: JsonView, pod: JsonView) -> int:
    """Return the pod's port behind a Service port: a number as it is, a name looked up among the
    container ports of that protocol; 0 if the pod has none of that name."""
    target = port.get("targetPort")
    if isinstance(target, int) and not isinstance(target, bool):
        return target or int(port.get("port") or 0)
    if not target:
        return int(port.get("port") or 0)
    if str(target).isdigit():
        return int(target)
    protocol = port.get("protocol") or "TCP"
    spec = fields.spec(pod)
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy")]
    for container in (*(spec.get("containers") or ()), *sidecars):
        for one in container.get("ports") or ():
            if one.get("name") == target and (one.get("protocol") or "TCP") == protocol:
                return int(one.get("containerPort") or 0)
    return 0


def reconcile(key: controller.Name, known: cache.Cache, now: datetime) -> actions.Reconciled:
    """Bring a Service's slices and its Endpoints in line with its pods."""
    space, name = key
    service = known.get("services", space, name)
    legacy = known.get("endpoints", space, name)
    if service is None or fields.dying(service):
        return actions.Reconciled(tuple(_gone(legacy)))
    slices = known.owned(fields.uid(service), RESOURCE)
    mine = [one for one in slices if fields.labels(one).get(MANAGED_BY) == _MANAGER]
    spec = fields.spec(service)
    if spec.get("type") == "ExternalName":
        return actions.Reconciled(tuple(_delete(one) for one in mine))
    if not spec.get("selector"):
        return actions.Reconciled(tuple(_mirrored(service, slices, mine, legacy)))
    pair = min(spec["selector"].items())
    found = members(service, known.paired("pods", space, pair))
    todo = [*_slices(service, found, mine), *_endpoints(service, found, legacy)]
    return actions.Reconciled(tuple(todo))


def _gone(legacy: JsonView | None) -> Iterable[actions.Action]:
    """The slices go with their owner; Endpoints have none."""
    if legacy is not None:
        where = (fields.namespace(legacy), fields.name(legacy))
        yield actions.Delete("endpoints", *where, fields.uid(legacy))


def _delete(one: JsonView) -> actions.Delete:
    return actions.Delete(RESOURCE, fields.namespace(one), fields.name(one), fields.uid(one))


def _slices(
    service: JsonView, found: Sequence[Member], mine: Sequence[JsonView]
) -> list[actions.Action]:
    """Keep endpoints in the slice they are in, fill gaps, add slices, drop empty ones.

    Pods whose named ports have different numbers stand in different slices, since a slice has one
    list of ports. A Service without pods keeps one slice without endpoints.
    """
    groups: dict[tuple[tuple[str, int, str, str], ...], list[Member]] = {}
    for one in found:
        groups.setdefault(one.ports, []).append(one)
    if not groups:
        groups[()] = []
    left = sorted(mine, key=fields.name)
    todo: list[actions.Action] = []
    for ports, group in groups.items():
        listed = _slice_ports(ports)
        same = [one for one in left if (one.get("ports") or []) == listed or len(groups) == 1]
        left = [one for one in left if one not in same]
        todo.extend(_group(service, listed, [one.endpoint for one in group], same))
    todo.extend(_delete(one) for one in left)
    return todo


def _slice_ports(ports: Sequence[tuple[str, int, str, str]]) -> list[Json]:
    return [
        {"name": name, "port": number, "protocol": protocol}
        | ({"appProtocol": application} if application else {})
        for name, number, protocol, application in ports
    ]


def _group(
    service: JsonView, ports: list[Json], wanted: list[Json], slices: Sequence[JsonView]
) -> Iterable[actions.Action]:
    rest = {_identity(one): one for one in wanted}
    kept: list[list[Json]] = []
    for one in slices:
        stay = [rest.pop(_identity(e)) for e in one.get("endpoints") or () if _identity(e) in rest]
        kept.append(stay)
    fresh = list(rest.values())
    for stay in kept:
        room = _MOST - len(stay)
        stay.extend(fresh[:room])
        fresh = fresh[room:]
    for index, (one, stay) in enumerate(zip(slices, kept, strict=True)):
        if not stay and (wanted or index):
            yield _delete(one)
        elif (body := _slice(service, ports, stay, one)) != one:
            yield actions.Update(RESOURCE, body)
    if not slices and not fresh:
        yield actions.Create(RESOURCE, _slice(service, ports, [], None))
    for start in range(0, len(fresh), _MOST):
        yield actions.Create(RESOURCE, _slice(service, ports, fresh[start : start + _MOST], None))


def _identity(one: JsonView) -> tuple[str, str]:
    address = str((one.get("addresses") or ("",))[0])
    return address, str((one.get("targetRef") or {}).get("uid", ""))


def _slice(
    service: JsonView,
    ports: list[Json],
    endpoints: list[Json],
    old: JsonView | None,
    manager: str = _MANAGER,
) -> Json:
    name = fields.name(service)
    labels = {**fields.labels(service), SERVICE_LABEL: name, MANAGED_BY: manager}
    if fields.spec(service).get("clusterIP") == "None":
        labels[_HEADLESS] = ""
    if old is not None:
        meta = {**fields.meta(old), "labels": labels}
        return {**old, "metadata": meta, "endpoints": endpoints, "ports": ports}
    families = fields.spec(service).get("ipFamilies") or ("IPv4",)
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "generateName": f"{name}-",
            "namespace": fields.namespace(service),
            "labels": labels,
            "ownerReferences": [fields.owner_reference(service)],
        },
        "addressType": families[0],
        "endpoints": endpoints,
        "ports": ports,
    }


def _endpoints(
    service: JsonView, found: Sequence[Member], old: JsonView | None
) -> list[actions.Action]:
    """The older form of the same: ready and not ready addresses per list of ports; what
    terminates is in neither."""
    groups: dict[tuple[tuple[str, int, str, str], ...], tuple[list[Json], list[Json]]] = {}
    for one in found:
        if fields.dying(one.pod) and not fields.spec(service).get("publishNotReadyAddresses"):
            continue
        ready, unready = groups.setdefault(one.ports, ([], []))
        side = ready if one.endpoint["conditions"]["ready"] else unready
        side.append(_address(one))
    subsets: list[Json] = []
    for ports, (ready, unready) in sorted(groups.items()):
        subset: Json = {}
        if ready:
            subset["addresses"] = ready
        if unready:
            subset["notReadyAddresses"] = unready
        if ports:
            subset["ports"] = [_legacy_port(*port) for port in ports]
        subsets.append(subset)
    return _put_endpoints(service, subsets, old)


def _address(one: Member) -> Json:
    target = one.endpoint["targetRef"]
    result: Json = {"ip": one.endpoint["addresses"][0]}
    for field in ("hostname", "nodeName"):
        if field in one.endpoint:
            result[field] = one.endpoint[field]
    return {**result, "targetRef": target}


def _legacy_port(name: str, number: int, protocol: str, application: str) -> Json:
    port: Json = {"port": number, "protocol": protocol}
    if name:
        port["name"] = name
    if application:
        port["appProtocol"] = application
    return port


def _put_endpoints(
    service: JsonView, subsets: list[Json], old: JsonView | None
) -> list[actions.Action]:
    labels = {**fields.labels(service), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    if fields.spec(service).get("clusterIP") == "None":
        labels[_HEADLESS] = ""
    if old is None:
        meta: Json = {"name": fields.name(service), "namespace": fields.namespace(service)}
        body: Json = {"apiVersion": "v1", "kind": "Endpoints"}
        body["metadata"] = {**meta, "labels": labels}
        if subsets:
            body["subsets"] = subsets
        return [actions.Create("endpoints", body)]
    if (old.get("subsets") or []) == subsets and fields.labels(old) == labels:
        return []
    meta = {**fields.meta(old), "labels": labels}
    return [actions.Update("endpoints", {**old, "metadata": meta, "subsets": subsets})]


def _mirrored(
    service: JsonView,
    slices: Sequence[JsonView],
    mine: Sequence[JsonView],
    legacy: JsonView | None,
) -> list[actions.Action]:
    """A Service without a selector takes its endpoints from the user: from slices as they are, or
    from an Endpoints object, which is mirrored into slices."""
    todo: list[actions.Action] = [_delete(one) for one in mine]
    mirrors = [one for one in slices if fields.labels(one).get(MANAGED_BY) == _MIRROR]
    subsets = (legacy or {}).get("subsets") or ()
    for index, subset in enumerate(subsets):
        old = mirrors[index] if index < len(mirrors) else None
        ports = [{"name": one.get("name", ""), **one} for one in subset.get("ports") or ()]
        body = _slice(service, ports, _mirror_endpoints(subset), old, _MIRROR)
        if old is None:
            todo.append(actions.Create(RESOURCE, body))
        elif body != old:
            todo.append(actions.Update(RESOURCE, body))
    todo.extend(_delete(one) for one in mirrors[len(subsets) :])
    return todo


def _mirror_endpoints(subset: JsonView) -> list[Json]:
    found: list[Json] = []
    for field, ready in (("addresses", True), ("notReadyAddresses", False)):
        for one in subset.get(field) or ():
            entry: Json = {"addresses": [one.get("ip")], "conditions": {"ready": ready}}
            found.append(entry | {key: one[key] for key in ("hostname", "nodeName") if key in one})
    return found


def _of_pod(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    """A pod concerns the Services that select it, before or after its change."""
    if change.before is not None and change.after is not None and _same(change):
        return
    space = change.key.namespace
    for labels in (fields.labels(one) for one in (change.before, change.after) if one is not None):
        for pair in labels.items():
            for service in known.paired("services", space, pair):
                if fields.spec(service)["selector"].items() <= labels.items():
                    yield (space, fields.name(service))


def _same(change: cache.ObjectChange) -> bool:
    """Tell whether nothing changed that a Service cares for: most updates of a pod are of that
    kind."""

    def facts(pod: JsonView) -> tuple[Any, ...]:
        spec, status = fields.spec(pod), fields.status(pod)
        ended = pods.finished(pod)
        place = (spec.get("nodeName"), spec.get("hostname"), spec.get("subdomain"))
        state = (status.get("podIP"), pods.ready(pod), ended, fields.dying(pod))
        return (fields.labels(pod), *place, *state)

    assert change.before is not None
    assert change.after is not None
    return facts(change.before) == facts(change.after)


def _of_slice(change: cache.ObjectChange, _: cache.Cache) -> Iterable[controller.Name]:
    for one in (change.before, change.after):
        name = fields.labels(one or {}).get(SERVICE_LABEL)
        if name:
            yield (change.key.namespace, name)


CONTROLLER = controller.Controller(
    name="endpointslice-controller",
    watches={
        "services": controller.itself,
        "pods": _of_pod,
        RESOURCE: _of_slice,
        "endpoints": controller.itself,
    },
    reconcile=reconcile,
)
