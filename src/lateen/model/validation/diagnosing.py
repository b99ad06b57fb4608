"""Problems and findings as diagnostics of the catalogue. Pure."""

from msgspec.structs import replace

from lateen.model import diagnostics, manifests
from lateen.model.decode import Problem
from lateen.model.diagnostics import Diagnostic
from lateen.model.meta import ObjectRef, Source
from lateen.model.validation.report import Finding, Validation

INVALID = "IST0106"
"""The code of whatever Istio's validation refuses."""

CODES = {
    "unknown": "LTN0002",
    "type": "LTN0003",
    "enum": "LTN0003",
    "required": "LTN0004",
    "duplicate": "LTN0005",
}
"""The codes of decoding problems, by their kind."""


def of_text(problem: manifests.Problem) -> Diagnostic:
    """Return what broken text is called: there is no object yet, only a place."""
    made = diagnostics.make("LTN0001", Source(ObjectRef("", "", "")), detail=problem.message)
    return replace(made, remedy=problem.remedy, location=problem.location)


def of_problem(ref: ObjectRef, problem: Problem) -> Diagnostic:
    """Return what a decoding problem of an object is called."""
    return diagnostics.make(
        CODES[problem.kind],
        Source(ref, problem.path),
        path=problem.path,
        detail=problem.message,
        suggestion=problem.suggestion or "Correct the field.",
    )


def of_validation(ref: ObjectRef, found: Validation) -> tuple[Diagnostic, ...]:
    """Return errors as IST0106 and warnings under their own code, or as IST0133."""
    errors = (_of_finding(ref, finding, INVALID) for finding in found.errors)
    warnings = (_of_finding(ref, finding, "IST0133") for finding in found.warnings)
    return (*errors, *warnings)


def _of_finding(ref: ObjectRef, finding: Finding, code: str) -> Diagnostic:
    source = Source(ref, finding.path)
    if finding.code:
        return diagnostics.make(finding.code, source, **dict(finding.arguments))
    return diagnostics.make(code, source, detail=str(finding))
