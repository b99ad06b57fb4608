"""Istio's `security.istio.io` API group. Pure."""

from typing import Annotated

from lateen.model.istio.types import (
    Duration,
    IstioStatus,
    PolicyTargetReference,
    ProtoObject,
    WorkloadSelector,
)
from lateen.model.schema.marks import ProtoStruct, doc


class MutualTLS(ProtoStruct, frozen=True, kw_only=True):
    """Whether a workload takes plaintext, mutual TLS or both."""

    mode: Annotated[
        str,
        doc(
            "UNSET inherits from the wider level.",
            enum=("UNSET", "DISABLE", "PERMISSIVE", "STRICT"),
        ),
    ] = "UNSET"


class PeerAuthenticationSpec(ProtoStruct, frozen=True, kw_only=True):
    """For which workloads, which mode."""

    selector: Annotated[WorkloadSelector | None, doc("Workloads; unset: the namespace.")] = None
    mtls: Annotated[MutualTLS | None, doc("Mode of all ports.")] = None
    port_level_mtls: Annotated[
        dict[int, MutualTLS] | None, doc("Modes by port of the pod, not of the Service.")
    ] = None


class PeerAuthentication(ProtoObject, frozen=True, kw_only=True):
    """Decides whether workloads take plaintext or mutual TLS."""

    spec: Annotated[PeerAuthenticationSpec, doc("Workloads and modes.")] = PeerAuthenticationSpec()
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()


class AuthorizationSource(ProtoStruct, frozen=True, kw_only=True):
    """Who asks; all given fields must hold, one value of each."""

    principals: Annotated[tuple[str, ...] | None, doc("Identities, from mutual TLS.")] = None
    not_principals: Annotated[tuple[str, ...] | None, doc("Identities left out.")] = None
    request_principals: Annotated[tuple[str, ...] | None, doc("issuer/subject of a JWT.")] = None
    not_request_principals: Annotated[tuple[str, ...] | None, doc("JWT subjects left out.")] = None
    namespaces: Annotated[tuple[str, ...] | None, doc("Namespaces, from mutual TLS.")] = None
    not_namespaces: Annotated[tuple[str, ...] | None, doc("Namespaces left out.")] = None
    ip_blocks: Annotated[tuple[str, ...] | None, doc("Addresses of the direct peer.")] = None
    not_ip_blocks: Annotated[tuple[str, ...] | None, doc("Peer addresses left out.")] = None
    remote_ip_blocks: Annotated[
        tuple[str, ...] | None, doc("Addresses of the original client.")
    ] = None
    not_remote_ip_blocks: Annotated[tuple[str, ...] | None, doc("Client addresses left out.")] = (
        None
    )
    service_accounts: Annotated[tuple[str, ...] | None, doc("`name` or `namespace/name`.")] = None
    not_service_accounts: Annotated[tuple[str, ...] | None, doc("Accounts left out.")] = None
    trust_domains: Annotated[tuple[str, ...] | None, doc("Trust domains.")] = None
    not_trust_domains: Annotated[tuple[str, ...] | None, doc("Trust domains left out.")] = None


class RuleFrom(ProtoStruct, frozen=True, kw_only=True):
    """A source."""

    source: Annotated[AuthorizationSource | None, doc("Who asks.")] = None


class Operation(ProtoStruct, frozen=True, kw_only=True):
    """What is asked; all given fields must hold, one value of each."""

    hosts: Annotated[tuple[str, ...] | None, doc("Host headers.")] = None
    not_hosts: Annotated[tuple[str, ...] | None, doc("Hosts left out.")] = None
    ports: Annotated[tuple[str, ...] | None, doc("Ports of the pod.")] = None
    not_ports: Annotated[tuple[str, ...] | None, doc("Ports left out.")] = None
    methods: Annotated[tuple[str, ...] | None, doc("Methods.")] = None
    not_methods: Annotated[tuple[str, ...] | None, doc("Methods left out.")] = None
    paths: Annotated[tuple[str, ...] | None, doc("Paths.")] = None
    not_paths: Annotated[tuple[str, ...] | None, doc("Paths left out.")] = None


class RuleTo(ProtoStruct, frozen=True, kw_only=True):
    """An operation."""

    operation: Annotated[Operation | None, doc("What is asked.")] = None


class AuthorizationCondition(ProtoStruct, frozen=True, kw_only=True):
    """One more condition."""

    key: Annotated[str, doc("Attribute, such as `request.headers[x]`.", required=True)] = ""
    values: Annotated[tuple[str, ...] | None, doc("One of these.")] = None
    not_values: Annotated[tuple[str, ...] | None, doc("None of these.")] = None


class AuthorizationRule(ProtoStruct, frozen=True, kw_only=True):
    """Who may do what, and when."""

    from_: Annotated[tuple[RuleFrom, ...] | None, doc("One of these sources.")] = None
    to: Annotated[tuple[RuleTo, ...] | None, doc("One of these operations.")] = None
    when: Annotated[tuple[AuthorizationCondition, ...] | None, doc("All of these.")] = None


class ExtensionProvider(ProtoStruct, frozen=True, kw_only=True):
    """Names a provider of the mesh configuration."""

    name: Annotated[str, doc("Its name.")] = ""


class AuthorizationPolicySpec(ProtoStruct, frozen=True, kw_only=True):
    """For which workloads, which rules."""

    selector: Annotated[WorkloadSelector | None, doc("Workloads; unset: the namespace.")] = None
    target_ref: Annotated[PolicyTargetReference | None, doc("One target.")] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], doc("Targets.")] = ()
    rules: Annotated[
        tuple[AuthorizationRule, ...], doc("One must match; none at all matches nothing.")
    ] = ()
    action: Annotated[
        str,
        doc("What a match means; default ALLOW.", enum=("ALLOW", "DENY", "AUDIT", "CUSTOM")),
    ] = "ALLOW"
    provider: Annotated[ExtensionProvider | None, doc("Who decides, for CUSTOM.")] = None


class AuthorizationPolicy(ProtoObject, frozen=True, kw_only=True):
    """Decides which requests a workload accepts."""

    spec: Annotated[AuthorizationPolicySpec, doc("Workloads and rules.")] = (
        AuthorizationPolicySpec()
    )
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()


class JWTHeader(ProtoStruct, frozen=True, kw_only=True):
    """A header that carries a token."""

    name: Annotated[str, doc("Name.", required=True)] = ""
    prefix: Annotated[str, doc("Text before the token.")] = ""


class ClaimToHeader(ProtoStruct, frozen=True, kw_only=True):
    """Copies a claim to a header."""

    header: Annotated[str, doc("The header.", required=True)] = ""
    claim: Annotated[str, doc("The claim.", required=True)] = ""


class JWTRule(ProtoStruct, frozen=True, kw_only=True):
    """Which tokens are valid and where they are."""

    issuer: Annotated[str, doc("Issuer.", required=True)] = ""
    audiences: Annotated[tuple[str, ...], doc("Audiences, one of which must be in it.")] = ()
    jwks_uri: Annotated[str, doc("Where the keys are.")] = ""
    jwks: Annotated[str, doc("The keys themselves.")] = ""
    from_headers: Annotated[tuple[JWTHeader, ...], doc("Headers to look in.")] = ()
    from_params: Annotated[tuple[str, ...], doc("Query parameters to look in.")] = ()
    from_cookies: Annotated[tuple[str, ...], doc("Cookies to look in.")] = ()
    output_payload_to_header: Annotated[str, doc("Header that gets the payload.")] = ""
    output_claim_to_headers: Annotated[tuple[ClaimToHeader, ...], doc("Claims as headers.")] = ()
    forward_original_token: Annotated[bool, doc("Whether the token goes on.")] = False
    timeout: Annotated[Duration, doc("Time to fetch keys; default 5s.")] = ""
    space_delimited_claims: Annotated[tuple[str, ...], doc("Claims that are lists.")] = ()


class RequestAuthenticationSpec(ProtoStruct, frozen=True, kw_only=True):
    """For which workloads, which tokens."""

    selector: Annotated[WorkloadSelector | None, doc("Workloads; unset: the namespace.")] = None
    target_ref: Annotated[PolicyTargetReference | None, doc("One target.")] = None
    target_refs: Annotated[tuple[PolicyTargetReference, ...], doc("Targets.")] = ()
    jwt_rules: Annotated[tuple[JWTRule, ...], doc("Accepted tokens.")] = ()


class RequestAuthentication(ProtoObject, frozen=True, kw_only=True):
    """Checks the tokens that requests carry; requests without one pass."""

    spec: Annotated[RequestAuthenticationSpec, doc("Workloads and tokens.")] = (
        RequestAuthenticationSpec()
    )
    status: Annotated[IstioStatus, doc("Observed state.")] = IstioStatus()
