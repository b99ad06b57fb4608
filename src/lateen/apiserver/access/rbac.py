"""Role-based access control: what a request asks, what a rule grants, whom a binding names. Pure.

Roles and bindings are read as they were stored; what is misshapen in them grants nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from lateen.apiserver.access import auth
from lateen.base.jsonvalue import JsonView
from lateen.model.schema import objectmeta, selectors

GROUP = "rbac.authorization.k8s.io"


class AccessQuestion(msgspec.Struct, frozen=True, kw_only=True):
    """What a request needs a right for: a verb on a resource, or on a `path` outside of them."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @property
    def combined(self) -> str:
        """Return `pods`, or `pods/exec`."""
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True):
    """One PolicyRule."""

    verbs: tuple[str, ...]
    groups: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    def grants(self, asked: AccessQuestion) -> bool:
        """Tell whether the rule grants what is asked."""
        if "*" not in self.verbs and asked.verb not in self.verbs:
            return False
        if asked.path:
            return any(_is_path(one, asked.path) for one in self.paths)
        return (
            ("*" in self.groups or asked.group in self.groups)
            and any(_is_resource(one, asked) for one in self.resources)
            and (not self.names or asked.name in self.names)
        )

    def as_json(self) -> dict[str, Any]:
        """Return the rule as SelfSubjectRulesReview lists it."""
        if self.paths:
            return {"verbs": list(self.verbs), "nonResourceURLs": list(self.paths)}
        made: dict[str, Any] = {
            "verbs": list(self.verbs),
            "apiGroups": list(self.groups),
            "resources": list(self.resources),
        }
        return made | ({"resourceNames": list(self.names)} if self.names else {})


EVERYTHING = (
    PolicyRule(verbs=("*",), groups=("*",), resources=("*",)),
    PolicyRule(verbs=("*",), paths=("*",)),
)


def _is_path(pattern: str, path: str) -> bool:
    if pattern.endswith("*"):
        return path.startswith(pattern[:-1])
    return pattern == path


def _is_resource(named: str, asked: AccessQuestion) -> bool:
    if named in ("*", asked.combined):
        return True
    return bool(asked.subresource) and named == f"*/{asked.subresource}"


def impersonating(acting: auth.User) -> Iterator[AccessQuestion]:
    """Yield what a request needs that is made as somebody else: the verb impersonate on the user
    or ServiceAccount, on each group that he would not have anyway, and on a uid."""
    parts, own = acting.name.split(":"), {auth.AUTHENTICATED}
    if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4:
        own |= set(auth.service_account(parts[2], parts[3]).groups)
        yield AccessQuestion(
            verb="impersonate", resource="serviceaccounts", namespace=parts[2], name=parts[3]
        )
    else:
        yield AccessQuestion(verb="impersonate", resource="users", name=acting.name)
    for one in acting.groups:
        if one not in own:
            yield AccessQuestion(verb="impersonate", resource="groups", name=one)
    if acting.uid:
        group = "authentication.k8s.io"
        yield AccessQuestion(verb="impersonate", group=group, resource="uids", name=acting.uid)


def rules_of(role: JsonView) -> tuple[PolicyRule, ...]:
    """Return the rules of a Role or ClusterRole."""
    return tuple(
        PolicyRule(
            verbs=_texts(one.get("verbs")),
            groups=_texts(one.get("apiGroups")),
            resources=_texts(one.get("resources")),
            names=_texts(one.get("resourceNames")),
            paths=_texts(one.get("nonResourceURLs")),
        )
        for one in _objects(role.get("rules"))
    )


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def _objects(value: Any) -> list[JsonView]:
    found = value if isinstance(value, list) else []
    return [one for one in found if isinstance(one, dict)]


def named_by(binding: JsonView, user: auth.User) -> str:
    """Return which subject of a binding a user is, as Kubernetes describes it; empty if none."""
    for subject in _objects(binding.get("subjects")):
        kind, name = subject.get("kind"), subject.get("name")
        if kind == "User" and name == user.name:
            return f'User "{name}"'
        if kind == "Group" and name in user.groups:
            return f'Group "{name}"'
        space = subject.get("namespace") or binding["metadata"].get("namespace") or ""
        if kind == "ServiceAccount" and user.name == f"system:serviceaccount:{space}:{name}":
            return f'ServiceAccount "{name}/{space}"'
    return ""


def reference(binding: JsonView) -> tuple[str, str]:
    """Return kind and name of the role that a binding grants."""
    found = binding.get("roleRef")
    found = found if isinstance(found, dict) else {}
    return str(found.get("kind") or ""), str(found.get("name") or "")


def single(rules: Iterable[PolicyRule]) -> Iterator[AccessQuestion]:
    """Yield each single right that rules grant. A wildcard is a right of its own: only a rule
    with a wildcard at the same place covers it."""
    for rule in rules:
        for verb in rule.verbs:
            yield from (AccessQuestion(verb=verb, path=path) for path in rule.paths)
            for group in rule.groups:
                for combined in rule.resources:
                    resource, _, sub = combined.partition("/")
                    yield from (
                        AccessQuestion(
                            verb=verb, group=group, resource=resource, subresource=sub, name=name
                        )
                        for name in rule.names or ("",)
                    )


def not_covered(wanted: Iterable[PolicyRule], held: Sequence[PolicyRule]) -> list[AccessQuestion]:
    """Return the rights among those wanted that nobody with the rules held may hand on."""
    return [one for one in single(wanted) if not any(rule.grants(one) for rule in held)]


def aggregated(role: JsonView, others: Iterable[JsonView]) -> list[Any]:
    """Return the rules of a ClusterRole that is put together from those its labels select."""
    chosen = (role.get("aggregationRule") or {}).get("clusterRoleSelectors")
    found: list[Any] = []
    for selector in _objects(chosen):
        match = _selector(selector)
        for other in others:
            labels = other["metadata"].get("labels") or {}
            itself = other["metadata"]["name"] == role["metadata"]["name"]
            if match is not None and not itself and match.matches(labels):
                found += [rule for rule in _objects(other.get("rules")) if rule not in found]
    return found


def _selector(given: JsonView) -> selectors.Selector | None:
    try:
        return selectors.of(msgspec.convert(given, objectmeta.LabelSelector))
    except ValueError:  # a misshapen one, too
        return None
