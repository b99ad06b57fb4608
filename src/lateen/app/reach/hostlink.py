"""The host's end of the lab's link, as root: made whenever the node comes up."""

import logging
import os

from lateen.app.lab.paths import LabPaths
from lateen.app.reach.podstreams import ShimLink
from lateen.base.clock import Clock
from lateen.model.client import ApiError
from lateen.model.messages import diagnostics
from lateen.model.meta import ObjectRef, Source
from lateen.node.net import hostlink
from lateen.node.net.ledger import Ledger
from lateen.node.net.netlink import NetlinkError
from lateen.node.shim.client import ShimError, ShimGoneError

log = logging.getLogger(__name__)

_NODE = "lateen"
_RETRY, _LATER = 0.05, 60.0


class HostLink:
    """Keeps one veth pair and one route between the host and the lab, by the ledger."""

    def __init__(self, shim: ShimLink, paths: LabPaths, network: str) -> None:
        self._shim = shim
        self._ledger = Ledger(paths.ledger)
        self._pool = hostlink.Pool(network)
        self.settled = False
        """Whether the link stands, or cannot be made: nothing more to wait for."""
        self.findings: tuple[diagnostics.Diagnostic, ...] = ()
        """What there is to say of it."""

    async def run(self, clock: Clock) -> None:
        """Make the link each time the node comes up, for ever."""
        while True:
            try:
                client = await self._shim.get()
                await self._make(await client.netns(""))
                self.settled, self.findings = True, ()
                async for _ in client.exits():
                    pass
                self.settled = False
            except (ApiError, ShimError, ShimGoneError):
                self.settled = False
                await clock.sleep(_RETRY)
            except NetlinkError as error:
                log.error(
                    "the link to the host cannot be made (%s): gateways answer inside the lab "
                    "only, see `lateen shell`",
                    error,
                )
                source = Source(ObjectRef("Node", "", _NODE))
                self.findings = (
                    diagnostics.make(
                        "LTN0050", source, network=self._pool.network, why=error.strerror
                    ),
                )
                self.settled = True
                await clock.sleep(_LATER)

    async def _make(self, lab_netns: int) -> None:
        try:
            hostlink.make(self._ledger, lab_netns, self._pool)
        finally:
            os.close(lab_netns)
