"""How objects of the Gateway API name others, and what is said of those that do. Pure."""

from typing import Annotated

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import Condition

GROUP = "gateway.networking.k8s.io"
"""The API group of the Gateway API's kinds."""


class ParentReference(KubeStruct, frozen=True, kw_only=True):
    """What a route attaches to: a Gateway, a ListenerSet or a Service, perhaps a part of it."""

    group: Annotated[str, doc("API group of the parent.")] = GROUP
    kind: Annotated[str, doc("Kind of the parent.")] = "Gateway"
    namespace: Annotated[str, doc("Namespace of the parent; default this one.")] = ""
    name: Annotated[str, doc("Name of the parent.", required=True)] = ""
    section_name: Annotated[str, doc("The listener, or the Service's port, of that name.")] = ""
    port: Annotated[int | None, doc("The listener, or the Service's port, of that number.")] = None


class BackendObjectReference(KubeStruct, frozen=True, kw_only=True):
    """What requests are sent to."""

    group: Annotated[str, doc("API group; empty is the core group.")] = ""
    kind: Annotated[str, doc("Kind.")] = "Service"
    name: Annotated[str, doc("Name.", required=True)] = ""
    namespace: Annotated[
        str, doc("Namespace; another than this one must grant it (ReferenceGrant).")
    ] = ""
    port: Annotated[int | None, doc("Port of the Service.")] = None


class SecretObjectReference(KubeStruct, frozen=True, kw_only=True):
    """A certificate, or another object with something secret."""

    group: Annotated[str, doc("API group; empty is the core group.")] = ""
    kind: Annotated[str, doc("Kind.")] = "Secret"
    name: Annotated[str, doc("Name.", required=True)] = ""
    namespace: Annotated[
        str, doc("Namespace; another than this one must grant it (ReferenceGrant).")
    ] = ""


class ObjectReference(KubeStruct, frozen=True, kw_only=True):
    """An object of any kind."""

    group: Annotated[str, doc("API group; empty is the core group.")] = ""
    kind: Annotated[str, doc("Kind.", required=True)] = ""
    name: Annotated[str, doc("Name.", required=True)] = ""
    namespace: Annotated[
        str, doc("Namespace; another than this one must grant it (ReferenceGrant).")
    ] = ""


class LocalReference(KubeStruct, frozen=True, kw_only=True):
    """An object of any kind in the same namespace."""

    group: Annotated[str, doc("API group; empty is the core group.")] = ""
    kind: Annotated[str, doc("Kind.", required=True)] = ""
    name: Annotated[str, doc("Name.", required=True)] = ""


class RouteParentStatus(KubeStruct, frozen=True, kw_only=True):
    """What a controller says of a route at one of its parents."""

    parent_ref: Annotated[ParentReference, doc("The parent.", required=True)] = ParentReference()
    controller_name: Annotated[str, doc("Who says it.", required=True)] = ""
    conditions: Annotated[tuple[Condition, ...], doc("Conditions.", keys=("type",))] = ()


class RouteStatus(KubeStruct, frozen=True, kw_only=True):
    """What is said of a route."""

    parents: Annotated[
        tuple[RouteParentStatus, ...], doc("By parent and controller.", required=True, atomic=True)
    ] = ()
