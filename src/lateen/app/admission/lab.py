"""What a lab cannot do and therefore refuses, rather than to accept it and do nothing."""

from collections.abc import Sequence

from lateen.apiserver.writing.admission import Review, Validator, Verdict

_NO_METRICS = (
    "a lab measures no load, so nothing would be scaled: "
    "choose the number of pods with `kubectl scale`"
)
_AUTOSCALE = "kubectl-autoscale"
"""How `kubectl autoscale` names itself."""


_DEBUGGER = "node-debugger-"
"""How the pods of `kubectl debug node/NAME` are called."""


def checks(host_paths: Sequence[str]) -> tuple[Validator, ...]:
    """Return what is asked before an object is stored; `host_paths` may be mounted into pods."""

    def debugger(review: Review) -> Verdict:
        return _debugger(review, host_paths)

    return autoscaler, debugger


def autoscaler(review: Review) -> Verdict:
    """Refuse `kubectl autoscale`: it asks for something to happen. A manifest with an autoscaler
    is stored with a warning, since it is part of what runs elsewhere."""
    about = review.info.resource == "horizontalpodautoscalers.autoscaling"
    if about and review.verb == "create" and review.manager == _AUTOSCALE:
        return Verdict(denied=_NO_METRICS, warnings=(f"refused: {_NO_METRICS}",))
    return Verdict()


def _debugger(review: Review, host_paths: Sequence[str]) -> Verdict:
    """Refuse `kubectl debug node/NAME` unless the machine's files may be seen: kubectl would wait
    for ever for a pod whose volume is not given."""
    pod = review.object or {}
    name = str(pod.get("metadata", {}).get("name", ""))
    creating = review.verb == "create" and not review.subresource
    if not (creating and review.info.resource == "pods" and name.startswith(_DEBUGGER)):
        return Verdict()
    from lateen.node.container import volumes  # few pods are of that kind

    for volume in pod["spec"].get("volumes") or ():
        if "hostPath" in volume:
            try:
                volumes.host_path(volume, host_paths)
            except volumes.VolumeRefused as error:
                return Verdict(denied=f"{error}; `lateen shell` opens a shell beside the pods")
    return Verdict()
