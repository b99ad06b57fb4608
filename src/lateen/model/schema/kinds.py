"""Every kind that is served: one row each. Pure."""

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec


class Column(NamedTuple):
    """A column of `kubectl get`: `path` is a JSON path such as `.spec.host`; `wide` columns show
    with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


AGE = Column("Age", ".metadata.creationTimestamp", "date")


def struct_at(place: str) -> type[msgspec.Struct]:
    """Return the struct at a place in this room, such as `core.Pod`; its module loads."""
    module, _, name = place.rpartition(".")
    found: type[msgspec.Struct] = getattr(importlib.import_module(f"lateen.model.{module}"), name)
    return found


class KindInfo(msgspec.Struct, frozen=True):
    """What is known of a kind.

    `versions` begins with the storage version. `typed` names a module of this room and the struct
    in it (`core.Pod`); it is empty for a kind whose content is kept as it is. `compiled` says that
    the mesh compiler reads it, `acted_on` that anything here does.
    """

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    typed: str = ""
    older: tuple[tuple[str, str], ...] = ()
    """Versions whose objects have a struct of their own, with its place as in `typed`."""
    columns: tuple[Column, ...] = ()
    status: bool = True
    scale: bool = False
    acted_on: bool = False
    compiled: bool = False

    @property
    def struct(self) -> type[msgspec.Struct] | None:
        """The struct of its objects, None for a kind whose content is kept as it is.

        Loaded when it is first asked for: defining all of them takes 20 ms, and each process of a
        lab reads a few.
        """
        return struct_at(self.typed) if self.typed else None

    def in_version(self, version: str) -> "KindInfo":
        """Return the row by which objects of a version (`v1` or `autoscaling/v1`) are read: its
        struct is that of the version. Of most kinds all versions have the same."""
        for name, typed in self.older:
            if version in (name, self._with_group(name)):
                return msgspec.structs.replace(self, typed=typed)
        return self

    @property
    def resource(self) -> str:
        """Return plural.group, or the plural alone in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """Return the storage version with its group: `apps/v1`, `v1`."""
        return self._with_group(self.versions[0])

    @property
    def api_versions(self) -> tuple[str, ...]:
        """Return all served versions with their group, the storage version first."""
        return tuple(self._with_group(version) for version in self.versions)

    @property
    def is_istio(self) -> bool:
        """Whether it is one of Istio's kinds, that is a custom resource of protobuf shape."""
        return self.group.endswith(".istio.io")

    def _with_group(self, version: str) -> str:
        return f"{self.group}/{version}" if self.group else version


def _built_in(
    api: str,
    kind: str,
    plural: str,
    *short: str,
    module: str = "",
    marks: str = "",
    older: tuple[tuple[str, str], ...] = (),
) -> KindInfo:
    """Make a row of Kubernetes' own; `module` is where its struct is, `marks` are words that
    name the row's flags, `older` the versions served beside the newest, each with its module."""
    group, _, version = api.rpartition("/")
    words = frozenset(marks.split())
    return KindInfo(
        group=group,
        versions=(version, *(name for name, _ in older)),
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=short,
        categories=("all",) if "all" in words else (),
        namespaced="cluster" not in words,
        typed=f"{module}.{kind}" if module else "",
        older=tuple((name, f"{holds}.{kind}") for name, holds in older),
        status="status" in words,
        scale="scale" in words,
        acted_on="acted-on" in words,
        compiled="compiled" in words,
    )


def _istio(
    group: str,
    kind: str,
    plural: str,
    *short: str,
    module: str,
    versions: tuple[str, ...] = ("v1", "v1beta1"),
    columns: tuple[Column, ...] = (),
    acted_on: bool = False,
) -> KindInfo:
    return KindInfo(
        group=f"{group}.istio.io",
        versions=versions,
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=short,
        categories=("istio-io", f"{group}-istio-io"),
        typed=f"{module}.{kind}",
        columns=columns,
        status=True,
        acted_on=acted_on,
        compiled=True,
    )


_CORE = (
    _built_in(
        "v1", "Pod", "pods", "po", module="kube.core.objects", marks="all status acted-on compiled"
    ),
    _built_in(
        "v1",
        "Service",
        "services",
        "svc",
        module="kube.core.objects",
        marks="all status acted-on compiled",
    ),
    _built_in(
        "v1",
        "Namespace",
        "namespaces",
        "ns",
        module="kube.core.objects",
        marks="cluster status acted-on compiled",
    ),
    _built_in(
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        "sa",
        module="kube.core.objects",
        marks="acted-on",
    ),
    _built_in("v1", "Secret", "secrets", module="kube.core.objects", marks="acted-on compiled"),
    _built_in(
        "v1", "ConfigMap", "configmaps", "cm", module="kube.core.objects", marks="acted-on compiled"
    ),
    _built_in(
        "v1",
        "Node",
        "nodes",
        "no",
        module="kube.core.objects",
        marks="cluster status acted-on compiled",
    ),
    _built_in("v1", "Event", "events", "ev", module="kube.core.objects", marks="acted-on"),
    _built_in("v1", "Endpoints", "endpoints", "ep", module="kube.core.objects", marks="acted-on"),
    _built_in("v1", "PodTemplate", "podtemplates", module="kube.core.objects"),
    _built_in(
        "v1",
        "ReplicationController",
        "replicationcontrollers",
        "rc",
        module="kube.core.replication",
        marks="all status",
    ),
    _built_in("v1", "LimitRange", "limitranges", "limits", module="kube.core.quota"),
    _built_in(
        "v1", "ResourceQuota", "resourcequotas", "quota", module="kube.core.quota", marks="status"
    ),
    _built_in(
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        "pv",
        module="kube.core.storage",
        marks="cluster status",
    ),
    _built_in(
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
        "pvc",
        module="kube.core.storage",
        marks="status",
    ),
)

_WORKLOADS = (
    _built_in(
        "apps/v1",
        "Deployment",
        "deployments",
        "deploy",
        module="kube.apps.workloads",
        marks="all status scale acted-on",
    ),
    _built_in(
        "apps/v1",
        "ReplicaSet",
        "replicasets",
        "rs",
        module="kube.apps.workloads",
        marks="all status scale acted-on",
    ),
    _built_in(
        "apps/v1",
        "StatefulSet",
        "statefulsets",
        "sts",
        module="kube.apps.stateful",
        marks="all status scale acted-on",
    ),
    _built_in(
        "apps/v1",
        "DaemonSet",
        "daemonsets",
        "ds",
        module="kube.apps.workloads",
        marks="all status acted-on",
    ),
    _built_in("apps/v1", "ControllerRevision", "controllerrevisions", module="kube.apps.stateful"),
    _built_in("batch/v1", "Job", "jobs", module="kube.apps.batch", marks="all status acted-on"),
    _built_in(
        "batch/v1",
        "CronJob",
        "cronjobs",
        "cj",
        module="kube.apps.batch",
        marks="all status acted-on",
    ),
    _built_in(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        "endpointslices",
        module="kube.discovery",
        marks="acted-on compiled",
    ),
)

_RBAC = "rbac.authorization.k8s.io/v1"
_ADMISSION = "admissionregistration.k8s.io/v1"

_STORED = (
    _built_in(
        "networking.k8s.io/v1", "Ingress", "ingresses", "ing", module="kube.ingress", marks="status"
    ),
    _built_in(
        "networking.k8s.io/v1",
        "IngressClass",
        "ingressclasses",
        module="kube.ingress",
        marks="cluster",
    ),
    _built_in(
        "networking.k8s.io/v1",
        "NetworkPolicy",
        "networkpolicies",
        "netpol",
        module="kube.netpolicy",
    ),
    _built_in(_RBAC, "Role", "roles", module="kube.rbac", marks="acted-on"),
    _built_in(_RBAC, "RoleBinding", "rolebindings", module="kube.rbac", marks="acted-on"),
    _built_in(_RBAC, "ClusterRole", "clusterroles", module="kube.rbac", marks="cluster acted-on"),
    _built_in(
        _RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        module="kube.rbac",
        marks="cluster acted-on",
    ),
    _built_in(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "hpa",
        marks="all status",
        module="kube.apps.autoscaling",
        older=(("v1", "kube.apps.autoscaling_v1"),),
    ),
    _built_in(
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "pdb",
        module="kube.policy",
        marks="status",
    ),
    _built_in("coordination.k8s.io/v1", "Lease", "leases", module="kube.coordination"),
    _built_in(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        "priorityclasses",
        "pc",
        module="kube.scheduling",
        marks="cluster",
    ),
    _built_in(
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        "csr",
        module="kube.certificates",
        marks="cluster status",
    ),
    _built_in(
        "storage.k8s.io/v1",
        "StorageClass",
        "storageclasses",
        "sc",
        module="kube.storage",
        marks="cluster",
    ),
    _built_in(
        _ADMISSION,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        module="kube.admission",
        marks="cluster",
    ),
    _built_in(
        _ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        module="kube.admission",
        marks="cluster",
    ),
    _built_in(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd",
        "crds",
        module="kube.apiextensions",
        marks="cluster status acted-on",
    ),
    _built_in(
        "lateen.dev/v1",
        "SourceMap",
        "sourcemaps",
        module="manifests.sourcemap",
        marks="acted-on compiled",
    ),
)

_ALL_VERSIONS = ("v1", "v1beta1", "v1alpha3")

_ISTIO = (
    _istio(
        "networking",
        "Gateway",
        "gateways",
        "gw",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        acted_on=True,
    ),
    _istio(
        "networking",
        "VirtualService",
        "virtualservices",
        "vs",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(Column("Gateways", ".spec.gateways"), Column("Hosts", ".spec.hosts"), AGE),
        acted_on=True,
    ),
    _istio(
        "networking",
        "DestinationRule",
        "destinationrules",
        "dr",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(Column("Host", ".spec.host"), AGE),
        acted_on=True,
    ),
    _istio(
        "networking",
        "ServiceEntry",
        "serviceentries",
        "se",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(
            Column("Hosts", ".spec.hosts"),
            Column("Location", ".spec.location"),
            Column("Resolution", ".spec.resolution"),
            AGE,
        ),
    ),
    _istio(
        "networking",
        "WorkloadEntry",
        "workloadentries",
        "we",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(AGE, Column("Address", ".spec.address")),
    ),
    _istio(
        "networking",
        "WorkloadGroup",
        "workloadgroups",
        "wg",
        module="istio.networking",
        versions=_ALL_VERSIONS,
        columns=(AGE,),
    ),
    _istio("networking", "Sidecar", "sidecars", module="istio.networking", versions=_ALL_VERSIONS),
    _istio(
        "networking",
        "EnvoyFilter",
        "envoyfilters",
        module="istio.networking",
        versions=("v1alpha3",),
    ),
    _istio(
        "networking",
        "ProxyConfig",
        "proxyconfigs",
        module="istio.networking",
        versions=("v1beta1",),
    ),
    _istio(
        "security",
        "PeerAuthentication",
        "peerauthentications",
        "pa",
        module="istio.security",
        columns=(Column("Mode", ".spec.mtls.mode"), AGE),
        acted_on=True,
    ),
    _istio(
        "security",
        "AuthorizationPolicy",
        "authorizationpolicies",
        "ap",
        module="istio.security",
        columns=(Column("Action", ".spec.action"), AGE),
        acted_on=True,
    ),
    _istio(
        "security", "RequestAuthentication", "requestauthentications", "ra", module="istio.security"
    ),
    _istio(
        "telemetry",
        "Telemetry",
        "telemetries",
        "telemetry",
        module="istio.telemetry",
        versions=("v1", "v1alpha1"),
        columns=(AGE,),
        acted_on=True,
    ),
    _istio(
        "extensions",
        "WasmPlugin",
        "wasmplugins",
        module="istio.telemetry",
        versions=("v1alpha1",),
        columns=(AGE,),
    ),
)

KINDS: Mapping[str, KindInfo] = MappingProxyType(
    {info.resource: info for info in (*_CORE, *_WORKLOADS, *_STORED, *_ISTIO)}
)
"""Every served kind by resource name (`pods`, `deployments.apps`)."""

_BY_API_AND_KIND = {
    (api_version, info.kind): info for info in KINDS.values() for api_version in info.api_versions
}


def _names() -> dict[str, KindInfo]:
    """Index rows by every name a user may type; the first row to claim a name keeps it."""
    found: dict[str, KindInfo] = {}
    for info in KINDS.values():
        for name in (info.resource, info.plural, info.singular, info.kind.lower()):
            found.setdefault(name, info)
        for version in info.versions:
            if info.group:
                found.setdefault(f"{info.plural}.{version}.{info.group}", info)
                found.setdefault(f"{info.singular}.{version}.{info.group}", info)
        found.setdefault(f"{info.singular}.{info.group}", info)
    for info in KINDS.values():
        for name in info.short_names:
            found.setdefault(name, info)
    return found


_BY_NAME = _names()


def find(api_version: str, kind: str) -> KindInfo | None:
    """Return the row of a kind in a served group and version; both are case-sensitive."""
    return _BY_API_AND_KIND.get((api_version, kind))


def find_resource(name: str) -> KindInfo | None:
    """Return the row a user means: plural, singular, kind, short name, `plural.group` or
    `plural.version.group`, in any case."""
    return _BY_NAME.get(name.lower())


def in_category(name: str) -> tuple[KindInfo, ...]:
    """Return the rows of a category such as `all` or `istio-io`."""
    return tuple(info for info in KINDS.values() if name in info.categories)
