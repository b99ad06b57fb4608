import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lateen.base.clock import ManualClock
from lateen.pki.accounts import ISSUER, AccountTokens, PodClaim, TokenError
from lateen.pki.svid import PkiError


def part(token: str, index: int) -> dict[str, object]:
    text = token.split(".")[index]
    loaded: dict[str, object] = json.loads(base64.urlsafe_b64decode(text + "=="))
    return loaded


def replace(token: str, index: int, **changes: object) -> str:
    parts = token.split(".")
    body = {**part(token, index), **changes}
    parts[index] = base64.urlsafe_b64encode(json.dumps(body).encode()).rstrip(b"=").decode()
    return ".".join(parts)


def test_round_trip(accounts: AccountTokens, clock: ManualClock) -> None:
    token = accounts.issue("default", "web", "u1", ["istio-ca"], 600, PodClaim("web-1", "p1"))
    seen = accounts.verify(token, "istio-ca")
    assert (seen.namespace, seen.name, seen.uid) == ("default", "web", "u1")
    assert seen.audiences == ("istio-ca",)
    assert seen.pod == PodClaim("web-1", "p1")
    assert (seen.expires - clock.now()).total_seconds() == 600
    assert part(token, 1)["sub"] == "system:serviceaccount:default:web"
    assert part(token, 0)["kid"] == accounts.jwks()["keys"][0]["kid"]


def test_no_audience_is_the_api_server(accounts: AccountTokens) -> None:
    token = accounts.issue("default", "web", "u1")
    assert accounts.verify(token).audiences == (ISSUER,)
    with pytest.raises(TokenError, match="not for istio-ca"):
        accounts.verify(token, "istio-ca")


def test_expiry(accounts: AccountTokens, advance: Callable[[float], None]) -> None:
    token = accounts.issue("default", "web", "u1", seconds=600)
    advance(599)
    accounts.verify(token)
    advance(1)
    with pytest.raises(TokenError, match="expired at 2026-03-01T12:10:00Z"):
        accounts.verify(token)


@pytest.mark.parametrize(
    ("forge", "message"),
    [
        (lambda token: "", "not a JSON Web Token"),
        (lambda token: "a.b", "not a JSON Web Token"),
        (lambda token: "!.!.!", "not a JSON Web Token"),
        (lambda token: "é.b.c", "not a JSON Web Token"),
        (lambda token: replace(token, 0, alg="none"), "not signed by this lab"),
        (lambda token: replace(token, 0, alg="HS256"), "not signed by this lab"),
        (lambda token: replace(token, 0, kid="other"), "not signed by this lab"),
        (lambda token: replace(token, 1, exp=10**10), "signature is wrong"),
        (lambda token: token[:-6], "not 64 bytes"),
        (lambda token: token + "==", "not a JSON Web Token"),
    ],
)
def test_forgeries(accounts: AccountTokens, forge: Callable[[str], str], message: str) -> None:
    with pytest.raises(TokenError, match=message):
        accounts.verify(forge(accounts.issue("default", "web", "u1")))


def test_every_changed_letter_of_the_signature_is_noticed(accounts: AccountTokens) -> None:
    token = accounts.issue("default", "web", "u1")
    start = token.rindex(".") + 1
    for at in range(start, len(token)):
        letter = "A" if token[at] != "A" else "B"
        with pytest.raises(TokenError):
            accounts.verify(token[:at] + letter + token[at + 1 :])


def test_key_is_kept(tmp_path: Path, clock: ManualClock) -> None:
    token = AccountTokens.open(tmp_path, clock).issue("default", "web", "u1")
    assert AccountTokens.open(tmp_path, clock).verify(token).name == "web"
    assert (tmp_path / "accounts.pem").stat().st_mode & 0o777 == 0o600
    other = AccountTokens.open(tmp_path / "other", clock)
    with pytest.raises(TokenError, match="not signed by this lab"):
        other.verify(token)


def test_damaged_key_is_named(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "accounts.pem").write_bytes(b"rubbish")
    with pytest.raises(PkiError, match=r"accounts\.pem is damaged"):
        AccountTokens.open(tmp_path, clock)
