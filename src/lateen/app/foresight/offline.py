"""Explaining requests on manifests alone, without a lab."""

from collections.abc import Mapping, Sequence

from lateen.app.api.config_dumps import ConfigDump
from lateen.app.foresight import grounds, rehearsal, remedies, state
from lateen.app.foresight.rehearsal import Item
from lateen.app.foresight.state import AskedError
from lateen.app.lab import meshsettings
from lateen.app.lab.settings import LabSettings
from lateen.base.clock import SystemClock
from lateen.base.jsonvalue import Json
from lateen.model.labapi.explain import ExplainRequest

__all__ = ["AskedError", "Item", "explain", "foresight"]


def foresight(
    made: rehearsal.Rehearsal,
    images: dict[str, list[str]],
    dumps: Sequence[ConfigDump] = (),
) -> state.Foresight:
    """Return what foretells in a rehearsed lab; proxies have what their dumps say."""
    snapshot = made.snapshot()
    return state.Foresight(
        snapshot,
        made.mesh(snapshot),
        made.settings,
        images,
        system_roots=meshsettings.system_roots(),
        now=SystemClock().now,
        dumps={each.proxy: each for each in dumps},
    )


def explain(
    items: Sequence[Item],
    settings: LabSettings,
    wanted: ExplainRequest,
    texts: Mapping[str, str] | None = None,
    standing: Sequence[Json] = (),
    dumps: Sequence[ConfigDump] = (),
) -> Json:
    """Return the document about a request, asked as a lab is. Raises AskedError.

    The manifests are laid over what is `standing`: a cluster's objects, or others' manifests.

    With the `texts` of the manifests' files, by name, what mends the request is tried on them.
    Where proxies have what their `dumps` say nothing can be tried: what another manifest would make
    of them is not for us to say.
    """
    made = rehearsal.Rehearsal(items, settings, standing)
    known = foresight(made, settings.images, dumps)
    ground = None
    if texts is not None and not dumps:
        ground = grounds.FilesGround(items, texts, made, known)
    return remedies.explained(known, wanted, ground, made.locate)
