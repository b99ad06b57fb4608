"""Bearer tokens that say by themselves who is asking: the admin's, the agent's. Stdlib only."""

import secrets
from pathlib import Path

from lateen.pki import files


def new_token() -> str:
    """Return 256 random bits in URL-safe letters."""
    return secrets.token_urlsafe(32)


def token_file(path: Path) -> str:
    """Return the token kept at `path` (0600), making one if there is none.

    A file that others may read is not trusted: its token is replaced. Raises OSError.
    """
    try:
        token = path.read_text().strip()
        if token and path.stat().st_mode & 0o077 == 0:
            return token
    except FileNotFoundError:
        pass
    token = new_token()
    files.write_private(path, f"{token}\n".encode())
    return token
