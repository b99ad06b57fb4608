"""Explaining requests on manifests alone, without a lab."""

from collections.abc import Mapping, Sequence

from lateen.app.foresight import grounds, rehearsal, remedies, state
from lateen.app.foresight.rehearsal import Item
from lateen.app.foresight.state import AskedError
from lateen.app.lab import meshsettings
from lateen.app.lab.settings import LabSettings
from lateen.base.clock import SystemClock
from lateen.base.jsonvalue import Json
from lateen.model.labapi.explain import ExplainRequest

__all__ = ["AskedError", "Item", "explain", "foresight"]


def foresight(made: rehearsal.Rehearsal, images: dict[str, list[str]]) -> state.Foresight:
    """Return what foretells in a rehearsed lab."""
    snapshot = made.snapshot()
    return state.Foresight(
        snapshot,
        made.mesh(snapshot),
        made.settings,
        images,
        system_roots=meshsettings.system_roots(),
        now=SystemClock().now,
    )


def explain(
    items: Sequence[Item],
    settings: LabSettings,
    wanted: ExplainRequest,
    texts: Mapping[str, str] | None = None,
    standing: Sequence[Json] = (),
) -> Json:
    """Return the document about a request, asked as a lab is. Raises AskedError.

    The manifests are laid over what is `standing`: a cluster's objects, or others' manifests.

    With the `texts` of the manifests' files, by name, what mends the request is tried on them.
    """
    made = rehearsal.Rehearsal(items, settings, standing)
    known = foresight(made, settings.images)
    ground = None
    if texts is not None:
        ground = grounds.FilesGround(items, texts, made, known)
    return remedies.explained(known, wanted, ground, made.locate)
