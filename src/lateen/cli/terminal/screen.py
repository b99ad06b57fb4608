"""What a terminal may show: colour, progress, width. Decided once per stream."""

import os
import re
import sys
import time
from typing import TextIO

from lateen.cli.terminal import hints, safe_stream
from lateen.cli.terminal.width import fitted

_CODES = {"green": "32", "red": "31", "yellow": "33", "cyan": "36", "dim": "2", "bold": "1"}


_ERASE = "\r\x1b[K"


def colourful(stream: TextIO) -> bool:
    """Whether to colour: a terminal, unless NO_COLOR or TERM=dumb; FORCE_COLOR forces it."""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def width(stream: TextIO | None = None) -> int:
    """Return the columns of a terminal; 0 where the stream is none, and nothing is wrapped."""
    try:
        return os.get_terminal_size((stream or sys.stdout).fileno()).columns
    except (OSError, ValueError):
        return 0


def say(text: str, stream: TextIO | None = None) -> None:
    """Write prose, a line or several: no wider than the terminal, its commands as they are typed
    here."""
    target = stream or sys.stdout
    target.write(fitted(hints.typed(text), width(target)) + "\n")


def paint(text: str, colour: str, stream: TextIO | None = None) -> str:
    """Return the text in a colour, or as it is where colour is not wanted."""
    if not colourful(stream or sys.stdout):
        return text
    return f"\x1b[{_CODES[colour]}m{text}\x1b[0m"


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")


def visible(text: str) -> str:
    """Return a line of what travelled as it can be shown: an application's bytes neither command
    the terminal nor begin lines of their own. Control characters are written `\\x1b`."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


class Progress:
    """One line on stderr that changes in place on a terminal; elsewhere a line per change."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._last = ""
        self._start = time.monotonic()

    def show(self, text: str) -> None:
        """Say what is going on now."""
        if text == self._last:
            return
        self._last = text
        elapsed = time.monotonic() - self._start
        if self._live:
            safe_stream.raw(_ERASE, sys.stderr)
            sys.stderr.write(f"{text} {paint(f'({elapsed:.1f}s)', 'dim', sys.stderr)}")
        else:
            sys.stderr.write(f"{text}\n")
        sys.stderr.flush()

    def done(self, text: str) -> None:
        """Say how it ended, and leave that line."""
        elapsed = time.monotonic() - self._start
        mark = paint("✔", "green", sys.stderr)
        if self._live:
            safe_stream.raw(_ERASE, sys.stderr)
        sys.stderr.write(f"{mark} {text}")
        sys.stderr.write(f" {paint(f'({elapsed:.2f}s)', 'dim', sys.stderr)}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the changing line away, before something else is written."""
        if self._live and self._last:
            safe_stream.raw(_ERASE, sys.stderr)
            self._last = ""
