"""Who may do what: the owner everything, a ServiceAccount reading and its own namespace."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from lateen.apiserver import auth, http, request, reviews, verbs
from lateen.base.clock import SystemClock
from lateen.model.client import ApiError
from lateen.store.memory import MemoryStore

BOB = auth.service_account("home", "bob")


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
    reviews.authorize(auth.ADMIN, info)
    if may:
        reviews.authorize(BOB, info)
        return
    with pytest.raises(ApiError, match='User "system:serviceaccount:home:bob" cannot') as caught:
        reviews.authorize(BOB, info)
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
