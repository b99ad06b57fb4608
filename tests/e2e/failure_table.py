"""docs/failures.md from a run of the failure classes."""

from collections.abc import Mapping, Sequence
from typing import Any

from lateen.causes import catalogue, remedies
from tests.e2e.failure_cases import Case

Json = dict[str, Any]
_WORDS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS", "": "nothing sent"}
COLUMNS = """\
| what happens | `code` | client gets | client's proxy logs | server's side logs | on the wire |
|---|---|---|---|---|---|
"""

HEAD = """\
# Failures, told apart

What the client sees is rarely what went wrong: most of these are `503` with one of three bodies.
Lateen joins what both proxies logged with what the packets showed, and names one class. The table
is written by the tests that bring every class about (`UPDATE_DOCS=1 pytest
tests/e2e/test_failures.py`), on configuration that Lateen generated for Istio 1.32 and with Envoy's
own words.

"""
DIFFERENT = """
## On Istio 1.17

All classes were brought about on the configuration of 1.17 too. These differ: what a
DestinationRule of mode `SIMPLE` verifies changed in 1.21, and what a server's proxy tries again
in 1.24.

"""
ALIKE = """
## The ones that look alike

The client gets the same answer, its proxy logs the same line; only the other side, or a capture,
tells them apart.

"""
CODES = """
## All codes

`verdict.code` is stable. A *remedy* is a change of manifests: it is made of what this mesh has, and
each that is printed here was made and the request sent again (`tests/e2e/test_failures.py`). A
*hint* is anything else; the column has those for when nothing more is known.

| `code` | what it means | remedies | hints |
|---|---|---|---|
"""


Row = tuple[str, ...]
"""The cells of a case's line, as they are printed."""


def row(case: Case, answer: Json) -> Row:
    """Return the line of a case from what happened."""
    leg = next((leg for leg in answer["legs"] if leg["failed"]), None)
    said = {reason["side"]: reason["text"] for reason in leg["reasons"]} if leg else {}
    response = answer["response"]
    came = str(response["status"] or response["error"])
    for word in ("reset", "closed"):  # which of them is a matter of time
        came = came.replace(f"connection {word} by", "connection ended by")
    return (
        case.title,
        f"`{answer['verdict']['code']}`",
        came,
        _code(said.get("client", "")),
        _code(said.get("server", "")),
        _wire(leg or answer["legs"][-1]),
    )


def document(rows: Mapping[str, Sequence[Row]]) -> str:
    """Return the whole document; `rows` are the lines of each version, the newest's first. Of an
    older version only those are shown that differ."""
    newest, *older = rows.values()
    different = [row for found in older for row in found if row not in newest]
    alike = ALIKE + _alike(newest)
    return HEAD + _table(newest) + DIFFERENT + _table(different) + alike + CODES + _codes()


def rows_of(text: str) -> list[list[Row]]:
    """Return the lines of the document's tables of cases: the newest version's, the old one's."""
    tables = (part.partition("\n\n")[0] for part in text.split(COLUMNS)[1:])
    return [[tuple(line[2:-2].split(" | ")) for line in t.splitlines() if line] for t in tables]


def _table(rows: Sequence[Row]) -> str:
    return COLUMNS + "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _code(text: str) -> str:
    return f"`{text.replace('|', '/')}`" if text else "-"


def _wire(leg: Json) -> str:
    return f"{leg['name']}: {_WORDS[leg['tls']]}"


def _alike(rows: Sequence[Row]) -> str:
    groups: dict[tuple[str, str], list[str]] = {}
    for title, _, came, client, server, wire in rows:
        if "-" not in (client, server):
            travelled = wire.rpartition(": ")[2]
            groups.setdefault((came, client), []).append(f"{title}: {server} ({travelled})")
    texts = []
    for (came, logged), found in groups.items():
        if len(found) > 1:
            head = f"`{came}` and {logged}; the server's side logs (and on the wire is), if\n\n"
            texts.append(head + "".join(f"- {each}\n" for each in found))
    return "\n".join(texts)


def _codes() -> str:
    return "".join(
        "| "
        + " | ".join(
            (
                f"`{cause.code}`",
                cause.words or "it was answered",
                "yes" if cause.code in remedies.REMEDIED else "",
                "; ".join(cause.hints),
            )
        )
        + " |\n"
        for cause in catalogue.EVERY
    )
