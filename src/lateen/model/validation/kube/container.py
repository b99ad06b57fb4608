"""Rules for containers of any sort. Pure.

Words and reasons are the API server's.
"""

import re
from collections.abc import Container as Names, Mapping, Sequence
from decimal import Decimal

from lateen.model.kube.core.container import (
    Container,
    ContainerPort,
    EnvFromSource,
    EnvVarSource,
    SecurityContext,
    VolumeMount,
)
from lateen.model.schema import quantities
from lateen.model.validation.kube import handlers, metadata, names
from lateen.model.validation.report import Report

_STANDARD = ("cpu", "ephemeral-storage", "memory")
_HUGE = "hugepages-"
_FIELDS = frozenset(
    (
        "metadata.name",
        "metadata.namespace",
        "metadata.uid",
        "spec.nodeName",
        "spec.serviceAccountName",
        "status.hostIP",
        "status.hostIPs",
        "status.podIP",
        "status.podIPs",
    )
)
_OTHER_FIELDS = frozenset(
    (
        "metadata.annotations",
        "metadata.labels",
        "spec.hostNetwork",
        "spec.restartPolicy",
        "spec.schedulerName",
        "status.nominatedNodeName",
        "status.phase",
    )
)
"""Fields that selectors know and variables cannot have."""
_SUBSCRIPT = re.compile(r"metadata\.(?:annotations|labels)\['.+'\]")
_AMOUNTS = frozenset(f"{part}.{name}" for part in ("limits", "requests") for name in _STANDARD)
_LARGEST_ID = 2**31 - 1


def check(
    report: Report, container: Container, path: str, volumes: Names[str], *, host_network: bool
) -> None:
    """Check a container; `volumes` are the names of those its pod has."""
    metadata.dns_label(report, container.name, f"{path}.name")
    if not container.image:
        report.required(f"{path}.image")
    elif container.image != container.image.strip():
        detail = "must not have leading or trailing whitespace"
        report.invalid(f"{path}.image", container.image, detail)
    handlers.hooks(report, container.lifecycle, f"{path}.lifecycle")
    handlers.probes(report, container, path)
    _ports(report, container.ports, f"{path}.ports", host_network=host_network)
    for index, variable in enumerate(container.env):
        at = f"{path}.env[{index}]"
        if not variable.name:
            report.required(f"{at}.name")
        else:
            report.rule(f"{at}.name", variable.name, names.variable(variable.name))
        if variable.value_from is not None:
            _source(report, variable.value_from, f"{at}.valueFrom", bool(variable.value))
    _sources(report, container.env_from, f"{path}.envFrom")
    _mounts(report, container.volume_mounts, f"{path}.volumeMounts", volumes)
    _resources(report, container, f"{path}.resources")
    _security(report, container.security_context, f"{path}.securityContext")


def _ports(
    report: Report, ports: Sequence[ContainerPort], path: str, *, host_network: bool
) -> None:
    seen: set[str] = set()
    for index, port in enumerate(ports):
        at = f"{path}[{index}]"
        if port.name:
            if detail := names.port_name(port.name):
                report.invalid(f"{at}.name", port.name, detail)
            elif port.name in seen:
                report.duplicate(f"{at}.name", port.name)
            seen.add(port.name)
        metadata.port_number(report, port.container_port, f"{at}.containerPort")
        if port.host_port:
            metadata.port_number(report, port.host_port, f"{at}.hostPort")
            if host_network and port.host_port != port.container_port:
                detail = "must match `containerPort` when `hostNetwork` is true"
                report.invalid(f"{at}.hostPort", port.host_port, detail)


def _source(report: Report, source: EnvVarSource, path: str, has_value: bool) -> None:
    given = {
        "fieldRef": source.field_ref,
        "resourceFieldRef": source.resource_field_ref,
        "configMapKeyRef": source.config_map_key_ref,
        "secretKeyRef": source.secret_key_ref,
        "fileKeyRef": source.file_key_ref,
    }
    count = sum(one is not None for one in given.values())
    if count == 0:
        *first, last = given
        listed = ", ".join(f"`{name}`" for name in first)
        report.invalid(path, "", f"must specify one of: {listed} or `{last}`")
    elif has_value:
        report.invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        report.invalid(path, "", "may not have more than one field specified at a time")
    if source.field_ref is not None:
        _field(report, source.field_ref.field_path, f"{path}.fieldRef.fieldPath")
    amount = source.resource_field_ref
    if amount is not None:
        at = f"{path}.resourceFieldRef.resource"
        if amount.resource not in _AMOUNTS and f".{_HUGE}" not in amount.resource:
            report.unsupported(at, amount.resource, _AMOUNTS)
    for key, name in (
        (source.config_map_key_ref, "configMapKeyRef"),
        (source.secret_key_ref, "secretKeyRef"),
    ):
        if key is None:
            continue
        if not key.name:
            report.required(f"{path}.{name}.name")
        if key.key:
            report.rule(f"{path}.{name}.key", key.key, names.config_key(key.key))


def _field(report: Report, field: str, path: str) -> None:
    if not field or field in _FIELDS or _SUBSCRIPT.fullmatch(field):
        return
    if field in _OTHER_FIELDS:
        report.unsupported(path, field, _FIELDS)
    else:
        detail = f"error converting fieldPath: field label not supported: {field}"
        report.invalid(path, field, detail)


def _sources(report: Report, sources: Sequence[EnvFromSource], path: str) -> None:
    for index, source in enumerate(sources):
        at = f"{path}[{index}]"
        if source.prefix:
            report.rule(f"{at}.prefix", source.prefix, names.variable(source.prefix))
        given = [
            (name, one)
            for name, one in (
                ("configMapRef", source.config_map_ref),
                ("secretRef", source.secret_ref),
            )
            if one is not None
        ]
        for name, one in given:
            if not one.name:
                report.required(f"{at}.{name}.name")
        if not given:
            report.invalid(at, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            report.invalid(at, "", "may not have more than one field specified at a time")


def _mounts(report: Report, mounts: Sequence[VolumeMount], path: str, volumes: Names[str]) -> None:
    places: set[str] = set()
    for index, mount in enumerate(mounts):
        at = f"{path}[{index}]"
        if not mount.name:
            report.required(f"{at}.name")
        elif mount.name not in volumes:
            report.error(f"{at}.name", f'Not found: "{mount.name}"', "FieldValueNotFound")
        if not mount.mount_path:
            report.required(f"{at}.mountPath")
        elif mount.mount_path in places:
            report.invalid(f"{at}.mountPath", mount.mount_path, "must be unique")
        places.add(mount.mount_path)
        if mount.sub_path and mount.sub_path_expr:
            detail = "subPathExpr and subPath are mutually exclusive"
            report.invalid(f"{at}.subPathExpr", mount.sub_path_expr, detail)
        report.rule(f"{at}.subPath", mount.sub_path, names.descending(mount.sub_path))
        report.rule(f"{at}.subPathExpr", mount.sub_path_expr, names.descending(mount.sub_path_expr))


def _resources(report: Report, container: Container, path: str) -> None:
    given = container.resources
    if given is None:
        return
    for part, amounts in (("limits", given.limits), ("requests", given.requests)):
        for name, amount in amounts.items():
            at = f"{path}.{part}[{name}]"
            if name not in _STANDARD and not name.startswith(_HUGE):
                _extended(report, name, at)
            if _value(report, amount, at) < 0:
                report.invalid(at, amount, "must be greater than or equal to 0")
    _bounded(report, given.requests, given.limits, f"{path}.requests")


def _value(report: Report | None, amount: str, path: str = "") -> Decimal:
    """Return an amount as a number: zero where it is none, which an annotation may have put here
    after the pod was read."""
    try:
        return quantities.value(amount)
    except ValueError:
        if report is not None:
            report.invalid(path, amount, "write a number, and a unit if there is one: 500m, 64Mi")
    return Decimal(0)


def _extended(report: Report, name: str, path: str) -> None:
    if detail := names.label_key(name):
        report.invalid(path, name, detail)
    elif "/" not in name:
        report.invalid(path, name, "must be a standard resource type or fully qualified")


def _bounded(
    report: Report, requests: Mapping[str, str], limits: Mapping[str, str], path: str
) -> None:
    for name, amount in requests.items():
        limit = limits.get(name)
        if limit is not None and _value(None, amount) > _value(None, limit):
            report.invalid(path, amount, f"must be less than or equal to {name} limit of {limit}")


def _security(report: Report, context: SecurityContext | None, path: str) -> None:
    if context is None:
        return
    metadata.between(report, context.run_as_user, f"{path}.runAsUser", 0, _LARGEST_ID)
    metadata.between(report, context.run_as_group, f"{path}.runAsGroup", 0, _LARGEST_ID)
    if context.allow_privilege_escalation is False:
        if context.privileged:
            report.invalid(
                path, {}, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            )
        if context.capabilities is not None and "CAP_SYS_ADMIN" in context.capabilities.add:
            report.invalid(
                path,
                {},
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` "
                "CAP_SYS_ADMIN",
            )
