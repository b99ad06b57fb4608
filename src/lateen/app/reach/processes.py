"""Processes of the person's own that stand for images, by `lateen run`.

They are kept with the lab, so that a plane or agent that starts again knows them.
"""

import re
from pathlib import Path

import msgspec

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route
from lateen.app.api import routes
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.images import LOCAL, LocalCommand, ProcessAnswer, ProcessOrder

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


class Processes:
    """The processes that pods may name as their image, `lateen.local/run/NAME`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: dict[str, LocalCommand] = {}
        if file.is_file():
            self._known = msgspec.json.decode(file.read_bytes(), type=dict[str, LocalCommand])

    def find(self, image: str) -> LocalCommand | None:
        """Return what runs for an image's name."""
        return self._known.get(image.removeprefix(LOCAL).partition(":")[0])

    def route(self) -> Route:
        """Serve the lab's owner."""

        async def serve(call: exchange.Call, _names: Names) -> exchange.Response:
            self._take(routes.decoded(call, ProcessOrder))
            return routes.answer(ProcessAnswer(tuple(sorted(self._known))))

        return routes.owned(contract.PROCESS, serve)

    def _take(self, given: ProcessOrder) -> None:
        if not _NAME.fullmatch(given.name):
            raise ApiError(
                422, "Invalid", f"{given.name!r}: use lower-case letters, digits and '-'"
            )
        if given.command is None:
            self._known.pop(given.name, None)
        elif not given.command.argv:
            raise ApiError(422, "Invalid", f"{given.name}: a process needs a command")
        else:
            self._known[given.name] = given.command
        scratch = self._file.with_suffix(".new")
        scratch.write_bytes(msgspec.json.encode(self._known))
        scratch.chmod(0o600)
        scratch.replace(self._file)
