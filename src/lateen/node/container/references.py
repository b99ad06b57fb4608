"""What a pod takes from other objects: ConfigMaps, Secrets, Services, its own fields. Pure."""

import base64
import binascii
from collections.abc import Mapping, Sequence

import msgspec

from lateen.base.jsonvalue import Json
from lateen.model.kube.core.container import Container, ResourceFieldSelector
from lateen.model.kube.core.pod import PodSpec


class Missing(Exception):
    """Something that a container needs is not there: kubelet's CreateContainerConfigError."""


class PodFields(msgspec.Struct, frozen=True):
    """What fieldRef can name."""

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    node_name: str
    service_account: str
    host_ip: str
    ip: str


class Objects(msgspec.Struct, frozen=True):
    """The ConfigMaps and Secrets of the pod's namespace that it names, and the Services."""

    config_maps: Mapping[str, Mapping[str, bytes]] = msgspec.field(default_factory=dict)
    secrets: Mapping[str, Mapping[str, bytes]] = msgspec.field(default_factory=dict)
    services: tuple[Json, ...] = ()
    binary: Mapping[str, frozenset[str]] = msgspec.field(default_factory=dict)
    """Of each ConfigMap, the keys that are no text: files show them, variables do not."""

    def texts_of(self, kind: str, name: str, optional: bool | None) -> Mapping[str, bytes] | None:
        """Return what variables can be made of; None and Missing as `keys_of` has them."""
        found = self.keys_of(kind, name, optional)
        binary = self.binary.get(name, frozenset()) if kind == "configmap" else ()
        return {k: v for k, v in found.items() if k not in binary} if found and binary else found

    def keys_of(self, kind: str, name: str, optional: bool | None) -> Mapping[str, bytes] | None:
        """Return an object's data; None when it is missing and may be. Raises Missing."""
        found = (self.config_maps if kind == "configmap" else self.secrets).get(name)
        if found is None and not optional:
            raise Missing(f'{kind} "{name}" not found')
        return found


def config_map_data(body: Json) -> dict[str, bytes]:
    """Return a ConfigMap's keys, text and binary."""
    data = {key: str(value).encode() for key, value in (body.get("data") or {}).items()}
    return data | _decoded(body.get("binaryData"))


def secret_data(body: Json) -> dict[str, bytes]:
    """Return a Secret's keys, decoded."""
    return _decoded(body.get("data"))


def _decoded(data: Mapping[str, str] | None) -> dict[str, bytes]:
    result = {}
    for key, value in (data or {}).items():
        try:
            result[key] = base64.b64decode(value)
        except (binascii.Error, ValueError):
            continue  # the API server does not let such an object in
    return result


def containers(spec: PodSpec) -> tuple[Container, ...]:
    """Return a pod's containers of every sort."""
    return (*spec.init_containers, *spec.containers, *spec.ephemeral_containers)


def names_used(spec: PodSpec, volumes: Sequence[Json]) -> tuple[frozenset[str], frozenset[str]]:
    """Return the names of the ConfigMaps and of the Secrets that a pod refers to.

    `volumes` are the spec's, as JSON.
    """
    config_maps: set[str] = set()
    secrets = {one.name for one in spec.image_pull_secrets}
    for container in containers(spec):
        _names_in_container(container, config_maps, secrets)
    for volume in volumes:
        for source in (volume, *((volume.get("projected") or {}).get("sources") or ())):
            if body := source.get("configMap"):
                config_maps.add(str(body.get("name", "")))
            if body := source.get("secret"):
                # A volume names its Secret `secretName`, a projection `name`.
                secrets.add(str(body.get("secretName") or body.get("name") or ""))
    return frozenset(config_maps - {""}), frozenset(secrets - {""})


def _names_in_container(container: Container, config_maps: set[str], secrets: set[str]) -> None:
    for many in container.env_from:
        if many.config_map_ref:
            config_maps.add(many.config_map_ref.name)
        if many.secret_ref:
            secrets.add(many.secret_ref.name)
    for variable in container.env:
        source = variable.value_from
        if source and source.config_map_key_ref:
            config_maps.add(source.config_map_key_ref.name)
        if source and source.secret_key_ref:
            secrets.add(source.secret_key_ref.name)


def pod_field(path: str, pod: PodFields) -> str:
    """Return the value of a fieldPath. Raises Missing on one that does not exist."""
    for prefix, values in (
        ("metadata.labels", pod.labels),
        ("metadata.annotations", pod.annotations),
    ):
        if path == prefix:
            return "".join(f'{k}="{_escape(v)}"\n' for k, v in sorted(values.items())).rstrip("\n")
        if path.startswith(f"{prefix}['") and path.endswith("']"):
            return values.get(path[len(prefix) + 2 : -2], "")
    simple = {
        "metadata.name": pod.name,
        "metadata.namespace": pod.namespace,
        "metadata.uid": pod.uid,
        "spec.nodeName": pod.node_name,
        "spec.serviceAccountName": pod.service_account,
        "status.hostIP": pod.host_ip,
        "status.hostIPs": pod.host_ip,
        "status.podIP": pod.ip,
        "status.podIPs": pod.ip,
    }
    if path not in simple:
        raise Missing(f"unsupported fieldPath: {path}")
    return simple[path]


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


_UNITS = {
    "": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "E": 1e18, "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
    "Ei": 2.0**60,
}  # fmt: skip


def quantity(text: object) -> float:
    """Return the number that a Kubernetes quantity stands for. Raises ValueError."""
    word = str(text)
    for length in (2, 1, 0):
        unit = word[len(word) - length :]
        if unit in _UNITS and (number := word[: len(word) - length]):
            try:
                return float(number) * _UNITS[unit]
            except ValueError:
                continue
    raise ValueError(f"not a quantity: {word!r}")


def resource_field(
    selector: ResourceFieldSelector, container: Container, capacity: Mapping[str, float]
) -> str:
    """Return a request or limit in units of the divisor, rounded up. An absent limit is the
    node's capacity, an absent request is 0. Raises Missing on another resource."""
    side, _, resource = selector.resource.partition(".")
    if side not in ("limits", "requests") or not resource:
        raise Missing(f"unsupported container resource: {selector.resource}")
    given = container.resources
    values = (given.limits if side == "limits" else given.requests) if given else {}
    absent = capacity.get(resource, 0.0) if side == "limits" else 0.0
    value = quantity(values[resource]) if resource in values else absent
    divisor = quantity(selector.divisor) if selector.divisor not in (None, "", "0", 0) else 1.0
    return str(int(-(-value // divisor)))
