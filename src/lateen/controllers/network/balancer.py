"""Load balancer addresses: each Service of that type gets one of the lab's pool. Pure."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from lateen.base.jsonvalue import JsonView
from lateen.controllers.engine import actions, cache, controller, fields


class Balancer(msgspec.Struct, frozen=True):
    """Hands out the addresses of a pool, in its order."""

    pool: tuple[str, ...]

    def reconcile(
        self, key: controller.Name, known: cache.Cache, now: datetime
    ) -> actions.Reconciled:
        """Give the Service its address, or tell why it stays pending."""
        service = known.get("services", *key)
        if service is None or fields.dying(service) or not _wants(service):
            return actions.NOTHING
        taken = {
            address
            for one in known.all("services")
            if one is not service and _wants(one)
            for address in _held(one)
        }
        address = choose(service, self.pool, taken)
        if _held(service) == ([address] if address else []):
            return actions.NOTHING if address else self._pending(service)
        ingress = [{"ip": address, "ipMode": "VIP"}] if address else []
        balancer: dict[str, Any] = {"ingress": ingress} if ingress else {}
        status = {**fields.status(service), "loadBalancer": balancer}
        todo: list[actions.Action] = [
            actions.SetStatus("services", fields.with_status(service, status))
        ]
        if address:
            text = f"Assigned IP [{address}]"
            todo.append(actions.Note(service, "IPAllocated", text))
        return actions.Reconciled(tuple(todo))

    def _pending(self, service: JsonView) -> actions.Reconciled:
        text = (
            f"no load balancer address is left of {len(self.pool)}: delete a LoadBalancer Service, "
            "or give the lab more addresses"
        )
        return actions.Reconciled((actions.Note(service, "AllocationFailed", text, "Warning"),))

    def _keys(self, change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
        yield (change.key.namespace, change.key.name)
        gave_up = change.before is not None and _held(change.before)
        if gave_up and (change.after is None or not _wants(change.after)):
            for one in known.all("services"):
                if _wants(one) and not _held(one):
                    yield (fields.namespace(one), fields.name(one))

    def controller(self) -> controller.Controller:
        """Return the row for the loop."""
        return controller.Controller(
            name="service-controller",
            watches={"services": self._keys},
            reconcile=self.reconcile,
        )


def _wants(service: JsonView) -> bool:
    return bool(
        fields.spec(service).get("type") == "LoadBalancer"
        and not fields.spec(service).get("loadBalancerClass")
    )


def _held(service: JsonView) -> list[str]:
    ingress = (fields.status(service).get("loadBalancer") or {}).get("ingress") or ()
    return [str(one["ip"]) for one in ingress if one.get("ip")]


def choose(service: JsonView, pool: Sequence[str], taken: set[str]) -> str:
    """Return the address a Service gets: the one it asks for by `spec.loadBalancerIP`, the one it
    has, or the first free one; empty when there is none."""
    wanted = fields.spec(service).get("loadBalancerIP") or ""
    candidates = [str(wanted)] if wanted else [*_held(service), *pool]
    return next((one for one in candidates if one in pool and one not in taken), "")
