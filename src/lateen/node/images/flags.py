"""Flags and addresses on the command lines of images' programs. Pure."""

import re

_ADDRESS = re.compile(r"(?:\[?(?P<host>[0-9a-fA-F.:]*[0-9a-fA-F.]|::)?\]?:)?(?P<port>\d{1,5})")


def parse_flags(words: tuple[str, ...]) -> dict[str, str]:
    """Read `-p 80`, `--port=80` and `-port 80`; names lose their dashes, the last one wins."""
    flags: dict[str, str] = {}
    for index, word in enumerate(words):
        if not word.startswith("-") or word.strip("-") == "":
            continue
        name, equals, value = word.lstrip("-").partition("=")
        if equals:
            flags[name] = value
        elif index + 1 < len(words) and not words[index + 1].startswith("-"):
            flags[name] = words[index + 1]
        else:
            flags[name] = "true"
    return flags


def address(text: str) -> tuple[str, int | None]:
    """Read the address and port of `8080`, `:8080`, `127.0.0.1:8080` or `[::]:8080`; the address
    is empty where none of one host is named, the port None if there is none.

    `tcp://10.96.0.9:80` is none: a Service named `http` puts that into HTTP_PORT."""
    match = _ADDRESS.fullmatch(text.strip())
    if match is None or not 0 < int(match["port"]) < 65536:
        return "", None
    host = match["host"] or ""
    return ("" if host in ("0.0.0.0", "::", "[::]") else host), int(match["port"])
