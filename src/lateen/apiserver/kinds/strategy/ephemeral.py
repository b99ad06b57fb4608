"""Ephemeral containers: added to a running pod through a subresource of its own, never changed and
never removed. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lateen.apiserver import fieldcauses
from lateen.base.jsonvalue import Json

SUBRESOURCE = "ephemeralcontainers"
_FIELD = "ephemeralContainers"
_PATH = f"spec.{_FIELD}"
_REFUSED = ("ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy")
_NO_POLICY = ("restartPolicy", "restartPolicyRules")


def taken(old: Mapping[str, Any], new: Mapping[str, Any]) -> Json:
    """Return the stored pod with the ephemeral containers of what was sent, and nothing else of it
    but the version that it was written against."""
    pod: Json = {**old, "metadata": dict(old["metadata"]), "spec": dict(old["spec"])}
    pod["metadata"]["managedFields"] = new["metadata"].get("managedFields", [])
    if version := new["metadata"].get("resourceVersion"):
        pod["metadata"]["resourceVersion"] = version
    pod["spec"][_FIELD] = (new.get("spec") or {}).get(_FIELD) or []
    return pod


def check_new(pod: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    """Refuse a new pod that brings ephemeral containers along."""
    if (pod.get("spec") or {}).get(_FIELD):
        return (fieldcauses.forbidden(_PATH, "cannot be set on create"),)
    return ()


def check_change(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[fieldcauses.Cause, ...]:
    """Refuse what Kubernetes refuses of the containers that a pod (defaulted) has now."""
    before: Sequence[Json] = old["spec"].get(_FIELD) or ()
    after: Sequence[Json] = new["spec"].get(_FIELD) or ()
    return (*_kept(before, after), *_sound(new["spec"], after))


def _kept(before: Sequence[Json], after: Sequence[Json]) -> Iterator[fieldcauses.Cause]:
    named = {one.get("name"): (index, one) for index, one in enumerate(after)}
    for one in before:
        name = one.get("name")
        if name not in named:
            yield fieldcauses.forbidden(
                _PATH, f'existing ephemeral containers "{name}" may not be removed'
            )
        elif named[name][1] != one:
            yield fieldcauses.forbidden(
                f"{_PATH}[{named[name][0]}]",
                f'existing ephemeral containers "{name}" may not be changed',
            )


def _sound(spec: Mapping[str, Any], after: Sequence[Json]) -> Iterator[fieldcauses.Cause]:
    others = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    names = {str(one.get("name")) for one in others}
    seen = set(names)
    volumes = frozenset(str(one.get("name")) for one in spec.get("volumes") or ())
    network = bool(spec.get("hostNetwork"))
    for index, one in enumerate(after):
        at = f"{_PATH}[{index}]"
        yield from _container(one, at, volumes, host_network=network)
        name = str(one.get("name"))
        if name in seen:
            yield fieldcauses.Cause(
                "FieldValueDuplicate", f'Duplicate value: "{name}"', f"{at}.name"
            )
        seen.add(name)
        target = one.get("targetContainerName")
        if target and target not in names:
            yield fieldcauses.Cause(
                "FieldValueNotFound", f'Not found: "{target}"', f"{at}.targetContainerName"
            )
        yield from _forbidden(one, at)


def _container(
    one: Mapping[str, Any], at: str, volumes: frozenset[str], *, host_network: bool
) -> Iterator[fieldcauses.Cause]:
    from lateen.model.kube.core.container import EphemeralContainer  # rare: a start does without
    from lateen.model.validation.kube import container
    from lateen.model.validation.report import Report

    report = Report()
    found = msgspec.convert(one, EphemeralContainer)
    container.check(report, found, at, volumes, host_network=host_network)
    for error in report.errors:
        yield fieldcauses.Cause(error.reason, error.message, error.path)


def _forbidden(one: Mapping[str, Any], at: str) -> Iterator[fieldcauses.Cause]:
    for field in _REFUSED:
        if one.get(field):
            yield fieldcauses.forbidden(f"{at}.{field}", "cannot be set for an Ephemeral Container")
    if any((one.get("resources") or {}).values()):
        yield fieldcauses.forbidden(f"{at}.resources", "cannot be set for an Ephemeral Container")
    for field in _NO_POLICY:
        if one.get(field):
            yield fieldcauses.forbidden(f"{at}.{field}", "may not be set for ephemeral containers")
    for number, mount in enumerate(one.get("volumeMounts") or ()):
        for field in ("subPath", "subPathExpr"):
            if mount.get(field):
                yield fieldcauses.forbidden(
                    f"{at}.volumeMounts[{number}].{field}",
                    "cannot be set for an Ephemeral Container",
                )
