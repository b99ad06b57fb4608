"""Routes of the lab's own API are for its owner and its agent."""

import asyncio

import pytest

from lateen.apiserver.access import auth
from lateen.apiserver.protocol import exchange, request
from lateen.apiserver.protocol.routing import Names
from lateen.app.api import routes
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.node import RulesAnswer


async def answering(_call: exchange.Call, _names: Names) -> exchange.Response:
    return routes.answer(RulesAnswer())


@pytest.mark.parametrize("groups", [("system:masters",), ("system:authenticated",)])
def test_only_the_owner_is_answered(groups: tuple[str, ...]) -> None:
    endpoint = contract.STATUS
    info = request.parse("GET", endpoint.path.encode())
    call = exchange.Call(method="GET", info=info, user=auth.User("someone", groups))
    serving = routes.owned(endpoint, answering).serve(call, {})
    if groups == ("system:masters",):
        assert asyncio.run(serving).body == b"{}"
        return
    with pytest.raises(ApiError, match="someone may not use /lateen/v1/status") as refused:
        asyncio.run(serving)
    assert refused.value.code == 403
