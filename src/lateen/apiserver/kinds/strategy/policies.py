"""Defaults and checks of ValidatingAdmissionPolicies and bindings, but for their CEL. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.apiserver import fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds.strategy import base
from lateen.base.jsonvalue import Json

POLICIES = "validatingadmissionpolicies.admissionregistration.k8s.io"
BINDINGS = "validatingadmissionpolicybindings.admissionregistration.k8s.io"
REASONS = ("Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge")
_ACTIONS = ("Deny", "Warn", "Audit")


def _matching(matched: Any) -> None:
    if not isinstance(matched, dict):
        return
    matched.setdefault("matchPolicy", "Equivalent")
    matched.setdefault("namespaceSelector", {})
    matched.setdefault("objectSelector", {})
    for field in ("resourceRules", "excludeResourceRules"):
        for rule in matched.get(field) or ():
            rule.setdefault("scope", "*")


def _policy(obj: Json) -> None:
    spec = obj.setdefault("spec", {})
    spec.setdefault("failurePolicy", "Fail")
    _matching(spec.get("matchConstraints"))


def _binding(obj: Json) -> None:
    _matching((obj.get("spec") or {}).get("matchResources"))


def _check_policy(obj: Mapping[str, Any]) -> tuple[Cause, ...]:
    spec, causes = obj["spec"], []
    if not (spec.get("matchConstraints") or {}).get("resourceRules"):
        causes.append(fieldcauses.required("spec.matchConstraints.resourceRules"))
    causes += _check_rules(spec.get("matchConstraints"), "spec.matchConstraints")
    if not spec.get("validations") and not spec.get("auditAnnotations"):
        detail = "validations or auditAnnotations must be non-empty"
        causes.append(fieldcauses.required("spec.validations", detail))
    kind = spec.get("paramKind")
    if kind is not None:
        causes += [
            fieldcauses.required(f"spec.paramKind.{field}")
            for field in ("apiVersion", "kind")
            if not kind.get(field)
        ]
    for index, rule in enumerate(spec.get("validations") or ()):
        at = f"spec.validations[{index}]"
        if rule.get("reason") and rule["reason"] not in REASONS:
            causes.append(fieldcauses.unsupported(f"{at}.reason", rule["reason"], REASONS))
        if "\n" in str(rule.get("message") or ""):
            detail = "message must not contain line breaks"
            causes.append(fieldcauses.invalid(f"{at}.message", rule["message"], detail))
    return tuple(causes)


def _check_rules(matched: Any, path: str) -> Iterator[Cause]:
    for field in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate((matched or {}).get(field) or ()):
            for part in ("operations", "apiGroups", "apiVersions", "resources"):
                if not rule.get(part):
                    yield fieldcauses.required(f"{path}.{field}[{index}].{part}")


def _check_binding(obj: Mapping[str, Any]) -> tuple[Cause, ...]:
    spec, causes = obj["spec"], []
    if not spec.get("policyName"):
        causes.append(fieldcauses.required("spec.policyName"))
    actions = spec.get("validationActions") or []
    if not actions:
        causes.append(fieldcauses.required("spec.validationActions"))
    if {"Deny", "Warn"} <= set(actions):
        detail = "must not contain both Deny and Warn (repeating the same validation failure "
        detail += "information in the API response and headers serves no purpose)"
        causes.append(fieldcauses.invalid("spec.validationActions", actions, detail))
    causes += _check_rules(spec.get("matchResources"), "spec.matchResources")
    ref = spec.get("paramRef")
    if ref is not None:
        if bool(ref.get("name")) == (ref.get("selector") is not None):
            detail = "one of name or selector must be specified"
            causes.append(fieldcauses.required("spec.paramRef.name", detail))
        if ref.get("parameterNotFoundAction") not in ("Allow", "Deny"):
            causes.append(fieldcauses.required("spec.paramRef.parameterNotFoundAction"))
    return tuple(causes)


STRATEGIES: Mapping[str, base.Strategy] = {
    POLICIES: base.Standard(
        defaults=_policy, check=_check_policy, says_missing=("spec.validations",)
    ),
    BINDINGS: base.Standard(defaults=_binding, check=_check_binding, status=False),
}
