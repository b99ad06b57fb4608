"""ValidatingAdmissionPolicies: which writes they are about, and what they say of one.

The rules are Kubernetes': a binding puts a policy into force; its expressions see the object as it
is about to be stored (and the one before, the request, the parameters, the Namespace); an
expression that fails counts as `failurePolicy` says. `authorizer` is not there: a policy that names
it is stored, and what names it is not evaluated.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lateen.apiserver import fieldcauses
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds import cel, celrules
from lateen.base.jsonvalue import Json
from lateen.model.messages import diagnostics
from lateen.model.meta import ObjectRef, Source
from lateen.model.schema import selectors
from lateen.model.schema.kindinfo import KindInfo
from lateen.model.schema.objectmeta import LabelSelector

_NAMES = ("object", "oldObject", "request", "params", "namespaceObject", "variables")
_VARIABLE = re.compile(r"\bvariables\.(\w+)")
_FIELDS = (
    ("validations", ("expression", "messageExpression")),
    ("matchConditions", ("expression",)),
    ("variables", ("expression",)),
    ("auditAnnotations", ("valueExpression",)),
)


class ReviewedWrite(msgspec.Struct, frozen=True, kw_only=True):
    """One write, as policies see it. `operation` is CREATE, UPDATE or DELETE; `namespace` is the
    Namespace object, None for what has none."""

    info: KindInfo
    operation: str
    object: Json | None
    old: Json | None
    namespace: Json | None
    request: Json
    subresource: str = ""

    @property
    def name(self) -> str:
        """The object's name."""
        return str(((self.object or self.old or {}).get("metadata") or {}).get("name") or "")


class PolicyRefusal(msgspec.Struct, frozen=True):
    """What a rule said of a write that it does not let pass; `reason` is the API's word for why."""

    text: str
    reason: str = "Invalid"


# -- when a policy is written ----------------------------------------------------------------------


def check(policy: Mapping[str, Any]) -> tuple[Cause, ...]:
    """Compile every expression of a policy that is sound otherwise."""
    causes = []
    for path, text in _expressions(policy):
        if celrules.absent(text):
            continue
        try:
            cel.compiled(_bound(policy, text), _NAMES)
        except cel.RuleError as error:
            causes.append(fieldcauses.invalid(path, text, f"compilation failed: {error}"))
    return tuple(causes)


def remarks(policy: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what a sound policy asks for and does not get, as warnings with their codes."""
    name = str(policy["metadata"]["name"])
    source = Source(ObjectRef("ValidatingAdmissionPolicy", "", name))
    found = [
        diagnostics.make("LTN0018", source, path=path, rule=text, detail=why)
        for path, text in _expressions(policy)
        if (why := celrules.absent(text))
    ]
    return tuple(f"[{one.code}] {one.message}" for one in found)


def _expressions(policy: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, names in _FIELDS:
        for index, one in enumerate((policy.get("spec") or {}).get(field) or ()):
            for name in names:
                if one.get(name):
                    yield f"spec.{field}[{index}].{name}", str(one[name]).strip()


def _bound(policy: Mapping[str, Any], text: str) -> str:
    """Return an expression with the variables that it names, and those that they name, bound inside
    the language: each is evaluated when it is asked for, once."""
    given = (policy.get("spec") or {}).get("variables") or ()
    written = {one["name"]: str(one["expression"]).strip() for one in given}
    order = list(written)
    needed, waiting = set[str](), [text]
    while waiting:
        for name in _VARIABLE.findall(waiting.pop()):
            if name in written and name not in needed:
                needed.add(name)
                waiting.append(written[name])
    names = sorted(needed, key=order.index)
    for at in range(len(names), 0, -1):
        earlier = [f'"{name}": variables.{name}' for name in names[: at - 1]]
        own = f'"{names[at - 1]}": (\n{written[names[at - 1]]}\n)'
        text = f"cel.bind(variables, {{{', '.join([*earlier, own])}}}, (\n{text}\n))"
    return text


# -- when an object is written ---------------------------------------------------------------------


def concerns(matched: Mapping[str, Any] | None, subject: ReviewedWrite) -> bool:
    """Tell whether a write is one of those that constraints name; without any, every write is."""
    if not matched:
        return True
    rules = matched.get("resourceRules")
    if rules and not any(_fits(rule, subject) for rule in rules):
        return False
    if any(_fits(rule, subject) for rule in matched.get("excludeResourceRules") or ()):
        return False
    return _labelled(matched, subject)


def _fits(rule: Mapping[str, Any], subject: ReviewedWrite) -> bool:
    info = subject.info
    names = rule.get("resourceNames")
    return (
        _names(rule.get("operations"), subject.operation)
        and _names(rule.get("apiGroups"), info.group)
        and any(_names(rule.get("apiVersions"), version) for version in info.versions)
        and any(_is_resource(each, subject) for each in rule.get("resources") or ())
        and rule.get("scope", "*") in ("*", "Namespaced" if info.namespaced else "Cluster")
        and (not names or subject.name in names)
    )


def _names(listed: Sequence[str] | None, value: str) -> bool:
    return listed is not None and ("*" in listed or value in listed)


def _is_resource(named: str, subject: ReviewedWrite) -> bool:
    resource, _, sub = named.partition("/")
    if resource not in ("*", subject.info.plural):
        return False
    return sub in ("*", subject.subresource) if "/" in named else not subject.subresource


def _labelled(matched: Mapping[str, Any], subject: ReviewedWrite) -> bool:
    def holds(given: Any, *objects: Json | None) -> bool:
        selector = selectors.of(msgspec.convert(given or {}, LabelSelector))
        labels = [(each.get("metadata") or {}).get("labels") or {} for each in objects if each]
        return not selector.requirements or any(selector.matches(each) for each in labels)

    namespace = subject.namespace
    if subject.info.resource == "namespaces":
        namespace = subject.object or subject.old
    if namespace is not None and not holds(matched.get("namespaceSelector"), namespace):
        return False
    return holds(matched.get("objectSelector"), subject.object, subject.old)


def judge(
    policy: Mapping[str, Any], subject: ReviewedWrite, params: Json | None
) -> tuple[PolicyRefusal, ...]:
    """Return what the rules of a policy that concerns a write have against it."""
    spec = policy["spec"]
    strict = spec.get("failurePolicy", "Fail") == "Fail"
    seen = {
        "object": subject.object,
        "oldObject": subject.old,
        "request": subject.request,
        "params": params,
        "namespaceObject": subject.namespace,
        "variables": {},
    }
    for condition in spec.get("matchConditions") or ():
        text = str(condition["expression"]).strip()
        if celrules.absent(text):
            continue
        try:
            if cel.evaluate(_bound(policy, text), seen, _NAMES).value is not True:
                return ()
        except cel.RuleError as error:
            said = f"failed to evaluate match condition {condition['name']!r}: {error}"
            return (PolicyRefusal(said),) if strict else ()
    found = (_broken(policy, rule, seen, strict) for rule in spec.get("validations") or ())
    return tuple(one for one in found if one is not None)


def _broken(
    policy: Mapping[str, Any], rule: Mapping[str, Any], seen: Mapping[str, Any], strict: bool
) -> PolicyRefusal | None:
    text = str(rule["expression"]).strip()
    if celrules.absent(text):
        return None
    reason = str(rule.get("reason") or "Invalid")
    try:
        if cel.evaluate(_bound(policy, text), seen, _NAMES).value is True:
            return None
    except cel.RuleError as error:
        return PolicyRefusal(f"expression '{text}' resulted in error: {error}") if strict else None
    return PolicyRefusal(_said(policy, rule, seen) or f"failed expression: {text}", reason)


def _said(policy: Mapping[str, Any], rule: Mapping[str, Any], seen: Mapping[str, Any]) -> str:
    """Return what a broken rule says: what its messageExpression makes, or its message."""
    plain = str(rule.get("message") or "").strip()
    expression = str(rule.get("messageExpression") or "").strip()
    if not expression or celrules.absent(expression):
        return plain
    try:
        made = cel.evaluate(_bound(policy, expression), seen, _NAMES)
    except cel.RuleError:
        return plain
    text = str(made.value).strip() if made.kind == "STRING" else ""
    return text if text and "\n" not in text else plain
