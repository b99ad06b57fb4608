"""`lateen posture`: who can reach what, how protected, decided by whom."""

import html
import json
import shlex
import sys
from collections.abc import Iterator, Sequence

import msgspec

from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.lab import rehearsed
from lateen.cli.lab.rehearsed import Ground
from lateen.cli.manifests.named import Named
from lateen.cli.posture import sides
from lateen.cli.terminal import screen

FORMS = ("table", "json", "html")
_KINDS = ("plaintext", "denied", "broken", "unknown", "reached")
_MOST_NAMES, _MOST_CLASSES = 6, 3


class PostureOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to tell of: manifests, or a lab where none are named; clients and destinations."""

    named: Named = Named()
    ground: Ground = rehearsed.NO_GROUND
    istio: str = ""
    start: str = ""
    to: str = ""
    only: str = ""
    output: str = "table"
    proxies: tuple[str, ...] = ()
    """Where to read what proxies really have."""


def posture(lab: str, options: PostureOptions) -> int:
    """The command. Ends with 0, with 2 where something was left open, 65 for bad input."""
    if options.output not in FORMS or options.only not in ("", *_KINDS):
        exits.complain(f"error: use -o {'|'.join(FORMS)}, --only {'|'.join(_KINDS)}")
        return exits.USAGE
    from lateen.app.foresight.classes import posture as all_requests

    try:
        parts = (
            rehearsed.parts(options.named, options.istio, options.ground)
            if options.named or options.ground
            else rehearsed.of_lab(lab, options.istio)
        )
    except rehearsed.Refusal as error:
        for message in error.messages:
            exits.complain(f"error: {message}")
        return exits.UNPARSABLE
    asked = all_requests.PostureFilter(start=options.start, to=options.to, only=options.only)
    told = all_requests.document(sides.standing(parts, options.proxies), asked)
    match options.output:
        case "json":
            sys.stdout.write(json.dumps(told, indent=2) + "\n")
        case "html":
            given = explaining(options.named, options.istio, options.ground, options.proxies)
            sys.stdout.write(page(told, given))
        case _:
            given = explaining(options.named, options.istio, options.ground, options.proxies)
            screen.say("\n".join(_lines(told, given)) or "nothing is of this kind")
    return exits.UNKNOWN if any(cell["open"] for cell in told["cells"]) else exits.OK


def names(clients: list[str]) -> str:
    """Return clients in a line."""
    shown = ", ".join(clients[:_MOST_NAMES])
    left = len(clients) - _MOST_NAMES
    return f"{shown} and {left} more" if left > 0 else shown


def explaining(named: Named, istio: str, ground: Ground, proxies: Sequence[str] = ()) -> str:
    """Return the command that explains a request in the same state, but for the request."""
    words = ["lateen", "explain"]
    for option, values in (("-f", named.names), ("-k", named.overlays)):
        words += [word for value in values for word in (option, value)]
    words += ["-R"] if named.recursive else []
    for option, value in (
        ("--istio", istio),
        ("--base", ground.base),
        ("--context", ground.context),
        ("--kubeconfig", ground.kubeconfig),
    ):
        words += [option, value] if value else []
    words += [word for each in proxies for word in ("--proxies", each)]
    return shlex.join(words)


def several(requests: list[str]) -> str:
    """Return classes of requests in a line."""
    every = list(dict.fromkeys(requests))
    shown = "; ".join(every[:_MOST_CLASSES])
    left = len(every) - _MOST_CLASSES
    return f"{shown}; and {left} more" if left > 0 else shown


def _mark(ways: list[Json]) -> tuple[str, str]:
    """Return a mark and its colour: all of it gets there, some of it, or none."""
    reached = [way["reached"] for way in ways]
    if all(reached):
        return "√", "green"
    return ("~", "yellow") if any(reached) else ("×", "red")


def _lines(told: Json, given: str) -> Iterator[str]:
    before = ""
    for cell in told["cells"]:
        if cell["to"] != before:
            yield screen.paint(cell["to"], "cyan")
            before = cell["to"]
        yield f"  from {names(cell['clients'])}"
        for each in cell["classes"]:
            mark = screen.paint(*_mark(each["ways"]))
            yield f"    {mark} {several(each['requests'])}: {each['words']}{place(each['sources'])}"
            yield screen.paint(f"        {given} {each['witness']['options']}", "dim")
        for why in cell["open"]:
            yield f"    left open: {why}"


def place(sources: list[Json]) -> str:
    """Return the field that decided, and where it is written."""
    first = next((s for s in sources if s["location"]), next(iter(sources), None))
    if first is None:
        return ""
    where, _, path = first["text"].partition("#")
    parts = where.split("/")
    words = f"{parts[0]}/{parts[-1]}" + (f" {path}" if path else "")
    return screen.paint(f"   {words}  {first['location']}".rstrip(), "dim")


_STYLE = """body{font:14px sans-serif;margin:2em}table{border-collapse:collapse}
td,th{border:1px solid #ccc;padding:.3em .6em;text-align:left;vertical-align:top}
.no{background:#fdd}.plain{background:#ffd}.yes{background:#dfd}code{font-size:12px}"""


def page(told: Json, given: str) -> str:
    """Return the same as one page of HTML that needs nothing else."""
    head = "".join(f"<th>{each}</th>" for each in ("to", "from", "requests", "what", "decided by"))
    rows = "".join(_row(cell, each, given) for cell in told["cells"] for each in cell["classes"])
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Posture</title>"
        f"<style>{_STYLE}</style><h1>Who can reach what</h1>"
        f"<table><tr>{head}</tr>{rows}</table></html>\n"
    )


def _row(cell: Json, one: Json, given: str) -> str:
    kind = "plain" if one["plaintext"] else "yes" if one["reached"] else "no"
    sources = "<br>".join(html.escape(f"{s['text']} {s['location']}") for s in one["sources"])
    command = html.escape(f"{given} {one['witness']['options']}")
    return (
        f"<tr class={kind}><td>{html.escape(cell['to'])}</td>"
        f"<td>{html.escape(', '.join(cell['clients']))}</td>"
        f"<td>{html.escape('; '.join(one['requests']))}<br><code>{command}</code></td>"
        f"<td>{html.escape(one['words'])}</td><td>{sources}</td></tr>"
    )
