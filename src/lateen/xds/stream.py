"""One client's open stream: its session, and responses waiting to be written."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping

from lateen.base.clock import Clock
from lateen.compiler.output import ResourceType
from lateen.xds import resources
from lateen.xds.hub import Hub
from lateen.xds.session import Output, Send, Session

log = logging.getLogger(__name__)

RELEASE_SECONDS = 2.0
"""How long listeners and routes wait for clusters that do not become usable."""


AT_ONCE = 500
"""Resources of a response that are encoded on the event loop: three milliseconds."""


class LiveStream:
    """The thin shell around a session: takes bytes in, keeps bytes to write, tells the hub."""

    def __init__(self, proxy: str, session: Session, hub: Hub, clock: Clock) -> None:
        self._proxy = proxy
        self._session = session
        self._hub = hub
        self._clock = clock
        self._outbox: deque[Send] = deque()
        self._ready = asyncio.Event()
        self._held = 0

    def publish(
        self, config: resources.Config, touched: Mapping[ResourceType, Iterable[str]]
    ) -> None:
        """Take a new configuration from the hub."""
        self._perform(self._session.publish(config, touched))

    def waiting(self, kind: ResourceType) -> bool:
        """Whether something of the type is unsent or unanswered."""
        return self._session.plan.waiting(kind)

    def subscribed(self, kind: ResourceType) -> bool:
        """Whether the client asked for the type."""
        return self._session.plan.subscribed(kind)

    def receive(self, data: bytes) -> None:
        """Take a request. Raises PermissionError, or DecodeError for what is no request."""
        self._perform(self._session.receive(data))

    def _perform(self, outputs: Iterable[Output]) -> None:
        for output in outputs:
            if isinstance(output, Send):
                self._outbox.append(output)
            else:
                if output.error is not None:
                    log.warning("%s rejected %s: %s", self._proxy, output.kind.name, output.error)
                self._hub.settled(self._proxy, output.kind, output.names, output.error)
        if self._outbox:
            self._ready.set()

    async def responses(self) -> AsyncIterator[bytes]:
        """Yield responses as they become due, for ever."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._outbox:
                due = self._outbox.popleft()
                # What is encoded in a thread still goes out in its turn: nothing else is taken.
                large = due.size > AT_ONCE
                yield await asyncio.to_thread(due.encode) if large else due.encode()

    async def watch(self) -> None:
        """Release what is held back for too long."""
        while True:
            await self._clock.sleep(RELEASE_SECONDS / 2)
            self._held = self._held + 1 if self._session.plan.holding else 0
            if self._held > 2:
                log.warning("%s: clusters do not become usable; sending the rest", self._proxy)
                self._held = 0
                self._perform(self._session.release())
