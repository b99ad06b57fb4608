import subprocess
import sys
from pathlib import Path

from lateen.pki import tokens


def test_token_is_made_once_and_private(tmp_path: Path) -> None:
    path = tmp_path / "admin.token"
    token = tokens.token_file(path)
    assert len(token) == 43
    assert path.stat().st_mode & 0o777 == 0o600
    assert tokens.token_file(path) == token


def test_readable_or_empty_token_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "admin.token"
    token = tokens.token_file(path)
    path.chmod(0o644)
    second = tokens.token_file(path)
    assert second != token
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_text("\n")
    assert tokens.token_file(path) not in ("", second)


def test_command_line_needs_no_cryptography() -> None:
    code = "import sys, lateen.pki.tokens; print('cryptography' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
