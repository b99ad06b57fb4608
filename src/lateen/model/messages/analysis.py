"""Catalogue rows of what `lateen analyze` finds, beside what compiling notices. Pure.

Istio's codes keep Istio's numbers and names.
"""

from lateen.model.messages.lateen import Level, Row

_E, _W, _I = Level.ERROR, Level.WARNING, Level.INFO

ISTIO = (
    Row("IST0002", _W, "Deprecated", "this field is deprecated: {what}", "Write the newer field."),
    Row(
        "IST0102",
        _I,
        "NamespaceNotInjected",
        "pods in namespace {namespace} get no sidecar: the namespace has no label for it",
        "`kubectl label namespace {namespace} istio-injection=enabled`, or `=disabled` if none is "
        "wanted.",
    ),
    Row(
        "IST0103",
        _W,
        "PodMissingProxy",
        "pod {pod} has no sidecar, though its namespace asks for one",
        "Make the pod anew: sidecars are put in when a pod is created.",
    ),
    Row(
        "IST0107",
        _W,
        "MisplacedAnnotation",
        "{annotation} means nothing on a {kind}",
        "Move it to where it counts, such as the metadata of the pod's template.",
    ),
    Row(
        "IST0108",
        _W,
        "UnknownAnnotation",
        "Istio has no annotation {annotation}",
        "Correct its spelling, or remove it.",
    ),
    Row(
        "IST0110",
        _E,
        "ConflictingSidecarWorkloadSelectors",
        "Sidecars {sidecars} in {namespace} all select pod {pod}: which of them counts is not "
        "defined",
        "Make their selectors disjoint.",
    ),
    Row(
        "IST0111",
        _E,
        "MultipleSidecarsWithoutWorkloadSelectors",
        "Sidecars {sidecars} all cover namespace {namespace}: which of them counts is not defined",
        "Keep one without a selector.",
    ),
    Row(
        "IST0116",
        _W,
        "DeploymentAssociatedToMultipleServices",
        "Services {services} reach port {port} of these pods and disagree about its protocol",
        "Give the port the same protocol in all of them.",
    ),
    Row(
        "IST0118",
        _I,
        "PortNameIsNotUnderNamingConvention",
        'the name "{name}" of port {port} (target {target}) tells no protocol: it is detected',
        "Name it protocol[-suffix], such as http-web, or set appProtocol.",
    ),
    Row(
        "IST0123",
        _W,
        "NamespaceMultipleInjectionLabels",
        "the namespace has the labels {labels}: {counts} counts",
        "Remove one of the two.",
    ),
    Row(
        "IST0125",
        _W,
        "InvalidAnnotation",
        "{annotation}: {problem}",
        "Correct the value.",
    ),
    Row(
        "IST0134",
        _W,
        "ServiceEntryAddressesRequired",
        "port {port} is TCP and the entry has no addresses: its connections cannot be told from "
        "others to that port",
        "Set spec.addresses, or let proxies give addresses (DNS capture).",
    ),
    Row(
        "IST0135",
        _I,
        "DeprecatedAnnotation",
        "{annotation} is deprecated: {extra}",
        "Remove it.",
    ),
    Row(
        "IST0137",
        _W,
        "DeploymentConflictingPorts",
        "Services {services} reach target port {target} of these pods by different ports: {ports}",
        "Give them the same port, or target ports of their own.",
    ),
    Row(
        "IST0138",
        _W,
        "GatewayDuplicateCertificate",
        "Gateways {gateways} serve the same certificate: a browser that reuses its HTTP/2 "
        "connection for a host of another Gateway gets 404",
        "Put the hosts of one certificate into one Gateway.",
    ),
    Row(
        "IST0140",
        _W,
        "IngressRouteRulesNotAffected",
        "the rule for subset {subset} has no effect on requests through gateway {gateway}, which "
        "follow VirtualService {other}",
        "Bind this VirtualService to the gateway, or name the subset in the other one.",
    ),
    Row(
        "IST0144",
        _W,
        "InvalidApplicationUID",
        "container {container} runs as user 1337, the sidecar's: on a cluster what it sends goes "
        "past the sidecar (here a mark tells them apart)",
        "Choose another runAsUser.",
    ),
    Row(
        "IST0145",
        _E,
        "ConflictingGateways",
        "hosts {hosts} on port {port} of the pods {selector} are also those of Gateway {other}, "
        "which is older",
        "Give each host to one Gateway.",
    ),
    Row(
        "IST0148",
        _I,
        "NamespaceInjectionEnabledByDefault",
        "pods in namespace {namespace} get sidecars by the mesh's default; the namespace has no "
        "label for it",
        "Label it istio-injection=enabled: then the same holds on a cluster.",
    ),
    Row(
        "IST0149",
        _E,
        "JwtClaimBasedRoutingWithoutRequestAuthN",
        "the rule matches claims ({key}), and no RequestAuthentication verifies tokens at the "
        "gateway's pods",
        "Add a RequestAuthentication for them.",
    ),
    Row(
        "IST0150",
        _W,
        "ExternalNameServiceTypeInvalidPortName",
        'the name "{name}" of port {port} tells no protocol: an ExternalName\'s port is TCP then',
        "Name it protocol[-suffix], such as http-web.",
    ),
    Row(
        "IST0151",
        _W,
        "EnvoyFilterUsesRelativeOperation",
        "{operation} goes by the place of another filter, and no priority says when it is applied",
        "Set spec.priority.",
    ),
    Row(
        "IST0152",
        _E,
        "EnvoyFilterUsesReplaceOperationIncorrectly",
        "REPLACE has no effect on {target}: only HTTP and network filters can be replaced",
        "Use MERGE, or REMOVE and ADD.",
    ),
    Row(
        "IST0153",
        _E,
        "EnvoyFilterUsesAddOperationIncorrectly",
        "ADD has no effect on {target}",
        "Use MERGE or INSERT_FIRST.",
    ),
    Row(
        "IST0154",
        _E,
        "EnvoyFilterUsesRemoveOperationIncorrectly",
        "REMOVE has no effect on {target}",
        "Leave the patch out.",
    ),
    Row(
        "IST0155",
        _W,
        "EnvoyFilterUsesRelativeOperationWithProxyVersion",
        "{operation} goes by the place of another filter, for proxies of one version only, and no "
        "priority says when it is applied",
        "Set spec.priority.",
    ),
    Row(
        "IST0177",
        _W,
        "ConflictingServiceEntryProtocol",
        "ServiceEntries {entries} give port {port} of {host} different protocols: {protocols}",
        "Write the same protocol in all of them.",
    ),
)

LATEEN = (
    Row(
        "LTN0150",
        _E,
        "TlsRefused",
        "requests from {client} to port {port} of {host} fail: this rule sends {mode}, and "
        "{policy} demands mutual TLS ({count} endpoints); try {url}",
        "{remedy}",
    ),
    Row(
        "LTN0151",
        _W,
        "AutomaticMutualTlsOff",
        "requests from {client} to port {port} of {host} travel in plaintext: this rule turns off "
        "the mutual TLS that both sides could speak; try {url}",
        "Remove the tls block, or use ISTIO_MUTUAL.",
    ),
    Row(
        "LTN0152",
        _E,
        "MutualTlsNotAnswered",
        "requests from {client} to port {port} of {host} fail: this rule sends mutual TLS, and "
        "{why}; try {url}",
        "Remove the tls block: what each endpoint takes is found by itself.",
    ),
    Row(
        "LTN0153",
        _I,
        "TlsInTls",
        "port {port} of {host} takes TLS from its clients ({url}), and this rule ({mode}) wraps "
        "what {client} sends there into TLS once more",
        "Let clients speak plain HTTP to a port that is named http, or remove the tls block for "
        "this port.",
    ),
    Row(
        "LTN0155",
        _W,
        "PortLevelModeOfServicePort",
        "no pod has port {port}: portLevelMtls names ports of pods, and {port} is the port of "
        "{service}, whose pods listen on {target}",
        "Write {target} instead of {port}.",
    ),
    Row(
        "LTN0156",
        _W,
        "DestinationRuleUnused",
        "no client follows this rule for {host}: clients look in their own namespace, then in the "
        "Service's, then in the root namespace, and it stands in {namespace}",
        "Move it to one of those namespaces, and see that its exportTo lets clients see it.",
    ),
    Row(
        "LTN0157",
        _W,
        "IdentityWithoutMutualTls",
        "{field} asks who the client is, and {by} turns mutual TLS off on port {port} of "
        "{workload}: {effect}",
        "Let the port take mutual TLS (PERMISSIVE or STRICT), or ask for no identity.",
    ),
    Row(
        "LTN0158",
        _W,
        "ServerSpeaksFirst",
        "the protocol of port {port} is detected from what the client sends, and a {protocol} "
        "server speaks first: connections hang",
        "Name the port tcp-…, or set appProtocol: tcp.",
    ),
    Row(
        "LTN0159",
        _W,
        "FaultNotRetried",
        "the fault's abort is answered by the proxy itself: the {attempts} retries are never made "
        "for it",
        "Expect the fault's status; put the fault on another rule to try the retries.",
    ),
    Row(
        "LTN0160",
        _W,
        "OrderDecides",
        "{other}, which is older, has a rule for the same requests to {host} at gateway {gateway}: "
        "this one is not reached there",
        "Join the two VirtualServices, or make their conditions differ.",
    ),
)
