"""The rows of Istio's kinds. Pure."""

from lateen.model.schema.kindinfo import AGE, Column, KindInfo


def _istio(
    group: str,
    kind: str,
    plural: str,
    *short: str,
    module: str,
    versions: tuple[str, ...] = ("v1", "v1beta1"),
    columns: tuple[Column, ...] = (),
    acted_on: bool = False,
) -> KindInfo:
    return KindInfo(
        group=f"{group}.istio.io",
        versions=versions,
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=short,
        categories=("istio-io", f"{group}-istio-io"),
        typed=f"{module}.{kind}",
        columns=columns,
        status=True,
        acted_on=acted_on,
        compiled=True,
    )


_ALL_VERSIONS = ("v1", "v1beta1", "v1alpha3")

ROWS = (
    _istio(
        "networking",
        "Gateway",
        "gateways",
        "gw",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        acted_on=True,
    ),
    _istio(
        "networking",
        "VirtualService",
        "virtualservices",
        "vs",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(Column("Gateways", ".spec.gateways"), Column("Hosts", ".spec.hosts"), AGE),
        acted_on=True,
    ),
    _istio(
        "networking",
        "DestinationRule",
        "destinationrules",
        "dr",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(Column("Host", ".spec.host"), AGE),
        acted_on=True,
    ),
    _istio(
        "networking",
        "ServiceEntry",
        "serviceentries",
        "se",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(
            Column("Hosts", ".spec.hosts"),
            Column("Location", ".spec.location"),
            Column("Resolution", ".spec.resolution"),
            AGE,
        ),
        acted_on=True,
    ),
    _istio(
        "networking",
        "WorkloadEntry",
        "workloadentries",
        "we",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(AGE, Column("Address", ".spec.address")),
        acted_on=True,
    ),
    _istio(
        "networking",
        "WorkloadGroup",
        "workloadgroups",
        "wg",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(AGE,),
    ),
    _istio(
        "networking",
        "Sidecar",
        "sidecars",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        acted_on=True,
    ),
    _istio(
        "networking",
        "EnvoyFilter",
        "envoyfilters",
        module="istio.networking",
        versions=("v1alpha3",),
    ),
    _istio(
        "networking",
        "ProxyConfig",
        "proxyconfigs",
        module="istio.networking",
        versions=("v1beta1",),
    ),
    _istio(
        "security",
        "PeerAuthentication",
        "peerauthentications",
        "pa",
        module="istio.security",
        columns=(Column("Mode", ".spec.mtls.mode"), AGE),
        acted_on=True,
    ),
    _istio(
        "security",
        "AuthorizationPolicy",
        "authorizationpolicies",
        "ap",
        module="istio.security",
        columns=(Column("Action", ".spec.action"), AGE),
        acted_on=True,
    ),
    _istio(
        "security", "RequestAuthentication", "requestauthentications", "ra", module="istio.security"
    ),
    _istio(
        "telemetry",
        "Telemetry",
        "telemetries",
        "telemetry",
        module="istio.telemetry",
        versions=("v1", "v1alpha1"),
        columns=(AGE,),
        acted_on=True,
    ),
    _istio(
        "extensions",
        "WasmPlugin",
        "wasmplugins",
        module="istio.telemetry",
        versions=("v1alpha1",),
        columns=(AGE,),
    ),
)
