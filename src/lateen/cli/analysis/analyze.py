"""`lateen analyze`: what is doubtful in manifests, or in a lab."""

import json
import sys
from pathlib import Path

import msgspec

from lateen import __version__
from lateen.analysis.findings import choice, forms
from lateen.cli import exits
from lateen.cli.lab import rehearsed
from lateen.cli.lab.rehearsed import Ground, Refusal
from lateen.cli.manifests.named import Named
from lateen.cli.terminal import screen
from lateen.model.labapi import contract
from lateen.model.messages.diagnostics import Diagnostic, Level


class AnalyzeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What to analyze, and what is told of it."""

    named: Named = Named()
    ground: Ground = rehearsed.NO_GROUND
    istio: str = ""
    namespace: str = ""
    output: str = "log"
    output_threshold: str = "Info"
    fail_on: str = ""
    suppress: tuple[str, ...] = ()
    baseline: str = ""
    write_baseline: str = ""


class _Read(msgspec.Struct, frozen=True):
    """The options' values."""

    least: Level
    threshold: Level | None
    suppressed: tuple[choice.Suppression, ...]


def analyze(lab: str, options: AnalyzeOptions) -> int:
    """The command. Ends with 79 for findings at or above `--fail-on`, 65 for bad input, else 0."""
    try:
        read = _options(options)
        known = _baseline(options.baseline)
    except ValueError as error:
        exits.complain(f"error: {error}")
        return exits.USAGE
    given = options.named or options.ground
    found = _of_files(options) if given else _of_lab(lab)
    if isinstance(found, int):
        return found
    if options.namespace:
        found = [f for f in found if f.source.ref.namespace in ("", options.namespace)]
    if options.write_baseline:
        keys = [choice.key(each) for each in found]
        Path(options.write_baseline).write_text(json.dumps(keys, indent=1) + "\n")
        exits.complain(f"{options.write_baseline}: {_count(keys)} stand now")
    told = choice.told(choice.fresh(found, known), least=read.least, suppressed=read.suppressed)
    _show(told, options, read.threshold)
    return exits.FINDINGS if choice.failing(told, read.threshold) else exits.OK


def _options(options: AnalyzeOptions) -> _Read:
    if options.output not in forms.FORMS:
        raise ValueError(f"-o {options.output}: use {', '.join(forms.FORMS)}")
    return _Read(
        choice.level(options.output_threshold),
        choice.level(options.fail_on) if options.fail_on else None,
        tuple(choice.suppression(text) for text in options.suppress),
    )


def _baseline(name: str) -> list[str]:
    """Return the keys of a file that `--write-baseline` wrote. Raises ValueError, OSError."""
    if not name:
        return []
    try:
        return msgspec.json.decode(Path(name).read_bytes(), type=list[str])
    except msgspec.DecodeError as error:
        raise ValueError(f"{name} is no baseline: {error}; make one by --write-baseline") from None


def _of_lab(lab: str) -> list[Diagnostic] | int:
    from lateen.analysis.findings import record
    from lateen.app.lab import lab as labs
    from lateen.cli.connection import api as lab_api

    return record.read(lab_api.Api.of(labs.require(lab)).ask(contract.ANALYZE))


def _of_files(options: AnalyzeOptions) -> list[Diagnostic] | int:
    from lateen.app.foresight import findings

    try:
        mesh = rehearsed.parts(options.named, options.istio, options.ground)
    except Refusal as error:
        for message in error.messages:
            exits.complain(f"error: {message}")
        return exits.UNPARSABLE
    return findings.of_rehearsal(mesh.made(), mesh.settings)


def _show(told: list[Diagnostic], options: AnalyzeOptions, threshold: Level | None) -> None:
    match options.output:
        case "json":
            text = json.dumps([forms.document(each) for each in told], indent=2) + "\n"
        case "yaml":
            import yaml

            text = yaml.safe_dump([forms.document(each) for each in told], sort_keys=False)
        case "sarif":
            text = json.dumps(forms.sarif(told, __version__), indent=2) + "\n"
        case "junit":
            text = forms.junit(told, threshold)
        case "github":
            text = "".join(forms.github(each) + "\n" for each in told)
        case _:
            _log(told)
            return
    sys.stdout.write(text)


def _log(told: list[Diagnostic]) -> None:
    colours = {Level.ERROR: "red", Level.WARNING: "yellow", Level.INFO: "cyan"}
    for each in told:
        level = each.level.value
        line = screen.visible(forms.line(each))
        screen.say(screen.paint(level, colours[each.level]) + line.removeprefix(level))
        if hint := forms.hint(each):
            screen.say(f"  {screen.visible(hint)}")
    if not told:
        exits.complain("no findings")


def _count(every: list[str]) -> str:
    return f"{len(every)} finding{'s' * (len(every) != 1)}"
