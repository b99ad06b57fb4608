"""Who is asking: users, and the protocol by which a bearer token becomes one."""

import hmac
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

AUTHENTICATED = "system:authenticated"
ISSUER = "https://kubernetes.default.svc.cluster.local"
"""Who issues ServiceAccount tokens, and whom they are for when they say nothing else."""


class User(msgspec.Struct, frozen=True):
    """An authenticated identity, as Kubernetes' UserInfo names it."""

    name: str
    groups: tuple[str, ...] = (AUTHENTICATED,)
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)

    @property
    def is_admin(self) -> bool:
        """Tell whether everything is allowed: the lab's owner and our own parts."""
        return "system:masters" in self.groups

    def as_json(self) -> dict[str, object]:
        """Return the UserInfo object."""
        body: dict[str, object] = {"username": self.name, "groups": list(self.groups)}
        if self.uid:
            body["uid"] = self.uid
        if self.extra:
            body["extra"] = {name: list(values) for name, values in self.extra.items()}
        return body


ADMIN = User("kubernetes-admin", ("system:masters", AUTHENTICATED))
SYSTEM = User("system:apiserver", ("system:masters", AUTHENTICATED))


def service_account(namespace: str, name: str, uid: str = "") -> User:
    """Return the identity of a ServiceAccount."""
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", AUTHENTICATED)
    return User(f"system:serviceaccount:{namespace}:{name}", groups, uid)


def acting_as(headers: Mapping[str, str]) -> User | None:
    """Return whom the Impersonate- headers of a request name, with the name empty when only others
    of them are there; None without any. Whether the user may is for others to decide."""
    name = headers.get("impersonate-user", "")
    if not any(header.startswith("impersonate-") for header in headers):
        return None
    named = tuple(g.strip() for g in headers.get("impersonate-group", "").split(",") if g.strip())
    groups = tuple(dict.fromkeys((*named, AUTHENTICATED)))
    parts = name.split(":")
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4 and not named:
        groups = service_account(parts[2], parts[3]).groups
    return User(name, groups, headers.get("impersonate-uid", ""))


class Authenticator(Protocol):
    """Turns a bearer token into a user."""

    def authenticate(self, token: str, audience: str = "") -> User | None:
        """Return who holds the token, or None if nobody known does, or it is not for the audience
        (empty: the API server itself)."""
        ...


class TokenIssuer(Protocol):
    """Makes ServiceAccount tokens (TokenRequest)."""

    def issue(
        self, namespace: str, name: str, uid: str, audiences: tuple[str, ...], seconds: int
    ) -> str:
        """Return a signed token that expires after so many seconds."""
        ...

    def jwks(self) -> dict[str, Any]:
        """Return the public keys of the tokens, as a JSON Web Key Set (RFC 7517)."""
        ...


class FixedTokens:
    """An Authenticator over a fixed set of tokens, compared in constant time."""

    def __init__(self, users: Mapping[str, User]) -> None:
        self._users = {token.encode(): user for token, user in users.items()}

    def authenticate(self, token: str, audience: str = "") -> User | None:
        """Return the user of the token."""
        if audience:
            return None
        given = token.encode("utf-8", "surrogateescape")
        found = None
        for known, user in self._users.items():
            if hmac.compare_digest(known, given):
                found = user
        return found


class FirstOf:
    """Asks several Authenticators in order."""

    def __init__(self, *authenticators: Authenticator) -> None:
        self._authenticators = authenticators

    def authenticate(self, token: str, audience: str = "") -> User | None:
        """Return the first answer that is not None."""
        for one in self._authenticators:
            if (user := one.authenticate(token, audience)) is not None:
                return user
        return None


def bearer(header: str) -> str:
    """Return the token of an Authorization header; empty if there is none."""
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
