"""What `lateen capture` captures from: pods by name, and a ring in each."""

import asyncio
import contextlib
import select
import signal
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from lateen.app.lab.lab import LabError
from lateen.base.jsonvalue import Json
from lateen.node.shim.client import ShimClient, ShimError, ShimGoneError
from lateen.observe import ends
from lateen.observe.packets import bpf, capture
from lateen.observe.packets.capture_ring import Frame, Ring

_POLL_MS = 200
_RETIRED = 0.04
"""Seconds after which the kernel has handed over blocks that are not full, too."""


class RunningPod(msgspec.Struct, frozen=True):
    """A running pod: `namespace/name`, uid and address."""

    name: str
    uid: str
    ip: str


def running(items: Sequence[Json]) -> list[RunningPod]:
    """Return the pods that have an address and have not ended."""
    return [
        RunningPod(
            f"{item['metadata']['namespace']}/{item['metadata']['name']}",
            item["metadata"]["uid"],
            item["status"]["podIP"],
        )
        for item in items
        if item["status"].get("podIP") and item["status"].get("phase") == "Running"
    ]


def chosen(items: Sequence[Json], words: Sequence[str], namespace: str) -> list[RunningPod]:
    """Return the pods that `POD`, `pod/NAME` and `deploy/NAME` mean; for no word, all that run a
    proxy, in a namespace if one is named. Raises LabError for a word that means no running pod."""
    if not words:
        proxied = [item for item in items if ends.has_proxy(item)]
        here = [i for i in proxied if namespace in ("", i["metadata"]["namespace"])]
        return running(here)
    namespace = namespace or "default"
    found: dict[str, RunningPod] = {}
    for word in words:
        matching = running([item for item in items if _means(word, item, namespace)])
        if not matching:
            raise LabError(f"no running pod of {word} in {namespace}: see `lateen get pods -A`")
        found.update({pod.uid: pod for pod in matching})
    return list(found.values())


def _means(word: str, item: Json, namespace: str) -> bool:
    metadata = item["metadata"]
    if metadata["namespace"] != namespace:
        return False
    kind, slash, name = word.partition("/")
    if not slash or kind in ("pod", "pods", "po"):
        return bool(metadata["name"] == (name or kind))
    if kind not in ("deploy", "deployment", "deployments"):
        raise LabError(f"{word}: use POD or deploy/NAME")
    owners = metadata.get("ownerReferences") or ()
    return any(o["kind"] == "ReplicaSet" and o["name"].rpartition("-")[0] == name for o in owners)


class Source:
    """A ring in each of some pods."""

    def __init__(
        self, shim: Path, pods: Sequence[RunningPod], ports: Sequence[int], ring_bytes: int
    ) -> None:
        """Open them. Raises LabError when the node does not let us."""
        try:
            sockets = asyncio.run(_open(shim, pods))
        except (ShimError, ShimGoneError, OSError) as error:
            raise LabError(f"the lab's node gives no capture socket: {error}") from error
        self.rings = {
            pod.name: Ring(sock, program=bpf.all_tcp(*ports), ring_bytes=ring_bytes)
            for pod, sock in zip(pods, sockets, strict=True)
        }
        self._stopping = False

    @contextlib.contextmanager
    def until_interrupted(self) -> Iterator[None]:
        """Let Ctrl-C end `frames` between two batches, so that nothing taken is lost; the next one
        acts as always."""

        def stop(_number: int, _frame: object) -> None:
            self._stopping = True
            signal.signal(signal.SIGINT, before)

        before = signal.signal(signal.SIGINT, stop)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def frames(self, until: float | None) -> Iterator[list[tuple[str, Frame]]]:
        """Yield (pod, frame) as they come, each batch in order of time, until `until` (of the
        monotonic clock) or Ctrl-C, and then what is there still. A batch is empty when nothing
        came for a while."""
        poller = select.poll()
        for ring in self.rings.values():
            poller.register(ring.fileno(), select.POLLIN)
        while not self._stopping and (until is None or time.monotonic() < until):
            poller.poll(_POLL_MS)
            yield self.ready()
        time.sleep(_RETIRED)
        for _ in range(max(ring.blocks for ring in self.rings.values())):
            if not (batch := self.ready()):
                break
            yield batch

    def ready(self) -> list[tuple[str, Frame]]:
        """Return what is there now, in order of time."""
        batch = [(pod, frame) for pod, ring in self.rings.items() for frame in ring.read()]
        if len(self.rings) > 1:
            batch.sort(key=lambda each: each[1].time)
        return batch

    def lost(self) -> dict[str, int]:
        """Return the frames lost so far, by pod."""
        return {pod: ring.count_lost() for pod, ring in self.rings.items()}

    def close(self) -> None:
        """End the capture."""
        for ring in self.rings.values():
            ring.close()


async def _open(path: Path, pods: Sequence[RunningPod]) -> list[socket.socket]:
    shim = await ShimClient.connect(path)
    try:
        protocol = socket.htons(capture.ETH_P_ALL)
        return [
            await shim.open_socket(pod.uid, socket.AF_PACKET, socket.SOCK_RAW, protocol)
            for pod in pods
        ]
    finally:
        await shim.close()
