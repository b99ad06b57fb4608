"""Istio's rules, asked by the API server before an object is stored: its validating webhook."""

from lateen.apiserver.admission import Review, Verdict
from lateen.apiserver.strategy.base import Cause
from lateen.model import decode
from lateen.model.validation import dispatch


def check(review: Review) -> Verdict:
    """Return errors (the write is refused with 422) and warnings about an Istio object.

    Kubernetes' own kinds are judged by the API server's strategies.
    """
    if review.object is None or review.subresource or not review.info.is_istio:
        return Verdict()
    found = decode.decode(review.info, review.object, strict=False).object
    if found is None:
        return Verdict()  # refused already, as an object that cannot be read
    result = dispatch.validate(review.info, found)
    return Verdict(
        causes=tuple(Cause(f.reason, f.message, f.path) for f in result.errors),
        warnings=tuple(str(f) for f in result.warnings),
    )
