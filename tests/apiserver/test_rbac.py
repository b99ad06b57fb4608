"""Roles and bindings: what is granted, to whom, and what may be handed on."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.apiserver.access import auth, rbac
from lateen.apiserver.access.rbac import AccessQuestion, PolicyRule
from lateen.apiserver.protocol import request
from lateen.apiserver.serving import default_roles
from lateen.apiserver.writing import objects, verbs
from lateen.base.clock import SystemClock
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore

Json = dict[str, Any]
BOB = auth.service_account("home", "bob")
GROUP = rbac.GROUP
NAMESPACES = ("home", "other")


@pytest.fixture(scope="module")
def api() -> verbs.Api:
    """An API with a cluster's roles and two namespaces."""
    made = verbs.Api(MemoryStore(), SystemClock())
    default_roles.Roles(made).ensure()
    for name in NAMESPACES:
        made.create(made.target("namespaces"), {"metadata": {"name": name}}, verbs.WriteOptions())
    return made


Bind = Callable[..., auth.User]


@pytest.fixture
def bound(api: verbs.Api, request: pytest.FixtureRequest) -> Bind:
    """Make a ServiceAccount of its own and bind it: to a role by name, or by rules."""
    number = abs(hash(request.node.nodeid)) % 10**8

    def make(role: str = "", *, rules: list[Json] | None = None, namespace: str = "") -> auth.User:
        name = f"sa-{number}"
        if rules is not None:
            role = f"role-{number}"
            write(api, "clusterroles", "", {"metadata": {"name": role}, "rules": rules})
        subject = {"kind": "ServiceAccount", "name": name, "namespace": "home"}
        body = {
            "metadata": {"name": name},
            "roleRef": {"kind": "ClusterRole", "name": role},
            "subjects": [subject],
        }
        write(api, "rolebindings" if namespace else "clusterrolebindings", namespace, body)
        return auth.service_account("home", name)

    return make


def write(
    api: verbs.Api, plural: str, namespace: str, body: Json, user: auth.User = auth.SYSTEM
) -> Json:
    target = api.target(f"{plural}.{GROUP}", namespace)
    return api.create(target, body, verbs.WriteOptions(user=user)).object


def may(api: verbs.Api, user: auth.User, line: str) -> bool:
    """Tell whether a user may do what a request line asks."""
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    info = request.parse(method, path.encode(), query.encode())
    return api.authorizer.decide(user, request.asked_of(info)).allowed


READING = [
    ("GET /api/v1/namespaces/home/pods", True, True),
    ("GET /api/v1/namespaces/home/pods/x/log", True, True),
    ("GET /api/v1/namespaces/home/pods?watch=1", True, True),
    ("GET /apis/apps/v1/namespaces/home/deployments/x/scale", True, True),
    ("GET /api/v1/namespaces/home/secrets/x", False, True),
    ("GET /api/v1/namespaces/home/pods/x/exec?command=id", False, True),
    ("POST /api/v1/namespaces/home/configmaps", False, True),
    ("DELETE /api/v1/namespaces/home/pods", False, True),
    ("PATCH /apis/apps/v1/namespaces/home/deployments/x/scale", False, True),
    ("GET /api/v1/namespaces/other/pods", False, False),
    ("GET /api/v1/pods", False, False),
    ("GET /api/v1/nodes", False, False),
    ("POST /apis/rbac.authorization.k8s.io/v1/namespaces/home/roles", False, False),
]


@pytest.mark.parametrize(("line", "viewer", "editor"), READING)
def test_view_and_edit_in_one_namespace(
    api: verbs.Api, bound: Bind, line: str, viewer: bool, editor: bool
) -> None:
    assert may(api, BOB, line) is False, "without a binding"
    assert may(api, auth.ADMIN, line) is True
    user = bound("view", namespace="home")
    assert may(api, user, line) is viewer
    subject = {"kind": "User", "name": user.name}
    body = {"metadata": {"name": f"{user.name}-edits"}, "roleRef": {"kind": "ClusterRole"}}
    body["roleRef"]["name"] = "edit"
    write(api, "rolebindings", "home", {**body, "subjects": [subject]})
    assert may(api, user, line) is editor


@pytest.mark.parametrize(
    ("rule", "asked", "granted"),
    [
        ({"resources": ["pods"]}, {}, True),
        ({"resources": ["pods"]}, {"subresource": "log"}, False),
        ({"resources": ["pods/log"]}, {"subresource": "log"}, True),
        ({"resources": ["*/log"]}, {"subresource": "log"}, True),
        ({"resources": ["*/log"]}, {}, False),
        ({"resources": ["*"]}, {"subresource": "exec"}, True),
        ({"resources": ["pods"], "groups": ["apps"]}, {}, False),
        ({"resources": ["pods"], "groups": ["*"]}, {}, True),
        ({"resources": ["pods"], "names": ["a"]}, {"name": "a"}, True),
        ({"resources": ["pods"], "names": ["a"]}, {"name": "b"}, False),
        ({"resources": ["pods"], "names": ["a"]}, {}, False),
        ({"resources": ["pods"], "verbs": ["list"]}, {}, False),
        ({"resources": ["pods"], "verbs": ["*"]}, {}, True),
        ({"paths": ["*"]}, {}, False),
        ({"paths": ["/metrics"]}, {"path": "/metrics"}, True),
        ({"paths": ["/metrics"]}, {"path": "/metrics/more"}, False),
        ({"paths": ["/metrics/*"]}, {"path": "/metrics/more"}, True),
        ({"resources": ["*"]}, {"path": "/metrics"}, False),
    ],
)
def test_rules(rule: Json, asked: Json, granted: bool) -> None:
    given = {"verbs": ["get"], "groups": [""], **rule}
    made = PolicyRule(**{name: tuple(value) for name, value in given.items()})
    about = asked if "path" in asked else {"resource": "pods", **asked}
    assert made.grants(AccessQuestion(verb="get", **about)) is granted


def test_a_list_of_one_name_needs_the_right_to_it(api: verbs.Api, bound: Bind) -> None:
    rule = {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"]}
    user = bound(rules=[{**rule, "verbs": ["get", "list", "watch"]}])
    path = "GET /api/v1/namespaces/home/configmaps"
    assert may(api, user, f"{path}/mine")
    assert may(api, user, f"{path}?fieldSelector=metadata.name%3Dmine")
    assert not may(api, user, f"{path}?fieldSelector=metadata.name%3Dother")
    assert not may(api, user, path)


def test_refusals_in_kubernetes_words(api: verbs.Api, bound: Bind) -> None:
    user = bound("nowhere")
    asked = AccessQuestion(
        verb="get", group="apps", resource="deployments", namespace="home", name="web"
    )
    row = api.target("deployments.apps").info
    with pytest.raises(ApiError) as caught:
        api.authorizer.require(user, asked, row)
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")
    assert caught.value.message == (
        f'deployments.apps "web" is forbidden: User "{user.name}" cannot get resource '
        '"deployments" in API group "apps" in the namespace "home": '
        'RBAC: clusterrole.rbac.authorization.k8s.io "nowhere" not found'
    )
    with pytest.raises(ApiError) as caught:
        api.authorizer.require_path(BOB, AccessQuestion(verb="get", path="/metrics"))
    assert caught.value.message == (
        'forbidden: User "system:serviceaccount:home:bob" cannot get path "/metrics"'
    )


def test_who_granted_it_is_told(api: verbs.Api, bound: Bind) -> None:
    user = bound("view", namespace="home")
    said = api.authorizer.decide(
        user, AccessQuestion(verb="get", resource="pods", namespace="home")
    ).reason
    name = user.name.rpartition(":")[2]
    assert said == (
        f'RBAC: allowed by RoleBinding "{name}/home" of ClusterRole "view" '
        f'to ServiceAccount "{name}/home"'
    )


def test_labelled_roles_extend_those_put_together(api: verbs.Api, bound: Bind) -> None:
    user = bound("view", namespace="home")
    line = "GET /apis/networking.istio.io/v1/namespaces/home/virtualservices"
    assert not may(api, user, line)
    labels = {f"{GROUP}/aggregate-to-view": "true"}
    rule = {"apiGroups": ["networking.istio.io"], "resources": ["*"], "verbs": ["get", "list"]}
    body = {"metadata": {"name": "istio-reader", "labels": labels}, "rules": [rule]}
    write(api, "clusterroles", "", body)
    assert may(api, user, line)
    admin = api.get(api.target(f"clusterroles.{GROUP}", name="admin"))
    assert rule in admin["rules"], "view is a part of edit, and edit of admin"
    gone = api.target(f"clusterroles.{GROUP}", name="istio-reader")
    api.delete(gone, objects.DeleteOptions(), verbs.WriteOptions())
    assert not may(api, user, line)


def grant(api: verbs.Api, user: auth.User, rule: Json) -> None:
    write(api, "roles", "home", {"metadata": {"name": f"r{id(rule)}"}, "rules": [rule]}, user)


def test_nobody_hands_on_what_he_has_not(api: verbs.Api, bound: Bind) -> None:
    user = bound("admin", namespace="home")
    grant(api, user, {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "delete"]})
    more = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]}
    with pytest.raises(ApiError, match="attempting to grant RBAC permissions not") as caught:
        grant(api, user, more)
    assert '{APIGroups:[""], Resources:["nodes"], Verbs:["get"]}' in caught.value.message
    with pytest.raises(ApiError, match="not currently held"):
        grant(api, user, {"apiGroups": [""], "resources": ["*"], "verbs": ["get"]})
    binding = {
        "metadata": {"name": f"b{id(more)}"},
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "jane"}],
    }
    with pytest.raises(ApiError, match="not currently held"):
        write(api, "rolebindings", "home", binding, user)
    binding["roleRef"] = {"kind": "ClusterRole", "name": "view"}
    write(api, "rolebindings", "home", binding, user)


def test_the_verbs_escalate_and_bind_lift_that(api: verbs.Api, bound: Bind) -> None:
    roles = {"apiGroups": [GROUP], "resources": ["*"], "verbs": ["create", "bind", "escalate"]}
    user = bound(rules=[roles])
    grant(api, user, {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get"]})
    binding = {
        "metadata": {"name": "lifted"},
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "jane"}],
    }
    write(api, "rolebindings", "home", binding, user)


@pytest.mark.parametrize(
    ("plural", "body", "said"),
    [
        ("roles", {"rules": [{"apiGroups": [""], "resources": ["pods"]}]}, "at least one value"),
        ("roles", {"rules": [{"verbs": ["get"], "resources": ["pods"]}]}, "one api group"),
        ("roles", {"rules": [{"verbs": ["get"], "apiGroups": [""]}]}, "one resource"),
        ("roles", {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"]}]}, "namespaced rules"),
        ("roles", {"rules": [{"verbs": "get", "apiGroups": [""], "resources": ["x"]}]}, "[]string"),
        ("roles", {"rules": [3]}, "of type v1.PolicyRule"),
        ("clusterroles", {"rules": [{"verbs": ["get"], "resources": ["x"]}]}, "one api group"),
        ("rolebindings", {"roleRef": {"kind": "Other", "name": "x"}}, '"ClusterRole", "Role"'),
        ("clusterrolebindings", {"roleRef": {"kind": "Role", "name": "x"}}, "Unsupported value"),
        ("rolebindings", {"roleRef": {"kind": "Role"}}, "roleRef.name: Required"),
        (
            "clusterrolebindings",
            {
                "roleRef": {"kind": "ClusterRole", "name": "x"},
                "subjects": [{"kind": "ServiceAccount", "name": "x"}],
            },
            "subjects[0].namespace: Required",
        ),
        (
            "clusterrolebindings",
            {"roleRef": {"kind": "ClusterRole", "name": "x"}, "subjects": [{"kind": "Robot"}]},
            "subjects[0].kind: Unsupported",
        ),
        (
            "rolebindings",
            {
                "roleRef": {"kind": "Role", "name": "x"},
                "subjects": [{"kind": "ServiceAccount", "name": "Not A Name"}],
            },
            "subjects[0].name: Invalid value",
        ),
        (
            "rolebindings",
            {"roleRef": {"kind": "Role", "name": "x"}, "subjects": [{"kind": "User", "name": ""}]},
            "user name cannot be empty",
        ),
        (
            "roles",
            {"rules": [{"verbs": ["get"], "nonResourceURLs": ["/x"], "resources": ["pods"]}]},
            "rules cannot apply to both",
        ),
        ("clusterroles", {"rules": [], "aggregationRule": {}}, "at least one clusterRoleSelector"),
        (
            "clusterroles",
            {
                "rules": [],
                "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a b": "c"}}]},
            },
            "aggregationRule.clusterRoleSelectors[0].matchLabels: Invalid",
        ),
    ],
)
def test_misshapen_roles_are_refused(api: verbs.Api, plural: str, body: Json, said: str) -> None:
    space = "" if plural.startswith("cluster") else "home"
    with pytest.raises(ApiError) as caught:
        write(api, plural, space, {"metadata": {"name": "wrong"}, **body})
    assert caught.value.code in (400, 422)
    assert said in caught.value.message


def test_a_bindings_own_namespace_is_that_of_its_service_accounts(api: verbs.Api) -> None:
    """As Istio's gateway chart has it. An empty API group is a missing one."""
    body = {
        "metadata": {"name": "own"},
        "roleRef": {"apiGroup": "", "kind": "ClusterRole", "name": "view"},
        "subjects": [
            {"kind": "ServiceAccount", "name": "gateway"},
            {"apiGroup": "", "kind": "User", "name": "jane"},
        ],
    }
    made = write(api, "rolebindings", "home", body)
    assert made["subjects"][0] == {"kind": "ServiceAccount", "name": "gateway"}
    assert {made["roleRef"]["apiGroup"], made["subjects"][1]["apiGroup"]} == {GROUP}
    line = "GET /api/v1/namespaces/home/pods"
    assert may(api, auth.service_account("home", "gateway"), line)
    assert not may(api, auth.service_account("other", "gateway"), line)


WORDS = st.sampled_from(["get", "list", "pods", "pods/log", "*", "*/log", "", "apps", "a"])
RULES = st.builds(
    PolicyRule,
    verbs=st.lists(WORDS, max_size=2).map(tuple),
    groups=st.lists(WORDS, max_size=2).map(tuple),
    resources=st.lists(WORDS, max_size=2).map(tuple),
    names=st.lists(WORDS.filter(bool), max_size=1).map(tuple),
)
ASKED = st.builds(
    AccessQuestion,
    verb=st.sampled_from(["get", "list"]),
    group=st.sampled_from(["", "apps"]),
    resource=st.sampled_from(["pods", "a"]),
    subresource=st.sampled_from(["", "log"]),
    name=st.sampled_from(["", "a"]),
)


@given(wanted=st.lists(RULES, max_size=2), held=st.lists(RULES, max_size=3), asked=ASKED)
def test_what_is_covered_grants_nothing_more(
    wanted: list[PolicyRule], held: list[PolicyRule], asked: AccessQuestion
) -> None:
    if rbac.not_covered(wanted, held) or not any(rule.grants(asked) for rule in wanted):
        return
    assert any(rule.grants(asked) for rule in held)
