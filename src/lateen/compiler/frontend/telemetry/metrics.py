"""Telemetry: which of Istio's metrics a proxy counts, and by which labels. Pure.

Levels refine each other as they do for logs: the last that names providers says which count, and
overrides are applied in order, each over what came before it.
"""

from collections.abc import Iterator
from typing import NamedTuple

from lateen.compiler.frontend import precedence
from lateen.compiler.ir import telemetry as ir
from lateen.model.istio import telemetry as model
from lateen.model.meta import Source

ALL = "ALL_METRICS"
SERIES = {
    "REQUEST_COUNT": "requests_total",
    "REQUEST_DURATION": "request_duration_milliseconds",
    "REQUEST_SIZE": "request_bytes",
    "RESPONSE_SIZE": "response_bytes",
    "TCP_OPENED_CONNECTIONS": "tcp_connections_opened_total",
    "TCP_CLOSED_CONNECTIONS": "tcp_connections_closed_total",
    "TCP_SENT_BYTES": "tcp_sent_bytes_total",
    "TCP_RECEIVED_BYTES": "tcp_received_bytes_total",
    "GRPC_REQUEST_MESSAGES": "request_messages_total",
    "GRPC_RESPONSE_MESSAGES": "response_messages_total",
}
"""A Telemetry's names of metrics, and Prometheus' without `istio_`."""
REPORTERS = {"CLIENT": "source", "SERVER": "destination"}


class Override(NamedTuple):
    """One entry of `overrides`, and where it is written."""

    spec: model.MetricsOverride
    source: Source

    def names(self) -> tuple[str, ...]:
        """Return the metrics it concerns; none of its own: a custom one is nowhere."""
        match = self.spec.match
        if match is not None and match.custom_metric:
            return ()
        metric = ALL if match is None else match.metric
        return tuple(SERIES) if metric == ALL else (metric,)

    def concerns(self, side: str) -> bool:
        """Whether it is for that side of a proxy."""
        return self.spec.match is None or self.spec.match.mode in ("CLIENT_AND_SERVER", side)


def overrides(obj: model.Telemetry) -> Iterator[Override]:
    """Return an object's overrides in order."""
    at = precedence.source("Telemetry", obj, "spec")
    for index, entry in enumerate(obj.spec.metrics):
        for number, override in enumerate(entry.overrides):
            yield Override(override, at.at(f"metrics[{index}].overrides[{number}]"))


def providers(levels: tuple[model.Telemetry, ...], defaults: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the providers that count."""
    names = defaults
    for obj in levels:
        named = [p.name for entry in obj.spec.metrics for p in entry.providers]
        names = tuple(named) or names
    return names


def sources(levels: tuple[model.Telemetry, ...]) -> tuple[Source, ...]:
    """Return the fields that say what is counted."""
    return tuple(
        precedence.source("Telemetry", obj, "spec.metrics") for obj in levels if obj.spec.metrics
    )


def translate(levels: tuple[model.Telemetry, ...], side: str) -> ir.Metrics | None:
    """Return what one side of a proxy counts, where a provider is there; None for nothing."""
    state = _Changes()
    for obj in levels:
        for override in overrides(obj):
            if override.concerns(side):
                state.apply(override)
    series = state.series()
    return None if series is None else ir.Metrics(reporter=REPORTERS[side], changed=series)


def usable(expression: str) -> bool:
    """Whether Envoy can take an expression for a label: CEL, without the sign that ends it there.
    One that is not is left out, where Istio's proxy would show `unknown`."""
    from lateen.model.validation import cel  # rare, and its patterns take a while to compile

    return bool(expression) and "%" not in expression and not cel.problem(expression)


class _Changes:
    """What overrides come to."""

    def __init__(self) -> None:
        self._nothing = False
        self._dropped: dict[str, bool] = {}
        self._tags: dict[str, dict[str, str | None]] = {}

    def apply(self, override: Override) -> None:
        """Apply the next. All metrics off is nothing at all, until one comes on again."""
        names, spec = override.names(), override.spec
        if spec.disabled and len(names) == len(SERIES):
            self._nothing = True
            return
        self._nothing = self._nothing and not names
        for name in names:
            if spec.disabled is not None:
                self._dropped[name] = spec.disabled
            tags = self._tags.setdefault(name, {})
            for tag, change in spec.tag_overrides.items():
                if change.operation == "REMOVE":
                    tags[tag] = None
                elif usable(change.value):
                    tags[tag] = change.value

    def series(self) -> tuple[ir.Series, ...] | None:
        """Return the metrics that are not as they were; None where all are off."""
        if self._nothing:
            return None
        changed = sorted({n for n, off in self._dropped.items() if off} | self._with_tags())
        return tuple(self._one(name) for name in changed)

    def _with_tags(self) -> set[str]:
        return {name for name, tags in self._tags.items() if tags}

    def _one(self, name: str) -> ir.Series:
        tags = sorted(self._tags.get(name, {}).items())
        return ir.Series(
            metric=SERIES[name],
            dropped=self._dropped.get(name, False),
            tags=tuple((tag, value) for tag, value in tags if value is not None),
            removed=tuple(tag for tag, value in tags if value is None),
        )
