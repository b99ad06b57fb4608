"""Transcripts in documentation: commands with what they print, run for real and compared.

A block of ```console holds lines that begin with `$ ` and, below each, its output. What differs
from one run to the next (names of pods, addresses, times, the width of columns) is not compared.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BLOCK = re.compile(r"(?<=```console\n)(.*?)(?=^```$)", re.MULTILINE | re.DOTALL)
_PASSING = re.compile(r"^(starting the lab|pods ready \d+/\d+, proxies in step .*)\n", re.MULTILINE)
"""What a terminal shows in one line that changes."""
_VARYING = (
    (re.compile(r"-[a-z0-9]{7,10}-[a-z0-9]{5}\b"), "-POD"),
    (re.compile(r"\b\d+\.\d+\.\d+\.\d+(:\d+)?"), "ADDRESS"),
    (re.compile(r"\b\d+(\.\d+)? ?(ms|s|m)\b"), "TIME"),
    # A handshake may be refused before Envoy has chosen where its bytes would have gone.
    (re.compile(r'(TLS_error_end") cluster=inbound\|\d+\|\|'), r"\1"),
    (re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+Z"), "MOMENT"),
    (re.compile(r"KUBECONFIG=\S+"), "KUBECONFIG=FILE"),
    (re.compile(r", on a connection made earlier"), ""),
    (re.compile(r"[ \t]+"), " "),
)


@dataclass(frozen=True)
class Step:
    """A command as it stands in a page, and the output that the page shows."""

    command: str
    shown: str


def steps(page: str) -> Iterator[Step]:
    """Yield the commands of a page in order; a line that ends with \\ goes on in the next."""
    for block in _BLOCK.findall(page):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            found = re.match(r"((?:[^\n]*\\\n)*[^\n]*)\n(.*)", part, re.DOTALL)
            assert found, part
            yield Step(found[1], found[2])


def comparable(output: str) -> str:
    """Return an output without what differs from one run to the next; of a check of the machine
    what was checked."""
    text = settled(output)
    if text.startswith("machine\n---"):
        return "\n".join(re.findall(r"^[✔‼×] ([\w ]+):", text, re.MULTILINE))
    for pattern, word in _VARYING:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.splitlines())


def settled(output: str) -> str:
    """Return an output without the lines that a terminal overwrites, and with the place of a home
    and the kernel of nobody in particular."""
    text = _PASSING.sub("", output)
    text = re.sub(r"KUBECONFIG=\S+/state/", "KUBECONFIG=/home/you/.local/state/lateen/", text)
    return re.sub(r"system: Linux \S+", "system: Linux 6.12.0", text)


def rewritten(page: str, run: Callable[[str], str]) -> str:
    """Return a page with what its commands print now."""

    def block(found: re.Match[str]) -> str:
        parts = []
        for step in steps(f"```console\n{found[1]}```\n"):
            output = settled(run(step.command))
            ended = output if not output or output.endswith("\n") else f"{output}\n"
            parts.append(f"$ {step.command}\n{ended}")
        return "".join(parts)

    return _BLOCK.sub(block, page)
