"""docs/failures.md from a run of the failure classes."""

from collections.abc import Mapping, Sequence
from typing import Any

from lateen.observe import causes
from tests.e2e.failure_cases import Case

Json = dict[str, Any]
_WORDS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS"}

HEAD = """\
# Failures, told apart

What the client sees is rarely what went wrong: most of these are `503` with one of three bodies.
Lateen joins what both proxies logged with what the packets showed, and names one class. The table
is written by the tests that bring every class about (`UPDATE_DOCS=1 pytest
tests/e2e/test_evidence.py`), on configuration that Lateen generated for Istio 1.32 and with Envoy's
own words.

| what happens | `code` | client gets | client's proxy logs | server's side logs | on the wire |
|---|---|---|---|---|---|
"""
ALIKE = """
## The ones that look alike

The client gets the same answer, its proxy logs the same line; only the other side, or a capture,
tells them apart.

"""
CODES = """
## All codes

`verdict.code` is stable. The last column says what to do.

| `code` | what it means | remedies |
|---|---|---|
"""


def document(cases: Sequence[Case], answers: Mapping[str, Json]) -> str:
    """Return the whole document."""
    rows = [_row(case, answers[case.title]) for case in cases]
    table = "".join("| " + " | ".join(row) + " |\n" for row in rows)
    return HEAD + table + ALIKE + _alike(cases, answers) + CODES + _codes()


def _row(case: Case, answer: Json) -> list[str]:
    leg = _failed(answer)
    said = {reason["side"]: reason["text"] for reason in leg["reasons"]} if leg else {}
    return [
        case.title,
        f"`{answer['verdict']['code']}`",
        _came(answer),
        _code(said.get("client", "")),
        _code(said.get("server", "")),
        _wire(leg or answer["legs"][-1], answer),
    ]


def _failed(answer: Json) -> Json | None:
    return next((leg for leg in answer["legs"] if leg["failed"]), None)


def _came(answer: Json) -> str:
    response = answer["response"]
    return str(response["status"] or response["error"])


def _code(text: str) -> str:
    return f"`{text.replace('|', '/')}`" if text else "-"


def _wire(leg: Json, answer: Json) -> str:
    if not leg["tls"]:
        return f"{leg['name']}: nothing sent"
    return f"{leg['name']}: {_WORDS[leg['tls']]}"


def _alike(cases: Sequence[Case], answers: Mapping[str, Json]) -> str:
    groups: dict[tuple[str, str], list[str]] = {}
    for case in cases:
        leg = _failed(answers[case.title])
        said = {r["side"]: r["text"] for r in leg["reasons"]} if leg else {}
        if "server" in said and "client" in said:
            key = (_came(answers[case.title]), said["client"])
            travelled = _WORDS[leg["tls"]] if leg else ""
            groups.setdefault(key, []).append(f"{case.title}: `{said['server']}` ({travelled})")
    texts = []
    for (came, logged), found in groups.items():
        if len(found) > 1:
            head = f"`{came}` and `{logged}`; the server's side logs (and on the wire is), if\n\n"
            texts.append(head + "".join(f"- {each}\n" for each in found))
    return "\n".join(texts)


def _codes() -> str:
    return "".join(
        f"| `{cause.code}` | {cause.words or 'it was answered'} | {'; '.join(cause.remedies)} |\n"
        for cause in causes.EVERY
    )
