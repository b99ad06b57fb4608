"""The `scheduling.k8s.io` API group. Pure."""

from typing import Annotated

from lateen.model.schema.marks import doc
from lateen.model.schema.objectmeta import KubeObject


class PriorityClass(KubeObject, frozen=True, kw_only=True):
    """A priority of pods with a name."""

    value: Annotated[int | None, doc("The priority; the higher, the sooner placed.")] = None
    global_default: Annotated[bool | None, doc("Whether pods that name none have it.")] = None
    description: Annotated[str, doc("What it is for.")] = ""
    preemption_policy: Annotated[
        str | None,
        doc("Whether such pods push others out.", enum=("Never", "PreemptLowerPriority")),
    ] = None
