"""What may happen, and what a draft would change: asked of the command line, in a process apart.

To look at all requests takes seconds of a core. Nothing of that runs in the plane: a child runs the
same command that a person would type, and what it prints is the answer. Decision 044.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec

from lateen.apiserver.protocol import exchange
from lateen.apiserver.protocol.routing import Names, Route
from lateen.apiserver.writing import verbs
from lateen.app.api import applied, routes
from lateen.app.lab.paths import LabPaths
from lateen.base import interpreter
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError
from lateen.model.labapi import contract
from lateen.model.labapi.apply import ApplyItem, ApplyRequest
from lateen.model.labapi.page import DraftAnswer, DraftRequest
from lateen.model.manifests import reader
from lateen.model.patch import last_applied
from lateen.page import gate

_MOST = 256 * 1024
"""Bytes of a draft."""
_MOST_WORDS = 2000
_MOST_PREVIEWED = 20
"""Drafts that may be applied still, the newest."""
_ANSWERS = (0, 2)
"""Exit codes with which a document was printed: 2 says that something in it was left open."""


class Drafts:
    """Answers for one lab; one child at a time."""

    def __init__(self, paths: LabPaths, api: verbs.Api) -> None:
        self._paths, self._api = paths, api
        self._one = asyncio.Lock()
        self._previewed: dict[DraftRequest, None] = {}

    def routes(self) -> tuple[Route, ...]:
        """Return what is served at the page's address."""
        return (
            routes.owned(contract.POSTURE, self._posture),
            routes.owned(contract.DRAFT, self._draft, limit=_MOST),
        )

    async def _posture(self, call: exchange.Call, _names: Names) -> exchange.Response:
        words = ["posture", "--lab", self._paths.lab, "-o", "json"]
        for option in ("from", "to", "only"):
            if given := call.info.query.text(option):
                words.append(f"--{option}={given}")
        return routes.answer(await self._said(words))

    async def _draft(self, call: exchange.Call, _names: Names) -> exchange.Response:
        asked: DraftRequest = routes.decoded(call, DraftRequest)
        items = _read(asked)
        gate.may_change(each.body for each in items)
        self._unchanged(items, asked.version)
        shown = msgspec.structs.replace(asked, apply=False)
        if asked.apply and shown not in self._previewed:
            raise ApiError(409, "Conflict", "this draft was not previewed: preview it first")
        wanted = ApplyRequest(items=items, dry_run=not asked.apply)
        taken = await applied.every(self._api, wanted)
        if asked.apply or taken.error is not None:
            return routes.answer(DraftAnswer(taken=taken))
        changes = await self._changes(asked)
        while len(self._previewed) >= _MOST_PREVIEWED:
            del self._previewed[next(iter(self._previewed))]
        self._previewed[shown] = None
        return routes.answer(DraftAnswer(taken=taken, changes=changes))

    def _unchanged(self, items: Sequence[ApplyItem], version: str) -> None:
        """Raise ApiError 409 where an object is another one than the draft was made from."""
        for each in items:
            if not (name := each.body["metadata"].get("name")):
                continue  # the server refuses it in its own words
            target = applied.addressed(self._api, each.body)
            try:
                now = self._api.get(target)["metadata"]["resourceVersion"]
            except ApiError as error:
                if error.reason != "NotFound":
                    raise
                now = ""
            if now != version:
                words = f"{each.body['kind']} {name} was changed meanwhile"
                raise ApiError(409, "Conflict", f"{words}: open it again, and change what is new")

    async def _changes(self, asked: DraftRequest) -> Json:
        lab = f"lab:{self._paths.lab}"
        with tempfile.TemporaryDirectory(dir=self._paths.run) as folder:
            draft = Path(folder) / "draft.yaml"
            await asyncio.to_thread(draft.write_text, asked.text, "utf-8")
            return await self._said(
                ["diff", lab, f"{lab}+{draft}", "-o", "json"], (str(draft), asked.name)
            )

    async def _said(self, words: list[str], renamed: tuple[str, str] = ("", "")) -> Json:
        """Run a command of Lateen's and return what it prints as JSON, with a file's name in place
        of its path. Raises ApiError 422 with its words where it prints none."""
        pipe = asyncio.subprocess.PIPE
        async with self._one:
            child = await asyncio.create_subprocess_exec(
                *interpreter.module("lateen", *words), stdout=pipe, stderr=pipe
            )
            try:
                said, errors = await child.communicate()
            except asyncio.CancelledError:
                child.kill()
                await child.wait()
                raise
        path, name = renamed
        if child.returncode not in _ANSWERS:
            text = errors.decode(errors="replace").strip()[-_MOST_WORDS:]
            raise ApiError(422, "Invalid", text.replace(path, name) if path else text)
        if path:
            said = said.replace(path.encode(), msgspec.json.encode(name)[1:-1])
        found: Json = msgspec.json.decode(said)
        return found


def _read(asked: DraftRequest) -> tuple[ApplyItem, ...]:
    """Return the manifests of a draft, as `lateen apply` sends them. Raises ApiError 400."""
    read = reader.parse(asked.text, asked.name)
    if read.problems or not read.manifests:
        words = "; ".join(str(each) for each in read.problems) or "the draft holds no object"
        raise ApiError(400, "BadRequest", words)
    return tuple(map(_item, read.manifests))


def _item(manifest: reader.Manifest) -> ApplyItem:
    lines = {path: place.line for path, place in manifest.locations.items()}
    return ApplyItem(body=last_applied.remembered(manifest.body), file=manifest.file, lines=lines)
