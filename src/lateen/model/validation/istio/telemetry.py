"""Rules for Istio's Telemetry. Pure."""

from lateen.model.istio.telemetry import MetricsOverride, ProviderRef, Telemetry
from lateen.model.validation.istio import shared
from lateen.model.validation.report import Report


def validate(report: Report, obj: Telemetry) -> None:
    """Check a Telemetry."""
    spec = obj.spec
    shared.annotations(report, obj.metadata, "Telemetry")
    shared.workload_selector(report, spec.selector, "spec.selector")
    for index, entry in enumerate(spec.access_logging):
        path = f"spec.accessLogging[{index}]"
        _providers(report, entry.providers, f"{path}.providers")
        if entry.filter is not None and entry.filter.expression:
            _filter(report, entry.filter.expression, f"{path}.filter.expression")
    if len(spec.tracing) > 1:
        report.warn("spec.tracing", "multiple tracing is not currently supported")
    for index, traces in enumerate(spec.tracing):
        path = f"spec.tracing[{index}]"
        _providers(report, traces.providers, f"{path}.providers")
        if len(traces.providers) > 1:
            report.warn(f"{path}.providers", "only the first provider of traces is used")
        share = traces.random_sampling_percentage
        if share is not None and not 0 <= share <= 100:
            report.invalid(f"{path}.randomSamplingPercentage", share, "must be in range 0 to 100")
    for index, metrics in enumerate(spec.metrics):
        _providers(report, metrics.providers, f"spec.metrics[{index}].providers")
        for number, override in enumerate(metrics.overrides):
            _tags(report, override, f"spec.metrics[{index}].overrides[{number}]")


def _tags(report: Report, override: MetricsOverride, path: str) -> None:
    for name, change in override.tag_overrides.items():
        at = f"{path}.tagOverrides[{name}].value"
        if change.operation == "UPSERT" and not change.value:
            report.error(at, "must be set where the operation is UPSERT")
        if change.operation == "REMOVE" and change.value:
            report.error(at, "must not be set where the operation is REMOVE")


def _filter(report: Report, expression: str, path: str) -> None:
    from lateen.model.validation import cel  # rare, and its patterns take a while to compile

    wrong = cel.problem(expression)
    if wrong:
        report.error(path, f"must be a valid CEL expression: {wrong}")


def _providers(report: Report, providers: tuple[ProviderRef, ...], path: str) -> None:
    for index, provider in enumerate(providers):
        if not provider.name:
            report.required(f"{path}[{index}].name")
