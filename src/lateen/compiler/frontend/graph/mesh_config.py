"""The mesh's own settings for logs and traces: the lab's, under those of the ConfigMap `istio`
in the root namespace. Pure."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from lateen.compiler.frontend import quantities
from lateen.compiler.frontend.routing import unsupported
from lateen.compiler.frontend.telemetry import tracers
from lateen.compiler.ir.authz import Authorizer
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.ir.telemetry import STDOUT, LogFile, Tracer
from lateen.compiler.ir.value import Value
from lateen.model.istio import meshconfig
from lateen.model.kube.core import objects
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import ObjectRef, Source

LOG_FILE, TRACER, METRICS, OTHER = "envoyFileAccessLog", "zipkin or opentelemetry", "prometheus", ""
_BUILT_IN = {"prometheus": METRICS, "stackdriver": OTHER}
"""Istio's providers, beside `envoy`, that need no definition, and their kinds."""


class Provider(Value, frozen=True, kw_only=True):
    """A provider by name. `kind` is LOG_FILE, TRACER, METRICS or OTHER; `log` is set for a log
    file, `tracer` where spans can be sent."""

    name: str
    kind: str = OTHER
    log: LogFile | None = None
    tracer: Tracer | None = None


class MeshReports(Value, frozen=True, kw_only=True):
    """What holds where no Telemetry says otherwise, and the providers that one can name."""

    at: Source
    """Where the mesh configuration is, or would be."""
    log: LogFile | None
    """The mesh's log file (`accessLogFile`), or None."""
    providers: tuple[Provider, ...]
    default_logging: tuple[str, ...] = ()
    default_tracing: tuple[str, ...] = ()
    default_metrics: tuple[str, ...] = ()
    traced: bool = True
    sampling: float = 1.0
    log_sources: tuple[Source, ...] = ()
    trace_sources: tuple[Source, ...] = ()
    """The fields of the ConfigMap that decided."""

    def provider(self, name: str) -> Provider | None:
        """Return the provider of that name, in any case of letters, or None."""
        wanted = name.lower()
        return next((p for p in self.providers if p.name.lower() == wanted), None)


def translate(obj: objects.ConfigMap | None, settings: MeshSettings) -> MeshReports:
    """Return the mesh's settings. Without a ConfigMap, or a field in it, the lab's own count."""
    config = parsed(obj).config
    at = source_of(settings)
    lab = settings.access_log
    path = config.access_log_file
    if path is None:
        path = STDOUT if lab.enabled else ""
    encoding = config.access_log_encoding or lab.encoding
    text = lab.format if config.access_log_format is None else config.access_log_format
    written = [
        at.at(field)
        for field, value in (
            ("accessLogFile", config.access_log_file),
            ("accessLogEncoding", config.access_log_encoding),
            ("accessLogFormat", config.access_log_format),
        )
        if value is not None
    ]
    log = _log_file(path, encoding, text, written[0] if written else None) if path else None
    defaults = config.default_providers or meshconfig.DefaultProviders()
    tracing = (config.default_config or meshconfig.DefaultConfig()).tracing
    sampling = tracing.sampling if tracing is not None else None
    traces = [at.at("enableTracing")] if config.enable_tracing is not None else []
    if sampling is not None:
        traces.append(at.at("defaultConfig.tracing.sampling"))
    return MeshReports(
        at=at,
        log=log,
        providers=tuple(_providers(config, at, encoding, text)),
        default_logging=defaults.access_logging,
        default_tracing=defaults.tracing,
        default_metrics=defaults.metrics,
        traced=config.enable_tracing is not False,
        sampling=settings.trace_sampling if sampling is None else sampling,
        log_sources=tuple(written),
        trace_sources=tuple(traces),
    )


def applied(settings: MeshSettings, obj: objects.ConfigMap | None) -> MeshSettings:
    """Return the lab's settings with what a ConfigMap says of the mesh as a whole."""
    config = parsed(obj).config
    changes: dict[str, Any] = {}
    policy = config.outbound_traffic_policy
    if policy is not None and policy.mode is not None:
        changes["allow_any"] = policy.mode == "ALLOW_ANY"
    if config.enable_auto_mtls is not None:
        changes["auto_mtls"] = config.enable_auto_mtls
    seconds = quantities.seconds(config.connect_timeout)
    if seconds is not None:
        changes["connect_timeout"] = seconds
    if config.trust_domain:
        changes["trust_domain"] = config.trust_domain
    if config.trust_domain_aliases:
        changes["trust_domain_aliases"] = config.trust_domain_aliases
    authorizers = _authorizers(config, source_of(settings))
    if authorizers:
        changes["authorizers"] = authorizers
    for field, written in (
        ("service_export_to", config.default_service_export_to),
        ("routes_export_to", config.default_virtual_service_export_to),
        ("rules_export_to", config.default_destination_rule_export_to),
    ):
        if written and "*" not in written:
            changes[field] = tuple(written)
    return msgspec.structs.replace(settings, **changes) if changes else settings


def _authorizers(config: meshconfig.MeshConfig, at: Source) -> tuple[Authorizer, ...]:
    if not any(_asked(provider) for provider in config.extension_providers):
        return ()
    from lateen.compiler.frontend.security import authorizers  # where there are such providers

    return authorizers.translate(config.extension_providers, at)


def _asked(provider: meshconfig.ExtensionProvider) -> bool:
    return bool(provider.envoy_ext_authz_http or provider.envoy_ext_authz_grpc)


def source_of(settings: MeshSettings) -> Source:
    """Return where the mesh configuration is written."""
    ref = ObjectRef("ConfigMap", settings.root_namespace, meshconfig.NAME)
    return Source(ref, f"data.{meshconfig.KEY}")


def findings(obj: objects.ConfigMap, settings: MeshSettings) -> Iterator[Diagnostic]:
    """Return what of a mesh configuration cannot be read, or has no effect here."""
    at = source_of(settings)
    found = parsed(obj)
    for problem in found.problems:
        where = at.at(problem.path) if problem.path else at
        yield make("LTN0014", where, detail=problem.message)
    for path in found.unknown:
        code = "LTN0061" if meshconfig.is_istios(path) else "LTN0013"
        yield make(code, at.at(path), field=path)
    yield from unsupported.unread(found.config, at)


def parsed(obj: objects.ConfigMap | None) -> meshconfig.Parsed:
    """Return the configuration in a ConfigMap; an empty one if there is none."""
    text = obj.data.get(meshconfig.KEY, "") if obj is not None else ""
    return meshconfig.parse(text) if text else meshconfig.Parsed()


def _providers(
    config: meshconfig.MeshConfig, at: Source, encoding: str, text: str
) -> Iterator[Provider]:
    """The built-in ones come last: one of the same name that is defined stands in for it."""
    for index, provider in enumerate(config.extension_providers):
        source = at.at(f"extensionProviders[{index}]")
        if provider.envoy_file_access_log is not None:
            log = _provided(provider.envoy_file_access_log, source)
            yield Provider(name=provider.name, kind=LOG_FILE, log=log)
        elif provider.zipkin is not None or provider.opentelemetry is not None:
            tracer = tracers.translate(provider)
            yield Provider(name=provider.name, kind=TRACER, tracer=tracer)
        elif provider.prometheus is not None:
            yield Provider(name=provider.name, kind=METRICS)
        else:
            yield Provider(name=provider.name)
    yield Provider(name="envoy", kind=LOG_FILE, log=_log_file(STDOUT, encoding, text, None))
    yield from (Provider(name=name, kind=kind) for name, kind in _BUILT_IN.items())


def _log_file(path: str, encoding: str, text: str, source: Source | None) -> LogFile:
    """In JSON, a format that is no JSON object gives way to the default keys, as on Istio."""
    if encoding != "JSON":
        return LogFile(path=path, text=text, source=source)
    try:
        fields = json.loads(text) if text else {}
    except ValueError:
        fields = {}
    return LogFile(path=path, fields=_object(fields), source=source)


def _provided(written: meshconfig.FileAccessLog, source: Source) -> LogFile:
    layout = written.log_format or meshconfig.LogFormat()
    return LogFile(
        path=written.path or STDOUT,
        text=layout.text or "",
        fields=None if layout.labels is None else _object(layout.labels),
        omit_empty=written.omit_empty_values,
        source=source,
    )


def _object(fields: Any) -> str:
    return json.dumps(fields if isinstance(fields, dict) else {}, sort_keys=True)
