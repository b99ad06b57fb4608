"""Roles and their bindings: defaults, and what Kubernetes refuses of them. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lateen.apiserver import fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds.strategy import base
from lateen.base.jsonvalue import Json
from lateen.model.schema import objectmeta
from lateen.model.validation.kube import metadata, names
from lateen.model.validation.report import Report

_GROUP = "rbac.authorization.k8s.io"
_KINDS = ("Group", "ServiceAccount", "User")


def _bound(obj: Json) -> None:
    reference = obj.get("roleRef")
    if reference is not None and not reference.get("apiGroup"):
        reference["apiGroup"] = _GROUP
    for subject in obj.get("subjects") or ():
        if subject.get("kind") in ("User", "Group") and not subject.get("apiGroup"):
            subject["apiGroup"] = _GROUP
        elif not subject.get("apiGroup"):
            subject.pop("apiGroup", None)  # a cluster leaves out what is empty


def _fixed_role(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[Cause, ...]:
    if old.get("roleRef") == new.get("roleRef"):
        return ()
    return (fieldcauses.invalid("roleRef", new.get("roleRef"), "cannot change roleRef"),)


def _check_role(obj: Mapping[str, Any]) -> tuple[Cause, ...]:
    return tuple(_role(obj, namespaced=True))


def _check_cluster_role(obj: Mapping[str, Any]) -> tuple[Cause, ...]:
    causes = tuple(_role(obj, namespaced=False))
    aggregation = obj.get("aggregationRule")
    if aggregation is None:
        return causes
    path = "aggregationRule.clusterRoleSelectors"
    chosen = aggregation.get("clusterRoleSelectors") or ()
    if not chosen:
        detail = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        return (*causes, fieldcauses.required(path, detail))
    for index, selector in enumerate(chosen):
        report = Report()
        given = msgspec.convert(selector, objectmeta.LabelSelector)
        metadata.label_selector(report, given, f"{path}[{index}]")
        causes += tuple(Cause(p.reason, p.message, p.path) for p in report.errors)
    return causes


def _role(obj: Mapping[str, Any], *, namespaced: bool) -> Iterator[Cause]:
    for index, rule in enumerate(obj.get("rules") or ()):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            yield fieldcauses.required(f"{path}.verbs", "verbs must contain at least one value")
        paths = rule.get("nonResourceURLs")
        if paths and namespaced:
            detail = "namespaced rules cannot apply to non-resource URLs"
            yield fieldcauses.invalid(f"{path}.nonResourceURLs", paths, detail)
        if paths:
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                detail = "rules cannot apply to both regular resources and non-resource URLs"
                yield fieldcauses.invalid(f"{path}.nonResourceURLs", paths, detail)
        else:
            if not rule.get("apiGroups"):
                detail = "resource rules must supply at least one api group"
                yield fieldcauses.required(f"{path}.apiGroups", detail)
            if not rule.get("resources"):
                detail = "resource rules must supply at least one resource"
                yield fieldcauses.required(f"{path}.resources", detail)


def _check_binding(obj: Mapping[str, Any]) -> tuple[Cause, ...]:
    return tuple(_binding(obj, ("ClusterRole", "Role"), namespaced=True))


def _check_cluster_binding(obj: Mapping[str, Any]) -> tuple[Cause, ...]:
    return tuple(_binding(obj, ("ClusterRole",), namespaced=False))


def _binding(
    obj: Mapping[str, Any], allowed: tuple[str, ...], *, namespaced: bool
) -> Iterator[Cause]:
    reference = obj.get("roleRef") or {}
    if reference.get("apiGroup", _GROUP) != _GROUP:
        yield fieldcauses.unsupported("roleRef.apiGroup", reference.get("apiGroup"), (_GROUP,))
    if reference.get("kind") not in allowed:
        yield fieldcauses.unsupported("roleRef.kind", reference.get("kind") or "", allowed)
    name = reference.get("name")
    if not name:
        yield fieldcauses.required("roleRef.name")
    elif detail := names.path_segment(str(name)):
        yield fieldcauses.invalid("roleRef.name", name, detail)
    for index, subject in enumerate(obj.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{index}]", namespaced=namespaced)


def _subject(subject: Mapping[str, Any], path: str, *, namespaced: bool) -> Iterator[Cause]:
    """A ServiceAccount without a namespace is the binding's own; a ClusterRoleBinding has none."""
    kind, name = subject.get("kind"), subject.get("name")
    if not name:
        yield fieldcauses.required(f"{path}.name")
    if kind not in _KINDS:
        yield fieldcauses.unsupported(f"{path}.kind", kind or "", _KINDS)
        return
    wanted = "" if kind == "ServiceAccount" else _GROUP
    if subject.get("apiGroup", wanted) != wanted:
        yield fieldcauses.unsupported(f"{path}.apiGroup", subject.get("apiGroup"), (wanted,))
    if kind != "ServiceAccount":
        if not name:
            detail = f"{str(kind).lower()} name cannot be empty"
            yield fieldcauses.invalid(f"{path}.name", name or "", detail)
        return
    if name and (detail := names.subdomain(str(name))):
        yield fieldcauses.invalid(f"{path}.name", name, detail)
    if not namespaced and not subject.get("namespace"):
        yield fieldcauses.required(f"{path}.namespace")


def _plain(**more: Any) -> base.Standard:
    return base.Standard(
        generation=False,
        status=False,
        says_missing=("roleRef", "rules", "subjects"),
        name_rule=names.path_segment,
        **more,
    )


STRATEGIES: Mapping[str, base.Strategy] = {
    f"roles.{_GROUP}": _plain(check=_check_role),
    f"clusterroles.{_GROUP}": _plain(check=_check_cluster_role),
    f"rolebindings.{_GROUP}": _plain(
        defaults=_bound, check=_check_binding, check_change=_fixed_role
    ),
    f"clusterrolebindings.{_GROUP}": _plain(
        defaults=_bound, check=_check_cluster_binding, check_change=_fixed_role
    ),
}
