"""What Secrets of a type must hold."""

from typing import Any

import pytest

from lateen.apiserver.kinds.strategy import registry

ACCOUNT = "kubernetes.io/service-account.name"


@pytest.mark.parametrize(
    ("kind", "sound", "missing"),
    [
        ("basic-auth", {"data": {"password": "YQ=="}}, ["data[username]", "data[password]"]),
        ("dockercfg", {"data": {".dockercfg": "e30="}}, ["data[.dockercfg]"]),
        ("ssh-auth", {"data": {"ssh-privatekey": "YQ=="}}, ["data[ssh-privatekey]"]),
        (
            "service-account-token",
            {"metadata": {"name": "x", "annotations": {ACCOUNT: "web"}}},
            [f"metadata.annotations[{ACCOUNT}]"],
        ),
    ],
)
def test_a_secret_holds_what_its_type_needs(
    kind: str, sound: dict[str, Any], missing: list[str]
) -> None:
    secrets = registry.strategy_for("secrets")
    bare = {"metadata": {"name": "x"}, "type": f"kubernetes.io/{kind}"}
    assert secrets.validate_create({**bare, **sound}) == ()
    causes = secrets.validate_create(bare)
    assert [(one.field, one.message) for one in causes] == [(m, "Required value") for m in missing]
