"""`lateen up --watch`: manifests that change are applied again, until somebody ends it."""

import contextlib
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.manifests import crds, files, kustomize, sources
from lateen.cli.manifests.files import Loaded
from lateen.cli.manifests.named import Named
from lateen.cli.objects import applying, logs, waiting
from lateen.cli.screen import findings
from lateen.cli.terminal import screen
from lateen.model.client import ApiError
from lateen.model.labapi import contract

_LOOK = 0.25
"""Seconds between two looks at the files."""
_CALM = 0.1
"""Seconds for which they must stay as they are: an editor writes a file in steps."""

Stamps = Mapping[Path, tuple[int, int]]
"""By file: when it was changed, in nanoseconds, and its size."""


def stamps(named: Named, used: Iterable[str] = ()) -> Stamps:
    """Return the state of all files that are named, or lie in a folder of one that was `used`: a
    kustomization's sources lie elsewhere than itself."""
    every = {path for name in named.names if not (path := Path(name)).is_dir()}
    for folder in {*named.folders, *(Path(file).parent for file in used)}:
        with contextlib.suppress(OSError):
            every.update(sources.inside(folder, recursive=named.recursive))
            every.update(folder / name for name in kustomize.NAMES)
    found = {}
    for path in every:
        with contextlib.suppress(OSError):
            state = path.stat()
            found[path] = (state.st_mtime_ns, state.st_size)
    return found


def gone(before: Sequence[Loaded], after: Sequence[Loaded]) -> list[Loaded]:
    """Return the objects that the manifests held and hold no more, in the order they stood."""
    left = {(item.kind.resource, item.namespace, item.name) for item in after}
    return [item for item in before if (item.kind.resource, item.namespace, item.name) not in left]


class Live:
    """What of a person's manifests is in a lab, kept in step with their files."""

    def __init__(self, lab: str, named: Named, *, timeout: float) -> None:
        self._lab, self._named, self._timeout = lab, named, timeout
        self._api = lab_api.Api.of(labs.require(lab))
        self._known = files.Surroundings(made=lambda: crds.of_lab(self._api))
        loaded = files.load(named, self._known)
        self._items = loaded.items if isinstance(loaded, files.ManifestSet) else ()
        status = self._api.ask(contract.STATUS)
        self._told = {each["text"] for each in status["diagnostics"]}
        self._stamps = self._now()

    def _now(self) -> Stamps:
        return stamps(self._named, {item.manifest.file for item in self._items})

    def run(self) -> None:
        """Follow the files until the lab ends."""
        exits.complain("watching the manifests: Ctrl-C ends it, and leaves the lab up")
        while labs.find(self._lab):
            time.sleep(_LOOK)
            if self._changed():
                self._apply()

    def _changed(self) -> bool:
        now = self._now()
        if now == self._stamps:
            return False
        while True:
            time.sleep(_CALM)
            before, now = now, self._now()
            if before == now:
                self._stamps = now
                return True

    def _apply(self) -> None:
        """Apply what the files hold now, take out what they hold no more, and say how it went.
        What is wrong with them is told, and changes nothing."""
        try:
            loaded = files.load(self._named, self._known)
            if isinstance(loaded, files.RefusedManifests):
                applying.refuse(loaded)
                return
            self._send(loaded.items)
        except LabError as error:
            exits.complain(f"error: {error}")
        except ApiError as error:
            exits.complain(exits.from_server(error))

    def _send(self, items: Sequence[Loaded]) -> None:
        progress = screen.Progress()
        batches = applying.prepared(items)
        failing = waiting.unready(self._api.ask(contract.STATUS))
        removed = [applying.Deletion(i.kind, i.namespace, i.name) for i in gone(self._items, items)]
        revision = waiting.apply_and_say(self._api, batches, progress, unchanged=False)
        for one, error in applying.delete_all(self._api, removed, ignore_missing=True, wait=False):
            sys.stdout.write(f"{one.message if error is None else error.message}\n")
        sys.stdout.flush()
        self._items = tuple(items)
        # What changed since it was read keeps its old stamp, and is applied next.
        self._stamps = {path: self._stamps.get(path, now) for path, now in self._now().items()}
        deadline = time.monotonic() + self._timeout
        status = waiting.await_settled(self._api, revision, deadline, progress.show, failing)
        progress.done(waiting.summary(status))
        self._tell(status)

    def _tell(self, status: Mapping[str, Any]) -> None:
        """Say what is wrong that was not said before."""
        shown = dict(status)
        shown["diagnostics"] = [d for d in status["diagnostics"] if d["text"] not in self._told]
        self._told = {d["text"] for d in status["diagnostics"]}
        complete = waiting.settled(dict(status), 0)
        findings.complain(shown, logs.last_lines(self._api), complete=complete)
