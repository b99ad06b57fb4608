"""ReferenceGrant and BackendTLSPolicy of the Gateway API. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.gatewayapi.references import LocalReference, ParentReference
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, KubeObject


class ReferenceGrantFrom(KubeStruct, frozen=True, kw_only=True):
    """Who may refer to something here."""

    group: Annotated[str, doc("API group; empty is the core group.", required=True)] = ""
    kind: Annotated[str, doc("Kind.", required=True)] = ""
    namespace: Annotated[str, doc("Its namespace.", required=True)] = ""


class ReferenceGrantTo(KubeStruct, frozen=True, kw_only=True):
    """What may be referred to."""

    group: Annotated[str, doc("API group; empty is the core group.", required=True)] = ""
    kind: Annotated[str, doc("Kind.", required=True)] = ""
    name: Annotated[str, doc("Name; none: every object of the kind.")] = ""


class ReferenceGrantSpec(KubeStruct, frozen=True, kw_only=True):
    """Who may refer to what."""

    from_: Annotated[tuple[ReferenceGrantFrom, ...], doc("Who.", required=True, atomic=True)] = ()
    to: Annotated[tuple[ReferenceGrantTo, ...], doc("To what.", required=True, atomic=True)] = ()


class ReferenceGrant(KubeObject, frozen=True, kw_only=True):
    """Lets objects of other namespaces refer to objects of this one."""

    spec: Annotated[ReferenceGrantSpec, doc("Who may refer to what.")] = ReferenceGrantSpec()


class PolicyTarget(KubeStruct, frozen=True, kw_only=True):
    """What a policy is for: an object of its namespace, or a part of it."""

    group: Annotated[str, doc("API group; empty is the core group.", required=True)] = ""
    kind: Annotated[str, doc("Kind.", required=True)] = ""
    name: Annotated[str, doc("Name.", required=True)] = ""
    section_name: Annotated[str, doc("Name of the Service's port.")] = ""


class SubjectAltName(KubeStruct, frozen=True, kw_only=True):
    """A name that a certificate must have."""

    type: Annotated[str, doc("Of which type.", required=True, enum=("Hostname", "URI"))] = ""
    hostname: Annotated[str, doc("A host.")] = ""
    uri: Annotated[str, doc("A URI.")] = ""


class BackendTLSPolicyValidation(KubeStruct, frozen=True, kw_only=True):
    """How a backend's certificate is checked."""

    ca_certificate_refs: Annotated[
        tuple[LocalReference, ...], doc("Whom it must be signed by.", atomic=True)
    ] = ()
    well_known_ca_certificates: Annotated[
        str, doc("In their place: `System`, those that the system trusts.")
    ] = ""
    hostname: Annotated[str, doc("SNI, and the name it must have.", required=True)] = ""
    subject_alt_names: Annotated[
        tuple[SubjectAltName, ...], doc("Names it must have in the place of that.", atomic=True)
    ] = ()


class BackendTLSPolicySpec(KubeStruct, frozen=True, kw_only=True):
    """TLS towards backends."""

    target_refs: Annotated[
        tuple[PolicyTarget, ...], doc("Towards which.", required=True, atomic=True)
    ] = ()
    validation: Annotated[BackendTLSPolicyValidation, doc("The check.", required=True)] = (
        BackendTLSPolicyValidation()
    )
    options: Annotated[dict[str, str], doc("What only the controller knows.")] = field(
        default_factory=dict
    )


class PolicyAncestorStatus(KubeStruct, frozen=True, kw_only=True):
    """What a controller says of a policy for one object."""

    ancestor_ref: Annotated[ParentReference, doc("The object.", required=True)] = ParentReference()
    controller_name: Annotated[str, doc("Who says it.", required=True)] = ""
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", keys=("type",))] = ()


class PolicyStatus(KubeStruct, frozen=True, kw_only=True):
    """What is said of a policy."""

    ancestors: Annotated[
        tuple[PolicyAncestorStatus, ...],
        doc("By object and controller.", required=True, atomic=True),
    ] = ()


class BackendTLSPolicy(KubeObject, frozen=True, kw_only=True):
    """Has gateways speak TLS to a Service."""

    spec: Annotated[BackendTLSPolicySpec, doc("To which, and how.", required=True)] = (
        BackendTLSPolicySpec()
    )
    status: Annotated[PolicyStatus, doc("Observed state.")] = PolicyStatus()
