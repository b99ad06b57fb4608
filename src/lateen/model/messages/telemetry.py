"""Catalogue rows about logs, metrics and traces. Pure."""

from lateen.model.messages.lateen import Level, Row

_W = Level.WARNING

TELEMETRY = (
    Row(
        "LTN0035",
        _W,
        "ProviderUnusable",
        "provider {provider} is left out: {reason}",
        "Define it under extensionProviders of the mesh configuration, or name one that is there: "
        "{known}.",
    ),
    Row(
        "LTN0036",
        _W,
        "LogFilterIgnored",
        "the filter has no effect: as in Istio it counts only in an entry that names providers",
        "Repeat the providers beside the filter.",
    ),
    Row(
        "LTN0241",
        _W,
        "LabelLeftOut",
        "label {label} stays as it is: its value is no expression that a proxy could compute",
        "Write a CEL expression without `%`, such as request.host or \"'text'\".",
    ),
    Row(
        "LTN0242",
        _W,
        "CollectorUnknown",
        "provider {provider} takes no spans: {reason}",
        "Give it the full host name and the port of a Service of the mesh.",
    ),
)
