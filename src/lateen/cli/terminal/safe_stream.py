"""Streams on which only this command line itself commands the terminal.

Names, events, images, annotations and messages are other people's text. What in it would move the
cursor, clear the screen or set a title is written out, as kubectl does in its tables.
"""

import io
import re
from typing import TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]|\r(?!\n)")
_OURS = re.compile(r"(\x1b\[(?:0|1|2|31|32|33|36)m)")
"""The colours of `screen.paint`: they hide nothing and move nothing."""


def written_out(text: str) -> str:
    """Return text in which control characters but line ends, tabs and our colours are `\\x1b`."""
    if _CONTROL.search(text) is None:
        return text
    parts = _OURS.split(text)
    parts[::2] = [_CONTROL.sub(_written, part) for part in parts[::2]]
    return "".join(parts)


def _written(found: re.Match[str]) -> str:
    return f"\\x{ord(found[0]):02x}"


def raw(text: str, stream: TextIO) -> None:
    """Write text as it is: our own commands to a terminal, or data that goes into a pipe."""
    stream.flush()
    if (buffer := getattr(stream, "buffer", None)) is None:
        stream.write(text)
        return
    buffer.write(text.encode(stream.encoding or "utf-8", "replace"))
    buffer.flush()


class Guarded(io.TextIOWrapper):
    """A text stream that writes control characters out, and no letter that its encoding lacks."""

    def write(self, text: str, /) -> int:
        """Write text; returns how much of it was taken, all of it."""
        super().write(written_out(text))
        return len(text)


def guard(stream: TextIO) -> TextIO:
    """Return the stream guarded; one that is no file's (a test's) as it is.

    A letter that the locale lacks becomes `?`: to print is never what fails.
    """
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, Guarded):
        return stream
    encoding, buffered = stream.encoding, stream.line_buffering
    stream.flush()
    return Guarded(stream.detach(), encoding=encoding, errors="replace", line_buffering=buffered)
