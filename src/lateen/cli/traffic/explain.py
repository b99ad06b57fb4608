"""`lateen explain`: what a request will do and which line decides it, said beforehand."""

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.lab import rehearsed
from lateen.cli.lab.rehearsed import Ground
from lateen.cli.manifests.named import Named
from lateen.cli.screen import verdicts
from lateen.cli.terminal import screen
from lateen.cli.traffic import requests
from lateen.model.labapi import contract
from lateen.model.labapi.explain import to_curl

if TYPE_CHECKING:
    from lateen.app.foresight.offline import Item


class ExplainOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to explain, and whence: manifests, or a lab where none are named."""

    asked: requests.RequestWords
    named: Named = Named()
    ground: Ground = rehearsed.NO_GROUND
    istio: str = ""
    output: str = ""
    proxies: tuple[str, ...] = ()
    """Where to read what proxies really have."""
    live: bool = False
    """Send it, too (in a lab), and set what it does beside what was said."""


def explain(lab: str, options: ExplainOptions) -> int:
    """The command. Ends with 0 if the request will certainly be answered by an application or as a
    route says, 1 if it will fail, 2 if that depends or is not known, 65 for bad input."""
    try:
        options.asked.request()
    except ValueError as error:
        exits.complain(str(error))
        return exits.USAGE
    if options.output not in ("", "json"):
        exits.complain(f"-o {options.output}: use json, or leave it out")
        return exits.USAGE
    given = options.named or options.ground
    told = _of_files(lab, options) if given or options.proxies else _of_lab(lab, options)
    if isinstance(told, int):
        return told
    if options.live:
        told["live"] = _sent(lab, options, told)
    if options.output == "json":
        sys.stdout.write(json.dumps(told, indent=2) + "\n")
    else:
        screen.say(shown(told).rstrip("\n"))
    return int(told["exit"])


def _of_lab(lab: str, options: ExplainOptions) -> Json | int:
    from lateen.app.lab import lab as labs
    from lateen.cli.connection import api as lab_api
    from lateen.model.client import ApiError

    api = lab_api.Api.of(labs.require(lab))
    try:
        answer: Json = api.ask(contract.EXPLAIN, options.asked.request())
    except ApiError as error:
        if error.code != 400:
            raise
        exits.complain(f"error: {error.message}")
        return exits.UNPARSABLE
    return answer


def _sent(lab: str, options: ExplainOptions, told: Json) -> Json:
    """Send the request, and return its story with what came otherwise than foretold."""
    from lateen.app.foresight import outcome_diff
    from lateen.app.lab import lab as labs
    from lateen.cli.connection import api as lab_api

    request = to_curl(options.asked.request())
    answer: Json = lab_api.Api.of(labs.require(lab)).ask(contract.REQUEST, request)
    answer["surprises"] = outcome_diff.surprises(answer, told)
    return answer


def log(line: str) -> int:
    """`explain --log LINE`: what a line of a proxy's access log means."""
    from lateen.causes import logline

    found = logline.read(line)
    if not found.causes:
        sys.stdout.write("it tells of no failure\n")
        return exits.OK
    if len(found.causes) > 1:
        sys.stdout.write("one of these; the other side's log, or `lateen curl`, tells which:\n")
    for cause in found.causes:
        sys.stdout.write(f"{cause.code}: {cause.words}\n")
        for hint in cause.hints:
            sys.stdout.write(f"  hint: {hint}\n")
    return exits.OK


def _of_files(lab: str, options: ExplainOptions) -> Json | int:
    from lateen.app.foresight import offline

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
    items, asked = parts.items, options.asked.request()
    dumps = rehearsed.dumps(options.proxies, parts, parts.made()) if options.proxies else []
    try:
        return offline.explain(items, parts.settings, asked, _texts(items), parts.standing, dumps)
    except offline.AskedError as error:
        exits.complain(f"error: {error}")
        return exits.UNPARSABLE


def _texts(items: "list[Item]") -> dict[str, str]:
    """Return the text of each file that can be read again; what was built has none."""
    found: dict[str, str] = {}
    for name in {item.file for item in items}:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found[name] = Path(name).read_text(encoding="utf-8")
    return found


_TLS = {"none": "plaintext", "tls": "TLS", "mtls": "mutual TLS"}
_WIDTH = 15


def shown(told: Json) -> str:
    """Return a prediction for a terminal."""
    branches = told["branches"]
    lines: list[str] = []
    for branch in branches:
        if len(branches) > 1:
            lines.append(screen.paint(_condition(branch), "cyan"))
        lines += _outcome(branch["outcome"])
    lines += [line for each in told.get("remedies", ()) for line in _remedy(each)]
    if told["open"]:
        lines.append(f"left open: {told['open']}")
    if "live" in told:
        lines += ["", "sent:", *_live(told["live"])]
    return "\n".join(lines) + "\n"


def _live(answer: Json) -> list[str]:
    from lateen.cli.traffic import curl

    return [f"  {line}" for line in curl.format_answer(answer).splitlines()]


def _condition(branch: Json) -> str:
    share = branch["share"]
    words = " and ".join(branch["conditions"])
    return f"if {words}" if share is None else f"{share:.1%} of requests: {words}"


def _outcome(outcome: Json) -> list[str]:
    lines = [_headline(outcome)]
    lines += [line for step in outcome["steps"] for line in _step(step)]
    for leg in outcome["legs"]:
        lines.append("   " + screen.paint(_leg(leg), "dim"))
    if outcome["unknown"]:
        lines.append(f"   unknown: {outcome['unknown']}")
    lines += [f"   hint: {hint}" for hint in outcome["hints"]]
    return lines


def _headline(outcome: Json) -> str:
    came = str(outcome["status"] or outcome["error"] or "")
    if outcome["unknown"]:
        return f"{screen.paint('unknown', 'yellow')}  {outcome['unknown']}"
    if outcome["reached"]:
        where = f" by {outcome['destination']}" if outcome["destination"] else ""
        words = f"it will be answered{where}" if outcome["code"] != "direct-response" else ""
        words = words or "the route answers by itself"
        return f"{screen.paint(came or 'connected', 'green')}  {words}"
    failed = next((leg["name"] for leg in outcome["legs"] if leg["failed"]), "")
    place = f" on {failed}" if failed else ""
    return f"{screen.paint(came, 'red')}  it will fail{place}: {outcome['words']}"


def _remedy(remedy: Json) -> list[str]:
    """Return what mends it, tried: a diff of the file where there is one."""
    then = remedy["then"]
    legs = ", ".join(
        f"{leg['name']} {_TLS.get(leg['tls'], '')}" for leg in then["legs"] if leg["tls"]
    )
    mark = screen.paint(verdicts.WEAKENS, "yellow") if remedy["weakens"] else ""
    came = then["status"] or "connected"
    words = remedy["title"] if remedy["diff"] else remedy["text"]
    lines = [f" mends it, tried: {screen.visible(words)}  -> {came}: {legs}{mark}"]
    lines += [f"     {screen.visible(line)}" for line in remedy["diff"].splitlines()]
    places = [each["location"] for each in remedy["edits"] if each["location"]]
    return lines + [f"     {place}" for place in places if not remedy["diff"]]


def _step(step: Json) -> list[str]:
    mark = screen.paint("√", "green") if step["ok"] else screen.paint("×", "red")
    where = next((s for s in step["sources"] if s["location"]), None)
    where = where or next(iter(step["sources"]), None)
    text = f" {mark} {step['kind']:<{_WIDTH}}{step['text']}"
    if where is not None:
        place = f"  {where['location']}" if where["location"] else ""
        text += screen.paint(f"   {_object(where['text'])}{place}", "dim")
    return [text, *_lost(step)]


_MOST_LOST = 6
"""Candidates that are told of one step."""


def _lost(step: Json) -> list[str]:
    """Return what might have decided a step: whole objects always, and what is meant for such
    requests; other parts where the step fails."""
    told = [e for e in step["lost"] if not step["ok"] or e["meant"] or _whole(e)]
    lines = []
    for each in told[:_MOST_LOST]:
        text = _object(each["text"]) if _whole(each) else each["text"]
        shown = each["location"] and (_whole(each) or each["meant"])
        place = f"   {each['location']}" if shown else ""
        words = f"not {text}: {each['why']}{place}"
        lines.append(" " * (_WIDTH + 3) + screen.paint(words, "dim"))
    more = len(told) - _MOST_LOST
    return [*lines, *([f"{' ' * (_WIDTH + 3)}and {more} more (-o json)"] if more > 0 else [])]


def _whole(candidate: Json) -> bool:
    """Whether a candidate is an object, not a field of one or a piece of Envoy's."""
    return bool(candidate["source"]) and "#" not in candidate["source"]


def _object(source: str) -> str:
    """Return a source without its namespace: `VirtualService/shop`, and the field."""
    where, _, path = source.partition("#")
    parts = where.split("/")
    return f"{parts[0]}/{parts[-1]}" + (f" {path}" if path else "")


def _leg(leg: Json) -> str:
    tls = _TLS.get(leg["tls"], "nothing sent")
    words = f"{leg['name']}: {tls}"
    known = [leg["client_identity"], leg["server_identity"]]
    if any(known) and leg["tls"] == "mtls":
        words += f", {known[0].rpartition('/ns/')[2]} -> {known[1].rpartition('/ns/')[2]}"
    log = leg["client_log"]
    if log is not None and (log["flags"] != "-" or leg["failed"]):
        told = " ".join(str(x) for x in (log["status"] or "", log["flags"], log["details"]) if x)
        words += f"; client's proxy logs {told}"
    server = leg["server_log"]
    if leg["failed"] and server is not None:
        words += f"; server's logs {server['details'] or server['downstream_failure'] or '-'}"
    return words
