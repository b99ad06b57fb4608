"""RequestAuthentications of a mesh. Pure."""

from lateen.compiler.frontend.graph.applying import Applying
from lateen.compiler.frontend.graph.collections import Collections, Key
from lateen.compiler.frontend.graph.incremental import Graph
from lateen.compiler.ir.jwt import Authentication, TokenProvider
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.istio.security import RequestAuthentication


class Authentications(Applying[tuple[TokenProvider, ...], Authentication]):
    """Whose tokens are taken at each pod with a proxy."""

    def __init__(self, graph: Graph, collections: Collections, settings: MeshSettings) -> None:
        policies, homes = collections.token_policies, collections.authentication.table
        super().__init__(graph, collections, settings, policies, homes)

    def _applies(self, policy: RequestAuthentication, labels: dict[str, str]) -> bool:
        from lateen.compiler.frontend.security import targeting  # where there are policies only

        return targeting.selects(policy.spec, labels, self._settings.features)

    def _compile(self, key: Key) -> tuple[TokenProvider, ...]:
        from lateen.compiler.frontend.security import tokens

        policy = self._policies.get(key)
        if policy is None:
            return ()
        known = self._collections.key_sets
        return tokens.providers(
            policy, self._settings.features, lambda address: known.get(address).text
        )

    def _join(self, keys: tuple[Key, ...]) -> Authentication | None:
        from lateen.compiler.frontend.security import tokens

        return tokens.join(self._compiled.get(key) for key in keys)
