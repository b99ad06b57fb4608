"""`lateen apply` and `lateen delete`."""

import sys
import time
from collections.abc import Sequence

from lateen.app import lab as labs
from lateen.app.lab import LabError
from lateen.cli import api as lab_api
from lateen.cli import applying, exits, findings, getting, screen, up, waiting
from lateen.cli import files as manifest_files
from lateen.cli.files import Refused
from lateen.model.client import ApiError


def apply(
    lab: str,
    names: Sequence[str],
    *,
    recursive: bool,
    dry_run: bool,
    wait: bool,
    timeout: float,
) -> int:
    """The command: apply, then wait until the change has arrived everywhere it concerns."""
    api = lab_api.Api.of(labs.require(lab))
    loaded = manifest_files.load(names, recursive=recursive)
    if isinstance(loaded, Refused):
        return applying.refuse(loaded)
    if not loaded:
        raise LabError("no objects passed to apply", exits.FAILED)
    progress = screen.Progress()
    batches = applying.prepared(loaded)
    revision = up.apply_and_say(api, batches, progress, dry_run=dry_run)
    if dry_run or not wait:
        return exits.OK
    status = waiting.await_settled(api, revision, time.monotonic() + timeout, progress.show)
    progress.clear()
    complete = waiting.settled(status, revision)
    if not complete:
        exits.complain(f"applied, but the mesh is not complete: {waiting.summary(status)}")
    findings.complain(status, complete=complete)
    return exits.OK if complete else exits.FAILED


def delete(
    lab: str,
    words: Sequence[str],
    names: Sequence[str],
    *,
    namespace: str,
    ignore_missing: bool,
    wait: bool,
) -> int:
    """The command."""
    api = lab_api.Api.of(labs.require(lab))
    if bool(words) == bool(names):
        raise LabError("give either -f FILE or KIND NAME", exits.USAGE)
    if names:
        return _delete_files(api, names, ignore_missing=ignore_missing, wait=wait)
    return _delete_named(api, words, namespace, ignore_missing=ignore_missing)


def _delete_files(
    api: lab_api.Api, names: Sequence[str], *, ignore_missing: bool, wait: bool
) -> int:
    loaded = manifest_files.load(names)
    if isinstance(loaded, Refused):
        return applying.refuse(loaded)
    code = exits.OK
    for item, error in applying.delete_all(api, loaded, ignore_missing=ignore_missing, wait=wait):
        if error is None:
            kind = applying.qualified(item).partition("/")[0]
            sys.stdout.write(f'{kind} "{item.name}" deleted\n')
            sys.stdout.flush()
        else:
            exits.complain(exits.from_server(error, f"{item.where}: "))
            code = exits.FAILED
    return code


def _delete_named(
    api: lab_api.Api, words: Sequence[str], namespace: str, *, ignore_missing: bool
) -> int:
    for kind, name in getting.targets(list(words)):
        if not name:
            raise LabError(f"name the {kind.singular} to delete", exits.USAGE)
        try:
            api.request("DELETE", lab_api.object_path(kind, namespace, name))
        except ApiError as error:
            if error.code == 404 and ignore_missing:
                continue
            raise
        group = f".{kind.group}" if kind.group else ""
        sys.stdout.write(f'{kind.singular}{group} "{name}" deleted\n')
    return exits.OK
