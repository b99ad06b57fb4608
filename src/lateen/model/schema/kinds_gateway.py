"""The rows of the Gateway API's kinds. Pure.

Names, versions and short names are those of release 1.6, the storage version first.
"""

from lateen.model.schema.kindinfo import AGE, Column, KindInfo

_HOSTNAMES = Column("Hostnames", ".spec.hostnames")


def _row(
    kind: str,
    plural: str,
    *short: str,
    module: str,
    versions: tuple[str, ...] = ("v1",),
    columns: tuple[Column, ...] = (AGE,),
    namespaced: bool = True,
    status: bool = True,
) -> KindInfo:
    return KindInfo(
        group="gateway.networking.k8s.io",
        versions=versions,
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=short,
        categories=("gateway-api",),
        namespaced=namespaced,
        typed=f"gatewayapi.{module}.{kind}",
        columns=columns,
        status=status,
        acted_on=True,
        compiled=True,
    )


ROWS = (
    _row(
        "GatewayClass",
        "gatewayclasses",
        "gc",
        module="gateway",
        versions=("v1", "v1beta1"),
        columns=(
            Column("Controller", ".spec.controllerName"),
            Column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
            AGE,
            Column("Description", ".spec.description", wide=True),
        ),
        namespaced=False,
    ),
    _row(
        "Gateway",
        "gateways",
        "gtw",
        module="gateway",
        versions=("v1", "v1beta1"),
        columns=(
            Column("Class", ".spec.gatewayClassName"),
            Column("Address", ".status.addresses[*].value"),
            Column("Programmed", '.status.conditions[?(@.type=="Programmed")].status'),
            AGE,
        ),
    ),
    _row(
        "HTTPRoute",
        "httproutes",
        module="routes",
        versions=("v1", "v1beta1"),
        columns=(_HOSTNAMES, AGE),
    ),
    _row("GRPCRoute", "grpcroutes", module="routes", columns=(_HOSTNAMES, AGE)),
    _row(
        "TLSRoute",
        "tlsroutes",
        module="routes",
        versions=("v1", "v1alpha3", "v1alpha2"),
        columns=(_HOSTNAMES, AGE),
    ),
    _row("TCPRoute", "tcproutes", module="routes", versions=("v1", "v1alpha2")),
    _row("UDPRoute", "udproutes", module="routes", versions=("v1", "v1alpha2")),
    _row(
        "ReferenceGrant",
        "referencegrants",
        "refgrant",
        module="policy",
        versions=("v1beta1", "v1"),
        status=False,
    ),
    _row(
        "BackendTLSPolicy",
        "backendtlspolicies",
        "btlspolicy",
        module="policy",
        versions=("v1", "v1alpha3"),
    ),
    _row(
        "ListenerSet",
        "listenersets",
        "lset",
        module="gateway",
        columns=(
            Column("Accepted", '.status.conditions[?(@.type=="Accepted")].status'),
            Column("Programmed", '.status.conditions[?(@.type=="Programmed")].status'),
            AGE,
        ),
    ),
)
