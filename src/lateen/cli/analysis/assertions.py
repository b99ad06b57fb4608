"""Statements of `lateen test` about all requests: asked of manifests, or of what a lab holds."""

from pathlib import Path
from typing import TYPE_CHECKING

from lateen.analysis.expectations.file import CaseError, CaseSet
from lateen.analysis.expectations.values import Assertion, Case, CaseResult, Expected
from lateen.cli.lab import rehearsed
from lateen.cli.lab.rehearsed import Ground, Refusal
from lateen.cli.manifests.named import Named
from lateen.cli.posture import sides
from lateen.cli.traffic.explain import shown
from lateen.model.labapi.explain import ExplainRequest

if TYPE_CHECKING:
    from lateen.app.foresight.classes.compiled_state import CompiledState


def held(asserted: Assertion, standing: "CompiledState") -> CaseResult:
    """Ask whether a statement holds for every request; for one that does not, the request that it
    fails by is explained."""
    from lateen.app.foresight import remedies
    from lateen.app.foresight.classes import assertions

    found = assertions.first(standing, asserted)
    case = Case(
        name=asserted.name,
        place=asserted.place,
        request=ExplainRequest(url=""),
        expected=Expected(),
    )
    if found is None:
        return CaseResult(case=case, problems=())
    asked = assertions.request(found)
    if asked is None:
        return CaseResult(case=case, problems=(found.problem,))
    told = remedies.explained(standing.known, asked, None, standing.locate)
    return CaseResult(case=case, problems=(found.problem,), explanation=shown(told))


def of_manifests(named: Named, istio: str, ground: Ground = rehearsed.NO_GROUND) -> "CompiledState":
    """Return what statements are asked of. Raises CaseError for manifests that are refused."""
    try:
        return sides.standing(rehearsed.parts(named, istio, ground))
    except Refusal as error:
        raise CaseError(str(error)) from error


def standing(
    lab: str, name: str, cases: CaseSet, named: Named, istio: str, ground: Ground
) -> "CompiledState":
    """Return what a file's statements are asked of: what the command line names, else what the
    file does, else a lab. Raises CaseError."""
    base = Path(name).parent
    named = named or Named([str(base / each) for each in cases.mesh])
    istio = istio or cases.istio
    if named or ground:
        return of_manifests(named, istio, ground)
    return sides.standing(rehearsed.of_lab(lab, istio))
