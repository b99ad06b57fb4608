"""Catalogue rows with Istio's codes, as `istioctl analyze` numbers them. Pure."""

from lateen.model.messages.lateen import Level, Row

_E, _W, _I = Level.ERROR, Level.WARNING, Level.INFO

ISTIO = (
    Row(
        "IST0101",
        _E,
        "ReferencedResourceNotFound",
        'there is no {reftype} "{refval}"',
        "Create it, or correct the name and namespace.",
    ),
    Row("IST0106", _E, "SchemaValidationError", "{detail}", "Correct the field."),
    Row(
        "IST0109",
        _E,
        "ConflictingMeshGatewayVirtualServiceHosts",
        "{virtual_services} all claim host {host} inside the mesh; sidecars follow the oldest only",
        "Merge them into one VirtualService, or bind them to gateways only.",
    ),
    Row(
        "IST0112",
        _E,
        "VirtualServiceDestinationPortSelectorRequired",
        "{host} has several ports ({ports}) and the destination names none",
        "Set destination.port.number.",
    ),
    Row(
        "IST0127",
        _W,
        "NoMatchingWorkloadsFound",
        "no pod in {where} has the labels {labels}",
        "Correct the selector, or the labels of the pods.",
    ),
    Row(
        "IST0128",
        _W,
        "NoServerCertificateVerificationDestinationLevel",
        "TLS mode {mode} to {host} names no caCertificates: any certificate is accepted",
        "Set tls.caCertificates; since Istio 1.21 the system's CAs stand in for it.",
    ),
    Row(
        "IST0129",
        _W,
        "NoServerCertificateVerificationPortLevel",
        "TLS mode {mode} to port {port} of {host} names no caCertificates: any certificate is "
        "accepted",
        "Set tls.caCertificates; since Istio 1.21 the system's CAs stand in for it.",
    ),
    Row(
        "IST0130",
        _W,
        "VirtualServiceUnreachableRule",
        "rule {rule} is never reached: {reason}",
        "Move it up, or make the rule before it narrower.",
    ),
    Row(
        "IST0131",
        _I,
        "VirtualServiceIneffectiveMatch",
        "match {match} of rule {rule} has no effect: {reason}",
        "Remove it.",
    ),
    Row(
        "IST0132",
        _W,
        "VirtualServiceHostNotFoundInGateway",
        "host {host} is not among the hosts of gateway {gateway}",
        "Add the host to a server of the gateway.",
    ),
    Row("IST0133", _W, "SchemaWarning", "{detail}", "Correct the field."),
    Row(
        "IST0157",
        _W,
        "InvalidTelemetryProvider",
        "{telemetry} in {namespace} has no effect on {signal}: it names no provider, inherits "
        "none, and the mesh has no default",
        "Name one under providers (for access logs, `envoy` is always there), or set "
        "defaultProviders.",
    ),
    Row(
        "IST0159",
        _E,
        "ConflictingTelemetryWorkloadSelectors",
        "Telemetries {telemetries} in {namespace} all select pod {pod}: the oldest counts",
        "Make their selectors disjoint.",
    ),
    Row(
        "IST0160",
        _E,
        "MultipleTelemetriesWithoutWorkloadSelectors",
        "Telemetries {telemetries} in {namespace} all cover the whole namespace: the oldest counts",
        "Keep one without a selector.",
    ),
    Row(
        "IST0161",
        _E,
        "InvalidGatewayCredential",
        "credential {credential} of {gateway} cannot be used: {detail}",
        "Put a Secret {credential} with tls.crt and tls.key into namespace {namespace}, where "
        "the gateway's pods are.",
    ),
    Row(
        "IST0162",
        _W,
        "GatewayPortNotDefinedOnService",
        "port {port} is not a port of the Service in front of the pods {selector}",
        "Add the port to that Service.",
    ),
    Row(
        "IST0167",
        _W,
        "IneffectivePolicy",
        "has no effect: {reason}",
        "Change or remove it.",
    ),
    Row(
        "IST0173",
        _E,
        "DestinationRuleSubsetNotSelectPods",
        "subset {subset} of {host} selects no pod: requests to it get 503 (UH)",
        "Correct the labels of the subset or of the pods.",
    ),
    Row(
        "IST0174",
        _W,
        "UnknownDestinationRuleHost",
        "host {host} is not a service",
        "Correct spec.host; a name without a dot is taken in this namespace.",
    ),
)
