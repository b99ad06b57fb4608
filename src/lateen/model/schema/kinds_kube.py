"""The rows of Kubernetes' kinds, and of Lateen's own. Pure."""

from lateen.model.schema.kindinfo import KindInfo


def _built_in(
    api: str,
    kind: str,
    plural: str,
    *short: str,
    module: str = "",
    marks: str = "",
) -> KindInfo:
    """Make a row of Kubernetes' own; `module` is where its struct is, `marks` are words that
    name the row's flags."""
    group, _, version = api.rpartition("/")
    words = frozenset(marks.split())
    return KindInfo(
        group=group,
        versions=(version,),
        kind=kind,
        plural=plural,
        singular=kind.lower(),
        short_names=short,
        categories=("all",) if "all" in words else (),
        namespaced="cluster" not in words,
        typed=f"{module}.{kind}" if module else "",
        status="status" in words,
        scale="scale" in words,
        acted_on="acted-on" in words,
        compiled="compiled" in words,
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
        module="kube.published",
        marks="all status",
    ),
    _built_in("v1", "LimitRange", "limitranges", "limits", module="kube.published"),
    _built_in(
        "v1", "ResourceQuota", "resourcequotas", "quota", module="kube.published", marks="status"
    ),
    _built_in(
        "v1",
        "PersistentVolume",
        "persistentvolumes",
        "pv",
        module="kube.published",
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
    _built_in(_RBAC, "Role", "roles", module="kube.published", marks="acted-on"),
    _built_in(_RBAC, "RoleBinding", "rolebindings", module="kube.published", marks="acted-on"),
    _built_in(
        _RBAC, "ClusterRole", "clusterroles", module="kube.published", marks="cluster acted-on"
    ),
    _built_in(
        _RBAC,
        "ClusterRoleBinding",
        "clusterrolebindings",
        module="kube.published",
        marks="cluster acted-on",
    ),
    _built_in(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "hpa",
        marks="all status",
        module="kube.published",
    ),
    _built_in(
        "policy/v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
        "pdb",
        module="kube.policy",
        marks="status",
    ),
    _built_in("coordination.k8s.io/v1", "Lease", "leases", module="kube.published"),
    _built_in(
        "scheduling.k8s.io/v1",
        "PriorityClass",
        "priorityclasses",
        "pc",
        module="kube.published",
        marks="cluster",
    ),
    _built_in(
        "certificates.k8s.io/v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        "csr",
        module="kube.published",
        marks="cluster status",
    ),
    _built_in(
        "storage.k8s.io/v1",
        "StorageClass",
        "storageclasses",
        "sc",
        module="kube.published",
        marks="cluster",
    ),
    _built_in(
        _ADMISSION,
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        module="kube.published",
        marks="cluster",
    ),
    _built_in(
        _ADMISSION,
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        module="kube.published",
        marks="cluster",
    ),
    _built_in(
        _ADMISSION,
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        module="kube.published",
        marks="cluster status acted-on",
    ),
    _built_in(
        _ADMISSION,
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        module="kube.published",
        marks="cluster acted-on",
    ),
    _built_in(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd",
        "crds",
        module="kube.published",
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

ROWS = (*_CORE, *_WORKLOADS, *_STORED)
