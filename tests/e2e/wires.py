"""What really travels to a pod: a packet socket at its eth0, read by nobody but the test."""

import asyncio
import contextlib
import json
import select
import socket
import threading
import time
from dataclasses import dataclass, field

from lateen.node.shim.client import ShimClient
from lateen.observe.wire import classify, frames, streams
from lateen.observe.wire.classify import Reading
from lateen.observe.wire.frames import Segment
from tests.e2e.labs import Lab

_ALL = 3
"""ETH_P_ALL."""


@dataclass
class Tap:
    """One pod's packet socket and what it has seen."""

    address: str
    socket: socket.socket
    segments: list[Segment] = field(default_factory=list)


class Wire:
    """Packets at the eth0 of pods, from when it is opened until it is closed."""

    def __init__(self, lab: Lab, pods: dict[str, tuple[str, str]]) -> None:
        """`pods`: a name of the test's own to (uid, address)."""
        self._lab = lab
        self._taps: dict[str, Tap] = {}
        asyncio.run(self._open(pods))
        self._stopping = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    async def _open(self, pods: dict[str, tuple[str, str]]) -> None:
        shim = await ShimClient.connect(self._lab.home / "run" / self._lab.name / "shim.sock")
        for name, (uid, address) in pods.items():
            made = await shim.open_socket(
                uid, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)
            )
            made.bind(("eth0", _ALL))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self._taps[name] = Tap(address, made)
        await shim.close()

    def _read(self) -> None:
        taps = {tap.socket.fileno(): tap for tap in self._taps.values()}
        while not self._stopping:
            ready, _, _ = select.select(list(taps), [], [], 0.05)
            for fd in ready:
                with contextlib.suppress(BlockingIOError):
                    while True:
                        frame = taps[fd].socket.recv(65536)
                        segment = frames.segment(frame, time.monotonic())
                        if segment is not None:
                            taps[fd].segments.append(segment)

    def close(self) -> None:
        """Stop reading and free the sockets."""
        self._stopping = True
        self._thread.join(5)
        for tap in self._taps.values():
            tap.socket.close()

    def reading(self, pod: str, client: str, port: int, since: float) -> Reading | None:
        """Return the connection from a client's address to a pod's port that carried the most
        answer bytes after a moment (of `time.monotonic`), read from its very beginning."""
        tap = self._taps[pod]
        known = list(tap.segments)
        answered: dict[tuple[str, int], int] = {}
        for segment in known:
            ours = segment.source == (tap.address, port) and segment.target.ip == client
            if ours and segment.time >= since and segment.payload:
                answered[segment.target] = answered.get(segment.target, 0) + len(segment.payload)
        if not answered:
            return None
        most = max(answered, key=lambda end: answered[end])
        ends = {most, (tap.address, port)}
        mine = [s for s in known if {s.source, s.target} == ends]
        return classify.read(streams.conversations(mine)[-1])


def pods_by_app(lab: Lab, namespace: str = "default") -> dict[str, tuple[str, str]]:
    """Return (uid, address) of the pod of each `app` label."""
    listed = json.loads(lab.ok("get", "pods", "-n", namespace, "-o", "json"))["items"]
    return {
        pod["metadata"]["labels"]["app"]: (pod["metadata"]["uid"], pod["status"]["podIP"])
        for pod in listed
        if not pod["metadata"].get("deletionTimestamp")
    }
