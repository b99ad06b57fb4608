"""Metadata and the small types that every kind shares. Pure."""

from typing import Annotated, Any, ClassVar

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc

IntOrString = int | str
Quantity = Annotated[str, doc(form="quantity")]
Time = Annotated[str, doc(form="date-time")]
Bytes = Annotated[str, doc(form="byte")]


class OwnerReference(KubeStruct, frozen=True, kw_only=True):
    """The object that owns this one and takes it along when it is deleted."""

    ATOMIC: ClassVar[bool] = True

    api_version: Annotated[str, doc("API version of the owner.", required=True)] = ""
    kind: Annotated[str, doc("Kind of the owner.", required=True)] = ""
    name: Annotated[str, doc("Name of the owner.", required=True)] = ""
    uid: Annotated[str, doc("UID of the owner.", required=True)] = ""
    controller: Annotated[bool | None, doc("Whether the owner manages this object.")] = None
    block_owner_deletion: Annotated[
        bool | None, doc("Whether a foreground deletion of the owner waits for this object.")
    ] = None


class ObjectMeta(KubeStruct, frozen=True, kw_only=True):
    """Identity and bookkeeping of an object."""

    name: Annotated[str, doc("Name, unique among its kind in the namespace.")] = ""
    generate_name: Annotated[str, doc("Prefix from which the server makes a name.")] = ""
    namespace: Annotated[str, doc("Namespace; empty for cluster-wide kinds.")] = ""
    self_link: Annotated[str, doc("No longer filled in.")] = ""
    uid: Annotated[str, doc("Identity over time: a new object of the same name gets another.")] = ""
    resource_version: Annotated[str, doc("Opaque version for conflict checks and watches.")] = ""
    generation: Annotated[int | None, doc("Counts changes of the desired state.", form="int64")] = (
        None
    )
    creation_timestamp: Annotated[Time | None, doc("When the object was created (RFC 3339).")] = (
        None
    )
    deletion_timestamp: Annotated[
        Time | None, doc("When the object is to be gone; set once deletion was asked for.")
    ] = None
    deletion_grace_period_seconds: Annotated[
        int | None, doc("Seconds allowed for an orderly end.", form="int64")
    ] = None
    labels: Annotated[dict[str, str], doc("Key-value pairs that selectors match.")] = field(
        default_factory=dict
    )
    annotations: Annotated[dict[str, str], doc("Key-value pairs for tools; never selected on.")] = (
        field(default_factory=dict)
    )
    owner_references: Annotated[
        tuple[OwnerReference, ...], doc("Objects this one depends on.", merge="uid")
    ] = ()
    finalizers: Annotated[
        tuple[str, ...], doc("Must be emptied before the object goes away.", unique=True)
    ] = ()
    managed_fields: Annotated[
        tuple[Any, ...], doc("Which manager applied which fields.", atomic=True)
    ] = ()


class LabelSelectorRequirement(KubeStruct, frozen=True, kw_only=True):
    """One condition on a label."""

    key: Annotated[str, doc("Label key.", required=True)] = ""
    operator: Annotated[
        str,
        doc("How key and values relate: In, NotIn, Exists or DoesNotExist.", required=True),
    ] = ""
    values: Annotated[tuple[str, ...], doc("Values for In and NotIn.", atomic=True)] = ()


class LabelSelector(KubeStruct, frozen=True, kw_only=True):
    """Selects objects by label; all conditions must hold. An empty one selects everything."""

    ATOMIC: ClassVar[bool] = True

    match_labels: Annotated[dict[str, str], doc("Labels that must have exactly these values.")] = (
        field(default_factory=dict)
    )
    match_expressions: Annotated[
        tuple[LabelSelectorRequirement, ...], doc("Conditions on labels.", atomic=True)
    ] = ()


class Condition(KubeStruct, frozen=True, kw_only=True):
    """An observed aspect of an object's state."""

    type: Annotated[str, doc("Name of the aspect.", required=True)] = ""
    status: Annotated[str, doc("True, False or Unknown.", required=True)] = ""
    observed_generation: Annotated[
        int | None, doc("The generation this was observed on.", form="int64")
    ] = None
    last_probe_time: Annotated[Time | None, doc("When it was last looked at.")] = None
    last_update_time: Annotated[Time | None, doc("When it was last written.")] = None
    last_transition_time: Annotated[Time | None, doc("When the status last changed.")] = None
    reason: Annotated[str, doc("One word, for programs.")] = ""
    message: Annotated[str, doc("A sentence, for people.")] = ""


class LocalObjectReference(KubeStruct, frozen=True, kw_only=True):
    """Names an object in the same namespace."""

    ATOMIC: ClassVar[bool] = True

    name: Annotated[str, doc("Name of the object.")] = ""


class TypedLocalObjectReference(KubeStruct, frozen=True, kw_only=True):
    """Names an object of any kind in the same namespace."""

    ATOMIC: ClassVar[bool] = True

    api_group: Annotated[str | None, doc("Its API group; none: the core group.")] = None
    kind: Annotated[str, doc("Its kind.", required=True)] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""


class ObjectReference(KubeStruct, frozen=True, kw_only=True):
    """Names any object, or a part of it."""

    ATOMIC: ClassVar[bool] = True

    kind: Annotated[str, doc("Kind of the object.")] = ""
    namespace: Annotated[str, doc("Its namespace.")] = ""
    name: Annotated[str, doc("Its name.")] = ""
    uid: Annotated[str, doc("Its UID.")] = ""
    api_version: Annotated[str, doc("Its API version.")] = ""
    resource_version: Annotated[str, doc("The version referred to.")] = ""
    field_path: Annotated[str, doc("The part referred to, such as `spec.containers{web}`.")] = ""


class KubeObject(KubeStruct, frozen=True, kw_only=True):
    """What every object starts with."""

    api_version: Annotated[str, doc("Group and version of the kind.")] = ""
    kind: Annotated[str, doc("Kind of the object.")] = ""
    metadata: Annotated[ObjectMeta, doc("Name, namespace, labels and bookkeeping.")] = ObjectMeta()


class StoredObject(KubeObject, frozen=True, kw_only=True):
    """A kind that is kept and served, and whose content nothing here acts on."""

    spec: Annotated[Any, doc("Desired state.")] = None
    status: Annotated[Any, doc("Observed state.")] = None
