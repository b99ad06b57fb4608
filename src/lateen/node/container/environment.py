"""A container's environment variables and its expanded command line, by Kubernetes' rules. Pure."""

import re
from collections.abc import Mapping, Sequence

from lateen.base.jsonvalue import Json
from lateen.model.kube.core.container import Container, EnvVar
from lateen.node.container import references
from lateen.node.container.references import Missing, Objects, PodFields

_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")
_NAME = re.compile(r"^[A-Za-z_.-][A-Za-z0-9_.-]*$")


def environment(
    container: Container,
    pod: PodFields,
    found: Objects,
    capacity: Mapping[str, float],
    *,
    service_links: bool = True,
) -> dict[str, str]:
    """Return the container's variables: Services first, then envFrom, then env, later ones winning.

    Raises Missing when a ConfigMap, a Secret or a key is not there and is not optional.
    """
    values: dict[str, str] = {}
    for many in container.env_from:
        for kind, reference in (("configmap", many.config_map_ref), ("secret", many.secret_ref)):
            if reference is None:
                continue
            data = found.texts_of(kind, reference.name, reference.optional) or {}
            for key, value in data.items():
                if _NAME.match(many.prefix + key):
                    values[many.prefix + key] = value.decode(errors="replace")
    services = service_variables(found.services, pod.namespace, everything=service_links)
    for variable in container.env:
        value_of = _value(variable, container, pod, found, capacity, {**services, **values})
        if value_of is not None:
            values[variable.name] = value_of
    return {**services, **values}


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by its value; `$$` is a dollar sign, unknown names stay as they are."""

    def replaced(match: re.Match[str]) -> str:
        if match[1] == "$":
            return "$"
        return values.get(match[2], match[0])

    return _REFERENCE.sub(replaced, text)


def expand_all(words: Sequence[str], values: Mapping[str, str]) -> tuple[str, ...]:
    """Expand every word of a command line."""
    return tuple(expand(word, values) for word in words)


def service_variables(
    services: Sequence[Json], namespace: str, *, everything: bool
) -> dict[str, str]:
    """Return the `NAME_SERVICE_HOST` family for the namespace's Services with an address, and
    for `kubernetes` in default; without `everything` for the latter only."""
    values: dict[str, str] = {}
    for service in services:
        metadata, spec = service.get("metadata") or {}, service.get("spec") or {}
        master = (metadata.get("namespace"), metadata.get("name")) == ("default", "kubernetes")
        ours = everything and metadata.get("namespace") == namespace
        ip = spec.get("clusterIP") or ""
        if (master or ours) and ip and ip != "None" and spec.get("ports"):
            values |= _variables_of(str(metadata.get("name", "")), ip, spec["ports"])
    return values


def _variables_of(name: str, ip: str, ports: Sequence[Json]) -> dict[str, str]:
    word = name.upper().replace("-", "_")
    first = ports[0]
    protocol = str(first.get("protocol") or "TCP")
    values = {
        f"{word}_SERVICE_HOST": ip,
        f"{word}_SERVICE_PORT": str(first["port"]),
        f"{word}_PORT": f"{protocol.lower()}://{ip}:{first['port']}",
    }
    for port in ports:
        number, protocol = str(port["port"]), str(port.get("protocol") or "TCP")
        if port.get("name"):
            label = str(port["name"]).upper().replace("-", "_")
            values[f"{word}_SERVICE_PORT_{label}"] = number
        prefix = f"{word}_PORT_{number}_{protocol}"
        values |= {
            prefix: f"{protocol.lower()}://{ip}:{number}",
            f"{prefix}_PROTO": protocol.lower(),
            f"{prefix}_PORT": number,
            f"{prefix}_ADDR": ip,
        }
    return values


def _value(
    variable: EnvVar,
    container: Container,
    pod: PodFields,
    found: Objects,
    capacity: Mapping[str, float],
    before: Mapping[str, str],
) -> str | None:
    source = variable.value_from
    if source is None:
        return expand(variable.value, before)
    if source.field_ref:
        return references.pod_field(source.field_ref.field_path, pod)
    if source.resource_field_ref:
        return references.resource_field(source.resource_field_ref, container, capacity)
    for kind, label, reference in (
        ("configmap", "ConfigMap", source.config_map_key_ref),
        ("secret", "Secret", source.secret_key_ref),
    ):
        if reference is None:
            continue
        data = found.texts_of(kind, reference.name, reference.optional)
        if data is not None and reference.key in data:
            return data[reference.key].decode(errors="replace")
        if reference.optional:
            return None
        raise Missing(
            f"couldn't find key {reference.key} in {label} {pod.namespace}/{reference.name}"
        )
    return ""
