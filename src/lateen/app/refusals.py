"""What a lab cannot do and therefore refuses, rather than to accept it and do nothing."""

from lateen.apiserver.admission import Review, Verdict

_NO_METRICS = (
    "a lab measures no load, so nothing would be scaled: "
    "choose the number of pods with `kubectl scale`"
)
_AUTOSCALE = "kubectl-autoscale"
"""How `kubectl autoscale` names itself."""


def check(review: Review) -> Verdict:
    """Refuse `kubectl autoscale`: it asks for something to happen. A manifest with an autoscaler
    is stored with a warning, since it is part of what runs elsewhere."""
    autoscaler = review.info.resource == "horizontalpodautoscalers.autoscaling"
    if autoscaler and review.verb == "create" and review.manager == _AUTOSCALE:
        return Verdict(denied=_NO_METRICS, warnings=(f"refused: {_NO_METRICS}",))
    return Verdict()
