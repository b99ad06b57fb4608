"""What the catalogue calls the problems of a manifest. Pure."""

from typing import Any

from lateen.model.messages import diagnostics
from lateen.model.messages.diagnostics import Diagnostic
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.validation import dispatch

INVALID = "IST0106"
"""The code of what Istio's validation refuses."""

SYNTAX = "LTN0001"
UNKNOWN_KIND = "LTN0006"
DEFINED_TWICE = "LTN0007"

CODES = {
    "unknown": "LTN0002",
    "type": "LTN0003",
    "enum": "LTN0003",
    "required": "LTN0004",
    "duplicate": "LTN0005",
}
"""The codes of decoding problems, by their kind."""

_DOUBTFUL = "IST0133"


def warnings(info: KindInfo, obj: Any) -> tuple[Diagnostic, ...]:
    """Return the warnings of validation for an object. Each has the code of Istio's analyzer."""
    ref = ObjectRef(info.kind, obj.metadata.namespace, obj.metadata.name)
    return tuple(
        diagnostics.make(one.code, Source(ref, one.path), **dict(one.arguments))
        if one.code
        else diagnostics.make(_DOUBTFUL, Source(ref, one.path), detail=str(one))
        for one in dispatch.validate(info, obj).warnings
    )
