"""Tokens of an issuer of the tests' own, and the policy that verifies them."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from lateen.pki.issuer import TokenIssuer

ISSUER, AUDIENCE = "tests", "server"


@cache
def issuer() -> TokenIssuer:
    with tempfile.TemporaryDirectory() as directory:
        return TokenIssuer(Path(directory) / "keys" / "key.pem")


def made(**claims: Any) -> str:
    """Return a token with these claims beside those that the policy asks for."""
    return issuer().token({"iss": ISSUER, "sub": "alice", "aud": AUDIENCE, **claims})


def header(token: str) -> tuple[str, str]:
    """Return curl's arguments that send a token."""
    return "-H", f"Authorization: Bearer {token}"


def policy(app: str = "server") -> str:
    return (
        "apiVersion: security.istio.io/v1\nkind: RequestAuthentication\n"
        f"metadata: {{name: tokens}}\n"
        f"spec:\n  selector: {{matchLabels: {{app: {app}}}}}\n  jwtRules:\n"
        f"  - issuer: {ISSUER}\n    audiences: [{AUDIENCE}]\n    jwks: '{issuer().key_set()}'\n"
        "---\n"
    )
