"""The `coordination.k8s.io` API group. Pure."""

from typing import Annotated

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject, Time


class LeaseSpec(KubeStruct, frozen=True, kw_only=True):
    """Who holds a lease, and until when."""

    holder_identity: Annotated[str | None, doc("Who holds it.")] = None
    lease_duration_seconds: Annotated[
        int | None, doc("Seconds after the last renewal until others may take it.")
    ] = None
    acquire_time: Annotated[Time | None, doc("When the holder took it.")] = None
    renew_time: Annotated[Time | None, doc("When the holder last renewed it.")] = None
    lease_transitions: Annotated[int | None, doc("How often the holder changed.")] = None
    strategy: Annotated[str | None, doc("How the next holder is chosen.")] = None
    preferred_holder: Annotated[str | None, doc("Who should take it next.")] = None


class Lease(KubeObject, frozen=True, kw_only=True):
    """A claim that one of several holds for a time, such as to lead them."""

    spec: Annotated[LeaseSpec, doc("Who holds it.")] = LeaseSpec()
