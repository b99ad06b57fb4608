"""`lateen upgrade`: what another version of Istio changes for the same manifests, and by which of
its changed defaults."""

import msgspec

from lateen.app.foresight import offline
from lateen.app.foresight.classes import posture_diff
from lateen.app.foresight.classes.compiled_state import CompiledState
from lateen.app.foresight.classes.posture_diff import Pair
from lateen.app.foresight.rehearsal import Rehearsal
from lateen.app.lab.settings import LabSettings
from lateen.base.jsonvalue import Json
from lateen.compiler.frontend import versions
from lateen.predict.classes.regions import Regions
from lateen.predict.spaces import difference
from lateen.predict.spaces.explore import RequestClass


class Version(msgspec.Struct, frozen=True):
    """The manifests as one version of Istio takes them."""

    made: Rehearsal
    settings: LabSettings

    def standing(self) -> CompiledState:
        """Return them compiled."""
        return CompiledState(offline.foresight(self.made, self.settings.images), self.made.locate)

    def differently(self, feature: str, value: object) -> CompiledState:
        """Return them compiled with one default of another version."""
        features = msgspec.structs.replace(self.made.settings.features, **{feature: value})
        settings = msgspec.structs.replace(self.made.settings, features=features)
        made = self.made.under(settings)
        return CompiledState(offline.foresight(made, self.settings.images), made.locate)


def document(before: Version, after: Version) -> Json:
    """Return what changes, each class with the defaults that make it change."""
    pair = Pair(before.standing(), after.standing())
    told = posture_diff.document(pair)
    gates = _gates(before, after)
    for name, feature in gates.items():
        if not told["changes"]:
            break
        value = getattr(before.made.settings.features, feature)
        _blame(told, name, Pair(after.differently(feature, value), pair.new))
    for change in told["changes"]:
        change.setdefault("gates", [])
    return {**told, "gates": sorted(gates)}


def _gates(before: Version, after: Version) -> dict[str, str]:
    """Return the gates between two versions, and the fields that they set."""
    old, new = before.made.settings.features, after.made.settings.features
    return {
        gate.id: gate.feature
        for gate in versions.GATES
        if getattr(old, gate.feature) != getattr(new, gate.feature)
    }


def _blame(told: Json, gate: str, pair: Pair) -> None:
    """Note a gate at the changes that it alone makes."""
    regions = Regions()
    concerned = {
        (client, change["to"]) for change in told["changes"] for client in change["clients"]
    }
    changed: set[tuple[str, str]] = set()
    for cell in pair.cells(regions=regions):
        for client in cell.clients:
            key = (client.name, cell.target.name)
            if key in concerned and any(map(_differs, cell.space.classes)):
                changed.add(key)
    for change in told["changes"]:
        if any((client, change["to"]) in changed for client in change["clients"]):
            change.setdefault("gates", []).append(gate)


def _differs(one: RequestClass) -> bool:
    return len(one.effects) == 2 and difference.judged(*one.effects) is not None
