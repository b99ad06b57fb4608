"""Other people's text commands no terminal, and a locale without a letter fails nothing."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from lateen.cli.terminal import safe_stream, screen

HOSTILE = "a\x1b]0;title\x07\x9b2J\x1b[2K\rb\r\n\tend\x1b[8m"
WRITTEN = "a\\x1b]0;title\\x07\\x9b2J\\x1b[2K\\x0db\r\n\tend\\x1b[8m"


def test_what_commands_a_terminal_is_written_out() -> None:
    assert safe_stream.written_out(HOSTILE) == WRITTEN
    assert safe_stream.written_out("\x1b[32m✔\x1b[0m done\n") == "\x1b[32m✔\x1b[0m done\n"


@given(st.text())
def test_nothing_but_our_colours_remains(text: str) -> None:
    left = re.sub(r"\x1b\[(0|1|2|31|32|33|36)m", "", safe_stream.written_out(text))
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)", left)
    assert safe_stream.written_out(safe_stream.written_out(text)) == safe_stream.written_out(text)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-8"])
def test_a_letter_that_the_locale_lacks_is_no_failure(encoding: str) -> None:
    file = io.BytesIO()
    stream = safe_stream.guard(io.TextIOWrapper(file, encoding=encoding))
    stream.write(f"✔ {HOSTILE}")
    stream.flush()
    shown = file.getvalue().decode(encoding)
    assert shown in (f"✔ {WRITTEN}", f"? {WRITTEN}")


def test_what_goes_into_a_pipe_raw_is_as_it_was() -> None:
    file = io.BytesIO()
    stream = safe_stream.guard(io.TextIOWrapper(file, encoding="utf-8"))
    stream.write("first ")
    safe_stream.raw(HOSTILE, stream)
    assert file.getvalue() == f"first {HOSTILE}".encode()


def test_progress_still_erases_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    file = io.BytesIO()
    monkeypatch.setattr(sys, "stderr", Terminal(file, encoding="utf-8"))
    monkeypatch.setenv("TERM", "xterm")
    progress = screen.Progress()
    progress.show("one")
    progress.clear()
    sys.stderr.flush()
    assert file.getvalue().count(b"\r\x1b[K") == 2


def test_a_command_in_a_locale_of_few_letters(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    text = (
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\n"
        'spec: {hosts: ["ä✔\\e[2Jx"], http: [{route: [{destination: {host: a}}]}]}\n'
    )
    file.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "lateen.cli.entry", "apply", "--dry-run", "-f", str(file)],
        env={**os.environ, "PYTHONIOENCODING": "latin-1", "LATEEN_HOME": "/tmp/lt-none"},
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert b"Traceback" not in said
    assert b"\x1b" not in said
    assert b"\\x1b[2Jx" in said, said
