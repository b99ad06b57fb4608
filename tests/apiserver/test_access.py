"""Who may do what: the owner everything, a ServiceAccount reading and its own namespace."""

import asyncio
import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lateen.apiserver import auth, discovery, exchange, http, request, reviews, verbs
from lateen.base.clock import SystemClock
from lateen.model import kinds
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore

BOB = auth.service_account("home", "bob")


def review(kind: str, spec: Any, user: auth.User = BOB) -> Any:
    """Ask for a review as a user; return its status."""
    virtual = next(one for one in discovery.VIRTUAL if one.kind == kind)
    path = f"/apis/{virtual.group}/v1/{virtual.plural}"
    info = request.parse("POST", path.encode(), b"")
    body = json.dumps({"spec": spec}).encode()
    call = exchange.Call(method="POST", info=info, user=user, body=body)
    return json.loads(reviews.answer(call, virtual, kinds.KINDS.values()).body)["status"]


def told(line: str) -> bool:
    """What `kubectl auth can-i` would say of a request."""
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    info = request.parse(method, path.encode(), query.encode())
    asked = {
        "verb": info.verb,
        "group": info.group,
        "resource": info.resource,
        "subresource": info.subresource,
        "namespace": info.namespace,
    }
    may: bool = review("SelfSubjectAccessReview", {"resourceAttributes": asked})["allowed"]
    return may


@pytest.mark.parametrize("namespace", ["home", "other"])
def test_the_rules_that_are_listed_are_those_that_are_kept(namespace: str) -> None:
    status = review("SelfSubjectRulesReview", {"namespace": namespace})
    listed = {
        (rule["apiGroups"][0], rule["resources"][0]): rule["verbs"]
        for rule in status["resourceRules"]
    }
    assert (("", "secrets") in listed) is (namespace == "home")
    for row in kinds.KINDS.values():
        verbs = listed.get((row.group, row.plural), [])
        for verb in ("get", "watch", "create", "delete"):
            said = "*" in verbs or verb in verbs
            assert said is reviews.allowed(BOB, verb, row.resource, namespace), (row, verb)


@pytest.mark.parametrize(
    ("user", "verb", "may"),
    [(BOB, "get", True), (auth.User("jane"), "get", True), (BOB, "post", False)],
)
def test_paths_outside_the_resources(user: auth.User, verb: str, may: bool) -> None:
    spec = {"nonResourceAttributes": {"path": "/version", "verb": verb}}
    assert review("SelfSubjectAccessReview", spec, user)["allowed"] is may


@pytest.mark.parametrize(
    ("line", "may"),
    [
        ("GET /api/v1/namespaces/home/pods", True),
        ("GET /api/v1/pods", True),
        ("GET /api/v1/nodes", True),
        ("GET /apis/apps/v1/namespaces/other/deployments/x", True),
        ("GET /api/v1/namespaces/home/secrets/x", True),
        ("GET /api/v1/namespaces/other/secrets/x", False),
        ("GET /api/v1/secrets", False),
        ("GET /api/v1/secrets?watch=1", False),
        ("POST /api/v1/namespaces/home/configmaps", True),
        ("POST /api/v1/namespaces/other/configmaps", False),
        ("DELETE /api/v1/namespaces/other/pods/x", False),
        ("DELETE /api/v1/namespaces/home", False),
        ("PATCH /api/v1/nodes/x", False),
        ("POST /apis/rbac.authorization.k8s.io/v1/clusterroles", False),
        ("GET /api/v1/namespaces/home/pods/x/exec?command=id", True),
        ("GET /api/v1/namespaces/other/pods/x/exec?command=id", False),
        ("GET /api/v1/namespaces/other/pods/x/portforward", False),
        ("GET /api/v1/namespaces/other/services/x/proxy/admin", False),
        ("GET /api/v1/namespaces/other/pods/x/log", True),
    ],
)
def test_a_service_account(line: str, may: bool) -> None:
    method, _, target = line.partition(" ")
    path, _, query = target.partition("?")
    info = request.parse(method, path.encode(), query.encode())
    row = kinds.KINDS[f"{info.resource}.{info.group}" if info.group else info.resource]
    reviews.authorize(auth.ADMIN, info, row)
    assert told(line) is may, "can-i says something else"
    if may:
        reviews.authorize(BOB, info, row)
        return
    with pytest.raises(ApiError, match='User "system:serviceaccount:home:bob" cannot') as caught:
        reviews.authorize(BOB, info, row)
    assert (caught.value.code, caught.value.reason) == (403, "Forbidden")


def ask(path: str, token: str) -> tuple[int, bytes]:
    async def page(asked: Request) -> PlainTextResponse:
        return PlainTextResponse(asked.scope["user"].name if "user" in asked.scope else "anybody")

    app = http.build_app(
        verbs.Api(MemoryStore(), SystemClock()),
        None,
        auth.FixedTokens({"t": auth.ADMIN}),
        extra_routes=[Route("/lateen/v1/own", page)],
        open_routes=[Route("/ui", page)],
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
    return sent[0]["status"], b"".join(one.get("body", b"") for one in sent)


@pytest.mark.parametrize(
    ("path", "token", "status", "answer"),
    [
        ("/lateen/v1/own", "", 401, b"Unauthorized"),
        ("/lateen/v1/own", "wrong", 401, b"Unauthorized"),
        ("/lateen/v1/own", "t", 200, b"kubernetes-admin"),
        ("/ui", "", 200, b"anybody"),
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
