"""`lateen test`: requests with what is expected of them, predicted."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lateen.analysis.expectations import file as case_files, judge, results
from lateen.analysis.expectations.file import CaseError, CaseSet
from lateen.analysis.expectations.values import Case, CaseResult
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.lab import rehearsed
from lateen.cli.lab.rehearsed import Ground, Refusal
from lateen.cli.manifests.named import Named
from lateen.cli.terminal import screen
from lateen.cli.traffic.explain import shown
from lateen.model.labapi import contract
from lateen.model.labapi.explain import ExplainRequest, to_curl

Explain = Callable[[ExplainRequest], Json]
FORMS = ("log", "json", "junit")


class CaseOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Files of cases, and their mesh: manifests, else what the file names, else a lab."""

    files: Sequence[str]
    named: Named = Named()
    ground: Ground = rehearsed.NO_GROUND
    istio: str = ""
    output: str = "log"
    live: bool = False
    """Send the requests (in a lab) instead of predicting them."""


def test(lab: str, options: CaseOptions) -> int:
    """The command. Ends with 0 if every case passes, 1 if one fails, 65 for bad input."""
    if options.output not in FORMS:
        exits.complain(f"error: -o {options.output}: use {', '.join(FORMS)}")
        return exits.USAGE
    found: list[CaseResult] = []
    try:
        for name in options.files:
            cases = read(name)
            explain = _explaining(lab, name, cases, options)
            found += [judged(case, explain, live=options.live) for case in cases.cases]
            found += _asserted(lab, name, cases, options)
    except CaseError as error:
        for line in str(error).splitlines():
            exits.complain(f"error: {line}")
        return exits.UNPARSABLE
    _show(found, options)
    return exits.FAILED if any(each.problems for each in found) else exits.OK


def read(name: str) -> CaseSet:
    """Return the cases of a file. Raises CaseError, OSError."""
    import yaml

    try:
        body = yaml.load(Path(name).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CaseError(f"{name}: {error}") from error
    return case_files.read(body, name)


def judged(case: Case, explain: Explain, *, live: bool = False) -> CaseResult:
    """Predict a case's request, or send it, and compare."""
    told = explain(case.request)
    problems = judge.problems(case, told)
    problems = judge.came(problems) if live else problems
    return CaseResult(case=case, problems=problems, explanation=shown(told) if problems else "")


def _asserted(lab: str, name: str, cases: CaseSet, options: CaseOptions) -> list[CaseResult]:
    if not cases.assertions:
        return []
    from lateen.cli.analysis import assertions

    given = options.named, options.istio, options.ground
    standing = assertions.standing(lab, name, cases, *given)
    return [assertions.held(each, standing) for each in cases.assertions]


def _explaining(lab: str, name: str, cases: CaseSet, options: CaseOptions) -> Explain:
    if options.live:
        return _sending(lab, name, cases, options)
    base = Path(name).parent
    named = options.named or Named([str(base / each) for each in cases.mesh])
    if named or options.ground:
        istio = options.istio or cases.istio
        return of_manifests(named, istio, options.ground, assumed=cases.assumed)
    if cases.assumed:
        raise CaseError(f"{name}: name the manifests that these cases are about: -f FOLDER")
    return _of_lab(lab)


def of_manifests(
    named: Named, istio: str, ground: Ground = rehearsed.NO_GROUND, *, assumed: bool = False
) -> Explain:
    """Return what explains requests in the lab that would be started with these manifests.

    Raises CaseError for manifests that are refused.
    """
    from lateen.app.foresight import offline, remedies

    try:
        mesh = rehearsed.parts(named, istio, ground, assumed=assumed)
    except Refusal as error:
        raise CaseError(str(error)) from error
    made = mesh.made()
    foresight = offline.foresight(made, mesh.settings.images)

    def explain(request: ExplainRequest) -> Json:
        try:
            return remedies.explained(foresight, request, None, made.locate)
        except offline.AskedError as error:
            raise CaseError(str(error)) from error

    return explain


def _sending(lab: str, name: str, cases: CaseSet, options: CaseOptions) -> Explain:
    """Return what sends requests in a lab. Raises CaseError for what cannot be sent."""
    from lateen.analysis.expectations import requests
    from lateen.app.lab import lab as labs
    from lateen.cli.connection import api as lab_api
    from lateen.model.client import ApiError

    if options.named or options.ground:
        raise CaseError("--live sends to a lab: apply the manifests there, and leave them out here")
    if cases.assumed:
        raise CaseError(f"{name}: these cases are about routes alone: they cannot be sent")
    api = lab_api.Api.of(labs.require(lab))

    def send(request: ExplainRequest) -> Json:
        if request.sni:
            raise CaseError(f"{name}: a request with an sni of its own cannot be sent")
        sent = msgspec.structs.replace(to_curl(request), remedies=False)
        try:
            return requests.told(api.ask(contract.REQUEST, sent))
        except ApiError as error:
            if error.code != 400:
                raise
            raise CaseError(error.message) from error

    return send


def _of_lab(lab: str) -> Explain:
    from lateen.app.lab import lab as labs
    from lateen.cli.connection import api as lab_api
    from lateen.model.client import ApiError

    api = lab_api.Api.of(labs.require(lab))

    def explain(request: ExplainRequest) -> Json:
        try:
            asked = msgspec.structs.replace(request, remedies=False)
            answer: Json = api.ask(contract.EXPLAIN, asked)
        except ApiError as error:
            if error.code != 400:
                raise
            raise CaseError(error.message) from error
        return answer

    return explain


def _show(found: list[CaseResult], options: CaseOptions) -> None:
    match options.output:
        case "json":
            sys.stdout.write(json.dumps(results.documents(found), indent=2) + "\n")
        case "junit":
            sys.stdout.write(results.junit(found, "lateen test"))
        case _:
            for each in found:
                for line in results.lines(each):
                    colour = {"√": "green", "×": "red"}.get(line[:1])
                    screen.say(screen.paint(line[:1], colour) + line[1:] if colour else line)
            screen.say(results.count(found))
