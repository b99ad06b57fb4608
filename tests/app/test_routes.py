"""The lab's own paths: whoever answers says which version it is, errors too."""

import asyncio

import pytest

from lateen import __version__
from lateen.apiserver.access import auth
from lateen.apiserver.protocol import exchange, request
from lateen.apiserver.protocol.routing import Names
from lateen.app.api import routes
from lateen.model.client import VERSION_HEADER, ApiError


async def answering(_call: exchange.Call, _names: Names) -> exchange.Response:
    return routes.answer({})


async def refusing(_call: exchange.Call, _names: Names) -> exchange.Response:
    raise ApiError(404, "NotFound", "no such name")


@pytest.mark.parametrize(
    ("serve", "groups", "status"),
    [
        (answering, ("system:masters",), 200),
        (refusing, ("system:masters",), 404),
        (answering, ("system:authenticated",), 403),
    ],
)
def test_every_answer_says_which_version_gives_it(
    serve: routes.Serve, groups: tuple[str, ...], status: int
) -> None:
    """Without it the command line took the lab for an older one."""
    path = "/lateen/v1/x"
    info = request.parse("GET", path.encode())
    call = exchange.Call(method="GET", info=info, user=auth.User("someone", groups))
    made = asyncio.run(routes.owned(path, serve).serve(call, {}))
    assert made.status == status
    assert dict(made.headers)[VERSION_HEADER] == __version__
