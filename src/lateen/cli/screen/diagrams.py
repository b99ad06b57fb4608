"""Edges and requests as Mermaid diagrams, which GitHub and GitLab draw. Pure.

Lines are those of the page: solid is mutual TLS, dotted what anybody reads, thick where requests
failed. What travelled is said in words too.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from lateen.base.jsonvalue import Json

_WORDS = {"mtls": "mutual TLS", "tls": "TLS", "none": "plaintext", "": "not sent"}
_ESCAPES = {'"': "#quot;", "<": "#lt;", ">": "#gt;", "#": "#35;", ";": "#59;", "\n": " "}
"""What Mermaid would take for its own, or for HTML."""


def graph(edges: Iterable[Json]) -> str:
    """Return a flow chart of edges, left to right."""
    listed = list(edges)
    names = list(dict.fromkeys(chain(*((e["source"], e["target"]) for e in listed))))
    marks = {name: f"n{number}" for number, name in enumerate(names)}
    lines = ["flowchart LR"]
    lines += [f'    {mark}["{_plain(name)}"]' for name, mark in marks.items()]
    for edge in listed:
        errors = f", {edge['errors']} failed" if edge["errors"] else ""
        about = "~" if edge["sampled"] else ""
        text = f"{_WORDS[edge['tls']]} :{edge['port']}, {about}{edge['requests']}{errors}"
        arrow = "==>" if edge["errors"] else "-->" if edge["tls"] == "mtls" else "-.->"
        lines.append(
            f'    {marks[edge["source"]]} {arrow}|"{_plain(text)}"| {marks[edge["target"]]}'
        )
    return "\n".join(lines) + "\n"


def sequence(answer: Json) -> str:
    """Return a sequence diagram of one request: a participant per party, an arrow per leg."""
    legs: list[Any] = answer["legs"]
    parties = list(dict.fromkeys(chain(*((_who(g["from"]), _who(g["to"])) for g in legs))))
    marks = {party: f"p{number}" for number, party in enumerate(parties)}
    lines = ["sequenceDiagram"]
    lines += [f"    participant {mark} as {_plain(party)}" for party, mark in marks.items()]
    for leg in legs:
        wire = leg["wire"]
        said = wire["request"] or wire["sni"] or wire["version"]
        text = ": ".join(filter(None, (_WORDS[leg["tls"]], said)))
        arrow = "-x" if leg["failed"] or not leg["tls"] else "->>"
        here, there = marks[_who(leg["from"])], marks[_who(leg["to"])]
        lines.append(f"    {here}{arrow}{there}: {_plain(text)}")
        lines += [
            f"    Note over {here if why['side'] == 'client' else there}: {_plain(why['text'])}"
            for why in leg["reasons"]
        ]
    if legs:
        last = f"{marks[parties[0]]},{marks[parties[-1]]}" if len(parties) > 1 else "p0"
        lines.append(f"    Note over {last}: {_plain(answer['verdict']['sentence'])}")
    return "\n".join(lines) + "\n"


def _who(end: Json) -> str:
    name, role = str(end["name"]), str(end["role"])
    return role if name in ("", role) else f"{role} {name.rpartition('/')[2]}"


def _plain(text: str) -> str:
    return "".join(_ESCAPES.get(letter, letter) for letter in text)
