"""ControllerRevisions: the templates that a StatefulSet or DaemonSet had, which `kubectl rollout
history` lists and `undo` applies again. Pure."""

from collections.abc import Sequence

import msgspec

from lateen.base.jsonvalue import Json, JsonView, clone
from lateen.controllers.engine import actions, cache, fields
from lateen.controllers.workloads import hashing

RESOURCE = "controllerrevisions.apps"
LABEL = "controller-revision-hash"


class History(msgspec.Struct, frozen=True):
    """The revisions of an owner: the one of its present template, the others, oldest first."""

    update: JsonView
    """Possibly one that is about to be created."""
    others: tuple[JsonView, ...]
    todo: tuple[actions.Action, ...]

    def find(self, name: str) -> JsonView | None:
        """Return the revision of that name."""
        every = (self.update, *self.others)
        return next((one for one in every if fields.name(one) == name), None)

    def expired(self, limit: int, in_use: set[str]) -> list[actions.Action]:
        """Return the deletions that keep the history within its limit."""
        unused = [one for one in self.others if fields.name(one) not in in_use]
        excess = max(0, len(unused) - limit)
        return [
            actions.Delete(RESOURCE, fields.namespace(one), fields.name(one), fields.uid(one))
            for one in unused[:excess]
        ]


def history(owner: JsonView, known: cache.Cache) -> History:
    """Find or make the revision of the owner's present template, numbered highest."""
    data = _data(fields.spec(owner).get("template") or {})
    every = sorted(known.owned(fields.uid(owner), RESOURCE), key=number)
    same = next((one for one in every if one.get("data") == data), None)
    highest = max((number(one) for one in every), default=0)
    if same is None:
        body = _born(owner, data, highest + 1, every)
        return History(body, tuple(every), (actions.Create(RESOURCE, body),))
    others = tuple(one for one in every if one is not same)
    if number(same) == highest:
        return History(same, others, ())
    where = (fields.namespace(same), fields.name(same))
    renumber = actions.Patch(RESOURCE, *where, {"revision": highest + 1})
    return History(same, others, (renumber,))


def number(revision: JsonView) -> int:
    """Return its place in the history."""
    return int(revision.get("revision") or 0)


def digest(revision: JsonView) -> str:
    """Return the hash that ends its name."""
    return str(fields.labels(revision).get(LABEL, ""))


def template(revision: JsonView) -> JsonView:
    """Return the pod template that it holds."""
    data = revision.get("data") or {}
    return {k: v for k, v in (fields.spec(data).get("template") or {}).items() if k != "$patch"}


def _data(given: JsonView) -> Json:
    """Keep the template as the strategic merge patch that brings it back."""
    return {"spec": {"template": {**clone(given), "$patch": "replace"}}}


def _born(owner: JsonView, data: Json, revision: int, taken: Sequence[JsonView]) -> Json:
    names = {fields.name(one) for one in taken}
    collisions = 0
    text = hashing.template_hash(data)
    while f"{fields.name(owner)}-{text}" in names:
        collisions += 1
        text = hashing.template_hash(data, collisions)
    labels = {**fields.labels(fields.spec(owner).get("template") or {}), LABEL: text}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": f"{fields.name(owner)}-{text}",
            "namespace": fields.namespace(owner),
            "labels": labels,
            "ownerReferences": [fields.owner_reference(owner)],
        },
        "data": data,
        "revision": revision,
    }
