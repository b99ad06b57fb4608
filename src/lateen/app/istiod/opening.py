"""Puts the door of istiod's pod together: loaded when somebody asks for it first."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from lateen.apiserver.access import auth
from lateen.app.istiod import facts as plane, injection
from lateen.app.istiod.debug import Answer
from lateen.app.istiod.door import Door
from lateen.controllers.injection import injector
from lateen.model import wellknown
from lateen.model.schema import kinds
from lateen.pki.authority import Authority
from lateen.store.api import Store
from lateen.xds.hub import Hub


class Known(msgspec.Struct, frozen=True):
    """Where what istiod tells comes from."""

    store: Store
    hub: Hub
    kinds: Callable[[], Mapping[str, str]]
    version: str
    revision: str
    injection: Callable[[], injector.InjectionSettings]
    """How pods are injected at this moment."""

    def look(self) -> plane.Facts:
        """Return the control plane as it is."""
        return plane.Facts(
            version=self.version,
            revision=self.revision,
            pod=self._pod(),
            statuses=self.hub.statuses(),
            kinds=self.kinds(),
            configs={proxy: self.hub.config(proxy) for proxy in self.hub.configured()},
            objects={
                info.resource: tuple(e.value for e in self.store.list(info.resource).entries)
                for info in kinds.KINDS.values()
                if info.compiled
            },
        )

    def inject(self, body: bytes) -> Answer:
        """Answer what asks the webhook (see `injection.answer`)."""
        spaces = {entry.key.name: entry.value for entry in self.store.list("namespaces").entries}
        return injection.answer(body, self.injection(), spaces)

    def _pod(self) -> str:
        bodies = (entry.value for entry in self.store.list("pods").entries)
        found = [each["metadata"]["name"] for each in bodies if wellknown.stands_for_plane(each)]
        return str(found[0]) if found else "istiod"


def door(
    directory: Path, known: Known, authenticator: auth.Authenticator, authority: Authority
) -> Door:
    """Return the door; no port is open yet."""
    return Door(directory, known.look, known.inject, authenticator, authority)
