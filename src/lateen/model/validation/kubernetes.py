"""Rules for Services and for the parts of objects that every Kubernetes kind has. Pure.

Words and reasons are the API server's.
"""

import re

from lateen.model import selectors
from lateen.model.core_service import Service, ServicePort
from lateen.model.kinds import KindInfo
from lateen.model.objectmeta import IntOrString, LabelSelector, ObjectMeta
from lateen.model.validation.report import Report

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*")
_LABEL_1035 = re.compile(r"[a-z](?:[-a-z0-9]*[a-z0-9])?")
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(?:-[a-z0-9]+)*")

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character"
)
_LABEL_NAMED = frozenset(("namespaces",))


def dns_label(report: Report, text: str, path: str) -> None:
    """Check a DNS-1123 label that must be there."""
    if not text:
        report.required(path)
    elif len(text) > 63:
        report.invalid(path, text, "must be no more than 63 characters")
    elif not _LABEL.fullmatch(text):
        report.invalid(path, text, _LABEL_TEXT)


def metadata(report: Report, info: KindInfo, meta: ObjectMeta, path: str = "metadata") -> None:
    """Check name, labels and annotations."""
    _name(report, info, meta, f"{path}.name")
    labels(report, meta, path)


def _name(report: Report, info: KindInfo, meta: ObjectMeta, path: str) -> None:
    name = meta.name
    if not name:
        if not meta.generate_name:
            report.error(
                path, "Required value: name or generateName is required", "FieldValueRequired"
            )
    elif info.group == "rbac.authorization.k8s.io":
        if name in (".", "..") or "/" in name or "%" in name:
            report.invalid(path, name, "may not be '.' or '..' or contain '/' or '%'")
    elif info.resource == "services":
        if len(name) > 63 or not _LABEL_1035.fullmatch(name):
            report.invalid(path, name, _LABEL_1035_TEXT)
    elif info.resource in _LABEL_NAMED:
        dns_label(report, name, path)
    elif len(name) > 253:
        report.invalid(path, name, "must be no more than 253 characters")
    elif not _SUBDOMAIN.fullmatch(name):
        report.invalid(path, name, _SUBDOMAIN_TEXT)


def labels(report: Report, meta: ObjectMeta, path: str) -> None:
    """Check labels and the keys of annotations."""
    for key, value in meta.labels.items():
        _key(report, key, f"{path}.labels")
        if not selectors.is_label_value(value):
            report.invalid(
                f"{path}.labels",
                value,
                "a valid label must be an empty string or consist of alphanumeric characters, '-', "
                "'_' or '.', and must start and end with an alphanumeric character, with no more "
                "than 63 characters",
            )
    for key in meta.annotations:
        _key(report, key.lower(), f"{path}.annotations")


def _key(report: Report, key: str, path: str) -> None:
    if not selectors.is_label_key(key):
        report.invalid(
            path,
            key,
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start "
            "and end with an alphanumeric character",
        )


def label_selector(report: Report, selector: LabelSelector, path: str) -> None:
    """Check the conditions of a selector."""
    for index, expression in enumerate(selector.match_expressions):
        at = f"{path}.matchExpressions[{index}]"
        _key(report, expression.key, f"{at}.key")
        if expression.operator in ("In", "NotIn"):
            if not expression.values:
                report.error(
                    f"{at}.values",
                    "Required value: must be specified when `operator` is 'In' or 'NotIn'",
                    "FieldValueRequired",
                )
        elif expression.operator in ("Exists", "DoesNotExist"):
            if expression.values:
                report.error(
                    f"{at}.values",
                    "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
                    "FieldValueForbidden",
                )
        else:
            report.invalid(f"{at}.operator", expression.operator, "not a valid selector operator")


def port_number(report: Report, number: int, path: str) -> None:
    """Check a port number."""
    if not 1 <= number <= 65535:
        report.invalid(path, number, "must be between 1 and 65535, inclusive")


def port_name(report: Report, name: str, path: str) -> None:
    """Check the name of a container's port."""
    if len(name) > 15:
        report.invalid(path, name, "must be no more than 15 characters")
    elif not _PORT_NAME.fullmatch(name):
        report.invalid(
            path,
            name,
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and at least "
            "one letter (a-z)",
        )


def port_reference(report: Report, value: IntOrString, path: str) -> None:
    """Check a port given by number or name."""
    if isinstance(value, int):
        port_number(report, value, path)
    else:
        port_name(report, value, path)


def service(report: Report, obj: Service) -> None:
    """Check a Service."""
    spec = obj.spec
    headless = spec.cluster_ip == "None"
    if spec.type == "ExternalName":
        if not spec.external_name:
            report.required("spec.externalName")
        elif not _SUBDOMAIN.fullmatch(spec.external_name.removesuffix(".")):
            report.invalid("spec.externalName", spec.external_name, _SUBDOMAIN_TEXT)
    elif not spec.ports and not headless:
        report.required("spec.ports")
    if headless and spec.type in ("NodePort", "LoadBalancer"):
        report.invalid(
            "spec.clusterIP", "None", f"may not be set to 'None' for {spec.type} services"
        )
    names: set[str] = set()
    numbers: set[tuple[int, str]] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        _service_port(report, port, path, several=len(spec.ports) > 1)
        if port.name and port.name in names:
            report.duplicate(f"{path}.name", port.name)
        names.add(port.name)
        key = (port.port, port.protocol or "TCP")
        if key in numbers:
            report.error(path, f"Duplicate value: {key[1]} {key[0]}", "FieldValueDuplicate")
        numbers.add(key)


def _service_port(report: Report, port: ServicePort, path: str, *, several: bool) -> None:
    if port.name or several:
        dns_label(report, port.name, f"{path}.name")
    port_number(report, port.port, f"{path}.port")
    if port.target_port is not None:
        port_reference(report, port.target_port, f"{path}.targetPort")
    if port.node_port:
        port_number(report, port.node_port, f"{path}.nodePort")
