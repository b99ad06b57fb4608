"""What is enforced over HTTP, and that reviews say the same."""

import asyncio
from typing import Any

import pytest

from lateen.apiserver.access import auth
from lateen.apiserver.protocol import exchange, routing, upgrade
from lateen.apiserver.serving import http
from lateen.apiserver.writing import verbs
from lateen.base.clock import SystemClock
from lateen.model.labapi import contract
from lateen.model.schema import kinds
from lateen.store.memory import MemoryStore

BOB = auth.service_account("default", "bob")
ROBOT = auth.service_account("default", "robot")
USERS = {"bob": BOB, "robot": ROBOT, "jane": auth.User("jane")}
Json = dict[str, Any]


def review(server: Any, kind: str, spec: Json, token: str = "bob", space: str = "") -> Json:
    """Ask for a review; return its status."""
    group = "authentication" if kind in ("tokenreviews", "selfsubjectreviews") else "authorization"
    where = f"namespaces/{space}/" if space else ""
    path = f"/apis/{group}.k8s.io/v1/{where}{kind}"
    code, body = server("POST", path, {"spec": spec}, token)
    assert code == 201, body
    status: Json = body["status"]
    return status


def bind(server: Any, role: str, name: str, namespace: str = "") -> None:
    """Bind a ServiceAccount of the namespace default to a ClusterRole."""
    where = f"namespaces/{namespace}/" if namespace else ""
    plural = "rolebindings" if namespace else "clusterrolebindings"
    body = {
        "metadata": {"name": f"{name}-{role.replace(':', '-')}"},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
    }
    code, made = server("POST", f"/apis/rbac.authorization.k8s.io/v1/{where}{plural}", body)
    assert code == 201, made


@pytest.fixture(scope="module")
def server(in_process: Any) -> Any:
    """A server where robot may edit in default."""
    made = in_process(USERS)
    bind(made, "edit", "robot", "default")
    return made


PODS = "/api/v1/namespaces/default/pods"
LINES = [
    ("GET", "/version", 200, 200),
    ("GET", "/openapi/v3", 200, 200),
    ("GET", "/apis", 200, 200),
    ("GET", "/metrics", 403, 403),
    ("GET", "/readyz", 200, 200),
    ("GET", PODS, 403, 200),
    ("GET", "/api/v1/namespaces/other/pods", 403, 403),
    ("GET", "/api/v1/nodes", 403, 403),
    ("GET", "/api/v1/componentstatuses", 403, 403),
    ("POST", "/api/v1/namespaces/default/configmaps", 403, 201),
    ("DELETE", "/api/v1/namespaces/default/configmaps", 403, 200),
    ("POST", "/api/v1/namespaces/other/configmaps", 403, 403),
    ("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", 201, 201),
    ("POST", "/apis/authentication.k8s.io/v1/tokenreviews", 403, 403),
    ("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", 403, 403),
    ("GET", f"{PODS}/none/exec?command=id", 403, 503),
    ("GET", "/api/v1/namespaces/other/services/none/proxy/admin", 403, 403),
]


@pytest.mark.parametrize(("method", "path", "plain", "editing"), LINES)
def test_what_accounts_may(server: Any, method: str, path: str, plain: int, editing: int) -> None:
    body = {"metadata": {"generateName": "x"}} if method == "POST" else None
    for token, wanted in (("bob", plain), ("robot", editing), ("t", min(editing, 201))):
        code, answer = server(method, path, body, token)
        if token == "t":
            assert code != 403, answer
            continue
        assert code == wanted, answer
        if code == 403:
            assert answer["reason"] == "Forbidden"
            assert f'User "{USERS[token].name}" cannot ' in answer["message"]


def test_a_refusal_is_worded_as_on_a_cluster(server: Any) -> None:
    code, answer = server("GET", PODS, token="bob")
    assert (code, answer["message"]) == (
        403,
        'pods is forbidden: User "system:serviceaccount:default:bob" cannot list resource "pods" '
        'in API group "" in the namespace "default"',
    )
    assert answer["details"] == {"kind": "pods"}


@pytest.mark.parametrize("token", ["bob", "robot"])
@pytest.mark.parametrize("space", ["default", "other"])
def test_the_rules_that_are_listed_are_those_that_are_kept(
    server: Any, token: str, space: str
) -> None:
    listed = review(server, "selfsubjectrulesreviews", {"namespace": space}, token)
    for row in kinds.KINDS.values():
        for verb in ("get", "watch", "create", "delete"):
            said = any(
                verb in rule["verbs"]
                and row.group in rule["apiGroups"]
                and row.plural in rule["resources"]
                for rule in listed["resourceRules"]
            )
            about = {"verb": verb, "group": row.group, "resource": row.plural, "namespace": space}
            status = review(
                server, "selfsubjectaccessreviews", {"resourceAttributes": about}, token
            )
            assert status["allowed"] is said, (row.resource, verb)
    assert (token, space) == ("robot", "default") or not listed["resourceRules"][2:]


def test_reviews_of_others_and_of_tokens(server: Any) -> None:
    bind(server, "system:auth-delegator", "bob")
    about = {"verb": "create", "resource": "configmaps", "namespace": "default"}
    asked = {"resourceAttributes": about, "user": ROBOT.name, "groups": list(ROBOT.groups)}
    status = review(server, "subjectaccessreviews", asked)
    assert status["allowed"] is True
    assert status["reason"].startswith('RBAC: allowed by RoleBinding "robot-edit/default"')
    asked["user"] = "system:serviceaccount:default:nobody"
    assert review(server, "subjectaccessreviews", asked) == {"allowed": False}
    path = {"nonResourceAttributes": {"path": "/metrics", "verb": "get"}}
    assert review(server, "selfsubjectaccessreviews", path) == {"allowed": False}
    found = review(server, "tokenreviews", {"token": "robot"})
    assert found["authenticated"] is True
    assert found["user"]["username"] == ROBOT.name
    assert review(server, "tokenreviews", {"token": "nope"})["authenticated"] is False
    other = review(server, "tokenreviews", {"token": "robot", "audiences": ["vault"]})
    assert other["authenticated"] is False
    both = ["vault", auth.ISSUER]
    assert review(server, "tokenreviews", {"token": "robot", "audiences": both})["audiences"] == [
        auth.ISSUER
    ]


def test_a_local_review_is_about_its_own_namespace(server: Any) -> None:
    about = {"verb": "get", "resource": "pods", "namespace": "default"}
    spec = {"resourceAttributes": about, "user": ROBOT.name}
    status = review(server, "localsubjectaccessreviews", spec, "t", "default")
    assert status["allowed"] is True
    path = "/apis/authorization.k8s.io/v1/namespaces/other/localsubjectaccessreviews"
    code, _ = server("POST", path, {"spec": spec})
    assert code == 400


def test_acting_as_somebody_else_is_a_right_of_its_own(server: Any) -> None:
    who = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    code, answer = server("POST", who, {}, impersonate_user="jane", impersonate_group="devs")
    assert answer["status"]["userInfo"]["groups"] == ["devs", "system:authenticated"]
    code, answer = server("POST", who, {}, "robot", impersonate_user="kubernetes-admin")
    assert (code, answer["message"]) == (
        403,
        f'users "kubernetes-admin" is forbidden: User "{ROBOT.name}" cannot impersonate resource '
        '"users" in API group "" at the cluster scope',
    )
    # The role `edit` holds the verb impersonate on ServiceAccounts of its namespace.
    for name, wanted in ((BOB.name, 201), ("system:serviceaccount:other:bob", 403)):
        code, answer = server("POST", who, {}, "robot", impersonate_user=name)
        assert code == wanted, answer
    code, _ = server("POST", who, {}, "robot", impersonate_user=BOB.name, impersonate_group="x")
    assert code == 403
    code, _ = server("POST", who, {}, impersonate_group="system:masters")
    assert code == 400


def test_a_lab_that_asks_no_rights_holds_no_roles(in_process: Any) -> None:
    quiet = in_process({})
    assert quiet("GET", PODS)[0] == 200
    assert quiet("GET", "/readyz")[0] == 200
    assert not quiet.api.store.list("clusterroles.rbac.authorization.k8s.io").entries
    _, listed = quiet("GET", "/apis/rbac.authorization.k8s.io/v1/clusterroles")
    assert {"cluster-admin", "admin", "edit", "view"} <= {
        one["metadata"]["name"] for one in listed["items"]
    }


def ask(path: str, token: str) -> tuple[int, bytes]:
    async def page(call: exchange.Call, names: routing.Names) -> exchange.Response:
        return exchange.Response(body=f"{call.user.name} {dict(names)}".encode())

    app = http.build_app(
        verbs.Api(MemoryStore(), SystemClock()),
        None,
        auth.FixedTokens({"t": auth.ADMIN}),
        routes=[
            routing.Route("/lateen/v1/own", page),
            routing.Route("/lateen/v1/of/{who}/all", page),
            routing.Route("/lateen/v1/written", page, "POST"),
        ],
    )
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"authorization", f"Bearer {token}".encode())] if token else [],
    }
    asyncio.run(app(scope, receive, send))
    assert (upgrade.VERSION in sent[0]["headers"]) is path.startswith(contract.ROOT)
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent)


@pytest.mark.parametrize(
    ("path", "token", "status", "answer"),
    [
        ("/lateen/v1/own", "", 401, b"Unauthorized"),
        ("/lateen/v1/own", "wrong", 401, b"Unauthorized"),
        ("/lateen/v1/own", "t", 200, b"kubernetes-admin {}"),
        ("/lateen/v1/of/me/all", "t", 200, b"{'who': 'me'}"),
        ("/lateen/v1/of//all", "t", 404, b"could not find the requested resource"),
        ("/lateen/v1/written", "t", 405, b"does not allow this method"),
        ("/readyz", "", 200, b"ok"),
        ("/api", "", 401, b"Unauthorized"),
        ("/version", "", 401, b"Unauthorized"),
        ("/metrics", "", 401, b"Unauthorized"),
        ("/openapi/v3", "wrong", 401, b"Unauthorized"),
        ("/no/such", "t", 404, b"could not find the requested resource"),
    ],
)
def test_every_path_needs_a_token_but_the_open_ones(
    path: str, token: str, status: int, answer: bytes
) -> None:
    got, body = ask(path, token)
    assert got == status
    assert answer in body


def test_a_certificate_request_notes_who_asks_and_is_approved_under_a_right_of_its_own(
    server: Any,
) -> None:
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    spec = {"request": "eA==", "signerName": "example.com/x", "usages": ["client auth"]}
    body = {"metadata": {"name": "mine"}, "spec": {**spec, "username": "somebody"}}
    code, made = server("POST", path, body)
    assert (code, made["spec"]["username"]) == (201, "kubernetes-admin")
    condition = {"type": "Approved", "status": "True", "reason": "x", "message": ""}
    made["status"] = {"conditions": [condition]}
    made["spec"]["signerName"] = "example.com/other"
    code, _ = server("PUT", f"{path}/mine/approval", made, "robot")
    assert code == 403
    code, approved = server("PUT", f"{path}/mine/approval", made)
    assert code == 200
    assert approved["status"]["conditions"] == [condition]
    assert approved["spec"]["signerName"] == "example.com/x"


def test_who_verifies_tokens_finds_their_keys(server: Any) -> None:
    code, _ = server("GET", "/openid/v1/jwks", token="bob")
    assert code == 404, "this server issues no tokens"
