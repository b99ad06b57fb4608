"""How the host reaches the lab: by a link of its own as root, by ports of loopback otherwise."""

from collections.abc import Mapping

from lateen.app.lab.paths import LabPaths
from lateen.app.lab.settings import LabSettings
from lateen.app.reach.forwarding import Forwarder, Target
from lateen.app.reach.hostlink import HostLink
from lateen.app.reach.podstreams import ShimLink
from lateen.base.clock import Clock
from lateen.base.tasks import TaskGroup
from lateen.model.messages.diagnostics import Diagnostic
from lateen.node import permission
from lateen.store.api import Event, EventType, Store


class Outside:
    """Whichever of the two this lab has."""

    def __init__(
        self, shim: ShimLink, paths: LabPaths, chosen: LabSettings, tasks: TaskGroup
    ) -> None:
        self._tasks = tasks
        self._forwarder = Forwarder(shim, tasks)
        linked = chosen.user == 0 and permission.may_administer()  # root in a container may not
        self._link = HostLink(shim, paths, chosen.pool) if linked else None

    def start(self, store: Store, clock: Clock) -> None:
        """Make the link whenever the node comes up, or follow the Services to be forwarded to."""
        if self._link is not None:
            self._tasks.start(self._link.run(clock), "host link")
            return
        store.subscribe("services", self._forwarder.note)
        for entry in store.list("services").entries:
            self._forwarder.note(Event(EventType.ADDED, entry))

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self._link is None or self._link.settled

    @property
    def findings(self) -> tuple[Diagnostic, ...]:
        """What there is to say of the way in."""
        return self._link.findings if self._link is not None else ()

    @property
    def ports(self) -> Mapping[Target, int]:
        """The ports of loopback by namespace, Service and port; empty with a link."""
        return self._forwarder.ports
