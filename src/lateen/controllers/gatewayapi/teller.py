"""The row that keeps statuses of the Gateway API's objects. Pure.

What they are is asked of the compiler, which a lab loads after the API server answers: so it is
imported with the first object that needs it.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from lateen.controllers.engine import actions, cache, controller

_ALL: controller.Name = ("gateway-api",)
"""The one key: a route's status depends on objects of any namespace."""
_GROUP = "gateway.networking.k8s.io"
_CLASSES, _GRANTS = f"gatewayclasses.{_GROUP}", f"referencegrants.{_GROUP}"
TOLD = tuple(
    f"{plural}.{_GROUP}"
    for plural in (
        "gateways",
        "listenersets",
        "httproutes",
        "grpcroutes",
        "tlsroutes",
        "tcproutes",
        "backendtlspolicies",
    )
)
"""Objects that have a status."""
WATCHED = (
    *TOLD,
    _CLASSES,
    _GRANTS,
    "namespaces",
    "services",
    "secrets",
    "configmaps",
    "serviceentries.networking.istio.io",
)
"""All that a status depends on: what the translation reads."""


class Teller(msgspec.Struct, frozen=True):
    """Keeps statuses as they should be."""

    domain: str

    def reconcile(
        self, _: controller.Name, known: cache.Cache, now: datetime
    ) -> actions.Reconciled:
        """Write each status that is not what it should be."""
        if not any(known.all(resource) for resource in TOLD):
            return actions.NOTHING
        from lateen.controllers.gatewayapi import statuses  # brings the compiler

        return actions.Reconciled(statuses.written(known, self.domain, now))

    def controller(self) -> controller.Controller:
        """Return the row for the loop."""
        return controller.Controller(
            name="gateway-status",
            watches=dict.fromkeys(WATCHED, _everything),
            reconcile=self.reconcile,
        )


def _everything(change: cache.ObjectChange, known: cache.Cache) -> Iterable[controller.Name]:
    yield _ALL
