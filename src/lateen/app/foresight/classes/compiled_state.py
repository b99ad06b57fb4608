"""A compiled state as statements about all requests need it."""

from collections.abc import Sequence
from functools import cached_property

from lateen.app.foresight.classes import ends
from lateen.app.foresight.explanation import Locate
from lateen.app.foresight.state import Foresight
from lateen.model.labapi.explain import ExplainRequest
from lateen.predict.spaces.cells import Client, Target
from lateen.predict.spaces.explore import Vantage


class CompiledState:
    """A state, its clients and destinations, and where its fields were written."""

    def __init__(self, known: Foresight, locate: Locate) -> None:
        self.known, self.locate = known, locate
        self.world = ends.world(known)
        self.workloads = {pod.name: pod.workload for pod in known.network.pods.values()}

    @cached_property
    def clients(self) -> dict[str, Client]:
        """The clients by name."""
        return {client.name: client for client in ends.clients(self.known)}

    @cached_property
    def targets(self) -> dict[str, Target]:
        """The destinations by name."""
        return {target.name: target for target in ends.targets(self.known)}

    def state(self, client: Client, target: Target) -> Vantage:
        """Return the state with a client's request to a target. Certificates are not looked at by
        the client: whether it likes one is not for the mesh to say."""
        asked = ExplainRequest(
            url=target.url,
            origin=client.origin,
            namespace=client.namespace or "default",
            insecure=True,
        )
        return Vantage(
            world=self.world,
            asked=self.known.asked(asked),
            workloads=self.workloads,
            identity=client.identity,
        )

    def place(self, client: Client, target: Target) -> Sequence[Vantage]:
        """Return the one state in which a request is walked."""
        return (self.state(client, target),)
