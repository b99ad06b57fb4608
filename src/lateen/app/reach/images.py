"""Serving images to the agent. The lab has no way to a registry, the plane has."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route
from lateen.app.api import routes
from lateen.app.reach.processes import Processes
from lateen.base import byname, interpreter
from lateen.base.clock import Clock
from lateen.model.labapi import contract
from lateen.model.labapi.images import LOCAL, ImageAnswer, ImageWish
from lateen.node.oci.found import PullOrder

_LOOK = "lateen.node.oci.lookup.look"
"""Loaded when there is an image: most labs have none but the catalogue's."""
_AT_ONCE = 3
"""Images that are brought side by side."""


class Images:
    """Brings each image once at a time, each by a process of its own."""

    def __init__(
        self,
        root: Path,
        mirrors: Mapping[str, Sequence[str]],
        processes: Processes,
        clock: Clock,
    ) -> None:
        self._root = root
        self._clock = clock
        self._mirrors = mirrors
        self._processes = processes
        self._places = asyncio.Semaphore(_AT_ONCE)
        self._alone: dict[str, asyncio.Lock] = {}

    def route(self) -> Route:
        """Serve the agent."""

        async def serve(call: exchange.Call, _names: Names) -> exchange.Response:
            return routes.answer(await self.bring(routes.decoded(call, ImageWish)))

        return routes.owned(contract.IMAGE, serve)

    async def bring(self, wish: ImageWish) -> ImageAnswer:
        """Find or pull an image. What fails is in the answer."""
        if wish.name.startswith(LOCAL):
            return ImageAnswer(command=self._processes.find(wish.name))
        if not wish.pull and not (self._root / "names").is_dir():
            return ImageAnswer()  # the usual case: nobody has loaded or pulled anything
        async with self._alone.setdefault(wish.name, asyncio.Lock()), self._places:
            if wish.pull:
                return await _pull(PullOrder(str(self._root), wish, self._mirrors))
            look = byname.attribute(_LOOK)
            return await asyncio.to_thread(look, str(self._root), wish.name, self._clock)


async def _pull(order: PullOrder) -> ImageAnswer:
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *interpreter.module("lateen.node.oci.remote.puller"), stdin=pipe, stdout=pipe, stderr=pipe
    )
    try:
        said, errors = await child.communicate(msgspec.json.encode(order))
    except asyncio.CancelledError:
        child.terminate()
        raise
    if child.returncode:
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        return ImageAnswer(error=f"pulling ended with {child.returncode}: {''.join(last)}")
    return msgspec.json.decode(said, type=ImageAnswer)
