"""curl's command line: the options that people use in containers. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

_FLAGS = {
    "-s": "silent", "--silent": "silent", "-S": "show_error", "--show-error": "show_error",
    "-f": "fail", "--fail": "fail", "-v": "verbose", "--verbose": "verbose",
    "-i": "include", "--include": "include", "--show-headers": "include",
    "-I": "head", "--head": "head", "-k": "insecure", "--insecure": "insecure",
    "-L": "follow", "--location": "follow", "-G": "get", "--get": "get",
    "-O": "remote_name", "--remote-name": "remote_name", "--compressed": "", "-N": "",
    "--no-buffer": "", "-4": "", "--ipv4": "", "-g": "no_globs", "--globoff": "no_globs",
    "--http1.1": "", "--http2": "", "-0": "http10", "--http1.0": "http10", "--path-as-is": "",
    "--no-progress-meter": "", "-#": "", "--progress-bar": "", "-q": "", "--tcp-nodelay": "",
    "--retry-connrefused": "retry_refused", "--retry-all-errors": "retry_refused",
    "--no-keepalive": "", "--tlsv1.2": "", "--tlsv1.3": "", "--parallel": "", "-Z": "",
}  # fmt: skip
_VALUES = {
    "-o": "output", "--output": "output", "-w": "write_out", "--write-out": "write_out",
    "-X": "method", "--request": "method", "-m": "max_time", "--max-time": "max_time",
    "--connect-timeout": "connect_timeout", "--cacert": "cacert", "-E": "cert",
    "--cert": "cert", "--key": "key", "-A": "agent", "--user-agent": "agent", "-e": "referer",
    "--referer": "referer", "-u": "user", "--user": "user", "-b": "cookie",
    "--cookie": "cookie", "--retry": "retry", "--retry-delay": "retry_delay",
    "--max-redirs": "max_redirs", "--unix-socket": "unix_socket", "--rate": "rate",
    "--retry-max-time": "", "--interface": "", "-c": "", "--cookie-jar": "", "--stderr": "",
    "--tls-max": "", "--ciphers": "", "--parallel-max": "", "--max-filesize": "",
    "--keepalive-time": "", "--capath": "",
}  # fmt: skip
_LISTS = {
    "-H": "headers", "--header": "headers", "-d": "data", "--data": "data",
    "--data-ascii": "data", "--data-raw": "data_raw", "--data-binary": "data_binary",
    "--data-urlencode": "data_encoded", "--json": "json", "--resolve": "resolve",
    "--connect-to": "connect_to", "--url": "urls",
}  # fmt: skip

VERSION = "8.14.1"


class CurlUsageError(ValueError):
    """An option that is not known, or one whose value is missing; the message is curl's."""


class CurlWords(NamedTuple):
    """A command line, read: flags that are set, values by name, and lists in their order."""

    flags: frozenset[str]
    values: dict[str, str]
    lists: dict[str, list[str]]
    data: list[tuple[str, str]]
    """Parts of the body: how they were given, and what."""

    def number(self, name: str, default: float = 0.0) -> float:
        """Return a value that is a number. Raises CurlUsageError."""
        text = self.values.get(name, "")
        try:
            return float(text) if text else default
        except ValueError as error:
            raise CurlUsageError(f"expected a proper numerical parameter: {text}") from error


def read(arguments: list[str]) -> CurlWords:
    """Read a command line. Raises CurlUsageError."""
    flags: set[str] = set()
    values: dict[str, str] = {}
    lists: dict[str, list[str]] = {"urls": []}
    data: list[tuple[str, str]] = []
    words = iter(arguments)
    plain = False
    for word in words:
        if plain or word == "-" or not word.startswith("-"):
            lists["urls"].append(word)
        elif word == "--":
            plain = True
        else:
            for option, given in _options(word):
                _take(option, given, words, flags, values, lists, data)
    return CurlWords(frozenset(flags), values, lists, data)


def _options(word: str) -> Iterator[tuple[str, str | None]]:
    """Take a word apart: `-sSo/dev/null` is three options, of which the last has its value."""
    if word.startswith("--"):
        yield word, None
        return
    letters = word[1:]
    for at, letter in enumerate(letters):
        option = f"-{letter}"
        if option in _FLAGS:
            yield option, None
            continue
        rest = letters[at + 1 :]
        yield option, rest or None
        return


def _take(
    option: str,
    given: str | None,
    words: Iterator[str],
    flags: set[str],
    values: dict[str, str],
    lists: dict[str, list[str]],
    data: list[tuple[str, str]],
) -> None:
    if option in _FLAGS:
        flags.add(_FLAGS[option])
        return
    if option not in _VALUES and option not in _LISTS:
        raise CurlUsageError(f"option {option}: is unknown")
    value = given if given is not None else next(words, None)
    if value is None:
        raise CurlUsageError(f"option {option}: requires parameter")
    if option in _VALUES:
        values[_VALUES[option]] = value
        return
    name = _LISTS[option]
    if name.startswith("data") or name == "json":
        data.append((name, value))
    else:
        lists.setdefault(name, []).append(value)


def globbed(url: str) -> list[str]:
    """Return the addresses that `[1-3]`, `[a-c]` and `{one,two}` in one stand for."""
    for opened, closed in ("[]", "{}"):
        start, end = url.find(opened), url.find(closed)
        if 0 <= start < end:
            inner = url[start + 1 : end]
            parts = inner.split(",") if opened == "{" else _range(inner)
            if parts:
                return [one for p in parts for one in globbed(url[:start] + p + url[end + 1 :])]
    return [url]


def _range(text: str) -> list[str]:
    body, _, step = text.partition(":")
    first, dash, last = body.partition("-")
    by = int(step) if step.isdigit() and int(step) else 1
    if not dash:
        return []
    if first.isdigit() and last.isdigit():
        width = len(first) if first.startswith("0") else 0
        return [str(n).zfill(width) for n in range(int(first), int(last) + 1, by)]
    if len(first) == len(last) == 1 and first.isalpha() and last.isalpha():
        return [chr(n) for n in range(ord(first), ord(last) + 1, by)]
    return []
