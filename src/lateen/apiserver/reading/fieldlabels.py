"""Which fields a field selector may name, kind by kind, as on a cluster. Pure.

A selector that worked here and not there would be no help.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from lateen.apiserver.reading.watch_events import Match
from lateen.model.schema import kinds, selectors
from lateen.model.schema.kindinfo import KindInfo

_REFERENCE = ("apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "pods": (
        "spec.hostNetwork",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.nominatedNodeName",
        "status.phase",
        "status.podIP",
        "status.podIPs",
    ),
    "events": (
        *(f"involvedObject.{one}" for one in _REFERENCE),
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "events.events.k8s.io": (
        *(f"regarding.{one}" for one in _REFERENCE),
        "reason",
        "reportingController",
        "type",
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "services": ("spec.clusterIP", "spec.type"),
    "replicasets.apps": ("status.replicas",),
    "replicationcontrollers": ("status.replicas",),
    "jobs.batch": ("status.successful",),
    "certificatesigningrequests.certificates.k8s.io": ("spec.signerName",),
}
_ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "events": {"source": "source.component"},
    "jobs.batch": {"status.successful": "status.succeeded"},
}
"""Labels of fields that are kept under another name."""
_UNSET: Mapping[str, Mapping[str, str]] = {
    "nodes": {"spec.unschedulable": "false"},
    "pods": {"spec.hostNetwork": "false"},
    "replicasets.apps": {"status.replicas": "0"},
    "jobs.batch": {"status.successful": "0"},
}
"""What a field counts as that is not there; otherwise as empty."""


def predicate(info: KindInfo, given: selectors.FieldSelector, more: tuple[str, ...]) -> Match:
    """Return whether objects meet a selector; `more` are the fields that a definition makes
    selectable. Raises ValueError for a field that cannot be selected by."""
    always = ("metadata.name", "metadata.namespace") if info.namespaced else ("metadata.name",)
    own = _FIELDS.get(info.resource, ())
    custom = info.is_istio or kinds.find_resource(info.resource) is not info
    for term in given.terms:
        if term.field in (*always, *own, *more):
            continue
        if own or custom:
            raise ValueError(f"field label not supported: {term.field}")
        known = ", ".join(f'"{one}"' for one in always)
        raise ValueError(f'"{term.field}" is not a known field selector: only {known}')
    conditions = [_condition(info.resource, term) for term in given.terms]
    return lambda value: all(condition(value) for condition in conditions)


def _condition(resource: str, term: selectors.FieldTerm) -> Match:
    kept = _ELSEWHERE.get(resource, {}).get(term.field, term.field)
    plain = selectors.FieldSelector((replace(term, field=kept),)).matches
    if _UNSET.get(resource, {}).get(term.field) != term.value:
        return plain
    absent = selectors.FieldSelector((replace(term, field=kept, value=""),)).matches
    if term.equal:
        return lambda value: plain(value) or absent(value)
    return lambda value: plain(value) and absent(value)
