"""Rules that several Istio kinds share. Pure."""

from collections.abc import Iterable, Mapping

from lateen.model.istio.types import Percent, PolicyTargetReference, StringMatch, WorkloadSelector
from lateen.model.schema import selectors
from lateen.model.schema.objectmeta import ObjectMeta
from lateen.model.validation import syntax
from lateen.model.validation.report import Report

DRY_RUN = "istio.io/dry-run"


def annotations(report: Report, metadata: ObjectMeta, kind: str, action: str = "") -> None:
    """Check the annotation that makes a policy log only."""
    text = metadata.annotations.get(DRY_RUN)
    if text is None:
        return
    path = f'metadata.annotations["{DRY_RUN}"]'
    if kind != "AuthorizationPolicy":
        report.error(path, f"{DRY_RUN} is only supported on AuthorizationPolicy")
    elif action not in ("ALLOW", "DENY"):
        report.error(path, f"{DRY_RUN} is only supported for actions ALLOW and DENY")
    elif text.lower() not in ("1", "t", "true", "0", "f", "false"):
        report.error(path, f"{DRY_RUN} must be true or false, not {text!r}")


def export_to(
    report: Report, values: Iterable[str], namespace: str, *, none_allowed: bool = False
) -> None:
    """Check `spec.exportTo`."""
    seen: set[str] = set()
    listed = list(values)
    for index, value in enumerate(listed):
        path = f"spec.exportTo[{index}]"
        meant = namespace if value == "." else value
        if meant in seen:
            report.error(path, f"duplicate entries in exportTo: {value}")
        seen.add(meant)
        if value == "~":
            if not none_allowed:
                report.error(path, "exportTo ~ is not allowed for this kind")
            elif len(listed) > 1:
                report.error(path, "cannot specify ~ together with other namespaces in exportTo")
        elif value == "*":
            if len(listed) > 1:
                report.error(path, "cannot have both public (*) and other entries in exportTo")
        elif value != ".":
            report.check(path, syntax.dns_label(value))


def workload_selector(report: Report, selector: WorkloadSelector | None, path: str) -> None:
    """Check a selector by `matchLabels`."""
    if selector is not None:
        selector_labels(report, selector.match_labels, f"{path}.matchLabels")


def selector_labels(report: Report, labels: Mapping[str, str], path: str) -> None:
    """Check the labels of a selector."""
    if not labels:
        report.warn(path, "workload selector specified without labels")
    for key, value in labels.items():
        if not key:
            report.error(path, "empty key is not supported in selector")
        if "*" in key or "*" in value:
            report.error(path, f'wildcard is not supported in selector: "{key}={value}"')


def labels(report: Report, values: Mapping[str, str], path: str) -> None:
    """Check labels themselves."""
    for key, value in values.items():
        if not selectors.is_label_key(key):
            report.error(path, f'invalid label key "{key}"')
        if not selectors.is_label_value(value):
            report.error(path, f'invalid label value "{value}" of "{key}"')


def string_match(
    report: Report, match: StringMatch | None, path: str, *, empty_prefix: bool = False
) -> None:
    """Check one StringMatch."""
    if match is None:
        return
    if len([arm for arm in (match.exact, match.prefix, match.regex) if arm is not None]) > 1:
        report.error(path, "only one of exact, prefix and regex may be set")
    if match.prefix == "" and not empty_prefix:
        report.error(f"{path}.prefix", "prefix match cannot be empty")
    if match.regex is not None:
        problem = syntax.pattern(match.regex) if match.regex else "regex match cannot be empty"
        report.check(f"{path}.regex", problem)


def percentage(report: Report, value: Percent | None, path: str) -> None:
    """Check a percentage with decimals."""
    if value is not None:
        report.check(f"{path}.value", syntax.fraction(value.value))


def duration(report: Report, text: str | None, path: str, *, zero: bool = False) -> None:
    """Check a duration if it is set."""
    if text:
        report.check(path, syntax.duration(text, zero=zero))


TARGETS = {
    ("", "Service"),
    ("core", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
}


def attachment(
    report: Report,
    selector: WorkloadSelector | None,
    target: PolicyTargetReference | None,
    targets: tuple[PolicyTargetReference, ...],
) -> None:
    """Check that a policy is attached in one way only, and that its targets are possible."""
    ways = [way for way in (selector is not None, target is not None, bool(targets)) if way]
    if len(ways) > 1:
        report.error("spec", "only one of targetRefs or workloadSelector can be set")
    workload_selector(report, selector, "spec.selector")
    if target is not None:
        _target(report, target, "spec.targetRef")
    for index, one in enumerate(targets):
        _target(report, one, f"spec.targetRefs[{index}]")


def _target(report: Report, target: PolicyTargetReference, path: str) -> None:
    if not target.name:
        report.error(f"{path}.name", "targetRef name must be set")
    if target.namespace:
        report.error(
            f"{path}.namespace",
            "targetRef namespace must not be set; cross-namespace is not supported",
        )
    if (target.group, target.kind) not in TARGETS:
        report.error(f"{path}.kind", f"targetRef must not target {target.group}/{target.kind}")
