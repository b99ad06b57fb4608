"""AuthorizationPolicies of a mesh. Pure."""

from collections.abc import Callable, Sequence

from lateen.compiler.frontend.graph.applying import Applying
from lateen.compiler.frontend.graph.collections import Collections, Key
from lateen.compiler.frontend.graph.incremental import Graph
from lateen.compiler.ir.authz import Authorization, Authorizer
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.ir.value import Value
from lateen.compiler.ir.workload import Service
from lateen.model.istio.security import AuthorizationPolicy


class Authorizations(Applying[Value | None, Authorization]):
    """What is checked at each pod with a proxy."""

    def __init__(
        self,
        graph: Graph,
        collections: Collections,
        settings: MeshSettings,
        named: Callable[[str], Sequence[Service]],
    ) -> None:
        self._named = named
        policies, homes = collections.authorization_policies, collections.authorization.table
        super().__init__(graph, collections, settings, policies, homes)

    def _applies(self, policy: AuthorizationPolicy, labels: dict[str, str]) -> bool:
        from lateen.compiler.frontend.security import authz  # needed where there are policies only

        return authz.applies(policy, labels, self._settings.features)

    def _compile(self, key: Key) -> Value | None:
        from lateen.compiler.frontend.security import authz

        policy = self._policies.get(key)
        return authz.compile_policy(policy, self._settings) if policy is not None else None

    def _join(self, keys: tuple[Key, ...]) -> Authorization | None:
        from lateen.compiler.frontend.security import authz

        compiled = (self._compiled.get(key) for key in keys)
        policies = (c for c in compiled if isinstance(c, authz.Compiled))
        return authz.join(policies, self._authorizer)

    def _authorizer(self, name: str) -> Authorizer | None:
        from lateen.compiler.frontend.security import authorizers

        for each in self._settings.authorizers:
            if each.name == name:
                found = authorizers.resolved(each, self._named)
                return None if found.fault else found
        return None
