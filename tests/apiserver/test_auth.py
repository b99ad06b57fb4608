"""Whom a request is made as."""

import pytest

from lateen.apiserver import auth

ACCOUNT = auth.service_account("shop", "web")


@pytest.mark.parametrize(
    ("user", "headers", "acting"),
    [
        (auth.ADMIN, {}, auth.ADMIN),
        (ACCOUNT, {}, ACCOUNT),
        (auth.ADMIN, {"impersonate-user": "system:serviceaccount:shop:web"}, ACCOUNT),
        (
            auth.ADMIN,
            {"impersonate-user": "ann", "impersonate-group": "a, b", "impersonate-uid": "7"},
            auth.User("ann", ("a", "b", auth.AUTHENTICATED), "7"),
        ),
        (auth.ADMIN, {"impersonate-group": "system:masters"}, None),
        (ACCOUNT, {"impersonate-user": "kubernetes-admin"}, None),
        (ACCOUNT, {"impersonate-group": "system:masters"}, None),
    ],
)
def test_only_the_owner_acts_as_somebody_else(
    user: auth.User, headers: dict[str, str], acting: auth.User | None
) -> None:
    assert auth.acting_as(user, headers) == acting
