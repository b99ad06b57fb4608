"""Addresses of ServiceEntries' hosts: written into the status of each, as Istio's controller does.
Pure."""

from collections.abc import Iterable
from datetime import datetime

from lateen.base.jsonvalue import JsonView
from lateen.controllers.engine import actions, cache, controller, fields
from lateen.model import entryaddresses
from lateen.model.istio.networking_entry import ServiceEntry
from lateen.model.schema import decode, kinds

RESOURCE = "serviceentries.networking.istio.io"
_ALL = ("",)
"""There is one key: each address depends on those of all others."""


def reconcile(_key: controller.Name, known: cache.Cache, _now: datetime) -> actions.Reconciled:
    """Give each host that wants one an address, and take it from those that do not any more."""
    bodies = sorted(known.all(RESOURCE), key=_age)
    entries = [_decoded(body) for body in bodies]
    wanted = entryaddresses.allocate(entries)
    todo = []
    for body, entry in zip(bodies, entries, strict=True):
        own = wanted[entry.metadata.namespace, entry.metadata.name]
        addresses = [{"value": value, "host": host} for host, value in own.items() if value]
        if addresses == [{"value": a.value, "host": a.host} for a in entry.status.addresses]:
            continue
        status = {**fields.status(body), "addresses": addresses}
        if not addresses:
            del status["addresses"]
        todo.append(actions.SetStatus(RESOURCE, fields.with_status(body, status)))
    return actions.Reconciled(tuple(todo))


def _decoded(body: JsonView) -> ServiceEntry:
    made = decode.decode(kinds.KINDS[RESOURCE], body, strict=False).object
    assert isinstance(made, ServiceEntry)
    return made


def _age(body: JsonView) -> tuple[str, str, str]:
    meta = body["metadata"]
    return meta.get("creationTimestamp", ""), fields.name(body), fields.namespace(body)


def _concerned(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    return (_ALL,)


CONTROLLER = controller.Controller(
    name="ip-autoallocate", watches={RESOURCE: _concerned}, reconcile=reconcile
)
