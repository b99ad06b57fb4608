"""`lateen drift`: what proxies have, beside what the same objects are compiled to here."""

from collections.abc import Sequence

from lateen.app.api import config_dumps
from lateen.app.api.config_dumps import ConfigDump
from lateen.app.foresight import offline
from lateen.app.foresight.classes import posture_diff
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.app.foresight.rehearsal import Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.base.jsonvalue import Json


def document(
    made: Rehearsal,
    settings: LabSettings,
    dumps: Sequence[ConfigDump],
    start: str = "",
    to: str = "",
) -> Json:
    """Return the classes of requests that differ, as a diff has them, and under `onesided` the
    listeners, routes and clusters that only one side has, each with its proxies."""
    compiled = offline.foresight(made, settings.images)
    real = compiled.having(dumps)
    pair = posture_diff.Pair(CompiledState(compiled, made.locate), CompiledState(real, made.locate))
    told = posture_diff.document(pair, start, to)
    found: dict[tuple[str, str, str], list[str]] = {}
    for dump in dumps:
        mine = compiled.compiled(dump.proxy)
        for one in config_dumps.one_sided(dump, mine) if mine is not None else ():
            found.setdefault(one, []).append(dump.proxy)
    told["onesided"] = [
        {"kind": kind, "name": name, "in": side, "proxies": proxies}
        for (kind, name, side), proxies in sorted(found.items())
    ]
    return told
