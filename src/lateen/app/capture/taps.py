"""Taps in the lab's pods: one that sees every connection's opening, and full ones on demand."""

import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterable

import msgspec

from lateen.app.mesh.proxies import has_proxy
from lateen.app.reach.podstreams import ShimLink
from lateen.base.tasks import TaskGroup
from lateen.model import wellknown
from lateen.model.client import ApiError
from lateen.node.shim.client import ShimClient, ShimError, ShimGoneError
from lateen.observe.packets import bpf, capture, capture_openings
from lateen.observe.packets.capture_openings import Openings
from lateen.observe.wire.classify import Reading
from lateen.observe.wire.frames import Segment
from lateen.store.api import Event, EventType, JsonObject

log = logging.getLogger(__name__)

_OPENING_BYTES = 512 * 1024
_RECORDING_BYTES = 8 * 1024 * 1024
_UNREACHABLE = (ShimError, ShimGoneError, ApiError, OSError)


class _Opened(msgspec.Struct, frozen=True):
    """A standing tap, and the node it lives in."""

    shim: ShimClient
    tap: capture.Tap


class Recording:
    """Everything that some pods sent and got over TCP while it ran.

    Read it after `async with`, or during: what has come so far is there.
    """

    def __init__(self, openings: Openings) -> None:
        self._openings = openings
        self._seen = Openings()
        self._taps: dict[str, capture.Tap] = {}
        self._lost = 0

    @property
    def dropped(self) -> int:
        """Packets lost so far, for want of room or time."""
        return self._lost + sum(tap.dropped for tap in self._taps.values())

    def reading(self, client: str, server: str) -> Reading | None:
        """Return what the connection between two `IP:port` was, be it older than the recording.

        Without the client's port (`IP:`) it is the newest from there since the recording began.
        """
        self.catch_up()
        if client.endswith(":"):
            return capture_openings.either(None, self._seen.newest(client[:-1], server))
        opening = self._openings.reading(client, server)
        return capture_openings.either(opening, self._seen.find(client, server))

    def catch_up(self) -> None:
        """Read what the kernel holds, without waiting for the event loop to do so."""
        for tap in self._taps.values():
            tap.read()

    def add(self, pod: str, sock: socket.socket) -> None:
        """Record what a packet socket in a pod sees."""

        def take(segment: Segment, leg: str) -> None:
            self._seen.take(pod, leg, segment)

        self._taps[pod] = capture.Tap(sock, take, ring_bytes=_RECORDING_BYTES)

    def close(self) -> None:
        """End the taps; what they saw stays."""
        for tap in self._taps.values():
            tap.close()
        self._lost = self.dropped
        self._taps.clear()


class Taps:
    """Keeps one opening tap in every running pod that has a proxy."""

    def __init__(self, shim: ShimLink, tasks: TaskGroup) -> None:
        self._shim = shim
        self._tasks = tasks
        self.openings = Openings()
        self._opened: dict[str, _Opened] = {}
        self._opening: set[str] = set()
        self._wanted: set[str] = set()

    def note(self, event: Event) -> None:
        """Take a change of a Pod; called by the store within the write."""
        if event.entry.key.resource != "pods":
            return
        pod = event.entry.value
        uid = pod["metadata"]["uid"]
        if event.type is EventType.DELETED or not _tappable(pod):
            self._wanted.discard(uid)
            self._close(uid)
            return
        self._wanted.add(uid)
        known = self._opened.get(uid)
        if (known is None or known.shim.gone) and uid not in self._opening:
            self._opening.add(uid)
            self._tasks.start(self._open(uid), f"opening tap of {pod['metadata']['name']}")

    def dropped(self) -> int:
        """Packets that the standing taps lost, in all."""
        return sum(opened.tap.dropped for opened in self._opened.values())

    async def _open(self, uid: str) -> None:
        try:
            self._close(uid)
            shim = await self._shim.get()
            sock = await packet_socket(shim, uid)
            if uid not in self._wanted:
                sock.close()
                return
            self._opened[uid] = _Opened(shim, self._tap(uid, sock))
        except _UNREACHABLE as error:
            # The pod's next change tries again: it has no network yet, or none any more.
            log.info("opening tap of pod %s: %s", uid, error)
        finally:
            self._opening.discard(uid)

    def _tap(self, uid: str, sock: socket.socket) -> capture.Tap:
        def take(segment: Segment, leg: str) -> None:
            self.openings.take(uid, leg, segment)

        return capture.Tap(sock, take, program=bpf.OPENING, ring_bytes=_OPENING_BYTES)

    def _close(self, uid: str) -> None:
        known = self._opened.pop(uid, None)
        if known is not None:
            known.tap.close()
            self.openings.forget_pod(uid)

    @contextlib.asynccontextmanager
    async def recording(self, pods: Iterable[str]) -> AsyncIterator[Recording]:
        """Record all TCP of some pods (uids) for the time of an `async with`.

        A pod that cannot be reached is left out: its connections are then not seen.
        """
        made = Recording(self.openings)
        try:
            for uid in pods:
                try:
                    made.add(uid, await packet_socket(await self._shim.get(), uid))
                except _UNREACHABLE as error:
                    log.info("recording pod %s: %s", uid, error)
            yield made
        finally:
            made.close()

    def close(self) -> None:
        """End every standing tap."""
        for uid in list(self._opened):
            self._close(uid)


async def packet_socket(shim: ShimClient, pod: str) -> socket.socket:
    """Open a socket that sees every frame of a pod's interfaces."""
    protocol = socket.htons(capture.ETH_P_ALL)
    return await shim.open_socket(pod, socket.AF_PACKET, socket.SOCK_RAW, protocol)


def _tappable(pod: JsonObject) -> bool:
    status = pod.get("status") or {}
    return has_proxy(pod) and bool(status.get("podIP")) and not wellknown.has_ended(pod)
