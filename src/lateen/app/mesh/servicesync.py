"""How far the node's rules of Services are behind the store: until they are there, addresses refuse
connections that every proxy is ready to answer.

The agent follows the API server as a kubelet does, and says of each batch of changes when the
kernel has it.
"""

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route
from lateen.app.api import routes
from lateen.model.labapi import contract
from lateen.model.labapi.node import RulesAnswer
from lateen.store.api import Event, Store

_RESOURCES = ("services", "endpointslices.discovery.k8s.io")
"""What rules are made of; `node.servicefeed` follows the same."""


class Rules:
    """Compares the newest change of what rules are made of with what the agent said last."""

    def __init__(self, store: Store) -> None:
        self._reached: dict[str, int] = {}
        self._newest: dict[str, int] = {}
        for resource in _RESOURCES:
            store.subscribe(resource, self._note)
            revisions = (entry.revision for entry in store.list(resource).entries)
            self._newest[resource] = max(revisions, default=0)

    def _note(self, event: Event) -> None:
        self._newest[event.entry.key.resource] = event.revision

    @property
    def settled(self) -> bool:
        """Whether the kernel has every change that was written."""
        return all(
            self._reached.get(resource, -1) >= newest for resource, newest in self._newest.items()
        )

    def route(self) -> Route:
        """Take what the agent says."""

        async def serve(call: exchange.Call, _names: Names) -> exchange.Response:
            self._reached = routes.decoded(call, dict[str, int])
            return routes.answer(RulesAnswer())

        return routes.owned(contract.RULES, serve)
