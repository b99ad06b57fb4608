"""`lateen apply` and `lateen delete`."""

import sys
import time
from collections.abc import Callable, Sequence

from lateen.app.lab import lab as labs
from lateen.app.lab.lab import LabError
from lateen.app.lab.settings import LabSettings
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.manifests import crds, files as manifest_files
from lateen.cli.manifests.files import RefusedManifests
from lateen.cli.manifests.named import Named
from lateen.cli.objects import applying, getting, logs, waiting
from lateen.cli.screen import findings
from lateen.cli.terminal import screen
from lateen.model.labapi import contract


def apply(
    lab: str,
    named: Named,
    *,
    namespace: str,
    dry_run: str,
    threshold: str | None,
    settings: Callable[[], LabSettings],
    wait: bool,
    timeout: float,
) -> int:
    """The command: apply, then wait until the change has arrived everywhere it concerns. With a
    threshold (`error`, `warning`, `info`) it ends with 79 when a finding reaches it. A dry run
    without a lab is one of the lab that `settings` returns."""
    running = labs.find(lab) if dry_run == "client" else labs.require(lab)
    api = lab_api.Api.of(running) if running else None
    made = crds.Defined if api is None else lambda: crds.of_lab(api)
    loaded = manifest_files.load(named, manifest_files.Surroundings(namespace, made))
    if isinstance(loaded, RefusedManifests):
        return applying.refuse(loaded)
    for warning in loaded.warnings:
        exits.complain(warning)
    if not loaded.items:
        raise LabError("no objects passed to apply", exits.FAILED)
    if dry_run != "none":
        from lateen.cli.objects import dryrun  # it compiles here, which no other command does

        if running is None or api is None:
            return dryrun.on_files(loaded, settings(), threshold)
        return dryrun.on_lab(running, api, loaded, threshold)
    assert api is not None
    progress = screen.Progress()
    batches = applying.prepared(loaded.items)
    # A pod that fails already must not hold up every change from now on.
    failing = waiting.unready(api.ask(contract.STATUS)) if wait else frozenset()
    revision = waiting.apply_and_say(api, batches, progress)
    if not wait:
        return exits.OK
    deadline = time.monotonic() + timeout
    status = waiting.await_settled(api, revision, deadline, progress.show, failing)
    progress.clear()
    complete = waiting.settled(status, revision, failing)
    if not complete:
        exits.complain(f"applied, but the mesh is not complete: {waiting.summary(status)}")
    findings.complain(status, logs.last_lines(api), complete=complete)
    if not complete:
        return exits.FAILED
    return exits.FINDINGS if threshold and findings.reaches(status, threshold) else exits.OK


def delete(
    lab: str,
    words: Sequence[str],
    named: Named,
    *,
    namespace: str,
    ignore_missing: bool,
    wait: bool,
) -> int:
    """The command."""
    api = lab_api.Api.of(labs.require(lab))
    if bool(words) == bool(named):
        raise LabError("give either -f FILE, -k FOLDER or KIND NAME", exits.USAGE)
    if named:
        known = manifest_files.Surroundings(namespace, lambda: crds.of_lab(api))
        loaded = manifest_files.load(named, known)
        if isinstance(loaded, RefusedManifests):
            return applying.refuse(loaded)
        every = [
            applying.Deletion(item.kind, item.namespace, item.name, f"{item.where}: ")
            for item in loaded.items
            if not item.stands_in
        ]
    else:
        every = _named(api, words, namespace or "default")
    code = exits.OK
    for one, error in applying.delete_all(api, every, ignore_missing=ignore_missing, wait=wait):
        if error is None:
            sys.stdout.write(one.message + "\n")
            sys.stdout.flush()
        else:
            exits.complain(exits.from_server(error, one.where))
            code = exits.FAILED
    return code


def _named(api: lab_api.Api, words: Sequence[str], namespace: str) -> list[applying.Deletion]:
    pairs = getting.targets(api, list(words))
    for kind, name in pairs:
        if not name:
            raise LabError(f"name the {kind.singular} to delete", exits.USAGE)
    return [
        applying.Deletion(kind, namespace if kind.namespaced else "", name) for kind, name in pairs
    ]
