"""The command line. Pure."""

from typing import NamedTuple

from lateen.node.standins.tcpdump.lines import Style

_WITH_VALUE = "BcCEFGijmMrsTVwWyzZQ"
_LONG_WITH_VALUE = {
    "--interface": "i", "--snapshot-length": "s", "--relinquish-privileges": "Z",
    "--buffer-size": "B", "--direction": "Q",
}  # fmt: skip
_LONG = {
    "--number": "#", "--packet-buffered": "U", "--immediate-mode": "", "--list-interfaces": "D",
    "--absolute-tcp-sequence-numbers": "S", "--no-promiscuous-mode": "p",
    "--dont-verify-checksums": "K",
}  # fmt: skip
_USAGE = (
    "Usage: tcpdump [-AeDlnNpqStUvxX] [-c count] [-i interface] [-r file] [-s snaplen]\n"
    "\t\t[-w file] [expression]"
)
_SNAPSHOT = 262144


class UsageError(Exception):
    """The command line cannot be understood."""


class TcpdumpOptions(NamedTuple):
    """What to capture, and where to and how it is written."""

    interface: str
    limit: int
    snapshot: int
    read: str
    write: str
    numeric: bool
    short_names: bool
    flush: bool
    line_buffered: bool
    promiscuous: bool
    list_interfaces: bool
    style: Style
    expression: str


def read(arguments: list[str]) -> TcpdumpOptions:
    """Read a command line as getopt does: letters may be joined, and options may also follow the
    expression. Raises UsageError."""
    values: dict[str, str] = {}
    flags: list[str] = []
    rest = list(arguments)
    words: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == "--":
            words += rest
            break
        if word.startswith("--"):
            _long(word, rest, values, flags)
        elif word.startswith("-") and word != "-":
            _letters(word[1:], rest, values, flags)
        else:
            words.append(word)
    return _options(values, flags, " ".join(words))


def _long(word: str, rest: list[str], values: dict[str, str], flags: list[str]) -> None:
    name, equals, value = word.partition("=")
    if name in _LONG:
        flags.append(_LONG[name])
        return
    if name not in _LONG_WITH_VALUE or (not equals and not rest):
        raise UsageError(f"tcpdump: unrecognized option '{word}'\n{_USAGE}")
    values[_LONG_WITH_VALUE[name]] = value if equals else rest.pop(0)


def _letters(word: str, rest: list[str], values: dict[str, str], flags: list[str]) -> None:
    for at, letter in enumerate(word):
        if letter in _WITH_VALUE:
            value = word[at + 1 :]
            if not value and not rest:
                raise UsageError(f"tcpdump: option requires an argument -- '{letter}'\n{_USAGE}")
            values[letter] = value or rest.pop(0)
            return
        if letter not in "AbdDefhHIJKlLnNOpqStuUvxX#":
            raise UsageError(f"tcpdump: invalid option -- '{letter}'\n{_USAGE}")
        flags.append(letter)


def _options(values: dict[str, str], flags: list[str], expression: str) -> TcpdumpOptions:
    if "h" in flags:
        raise UsageError(_USAGE)
    contents = ""
    for letter in "AxX":
        if letter in flags:
            contents = letter * min(2, flags.count(letter))
    style = Style(
        times=min(5, flags.count("t")),
        link="e" in flags,
        verbose=flags.count("v"),
        quiet="q" in flags,
        absolute="S" in flags,
        contents=contents,
        numbered="#" in flags,
        unchecked="K" in flags,
    )
    return TcpdumpOptions(
        interface=values.get("i", ""),
        limit=_number(values, "c", 0, "packet count"),
        snapshot=_number(values, "s", 0, "snaplen") or _SNAPSHOT,
        read=values.get("r", ""),
        write=values.get("w", ""),
        numeric="n" in flags,
        short_names="N" in flags,
        flush="U" in flags,
        line_buffered="l" in flags,
        promiscuous="p" not in flags,
        list_interfaces="D" in flags,
        style=style,
        expression=expression,
    )


def _number(values: dict[str, str], letter: str, default: int, name: str) -> int:
    text = values.get(letter)
    if text is None:
        return default
    if not text.isdigit() or (letter == "c" and int(text) < 1):
        raise UsageError(f"tcpdump: invalid {name} {text}")
    return int(text)
