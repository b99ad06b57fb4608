"""RequestAuthentications of a mesh, each compiled once, joined once per set that applies. Pure."""

from lateen.compiler.frontend.graph.collections import Collections, Key
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.ir.jwt import Authentication, TokenProvider
from lateen.compiler.ir.proxy import MeshSettings


class Authentications:
    """Whose tokens are taken at each pod with a proxy. A mesh without policies costs one
    question."""

    def __init__(self, graph: Graph, collections: Collections, settings: MeshSettings) -> None:
        self._collections = collections
        self._settings = settings
        self._applying: Derived[Key, tuple[Key, ...]] = Derived(graph, self._find)
        self._compiled: Derived[Key, tuple[TokenProvider, ...]] = Derived(graph, self._compile)
        self._joined: Derived[tuple[Key, ...], Authentication | None] = Derived(graph, self._join)

    def of(self, pod: Key) -> Authentication | None:
        """Return whose tokens a pod takes; None where no policy applies."""
        if not self._collections.token_policies.entries:
            return None
        applying = self._applying.get(pod)
        return self._joined.get(applying) if applying else None

    def _find(self, pod: Key) -> tuple[Key, ...]:
        """Return the policies that apply to a pod: of the root namespace, then of its own."""
        from lateen.compiler.frontend.security import tokens  # where there are policies only

        table = self._collections.authentication.table
        found = self._collections.pods.get(pod)
        labels = found.metadata.labels if found is not None else {}
        namespaces = dict.fromkeys((self._settings.root_namespace, pod[0]))
        return tuple(
            (namespace, policy.metadata.name)
            for namespace in namespaces
            for policy in table.get(namespace)
            if tokens.applies(policy, labels, self._settings.features)
        )

    def _compile(self, key: Key) -> tuple[TokenProvider, ...]:
        from lateen.compiler.frontend.security import tokens

        policy = self._collections.token_policies.get(key)
        if policy is None:
            return ()
        known = self._collections.key_sets
        return tokens.providers(
            policy, self._settings.features, lambda address: known.get(address).text
        )

    def _join(self, keys: tuple[Key, ...]) -> Authentication | None:
        from lateen.compiler.frontend.security import tokens

        return tokens.join(self._compiled.get(key) for key in keys)
