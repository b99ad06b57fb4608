"""Small types that several Istio kinds share. Pure."""

from typing import Annotated, Any

from msgspec import field

from lateen.model.schema.marks import ProtoStruct, doc
from lateen.model.schema.objectmeta import Condition, ObjectMeta

Duration = Annotated[str, doc(form="duration")]
"""A length of time such as `1.5s`, `250ms`, `1h`."""


class ProtoObject(ProtoStruct, frozen=True, kw_only=True):
    """What every Istio object starts with."""

    api_version: Annotated[str, doc("Group and version of the kind.")] = ""
    kind: Annotated[str, doc("Kind of the object.")] = ""
    metadata: Annotated[ObjectMeta, doc("Name, namespace, labels and bookkeeping.")] = ObjectMeta()


class IstioStatus(ProtoStruct, frozen=True, kw_only=True):
    """What the control plane says of an Istio object."""

    conditions: Annotated[tuple[Condition, ...], doc("Conditions.")] = ()
    validation_messages: Annotated[tuple[Any, ...], doc("Findings of the analyzers.")] = ()
    observed_generation: Annotated[int | None, doc("Generation acted on.", form="int64")] = None


class WorkloadSelector(ProtoStruct, frozen=True, kw_only=True):
    """Selects pods in the object's own namespace by label; an empty one selects all of them."""

    match_labels: Annotated[dict[str, str], doc("Labels the pods must have.")] = field(
        default_factory=dict
    )


class PolicyTargetReference(ProtoStruct, frozen=True, kw_only=True):
    """Attaches a policy to a Kubernetes Gateway or a Service behind a waypoint."""

    group: Annotated[str, doc("API group of the target.")] = ""
    kind: Annotated[str, doc("Kind of the target.")] = ""
    name: Annotated[str, doc("Name of the target.")] = ""
    namespace: Annotated[str, doc("Must be the policy's own.")] = ""


class StringMatch(ProtoStruct, frozen=True, kw_only=True):
    """How a text must look; one of the three."""

    exact: Annotated[str | None, doc("Equal to this.")] = None
    prefix: Annotated[str | None, doc("Begins with this.")] = None
    regex: Annotated[str | None, doc("The whole text matches this RE2 expression.")] = None


class Percent(ProtoStruct, frozen=True, kw_only=True):
    """A percentage from 0 to 100."""

    value: Annotated[float | None, doc("The percentage; unset is 0.")] = None


class PortSelector(ProtoStruct, frozen=True, kw_only=True):
    """A port by number."""

    number: Annotated[int, doc("Port number.")] = 0


class Port(ProtoStruct, frozen=True, kw_only=True):
    """A port with a protocol and a name."""

    number: Annotated[int, doc("Port number.")] = 0
    protocol: Annotated[
        str, doc("HTTP, HTTPS, GRPC, GRPC-Web, HTTP2, MONGO, TCP, TLS and a few more.")
    ] = ""
    name: Annotated[str, doc("Name of the port.")] = ""
    target_port: Annotated[
        int, doc("Port of the endpoints; not allowed in a Gateway.", compiled=False)
    ] = 0
