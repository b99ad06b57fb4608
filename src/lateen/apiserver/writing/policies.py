"""ValidatingAdmissionPolicies in force: those that are stored, asked before each write."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from lateen.apiserver.kinds.resources import Resources
from lateen.apiserver.kinds.strategy.policies import BINDINGS, POLICIES
from lateen.apiserver.writing.admission import Review, Verdict
from lateen.base.jsonvalue import Json
from lateen.model.schema import selectors
from lateen.model.schema.objectmeta import LabelSelector
from lateen.store import api as store_api

_FREE = frozenset({POLICIES, BINDINGS})
"""What no policy is asked about: one that refuses everything could not be taken away."""


class Policies:
    """The validator of a chain."""

    def __init__(self, store: store_api.Store, resources: Resources) -> None:
        self._store = store
        self._resources = resources

    def check(self, review: Review) -> Verdict:
        """Ask every policy that a binding puts into force for this write. The first that denies is
        told, as Kubernetes does; those that only warn are told all."""
        bindings = self._store.list(BINDINGS).entries
        if not bindings or review.info.resource in _FREE:
            return Verdict()
        from lateen.apiserver.kinds import policies  # a start does not need CEL

        subject = self._subject(review)
        warnings: list[str] = []
        for entry in bindings:
            binding = entry.value
            name, policy_name = binding["metadata"]["name"], binding["spec"]["policyName"]
            policy = self._found(store_api.Key(POLICIES, "", policy_name))
            if policy is None or not (
                policies.concerns(policy["spec"].get("matchConstraints"), subject)
                and policies.concerns(binding["spec"].get("matchResources"), subject)
            ):
                continue
            actions = binding["spec"].get("validationActions") or ()
            for refusal in self._refusals(policy, binding, subject):
                told = f"ValidatingAdmissionPolicy '{policy_name}' with binding '{name}'"
                if "Deny" in actions:
                    why = f"{told} denied request: {refusal.text}"
                    return Verdict(denied=why, reason=refusal.reason, warnings=tuple(warnings))
                if "Warn" in actions:
                    warnings.append(f"Validation failed for {told}: {refusal.text}")
        return Verdict(warnings=tuple(warnings))

    def _found(self, key: store_api.Key) -> Json | None:
        try:
            return dict(self._store.get(key).value)
        except store_api.NotFoundError:
            return None

    def _refusals(self, policy: Json, binding: Mapping[str, Any], subject: Any) -> Iterator[Any]:
        from lateen.apiserver.kinds import policies

        kind, ref = policy["spec"].get("paramKind"), binding["spec"].get("paramRef")
        if not kind or not ref:
            yield from policies.judge(policy, subject, None)
            return
        strict = policy["spec"].get("failurePolicy", "Fail") == "Fail"
        found = self._params(kind, ref, subject)
        if isinstance(found, str):
            if strict:
                yield policies.PolicyRefusal(f"failed to configure binding: {found}")
            return
        for params in found:
            yield from policies.judge(policy, subject, params)

    def _params(
        self, kind: Mapping[str, Any], ref: Mapping[str, Any], subject: Any
    ) -> tuple[Json, ...] | str:
        """Return the parameters, or why there are none where there have to be some."""
        group, _, version = str(kind["apiVersion"]).rpartition("/")
        info = next(
            (
                one.info
                for one in self._resources
                if one.info.kind == kind["kind"]
                and one.info.group == group
                and version in one.info.versions
            ),
            None,
        )
        if info is None:
            return f"failed to find resource referenced by paramKind: '{group}/{version}'"
        namespace = ref.get("namespace") or (
            subject.namespace["metadata"]["name"] if subject.namespace else ""
        )
        if info.namespaced and not namespace:
            return "cannot use namespaced paramRef in policy binding that matches cluster-scoped"
        found: list[Json] = []
        if ref.get("name"):
            key = store_api.Key(info.resource, namespace if info.namespaced else "", ref["name"])
            one = self._found(key)
            found = [] if one is None else [one]
        else:
            selector = selectors.of(msgspec.convert(ref.get("selector") or {}, LabelSelector))
            found = [
                dict(entry.value)
                for entry in self._store.list(info.resource).entries
                if (not info.namespaced or entry.key.namespace == namespace)
                and selector.matches(entry.value["metadata"].get("labels") or {})
            ]
        if not found and ref.get("parameterNotFoundAction") == "Deny":
            return "no params found for policy binding with `Deny` parameterNotFoundAction"
        return tuple(found)

    def _subject(self, review: Review) -> Any:
        from lateen.apiserver.kinds import policies

        info, metadata = review.info, ((review.object or review.old or {}).get("metadata") or {})
        name, namespace = metadata.get("name", ""), metadata.get("namespace", "")
        named = {"group": info.group, "version": info.versions[0]}
        request: Json = {
            "kind": {**named, "kind": info.kind},
            "resource": {**named, "resource": info.plural},
            "subResource": review.subresource,
            "requestKind": {**named, "kind": info.kind},
            "requestResource": {**named, "resource": info.plural},
            "requestSubResource": review.subresource,
            "name": name,
            "namespace": namespace,
            "operation": review.verb.upper(),
            "userInfo": review.user.as_json(),
            "dryRun": review.dry_run,
        }
        home = review.namespace
        if home is None and info.namespaced:
            home = self._found(store_api.Key("namespaces", "", namespace))
        return policies.ReviewedWrite(
            info=info,
            operation=review.verb.upper(),
            object=review.object,
            old=review.old,
            namespace=home,
            request=request,
            subresource=review.subresource,
        )
