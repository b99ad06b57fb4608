"""`lateen diff` and `lateen upgrade`: which classes of requests a change changes."""

import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.lab import rehearsed
from lateen.cli.manifests.named import Named
from lateen.cli.posture import sides
from lateen.cli.posture.posture import explaining, names, place, several
from lateen.cli.posture.sides import Reading
from lateen.cli.terminal import screen

FORMS = ("log", "json", "markdown", "github")
FAIL_ON = ("less-secure", "broken", "any")
_MARKS = {
    "less-secure": ("!", "red"),
    "broken": ("×", "red"),
    "repaired": ("√", "green"),
    "more-secure": ("+", "green"),
    "moved": ("~", "yellow"),
    "other": ("~", "yellow"),
    "unknown": ("?", "yellow"),
}
_COUNTED = {
    "less-secure": "less secure",
    "more-secure": "more secure",
    "other": "otherwise changed",
    "unknown": "that cannot be told any more",
}


class DiffOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Two states, what to tell of them, and what is a failure."""

    old: str
    new: str = ""
    reading: Reading = Reading()
    start: str = ""
    to: str = ""
    fail_on: tuple[str, ...] = ()
    output: str = "log"


class UpgradeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions of Istio, and the manifests that stay."""

    old: str
    new: str
    reading: Reading = Reading()
    lab: str = ""
    fail_on: tuple[str, ...] = ()
    output: str = "log"


def refuses(output: str, fail_on: Sequence[str]) -> bool:
    """Whether options have a word that is none; complain of it."""
    if output in FORMS and all(each in FAIL_ON for each in fail_on):
        return False
    exits.complain(f"error: use -o {'|'.join(FORMS)}, --fail-on {'|'.join(FAIL_ON)}")
    return True


def diff(options: DiffOptions) -> int:
    """The command. Ends with 79 for changes of the kinds that --fail-on names, 65 for bad input."""
    from lateen.app.foresight.classes import posture_diff

    if refuses(options.output, options.fail_on):
        return exits.USAGE
    try:
        old, new, reading = _sides(options)
    except ValueError as error:
        exits.complain(f"error: {error}")
        return exits.USAGE
    try:
        with contextlib.ExitStack() as stack:
            before, after = (stack.enter_context(sides.parts(w, reading)) for w in (old, new))
            pair = posture_diff.Pair(sides.standing(before), sides.standing(after))
            told = posture_diff.document(pair, options.start, options.to)
    except rehearsed.Refusal as error:
        for message in error.messages:
            exits.complain(f"error: {message}")
        return exits.UNPARSABLE
    where = Path(new)
    shown = Reading(named=Named([new])) if where.exists() else Reading()
    given = explaining(shown.named, reading.istio, reading.ground)
    return tell(told, options.output, options.fail_on, given)


def _sides(options: DiffOptions) -> tuple[str, str, Reading]:
    """Return the words of both states, and how they are read. Raises ValueError."""
    reading = options.reading
    if options.new:
        return options.old, options.new, reading
    both = sides.revisions(options.old)
    if both is None:
        raise ValueError("name two states: OLD NEW, or revisions of git as main..HEAD -f DIR")
    old, new = both
    return old, new or sides.AS_IT_IS, reading


def upgrade(options: UpgradeOptions) -> int:
    """The command: the same manifests under two versions of Istio. Exit codes are diff's."""
    from lateen.app.foresight.classes import upgrade

    if refuses(options.output, options.fail_on):
        return exits.USAGE
    reading = options.reading
    try:
        parts = []
        for istio in (options.old, options.new):
            if reading.named or reading.ground:
                parts.append(rehearsed.parts(reading.named, istio, reading.ground))
            else:
                parts.append(rehearsed.of_lab(options.lab, istio))
        before, after = (upgrade.Version(p.made(), p.settings) for p in parts)
        told = upgrade.document(before, after)
    except rehearsed.Refusal as error:
        for message in error.messages:
            exits.complain(f"error: {message}")
        return exits.UNPARSABLE
    given = explaining(reading.named, options.new, reading.ground)
    return tell(told, options.output, options.fail_on, given)


def tell(told: Json, output: str, fail_on: Sequence[str], given: str) -> int:
    """Print what changes, and return the exit code. `given` is the command that explains."""
    match output:
        case "json":
            sys.stdout.write(json.dumps(told, indent=2) + "\n")
        case "markdown":
            sys.stdout.write("\n".join(_markdown(told)) + "\n")
        case "github":
            sys.stdout.write("".join(f"{line}\n" for line in _github(told)))
        case _:
            screen.say("\n".join(_log(told, given)))
    kinds = {change["kind"] for change in told["changes"]}
    failed = kinds if "any" in fail_on else kinds & set(fail_on)
    if "less-secure" in fail_on and (told["open"] or "unknown" in kinds):
        failed = failed | {"open"}
    return exits.FINDINGS if failed else exits.OK


def count(told: Json) -> str:
    """Return in a line how many classes changed, and what is known of the rest."""
    parts = [
        f"{number} {_COUNTED.get(kind, kind)}" for kind, number in told["counts"].items() if number
    ]
    rest = f"{told['unchanged']} classes unchanged"
    closed = "nothing else can change" if parts else "nothing changes, and nothing can"
    if told["open"]:
        closed = f"left open for {len(told['open'])}"
    return ", ".join([*parts, rest]) + f"; {closed}"


def _log(told: Json, given: str) -> Iterator[str]:
    if told["changes"] and "onesided" in told:
        yield "- as compiled here, + as the proxies have it"
    for each in told["changes"]:
        mark, colour = _MARKS[each["kind"]]
        yield screen.paint(f"{mark} {names(each['clients'])} => {each['to']}", colour)
        yield f"    {several(each['requests'])}: {each['why']}"
        yield f"    - {each['before']['words']}{place(each['before']['sources'])}"
        yield f"    + {each['after']['words']}{place(each['after']['sources'])}"
        if each.get("gates"):
            yield f"    gate: {', '.join(each['gates'])}"
        yield screen.paint(f"    {given} {each['witness']['options']}", "dim")
    for each in told["open"]:
        yield f"left open for {each['to']}: {', '.join(each['why'])}"
    yield count(told)
    for each in told.get("onesided", ()):
        side = "the proxies" if each["in"] == "proxy" else "what is compiled"
        yield f"only in {side}: {each['kind']} {each['name']} ({names(each['proxies'])})"
    for name in told.get("unmodelled", ()):
        yield f"not modelled: {name}"


def _markdown(told: Json) -> Iterator[str]:
    yield f"**What this changes for requests:** {count(told)}"
    if told["changes"]:
        yield ""
        yield "| | from | to | requests | before | after | shows it |"
        yield "|---|---|---|---|---|---|---|"
    for each in told["changes"]:
        mark, _ = _MARKS[each["kind"]]
        cells = (
            f"{mark} {each['kind']}",
            names(each["clients"]),
            each["to"],
            several(each["requests"]),
            each["before"]["words"] + _plain(each["before"]["sources"]),
            each["after"]["words"] + _plain(each["after"]["sources"]),
            f"`{each['witness']['curl']}`",
        )
        yield "| " + " | ".join(_cell(cell) for cell in cells) + " |"
    for each in told["open"]:
        yield f"\nLeft open for {each['to']}: {', '.join(each['why'])}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _plain(sources: list[Json]) -> str:
    first = next((s for s in sources if s["location"]), next(iter(sources), None))
    return "" if first is None else f" ({first['text'].rpartition('/')[2]} {first['location']})"


def _github(told: Json) -> Iterator[str]:
    """Yield workflow commands: an annotation at the line that decides afterwards."""
    for each in told["changes"]:
        level = {"less-secure": "error", "broken": "error"}.get(each["kind"], "notice")
        where = next((s["location"] for s in each["after"]["sources"] if s["location"]), "")
        file, _, line = where.rpartition(":")
        spot = f" file={file},line={line}" if file else ""
        words = (
            f"{names(each['clients'])} => {each['to']}, {several(each['requests'])}: "
            f"{each['before']['words']} becomes {each['after']['words']}"
        )
        yield f"::{level}{spot}::{words.replace('%', '%25')}"
    yield count(told)
