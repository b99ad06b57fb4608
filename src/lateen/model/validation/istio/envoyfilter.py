"""Rules for Istio's EnvoyFilter. Pure."""

from lateen.model.istio.networking_proxy import EnvoyConfigObjectPatch, EnvoyFilter
from lateen.model.validation.istio import shared
from lateen.model.validation.report import Report

_CAUTION = (
    "EnvoyFilter exposes internal implementation details that may change at any time. Prefer other "
    "APIs if possible, and exercise extreme caution, especially around upgrades."
)


def validate(report: Report, obj: EnvoyFilter) -> None:
    """Check an EnvoyFilter. Istio's own caution comes with each."""
    spec = obj.spec
    report.warn("", _CAUTION)
    shared.annotations(report, obj.metadata, "EnvoyFilter")
    if spec.workload_selector is not None and spec.target_refs:
        report.error("spec", "only one of targetRefs or workloadSelector can be set")
    if spec.workload_selector is not None:
        labels = spec.workload_selector.labels
        shared.selector_labels(report, labels, "spec.workloadSelector.labels")
    if not spec.config_patches:
        report.warn("spec.configPatches", "Envoy filter: no patches, so it changes nothing")
    for index, patch in enumerate(spec.config_patches):
        _patch(report, patch, f"spec.configPatches[{index}]")


def _patch(report: Report, entry: EnvoyConfigObjectPatch, path: str) -> None:
    if entry.apply_to == "INVALID":
        report.error(f"{path}.applyTo", "Envoy filter: missing applyTo")
    if entry.patch is None:
        report.error(f"{path}.patch", "Envoy filter: missing patch")
        return
    if entry.patch.operation == "INVALID":
        report.error(f"{path}.patch.operation", "Envoy filter: missing patch operation")
    elif entry.patch.operation != "REMOVE" and entry.patch.value is None:
        report.error(
            f"{path}.patch.value", "Envoy filter: missing patch value for non-remove operation"
        )
