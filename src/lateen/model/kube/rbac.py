"""The `rbac.authorization.k8s.io` API group. Pure."""

from typing import Annotated, ClassVar

from lateen.model.schema.marks import KubeStruct, doc
from lateen.model.schema.objectmeta import KubeObject, LabelSelector


class PolicyRule(KubeStruct, frozen=True, kw_only=True):
    """Verbs that are allowed on resources, or on paths that are no resources."""

    verbs: Annotated[
        tuple[str, ...], doc("What may be done; `*` is everything.", required=True, atomic=True)
    ] = ()
    api_groups: Annotated[
        tuple[str, ...], doc('API groups of the resources; "" is the core group.', atomic=True)
    ] = ()
    resources: Annotated[
        tuple[str, ...], doc("Resources, such as `pods` or `pods/log`; `*` is all.", atomic=True)
    ] = ()
    resource_names: Annotated[
        tuple[str, ...], doc("Names the rule is limited to; none: all.", atomic=True)
    ] = ()
    non_resource_urls: Annotated[
        tuple[str, ...], doc("Paths such as `/healthz`; in ClusterRoles only.", atomic=True)
    ] = ()


class AggregationRule(KubeStruct, frozen=True, kw_only=True):
    """Whose rules a ClusterRole is made of."""

    cluster_role_selectors: Annotated[
        tuple[LabelSelector, ...], doc("ClusterRoles that one of these selects.", atomic=True)
    ] = ()


class Role(KubeObject, frozen=True, kw_only=True):
    """Rights in one namespace, for bindings to grant."""

    rules: Annotated[tuple[PolicyRule, ...], doc("What is allowed.", atomic=True)] = ()


class ClusterRole(KubeObject, frozen=True, kw_only=True):
    """Rights in all namespaces, or in the one of a RoleBinding that refers to it."""

    rules: Annotated[
        tuple[PolicyRule, ...],
        doc("What is allowed; filled in where there is an aggregationRule.", atomic=True),
    ] = ()
    aggregation_rule: Annotated[
        AggregationRule | None, doc("Other ClusterRoles whose rules it has.")
    ] = None


class Subject(KubeStruct, frozen=True, kw_only=True):
    """Who is granted the rights."""

    ATOMIC: ClassVar[bool] = True

    kind: Annotated[str, doc("ServiceAccount, User or Group.", required=True)] = ""
    api_group: Annotated[str, doc("Empty for a ServiceAccount, else that of RBAC.")] = ""
    name: Annotated[str, doc("Its name.", required=True)] = ""
    namespace: Annotated[str, doc("Namespace of a ServiceAccount.")] = ""


class RoleRef(KubeStruct, frozen=True, kw_only=True):
    """The role that is granted; it can never change."""

    ATOMIC: ClassVar[bool] = True

    api_group: Annotated[str, doc("rbac.authorization.k8s.io, which is the default.")] = ""
    kind: Annotated[str, doc("Role or ClusterRole.", required=True)] = ""
    name: Annotated[str, doc("Name of the role.", required=True)] = ""


class RoleBinding(KubeObject, frozen=True, kw_only=True):
    """Grants the rights of a role in one namespace."""

    subjects: Annotated[tuple[Subject, ...], doc("Who gets them.", atomic=True)] = ()
    role_ref: Annotated[RoleRef, doc("The role that is granted.", required=True)] = RoleRef()


class ClusterRoleBinding(KubeObject, frozen=True, kw_only=True):
    """Grants the rights of a ClusterRole in all namespaces."""

    subjects: Annotated[tuple[Subject, ...], doc("Who gets them.", atomic=True)] = ()
    role_ref: Annotated[RoleRef, doc("The role that is granted.", required=True)] = RoleRef()
