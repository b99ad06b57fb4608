"""`lateen apply --dry-run`: what would be applied, and what there would be to say about it.

Manifests are compiled in this process, over what has been applied to the lab where one is up, over
an empty lab where none is.
"""

import json
import sys
from collections.abc import Mapping

import msgspec

from lateen.app.api import report
from lateen.app.foresight.rehearsal import Item, Rehearsal
from lateen.app.lab import settings as lab_settings
from lateen.app.lab.lab import Running
from lateen.app.lab.settings import LabSettings
from lateen.base.jsonvalue import Json
from lateen.cli import exits
from lateen.cli.connection import api as lab_api
from lateen.cli.manifests.files import ManifestSet
from lateen.cli.objects import applying
from lateen.cli.screen import findings
from lateen.compiler.frontend.diagnostics import status
from lateen.model.client import ApiError
from lateen.model.messages import diagnostics
from lateen.model.patch import last_applied
from lateen.model.schema import kinds


def on_files(loaded: ManifestSet, settings: LabSettings, threshold: str | None) -> int:
    """Check manifests alone, and print what an empty lab would make of them."""
    for item in loaded.items:
        if not item.stands_in:
            sys.stdout.write(f"{applying.qualified(item)} created (dry run)\n")
    sys.stdout.flush()
    exits.complain("no lab is up: checked on these files alone")
    return _say(_found({}, loaded, settings), threshold)


def on_lab(running: Running, api: lab_api.Api, loaded: ManifestSet, threshold: str | None) -> int:
    """Have the lab's API server check manifests without storing them, and print what there would
    be to say once they were."""
    foreign = {item.name for item in loaded.items if item.stands_in}
    sent = [item for item in loaded.items if not item.stands_in]
    known = [item for item in sent if item.kind.resource not in foreign]
    for item, verb in applying.apply_all(api, applying.prepared(known), dry_run=True):
        sys.stdout.write(f"{applying.qualified(item)} {verb} (server dry run)\n")
    for item in sent:
        if item.kind.resource in foreign:
            sys.stdout.write(f"{applying.qualified(item)} created (dry run)\n")
    sys.stdout.flush()
    settings = lab_settings.load(running.paths.settings)
    return _say(_found(applied(api), loaded, settings), threshold)


def applied(api: lab_api.Api) -> dict[tuple[str, str, str], Json]:
    """Return the manifests that were applied to a lab, by kind, namespace and name: as they were
    written, from the annotation that `apply` leaves. What the lab made itself is not among them."""
    found = {}
    for info in kinds.KINDS.values():
        try:
            answer = api.request("GET", lab_api.collection_path(info, "")).body
        except ApiError:
            continue  # a kind that is only reviewed, such as an access review
        for item in answer.get("items") or ():
            metadata = item["metadata"]
            written = (metadata.get("annotations") or {}).get(last_applied.ANNOTATION)
            if written is not None:
                key = (info.resource, metadata.get("namespace", ""), metadata["name"])
                found[key] = json.loads(written)
    return found


def _found(
    before: Mapping[tuple[str, str, str], Json], loaded: ManifestSet, settings: LabSettings
) -> list[Json]:
    """Return the findings about manifests over others, worst first, as a lab's status has them."""
    new = {(i.kind.resource, i.namespace, i.name): i for i in loaded.items if not i.stands_in}
    items = [Item(body) for key, body in before.items() if key not in new]
    items += [Item(item.placed(), item.manifest.locate) for item in new.values()]
    rehearsal = Rehearsal(items, settings)
    snapshot = rehearsal.snapshot()
    every = (
        *rehearsal.mesh(snapshot).diagnostics,
        *status.findings(snapshot, rehearsal.settings.root_namespace),
    )
    return [
        msgspec.to_builtins(report.finding_line(one.located(rehearsal.locate(one.source))))
        for one in diagnostics.worst_first(every)
    ]


def _say(found: list[Json], threshold: str | None) -> int:
    told = {"diagnostics": found}
    for line in findings.lines(told):
        exits.complain(line)
    if threshold and findings.reaches(told, threshold):
        return exits.FINDINGS
    return exits.OK
