"""Whom a request is made as."""

import pytest

from lateen.apiserver.access import auth

ACCOUNT = auth.service_account("shop", "web")


@pytest.mark.parametrize(
    ("headers", "acting"),
    [
        ({}, None),
        ({"impersonate-user": "system:serviceaccount:shop:web"}, ACCOUNT),
        (
            {"impersonate-user": "ann", "impersonate-group": "a, b", "impersonate-uid": "7"},
            auth.User("ann", ("a", "b", auth.AUTHENTICATED), "7"),
        ),
        (
            {"impersonate-group": "system:masters"},
            auth.User("", ("system:masters", auth.AUTHENTICATED)),
        ),
    ],
)
def test_headers_name_whom_a_request_is_made_as(
    headers: dict[str, str], acting: auth.User | None
) -> None:
    assert auth.acting_as(headers) == acting
