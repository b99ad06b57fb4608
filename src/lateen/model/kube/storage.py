"""The `storage.k8s.io` API group. Pure."""

from typing import Annotated, ClassVar

from msgspec import field

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject


class TopologySelectorLabelRequirement(KubeStruct, frozen=True, kw_only=True):
    """A label that has one of some values."""

    key: Annotated[str, doc("The label.", required=True)] = ""
    values: Annotated[tuple[str, ...], doc("The values.", required=True, atomic=True)] = ()


class TopologySelectorTerm(KubeStruct, frozen=True, kw_only=True):
    """Where volumes may be; all conditions must hold."""

    ATOMIC: ClassVar[bool] = True

    match_label_expressions: Annotated[
        tuple[TopologySelectorLabelRequirement, ...], doc("Conditions on labels.", atomic=True)
    ] = ()


class StorageClass(KubeObject, frozen=True, kw_only=True):
    """A class of volumes that are made when they are claimed."""

    provisioner: Annotated[str, doc("Who makes them.", required=True)] = ""
    parameters: Annotated[dict[str, str], doc("Settings for the provisioner.")] = field(
        default_factory=dict
    )
    reclaim_policy: Annotated[
        str | None,
        doc(
            "What becomes of a volume after its claim; default Delete.",
            enum=("Delete", "Recycle", "Retain"),
        ),
    ] = None
    mount_options: Annotated[tuple[str, ...], doc("Options of the mount.", atomic=True)] = ()
    allow_volume_expansion: Annotated[bool | None, doc("Whether volumes may grow.")] = None
    volume_binding_mode: Annotated[
        str | None,
        doc(
            "When a claim gets its volume; default Immediate.",
            enum=("Immediate", "WaitForFirstConsumer"),
        ),
    ] = None
    allowed_topologies: Annotated[
        tuple[TopologySelectorTerm, ...], doc("Where volumes may be; none: anywhere.", atomic=True)
    ] = ()
