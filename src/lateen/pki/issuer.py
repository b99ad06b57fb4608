"""The lab's own issuer of JSON Web Tokens: one RSA key of the user's, made when it is first asked
for, with which `lateen token` signs. Labs know nothing of it: whoever wants its tokens to count
writes its public key into a RequestAuthentication."""

import base64
import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lateen.pki import files

NAME = "issuer.lateen.dev"
"""Who the tokens say that they are from, unless a claim says otherwise."""
_BITS = 2048


class TokenIssuer:
    """Signs tokens with a key that is kept in a file of the user's own."""

    def __init__(self, key_file: Path) -> None:
        """Read the key, or make it. Raises OSError, and ValueError for a file that is no key."""
        if not key_file.exists():
            made = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
            files.make_private_directory(key_file.parent)
            files.write_private(key_file, _pem(made))
        found = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(found, rsa.RSAPrivateKey):
            raise ValueError(f"{key_file}: it is no RSA key")
        self._key = found

    def key_set(self) -> str:
        """Return the public key as a JSON Web Key Set, in one line."""
        numbers = self._key.public_key().public_numbers()
        key = {"kty": "RSA", "kid": self._kid(), "alg": "RS256", "use": "sig"}
        return json.dumps({"keys": [{**key, "e": _number(numbers.e), "n": _number(numbers.n)}]})

    def token(self, claims: Mapping[str, Any]) -> str:
        """Return a token with these claims, signed with RS256."""
        header = {"alg": "RS256", "kid": self._kid(), "typ": "JWT"}
        parts = (json.dumps(each, separators=(",", ":")).encode() for each in (header, claims))
        signed = b".".join(map(_base64, parts))
        signature = self._key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _base64(signature)).decode()

    def _kid(self) -> str:
        numbers = self._key.public_key().public_numbers()
        return sha256(_number(numbers.n).encode()).hexdigest()[:16]


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _base64(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _number(value: int) -> str:
    return _base64(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()
