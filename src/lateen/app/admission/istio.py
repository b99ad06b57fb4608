"""Istio's rules, asked by the API server before an object is stored: its validating webhook."""

from collections.abc import Sequence

from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.writing.admission import Review, Verdict
from lateen.model.schema import decode
from lateen.model.validation import dispatch

WEBHOOK = "validation.istio.io"
"""The name that Istio's chart gives to its webhook."""


def check(review: Review) -> Verdict:
    """Return errors (the write is refused) and warnings about an Istio object.

    Kubernetes' own kinds are judged by the API server's strategies.
    """
    if review.object is None or review.subresource or not review.info.is_istio:
        return Verdict()
    found = decode.decode_stored(review.info, review.object)
    if found is None:
        return Verdict()  # refused already, as an object that cannot be read
    result = dispatch.validate(review.info, found)
    warnings = tuple(str(one) for one in result.warnings)
    if result.ok:
        return Verdict(warnings=warnings)
    why = f"configuration is invalid: {joined([one.message for one in result.errors])}"
    causes = tuple(Cause(one.reason, one.message, one.path) for one in result.errors)
    return Verdict(why, WEBHOOK, causes, warnings)


def joined(messages: Sequence[str]) -> str:
    """Return one message as it is and several as a list, as Istio's error type prints them."""
    if len(messages) == 1:
        return messages[0]
    lines = "\n\t".join(f"* {one}" for one in messages)
    return f"{len(messages)} errors occurred:\n\t{lines}\n\n"
