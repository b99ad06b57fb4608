"""Catalogue rows about AuthorizationPolicies. Pure."""

from lateen.model.messages.lateen import Level, Row

_W = Level.WARNING

AUTHORIZATION = (
    Row(
        "LTN0037",
        _W,
        "AuthorizationTargetIgnored",
        "ignored: {field} attaches it to a Gateway of the Gateway API or to a waypoint, and there "
        "are none here; sidecars and Istio's own gateways ignore such policies",
        "Choose workloads by their labels: selector.matchLabels.",
    ),
    Row(
        "LTN0038",
        _W,
        "CustomAuthorizationRefused",
        "provider {provider} is not asked: {reason}; as in Istio {refused}",
        "Define it under extensionProviders of the mesh configuration (envoyExtAuthzHttp or "
        "envoyExtAuthzGrpc, with `service` and `port` of a Service that is there).",
    ),
    Row(
        "LTN0240",
        _W,
        "ProvidersRivals",
        "provider {provider} is not asked where {other} applies too: that names another, and as in "
        "Istio what the rules of both match is refused there",
        "Let the policies of a workload name one provider, or choose workloads by other labels.",
    ),
)
