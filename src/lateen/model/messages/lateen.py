"""The catalogue's rows: Istio's codes keep Istio's numbers and names, ours begin with LTN. Pure.

A code is never given another meaning; a retired one leaves its number unused. Templates and
remedies are filled in by name: `{host}`.
"""

from enum import Enum
from typing import NamedTuple


class Level(Enum):
    """How bad it is."""

    ERROR = "Error"
    WARNING = "Warning"
    INFO = "Info"

    @property
    def rank(self) -> int:
        """Return 2 for errors, 1 for warnings, 0 for information."""
        return {"Error": 2, "Warning": 1, "Info": 0}[self.value]


class Row(NamedTuple):
    """One kind of message."""

    code: str
    level: Level
    name: str
    template: str
    remedy: str


_E, _W, _I = Level.ERROR, Level.WARNING, Level.INFO

MANIFESTS = (
    Row("LTN0001", _E, "Syntax", "{detail}", "Correct the text at this place."),
    Row(
        "LTN0002",
        _E,
        "UnknownField",
        'unknown field "{path}"',
        "{suggestion}",
    ),
    Row("LTN0003", _E, "WrongValue", "{path}: {detail}", "{suggestion}"),
    Row(
        "LTN0004",
        _E,
        "MissingField",
        "{path}: Required value",
        "Add {path} to the manifest.",
    ),
    Row(
        "LTN0005",
        _E,
        "DuplicateField",
        '"{path}" is set twice',
        "Keep one of the two; YAML readers silently keep the last.",
    ),
    Row(
        "LTN0006",
        _E,
        "UnknownKind",
        "no kind {kind} in {api_version}",
        "Check the spelling of kind and apiVersion; `kubectl api-resources` lists what is served.",
    ),
    Row(
        "LTN0007",
        _E,
        "DuplicateObject",
        "{kind} {name} is already defined at {other}",
        "Remove one of the two, or give it another name.",
    ),
    Row(
        "LTN0018",
        _W,
        "RuleNotEvaluated",
        "{path}: the rule {rule} is not evaluated: {detail}",
        "Expect that objects which break this rule are accepted here.",
    ),
    Row(
        "LTN0019",
        _W,
        "ConversionNotCalled",
        "the conversion webhook of {name} is not called: objects of its versions differ by their "
        "apiVersion and nothing else",
        "Try only versions that have the same fields, or one version.",
    ),
    Row(
        "LTN0090",
        _W,
        "ForeignKind",
        "{kind} ({api_version}) is not a kind of Lateen's: kept for `get`, and nothing acts on it",
        "Nothing needs to be done; `--strict` refuses such kinds, and a CustomResourceDefinition "
        "among the manifests has their fields checked.",
    ),
    Row(
        "LTN0091",
        _E,
        "HelmTemplate",
        "a Helm template that is not rendered yet",
        "Pass what Helm makes of it: `helm template NAME CHART | lateen apply -f -`.",
    ),
    Row(
        "LTN0092",
        _E,
        "Kustomization",
        "{folder}: {detail}",
        "Install kubectl or kustomize where none is there; correct what kustomize names.",
    ),
)

LAB = (
    Row(
        "LTN0047",
        _W,
        "OtherVersion",
        "the lab's control plane is Lateen {theirs}, this command is {ours}{effect}",
        "`lateen down --keep`, then `lateen up` with the same options: objects and keys stay, the "
        "pods start anew.",
    ),
    Row(
        "LTN0070",
        _E,
        "FolderOpensHost",
        "{file} opens to containers, of this machine and by it: {opened}",
        "Read it. `lateen up --trust {directory}` agrees; that is remembered until it, or a file "
        "that its commands name, changes.",
    ),
    Row(
        "LTN0110",
        _W,
        "MemoryIsShort",
        "ended {handle}, which had {had} MiB of memory: this machine had {free} MiB left",
        "Give the container a limit (`resources.limits.memory`), or the machine more memory; a lab "
        "leaves the machine a tenth of its memory, and not more than 1 GiB.",
    ),
    Row(
        "LTN0179",
        _W,
        "ContainerRootIsOwn",
        "root in a container is this lab's user: {why}",
        "`lateen check` says what this machine lacks: in a lab of root's, Linux 6.3 or newer and "
        "state on ext4, xfs, btrfs or tmpfs. An ordinary user's lab has that one user id.",
    ),
    Row(
        "LTN0009",
        _W,
        "ApiPortMoved",
        "another program has taken port {port} of 127.0.0.1, so the API server is at {now}; the "
        "lab's kubeconfig says so",
        "Copy the kubeconfig again if you have copied it; `lateen up --api-port` chooses a port.",
    ),
    Row(
        "LTN0105",
        _W,
        "EgressRefused",
        "the pod was not let out to {target}: {why}",
        "Leave it closed, or list a private network under `egressPrivate` in lateen.yaml; what "
        "belongs to the host itself is never open to pods.",
    ),
    Row(
        "LTN0050",
        _E,
        "NoWayIn",
        "nothing of the host reaches the lab's gateways: the link over network {network} cannot be "
        "made ({why})",
        "`lateen down` and `lateen up` choose a free network; `lateen curl` and `lateen shell` "
        "need none.",
    ),
)

COMPILER = (
    Row(
        "LTN0010",
        _W,
        "FieldNotCompiled",
        "{field} is valid in Istio, and has no effect here yet",
        "Expect the behaviour without this field; the limits are listed in the documentation.",
    ),
    Row(
        "LTN0011",
        _I,
        "KindNotActedOn",
        "{kind} objects are stored and served, and nothing here acts on them",
        "Expect the behaviour without this object.",
    ),
    Row(
        "LTN0060",
        _W,
        "KindNotEnforced",
        "{kind} objects are stored and served, and not acted on here yet: {effect}",
        "Do not take what you see here for what a cluster does with this object.",
    ),
    Row(
        "LTN0012",
        _W,
        "FieldNotInVersion",
        "{field} came with Istio {since}; this lab models {version} and ignores it",
        "Start the lab with `--istio {since}` or newer, or remove the field.",
    ),
    Row(
        "LTN0013",
        _W,
        "MeshConfigFieldIgnored",
        "Istio's mesh configuration has no field {field}: it has no effect",
        "Check its spelling and its place.",
    ),
    Row(
        "LTN0061",
        _W,
        "MeshConfigFieldNotCompiled",
        "{field} of the mesh configuration is valid in Istio, and has no effect here yet",
        "Expect the behaviour without this field.",
    ),
    Row(
        "LTN0062",
        _W,
        "LeftOutWhole",
        "{field} is valid in Istio and not compiled here yet, so {what} is left out",
        "Do not take what you see here for what a cluster does with it.",
    ),
    Row(
        "LTN0014",
        _E,
        "MeshConfigUnreadable",
        "the mesh configuration cannot be read: {detail}; the lab's own settings count instead",
        "Correct the YAML under `mesh` in the ConfigMap.",
    ),
    Row(
        "LTN0063",
        _E,
        "CaCredentialNotCa",
        "as in Istio caCertCredentialName {name} is asked for as it is written, and a Secret of "
        "that name is given out as a certificate with its key, never as a CA: no client's "
        "certificate is verified with it",
        "Name it {name}-cacert, here and the Secret.",
    ),
    Row(
        "LTN0020",
        _E,
        "GatewayPortConflict",
        "server {server} on port {port} is left out: {other} already uses the port for {protocol}",
        "Give one of them another port: HTTP and TLS or TCP cannot share one.",
    ),
    Row(
        "LTN0021",
        _E,
        "GatewayHostConflict",
        "server {server} on port {port} is left out with all its hosts: {other} already serves "
        "TLS for {host} there",
        "Keep one TLS server for {host} on port {port}, or narrow the hosts of one of them.",
    ),
    Row(
        "LTN0022",
        _W,
        "PeerAuthenticationIgnored",
        "ignored: {other} is older, and one PeerAuthentication without a selector counts per "
        "namespace",
        "Merge the two and delete one.",
    ),
    Row(
        "LTN0023",
        _W,
        "RootPolicySelectorIgnored",
        "ignored: in the root namespace {namespace} a PeerAuthentication with a selector applies "
        "to nobody",
        "Move it to the namespace of the workloads, or remove its selector to cover the mesh.",
    ),
    Row(
        "LTN0024",
        _W,
        "WorkloadPolicyShadowed",
        "ignored for pod {pod}: {other} is older and selects it too",
        "Make the selectors of the two disjoint, or merge them.",
    ),
    Row(
        "LTN0025",
        _W,
        "DestinationRulePolicyIgnored",
        "the trafficPolicy for {host} is ignored: {other} is older and sets one; only subsets "
        "are joined",
        "Put the policy into {other}, or delete that one.",
    ),
    Row(
        "LTN0026",
        _W,
        "DuplicateSubset",
        "subset {subset} of {host} is ignored: {other} defines it already",
        "Rename one of the two subsets.",
    ),
    Row(
        "LTN0027",
        _W,
        "DestinationRuleHidden",
        "{other} is not used by clients in {namespace}: this rule for {host} in the client's "
        "own namespace comes first, though it is less specific",
        "Repeat the wanted policy here, or remove this rule.",
    ),
    Row(
        "LTN0028",
        _E,
        "DelegateNotFound",
        "the rule is left out: its delegate {delegate} does not exist",
        "Create VirtualService {delegate}, or correct delegate.name and delegate.namespace.",
    ),
    Row(
        "LTN0029",
        _W,
        "DelegateConflict",
        "a route of delegate {delegate} is left out: its conditions do not lie within those of "
        "the rule that delegates",
        "Make the delegate's match narrower than the root's, without regular expressions.",
    ),
    Row(
        "LTN0030",
        _E,
        "ClientCertificateMissing",
        "no usable client certificate for {host}: {detail}; as in Istio, requests go out in "
        "plaintext",
        "Set clientCertificate and privateKey to files that exist, or use ISTIO_MUTUAL.",
    ),
    Row(
        "LTN0031",
        _W,
        "ServerWithoutRoutes",
        "port {port} stays closed: server {server} is {protocol} and no VirtualService has a tls "
        "or tcp route for it",
        "Bind a VirtualService with tls (sniHosts) or tcp routes to this gateway.",
    ),
    Row(
        "LTN0185",
        _W,
        "ServerTakesNothing",
        "server {server} takes nothing on port {port}: it is {protocol} and no VirtualService has "
        "a tls or tcp route for it (http routes do not count)",
        "Bind a VirtualService with tls (sniHosts) or tcp routes to this gateway.",
    ),
    Row(
        "LTN0033",
        _W,
        "TargetPortShared",
        "the inbound port {port} follows {other}, which is older, not {service}",
        "Give both Services the same protocol for this port.",
    ),
    Row(
        "LTN0034",
        _W,
        "RouteWithoutDestination",
        "requests that match get 503 (NC): {host} has no port {port}",
        "Use one of its ports: {ports}.",
    ),
    Row(
        "LTN0064",
        _W,
        "MirrorWithoutDestination",
        "no request is copied: {host} has no port {port}",
        "Use one of its ports: {ports}.",
    ),
    Row(
        "LTN0042",
        _W,
        "IdleTimeoutIgnored",
        "ends idle connections for HTTP requests only: as in Istio the rule's own trafficPolicy "
        "says how long a TCP connection may idle",
        "For TCP, move it to spec.trafficPolicy.connectionPool.tcp.",
    ),
    Row(
        "LTN0043",
        _W,
        "AnnotationIgnored",
        "no effect here: {what}",
        "Expect the behaviour without it.",
    ),
    Row(
        "LTN0044",
        _W,
        "Ipv6Unreached",
        "{value}: a lab has IPv4 only, {effect}",
        "Write IPv4 addresses; Lateen cannot show what the other family would do.",
    ),
    Row(
        "LTN0045",
        _W,
        "DestinationNotExported",
        "requests through gateways in {namespace} get 503 (NC): {host} is exported elsewhere only",
        "Add the namespace to its annotation networking.istio.io/exportTo.",
    ),
    Row(
        "LTN0046",
        _W,
        "DestinationRuleSuperseded",
        "not used by clients in {where}: {other} is newer and for {host} too, and rules are joined "
        "only if their exportTo agree",
        "Give both the same exportTo, written alike: unset and `*` are two things.",
    ),
    Row(
        "LTN0048",
        _E,
        "RefusedByEnvoy",
        "{value}: Istio sends this, and Envoy, which takes {taken}, refuses the whole update with "
        "it; a lab leaves it out",
        "Write a value that Envoy takes: {taken}.",
    ),
    Row(
        "LTN0049",
        _W,
        "ListenerTaken",
        "TCP connections to port {port} of {host} go where those of {other} go, which is older: "
        "neither has an address of its own to tell them apart by",
        "Give one of them another port, or give a ServiceEntry addresses; since Istio 1.21 an "
        "ExternalName has no listener.",
    ),
    Row(
        "LTN0066",
        _W,
        "EgressHostUnknown",
        "{host} imports nothing: no service of that name is in that namespace",
        "Correct the namespace, or write the name in full; names are not completed here.",
    ),
    Row(
        "LTN0065",
        _W,
        "ServiceEntryPortIgnored",
        "port {port} of {host} is ignored: {other} declares the host too, comes first, and differs "
        "in what ports are joined by",
        "Give both the same resolution, exportTo, labels and selector, and their ports the same "
        "names.",
    ),
    Row(
        "LTN0190",
        _W,
        "KeysNotFetched",
        "the keys at {address} are not there ({why}): every token of {issuer} is refused, 401 "
        "`Jwt verification fails`",
        "Write an address that answers with a JSON Web Key Set, or the keys themselves under "
        "`jwks`; `lateen token --jwks` prints those of the lab's own issuer.",
    ),
    Row(
        "LTN0191",
        _W,
        "KeySetUnusable",
        "{why}: Envoy would refuse the whole listener, so a key that nobody has stands in, and "
        "every token of {issuer} is refused, 401",
        "Give it a public key of kind RSA, EC or OKP (Ed25519), as a JSON Web Key Set has it.",
    ),
    Row(
        "LTN0192",
        _W,
        "KeysNotRefreshed",
        "the keys at {address} could not be fetched again ({why}): those of before count on",
        "See why the issuer does not answer.",
    ),
    Row(
        "LTN0193",
        _W,
        "PatchAppliesToNothing",
        "the patch changes nothing: no proxy that has it has what its match names",
        "Compare the match with what the proxies have: port 15000 of each pod serves /config_dump.",
    ),
    Row(
        "LTN0194",
        _W,
        "PatchWithoutEffect",
        "the patch has no effect here: {why}",
        "Expect the behaviour without it.",
    ),
    Row(
        "LTN0195",
        _W,
        "PatchUnreadable",
        "the patch is left out, as Istio leaves it out: {why}",
        "Write a value of the kind that applyTo asks for, with types that this Envoy has.",
    ),
)
