"""ReplicationController of the core API group. Pure."""

from typing import Annotated

from msgspec import field

from lateen.model.kube.core.pod import PodTemplateSpec
from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition, KubeObject


class ReplicationControllerSpec(KubeStruct, frozen=True, kw_only=True):
    """Desired pods of a ReplicationController."""

    replicas: Annotated[int | None, doc("How many pods; default 1.")] = None
    min_ready_seconds: Annotated[int | None, doc("Seconds ready before it counts.")] = None
    selector: Annotated[
        dict[str, str], doc("Labels of its pods; default: the template's.", atomic=True)
    ] = field(default_factory=dict)
    template: Annotated[PodTemplateSpec | None, doc("What the pods look like.")] = None


class ReplicationControllerStatus(KubeStruct, frozen=True, kw_only=True):
    """Observed state of a ReplicationController."""

    replicas: Annotated[int, doc("Pods.", required=True)] = 0
    fully_labeled_replicas: Annotated[int | None, doc("Pods with the template's labels.")] = None
    ready_replicas: Annotated[int | None, doc("Ready pods.")] = None
    available_replicas: Annotated[int | None, doc("Pods ready for long enough.")] = None
    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", merge="type")] = ()


class ReplicationController(KubeObject, frozen=True, kw_only=True):
    """Keeps a number of equal pods; a ReplicaSet is the newer form."""

    spec: Annotated[ReplicationControllerSpec, doc("Desired pods.")] = ReplicationControllerSpec()
    status: Annotated[ReplicationControllerStatus, doc("Observed state.")] = (
        ReplicationControllerStatus()
    )
