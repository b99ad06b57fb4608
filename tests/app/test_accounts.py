"""Whose a ServiceAccount token is, and until when."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from lateen.apiserver.access import auth
from lateen.app.api.accounts import AccountAuthenticator
from lateen.base.clock import ManualClock
from lateen.pki.accounts import AccountTokens
from lateen.store.api import Key
from lateen.store.memory import MemoryStore

KEY = Key("serviceaccounts", "shop", "web")


def test_a_token_lives_as_long_as_its_account(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 11, 27, 8, 0, tzinfo=UTC))
    tokens, store = AccountTokens.open(tmp_path, clock), MemoryStore()
    known = AccountAuthenticator(tokens, store)
    token = tokens.issue("shop", "web", "u1", (), 600)
    assert known.authenticate(token) is None, "there is no such account"
    store.create(KEY, {"metadata": {"name": "web", "namespace": "shop", "uid": "u1"}})
    assert known.authenticate(token) == auth.service_account("shop", "web", "u1")
    assert known.authenticate(token, "vault") is None
    assert known.authenticate(token[:-2]) is None
    store.delete(KEY)
    assert known.authenticate(token) is None
    store.create(KEY, {"metadata": {"name": "web", "namespace": "shop", "uid": "u2"}})
    assert known.authenticate(token) is None, "another account has its name"
    fresh = tokens.issue("shop", "web", "u2", ("vault",), 600)
    assert known.authenticate(fresh) is None
    assert known.authenticate(fresh, "vault") == auth.service_account("shop", "web", "u2")
    asyncio.run(clock.advance(601))
    assert known.authenticate(fresh, "vault") is None


def test_the_keys_of_tokens_are_published(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 11, 27, 8, 0, tzinfo=UTC))
    tokens = AccountTokens.open(tmp_path, clock)
    (key,) = tokens.jwks()["keys"]
    assert (key["kty"], key["crv"], key["alg"]) == ("EC", "P-256", "ES256")
