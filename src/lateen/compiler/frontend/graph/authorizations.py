"""AuthorizationPolicies of a mesh, each compiled once, joined once per set that applies. Pure."""

from lateen.compiler.frontend.graph.collections import Collections, Key
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.ir.authz import Authorization
from lateen.compiler.ir.proxy import MeshSettings
from lateen.compiler.ir.value import Value


class Authorizations:
    """What is checked at each pod with a proxy. A mesh without policies costs one question."""

    def __init__(self, graph: Graph, collections: Collections, settings: MeshSettings) -> None:
        self._collections = collections
        self._settings = settings
        self._applying: Derived[Key, tuple[Key, ...]] = Derived(graph, self._find)
        self._compiled: Derived[Key, Value | None] = Derived(graph, self._compile)
        self._joined: Derived[tuple[Key, ...], Authorization | None] = Derived(graph, self._join)

    def of(self, pod: Key) -> Authorization | None:
        """Return what is checked at a pod; None where no policy applies."""
        if not self._collections.authorization_policies.entries:
            return None
        applying = self._applying.get(pod)
        return self._joined.get(applying) if applying else None

    def _find(self, pod: Key) -> tuple[Key, ...]:
        """Return the policies that apply to a pod: of the root namespace, then of its own."""
        from lateen.compiler.frontend.security import authz  # needed where there are policies only

        table = self._collections.authorization.table
        found = self._collections.pods.get(pod)
        labels = found.metadata.labels if found is not None else {}
        namespaces = dict.fromkeys((self._settings.root_namespace, pod[0]))
        return tuple(
            (namespace, policy.metadata.name)
            for namespace in namespaces
            for policy in table.get(namespace)
            if authz.applies(policy, labels, self._settings.features)
        )

    def _compile(self, key: Key) -> Value | None:
        from lateen.compiler.frontend.security import authz

        policy = self._collections.authorization_policies.get(key)
        return authz.compile_policy(policy, self._settings) if policy is not None else None

    def _join(self, keys: tuple[Key, ...]) -> Authorization | None:
        from lateen.compiler.frontend.security import authz

        compiled = (self._compiled.get(key) for key in keys)
        return authz.join(c for c in compiled if isinstance(c, authz.Compiled))
