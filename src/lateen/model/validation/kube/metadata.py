"""Rules for the parts of objects that every Kubernetes kind has: names, labels, ports. Pure.

Words and reasons are the API server's.
"""

from collections.abc import Mapping

from lateen.model.schema.kindinfo import KindInfo
from lateen.model.schema.objectmeta import IntOrString, LabelSelector, ObjectMeta
from lateen.model.validation.kube import names
from lateen.model.validation.report import Report


def dns_label(report: Report, text: str, path: str) -> None:
    """Check a DNS-1123 label that must be there."""
    if not text:
        report.required(path)
    else:
        report.rule(path, text, names.label(text))


def metadata(report: Report, info: KindInfo, meta: ObjectMeta, path: str = "metadata") -> None:
    """Check name, labels and annotations."""
    if meta.name:
        report.rule(f"{path}.name", meta.name, _name_rule(info)(meta.name))
    elif not meta.generate_name:
        report.required(f"{path}.name", "name or generateName is required")
    labels(report, meta, path)


def _name_rule(info: KindInfo) -> names.Rule:
    if info.group == "rbac.authorization.k8s.io":
        return names.path_segment
    return {"services": names.label_1035, "namespaces": names.label}.get(
        info.resource, names.subdomain
    )


def labels(report: Report, meta: ObjectMeta, path: str) -> None:
    """Check labels and the keys of annotations."""
    label_map(report, meta.labels, f"{path}.labels")
    for key in meta.annotations:
        report.rule(f"{path}.annotations", key, names.label_key(key.lower()))


def label_map(report: Report, values: Mapping[str, str], path: str) -> None:
    """Check labels: those of an object, or those that a selector asks for."""
    for key, value in values.items():
        report.rule(path, key, names.label_key(key))
        report.rule(path, value, names.label_value(value))


def label_selector(report: Report, selector: LabelSelector, path: str) -> None:
    """Check the conditions of a selector."""
    label_map(report, selector.match_labels, f"{path}.matchLabels")
    for index, expression in enumerate(selector.match_expressions):
        at = f"{path}.matchExpressions[{index}]"
        if expression.operator in ("In", "NotIn"):
            if not expression.values:
                detail = "must be specified when `operator` is 'In' or 'NotIn'"
                report.required(f"{at}.values", detail)
        elif expression.operator in ("Exists", "DoesNotExist"):
            if expression.values:
                detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                report.forbidden(f"{at}.values", detail)
        else:
            report.invalid(f"{at}.operator", expression.operator, "not a valid selector operator")
        report.rule(f"{at}.key", expression.key, names.label_key(expression.key))
        for number, value in enumerate(expression.values):
            report.rule(f"{at}.values[{number}]", value, names.label_value(value))


def between(report: Report, number: int | None, path: str, least: int, most: int) -> None:
    """Check a number that may be missing."""
    if number is not None and not least <= number <= most:
        report.invalid(path, number, f"must be between {least} and {most}, inclusive")


def not_negative(report: Report, number: int | None, path: str) -> None:
    """Check a count or a time that may be missing."""
    if number is not None and number < 0:
        report.invalid(path, number, "must be greater than or equal to 0")


def port_number(report: Report, number: int, path: str) -> None:
    """Check a port number."""
    between(report, number, path, 1, 65535)


def port_reference(report: Report, value: IntOrString, path: str) -> None:
    """Check a port given by number or name."""
    if isinstance(value, int):
        port_number(report, value, path)
    else:
        report.rule(path, value, names.port_name(value))
