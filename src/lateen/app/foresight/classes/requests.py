"""Classes of requests in words, and one of them as a command."""

import shlex
from collections.abc import Sequence

from lateen.base.jsonvalue import Json
from lateen.predict.classes.regions import Witness
from lateen.predict.spaces.cells import Client, Target
from lateen.predict.values.trail import Literal

_ASKED = {
    "exact": "is",
    "prefix": "begins with",
    "suffix": "ends with",
    "contains": "holds",
    "regex": "is like",
    "below": "is below",
}


def words(notes: Sequence[Literal]) -> str:
    """Return in words which requests a class holds: what they have, not what they have not."""
    true = [note for note in notes if note.answer and not _idle(note)]
    valued = {note.field for note in true if note.test.kind in _ASKED}
    kept = [_said(n) for n in true if n.test.kind != "present" or n.field not in valued]
    if kept:
        return ", ".join(dict.fromkeys(kept))
    return "all requests" if all(map(_idle, notes)) else "all other requests"


def _idle(note: Literal) -> bool:
    """Whether a test tells nothing: every path begins with a slash, and a claim that is there has
    a value."""
    test = note.test
    if note.field.startswith("claim ") and (test.kind, test.value) == ("regex", ".+"):
        return True
    return (note.field, test.kind, test.value) == ("path", "prefix", "/") or test.kind == "other"


def _said(note: Literal) -> str:
    test = note.test
    if test.kind == "present":
        return f"{note.field} is there"
    value = test.value
    if test.cut or test.put:
        return f"{note.field} {_ASKED[test.kind]} {value} after {test.cut} became {test.put}"
    return f"{note.field} {_ASKED[test.kind]} {value}"


def document(witness: Witness) -> Json:
    """Return a request of a class."""
    headers = {f.partition(" ")[2]: v for f, v in witness.fields if f.startswith("header ")}
    found: Json = {"method": witness.method, "path": path(witness), "headers": headers}
    return found if witness.claims is None else {**found, "claims": witness.claims}


def path(witness: Witness) -> str:
    """Return its path with its query."""
    query = [
        f"{field.partition(' ')[2]}={value}"
        for field, value in witness.fields
        if field.startswith("query ") and value is not None
    ]
    return witness.path + (f"?{'&'.join(query)}" if query else "")


def options(client: Client, target: Target, witness: Witness) -> str:
    """Return what follows `lateen explain` or `lateen curl`: `--from` and the rest."""
    parts: list[str] = []
    if client.origin != "outside":
        parts += ["--from", client.origin]
        parts += ["--namespace", client.namespace] if client.namespace != "default" else []
    if witness.method != "GET":
        parts += ["-X", witness.method]
    for field, value in witness.fields:
        kind, _, name = field.partition(" ")
        if kind == "header":
            parts += ["-H", f"{name}:" if value is None else f"{name}: {value}"]
    if target.url.startswith("https:"):
        parts.append("-k")
    url = target.url if target.url.startswith("tcp:") else target.url[:-1] + path(witness)
    token = [f'--jwt "$({_token(witness)})"'] if witness.claims is not None else []
    return " ".join([*map(shlex.quote, parts), *token, shlex.quote(url)])


def _token(witness: Witness) -> str:
    """Return the command that makes a token with a request's claims: of this form it must be,
    whoever issues it."""
    words = ["lateen", "token"]
    for name, value in sorted((witness.claims or {}).items()):
        known = name in ("iss", "sub", "aud")
        words += [f"--{name}", value] if known else ["--claim", f"{name}={value}"]
    return shlex.join(words)
