"""Who may do what, by the Roles and bindings in the store.

The lab's owner and its own parts (the group system:masters) may do everything; everybody else
what bindings grant, as on a cluster with the authorizer RBAC. What a cluster is furnished with
(`rbac_defaults`) is written when it is first needed, since most labs never ask.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.access import auth, rbac
from lateen.apiserver.access.rbac import GROUP, AccessQuestion, PolicyRule
from lateen.model.schema.kindinfo import KindInfo
from lateen.store import api as store_api

_ROLES = {"Role": f"roles.{GROUP}", "ClusterRole": f"clusterroles.{GROUP}"}
_BINDINGS = f"rolebindings.{GROUP}"
_CLUSTER_BINDINGS = f"clusterrolebindings.{GROUP}"
_MAX_NAMED = 20


class Decision(msgspec.Struct, frozen=True):
    """Whether, and by which binding; or what was amiss on the way to a refusal."""

    allowed: bool
    reason: str = ""


class Grant(msgspec.Struct, frozen=True):
    """What one binding gives a user; `error` names a role that is not there."""

    rules: tuple[PolicyRule, ...]
    reason: str
    error: str = ""


class Authorizer:
    """Decides by what is stored at the moment."""

    def __init__(self, store: store_api.Store) -> None:
        self._store = store

    def decide(self, user: auth.User, asked: AccessQuestion) -> Decision:
        """Tell whether a user may do what is asked."""
        if user.is_admin:
            return Decision(True)
        missing = []
        for grant in self.grants(user, asked.namespace):
            if any(rule.grants(asked) for rule in grant.rules):
                return Decision(True, f"RBAC: allowed by {grant.reason}")
            if grant.error:
                missing.append(grant.error)
        return Decision(False, f"RBAC: {_joined(missing)}" if missing else "")

    def grants(self, user: auth.User, namespace: str) -> Iterator[Grant]:
        """Yield what each binding gives a user, in one namespace or (empty) in the cluster."""
        for entry in self._store.list(_CLUSTER_BINDINGS).entries:
            yield from self._grant(entry, user, "ClusterRoleBinding", entry.key.name)
        if namespace:
            for entry in self._store.list(_BINDINGS, namespace).entries:
                name = f"{entry.key.name}/{namespace}"
                yield from self._grant(entry, user, "RoleBinding", name)

    def _grant(
        self, binding: store_api.Entry, user: auth.User, kind: str, shown: str
    ) -> Iterator[Grant]:
        subject = rbac.named_by(binding.value, user)
        if not subject:
            return
        of_kind, name = rbac.reference(binding.value)
        rules, error = self.role(of_kind, binding.key.namespace, name)
        yield Grant(rules, f'{kind} "{shown}" of {of_kind} "{name}" to {subject}', error)

    def role(self, kind: str, namespace: str, name: str) -> tuple[tuple[PolicyRule, ...], str]:
        """Return the rules of a role, or none and what is wrong with the reference."""
        resource = _ROLES.get(kind)
        if resource is None:
            return (), f"unsupported role reference kind: {kind!r}"
        space = namespace if kind == "Role" else ""
        try:
            return rbac.rules_of(self._store.get(store_api.Key(resource, space, name)).value), ""
        except store_api.NotFoundError:
            return (), f'{kind.lower()}.{GROUP} "{name}" not found'

    def rules(self, user: auth.User, namespace: str) -> tuple[PolicyRule, ...]:
        """Return every rule that a user has in a namespace."""
        if user.is_admin:
            return rbac.EVERYTHING
        found = (rule for grant in self.grants(user, namespace) for rule in grant.rules)
        return tuple(dict.fromkeys(found))

    # -- refusals ------------------------------------------------------------------------------

    def require(self, user: auth.User, asked: AccessQuestion, row: KindInfo) -> None:
        """Let a request through that is about a kind. Raises ApiError 403."""
        decision = self.decide(user, asked)
        if not decision.allowed:
            raise errors.forbidden(row, asked.name, _cannot(user, asked, decision))

    def require_path(self, user: auth.User, asked: AccessQuestion) -> None:
        """Let a request through that is about a path. Raises ApiError 403."""
        decision = self.decide(user, asked)
        if not decision.allowed:
            raise errors.forbidden_path(user.name, asked.verb, asked.path, decision.reason)

    def check_grant(
        self, user: auth.User, info: KindInfo, obj: Mapping[str, Any], old: Any
    ) -> None:
        """Nobody hands on rights that he has not got, unless a rule lets him (the verbs escalate,
        on roles, and bind, on what is bound). Raises ApiError 403."""
        if user.is_admin or info.group != GROUP:
            return
        metadata = obj["metadata"]
        space = str(metadata.get("namespace") or "")
        if info.kind.endswith("Binding"):
            kind, name = rbac.reference(obj)
            wanted, _ = self.role(kind, space, name)
            plural = "roles" if kind == "Role" else "clusterroles"
            may = AccessQuestion(
                verb="bind", group=GROUP, resource=plural, namespace=space, name=name
            )
        elif old is not None and old.get("rules") == obj.get("rules"):
            return
        else:
            wanted, name = rbac.rules_of(obj), str(metadata.get("name") or "")
            may = AccessQuestion(
                verb="escalate", group=GROUP, resource=info.plural, namespace=space, name=name
            )
        if self.decide(user, may).allowed:
            return
        if lacking := rbac.not_covered(wanted, self.rules(user, space)):
            listed = "\n".join(_shown(one) for one in lacking[:_MAX_NAMED])
            groups = " ".join(f'"{one}"' for one in user.groups)
            why = (
                f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions '
                f"not currently held:\n{listed}"
            )
            raise errors.forbidden(info, str(metadata.get("name") or ""), why)


def _joined(missing: Sequence[str]) -> str:
    return missing[0] if len(missing) == 1 else f"[{', '.join(missing)}]"


def _cannot(user: auth.User, asked: AccessQuestion, decision: Decision) -> str:
    where = f'in the namespace "{asked.namespace}"' if asked.namespace else "at the cluster scope"
    why = (
        f'User "{user.name}" cannot {asked.verb} resource "{asked.combined}" '
        f'in API group "{asked.group}" {where}'
    )
    return f"{why}: {decision.reason}" if decision.reason else why


def _shown(one: AccessQuestion) -> str:
    if one.path:
        return f'{{NonResourceURLs:["{one.path}"], Verbs:["{one.verb}"]}}'
    names = f', ResourceNames:["{one.name}"]' if one.name else ""
    return (
        f'{{APIGroups:["{one.group}"], Resources:["{one.combined}"]{names}, Verbs:["{one.verb}"]}}'
    )
