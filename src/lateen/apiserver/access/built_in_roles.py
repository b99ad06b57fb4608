"""The ClusterRoles and bindings that every cluster has, as far as this lab has what they are for.

`admin`, `edit` and `view` are put together from roles with aggregation labels, so that a manifest
which adds a labelled ClusterRole extends them here too. Pure.
"""

from collections.abc import Iterator, Sequence

from lateen.apiserver.access.rbac import EVERYTHING, GROUP
from lateen.base.jsonvalue import Json

_READ = "get list watch"
_WRITE = "create delete deletecollection patch update"
_AGGREGATE = f"{GROUP}/aggregate-to-"

_VIEWED = (
    (
        "",
        "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods "
        "replicationcontrollers replicationcontrollers/scale serviceaccounts services "
        "services/status bindings events limitranges namespaces namespaces/status pods/log "
        "pods/status replicationcontrollers/status resourcequotas resourcequotas/status",
    ),
    ("discovery.k8s.io", "endpointslices"),
    (
        "apps",
        "controllerrevisions daemonsets daemonsets/status deployments deployments/scale "
        "deployments/status replicasets replicasets/scale replicasets/status statefulsets "
        "statefulsets/scale statefulsets/status",
    ),
    ("autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"),
    ("batch", "cronjobs cronjobs/status jobs jobs/status"),
    ("networking.k8s.io", "ingresses ingresses/status networkpolicies"),
    ("policy", "poddisruptionbudgets poddisruptionbudgets/status"),
)
_SECRET = "pods/attach pods/exec pods/portforward pods/proxy secrets services/proxy"
_EDITED = (
    (
        "",
        "pods pods/attach pods/exec pods/portforward pods/proxy configmaps events "
        "persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
        "serviceaccounts services services/proxy",
    ),
    (
        "apps",
        "daemonsets deployments deployments/rollback deployments/scale replicasets "
        "replicasets/scale statefulsets statefulsets/scale",
    ),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "cronjobs jobs"),
    ("networking.k8s.io", "ingresses networkpolicies"),
    ("policy", "poddisruptionbudgets"),
)
_INFO = "/healthz /livez /readyz /version /version/"
_ISSUER = "/.well-known/openid-configuration /openid/v1/jwks"
_DISCOVERY = f"/api /api/* /apis /apis/* /openapi /openapi/* {_INFO}"


def _rule(group: str, resources: str, verbs: str) -> Json:
    return {"apiGroups": [group], "resources": resources.split(), "verbs": verbs.split()}


def _paths(paths: str) -> Json:
    return {"nonResourceURLs": paths.split(), "verbs": ["get"]}


def _everything() -> list[Json]:
    return [one.as_json() for one in EVERYTHING]


def _named(kind: str, name: str) -> Json:
    metadata = {
        "name": name,
        "annotations": {f"{GROUP}/autoupdate": "true"},
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
    }
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata}


def _role(name: str, rules: Sequence[Json], part_of: str = "") -> Json:
    made = _named("ClusterRole", name)
    if part_of:
        made["metadata"]["labels"][_AGGREGATE + part_of] = "true"
    return {**made, "rules": list(rules)}


def _whole(name: str, label: str, rules: Sequence[Json], part_of: str = "") -> Json:
    selector = {"matchLabels": {_AGGREGATE + label: "true"}}
    aggregation = {"clusterRoleSelectors": [selector]}
    return {**_role(name, rules, part_of), "aggregationRule": aggregation}


def roles() -> Iterator[Json]:
    """Yield the ClusterRoles."""
    viewed = [_rule(group, resources, _READ) for group, resources in _VIEWED]
    edited = [
        _rule("", _SECRET, _READ),
        _rule("", "serviceaccounts", "impersonate"),
        *(_rule(group, resources, _WRITE) for group, resources in _EDITED),
        _rule("", "pods/eviction serviceaccounts/token", "create"),
        _rule("coordination.k8s.io", "leases", f"{_WRITE} {_READ}"),
    ]
    administered = [
        _rule("authorization.k8s.io", "localsubjectaccessreviews", "create"),
        _rule(GROUP, "rolebindings roles", f"{_WRITE} {_READ}"),
    ]
    yield _role("cluster-admin", _everything())
    yield _role("system:aggregate-to-view", viewed, "view")
    yield _role("system:aggregate-to-edit", edited, "edit")
    yield _role("system:aggregate-to-admin", administered, "admin")
    # Each takes in the one below it; the order of rules is that of the labelled roles' names.
    yield _whole("view", "view", viewed, "edit")
    yield _whole("edit", "edit", [*edited, *viewed], "admin")
    yield _whole("admin", "admin", [*edited, *viewed, *administered])
    yield _role(
        "system:basic-user",
        [
            _rule(
                "authorization.k8s.io",
                "selfsubjectaccessreviews selfsubjectrulesreviews",
                "create",
            ),
            _rule("authentication.k8s.io", "selfsubjectreviews", "create"),
        ],
    )
    yield _role("system:discovery", [_paths(_DISCOVERY)])
    yield _role("system:public-info-viewer", [_paths(_INFO)])
    yield _role("system:service-account-issuer-discovery", [_paths(_ISSUER)])
    yield _role("system:monitoring", [_paths("/healthz /healthz/* /livez /livez/* /metrics")])
    yield _role(
        "system:auth-delegator",
        [
            _rule("authentication.k8s.io", "tokenreviews", "create"),
            _rule("authorization.k8s.io", "subjectaccessreviews", "create"),
        ],
    )


_GROUPS = (
    ("cluster-admin", ("system:masters",)),
    ("system:basic-user", ("system:authenticated",)),
    ("system:discovery", ("system:authenticated",)),
    ("system:public-info-viewer", ("system:authenticated", "system:unauthenticated")),
    ("system:service-account-issuer-discovery", ("system:serviceaccounts",)),
    ("system:monitoring", ("system:monitoring",)),
)


def bindings() -> Iterator[Json]:
    """Yield the ClusterRoleBindings, each named like its role."""
    for name, groups in _GROUPS:
        yield {
            **_named("ClusterRoleBinding", name),
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": one} for one in groups],
        }
