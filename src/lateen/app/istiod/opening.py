"""Puts the door of istiod's pod together: loaded when somebody asks for it first."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from lateen.apiserver.access import auth
from lateen.app.istiod import facts as plane
from lateen.app.istiod.door import Door
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

    def _pod(self) -> str:
        bodies = (entry.value for entry in self.store.list("pods").entries)
        found = [each["metadata"]["name"] for each in bodies if wellknown.stands_for_plane(each)]
        return str(found[0]) if found else "istiod"


def door(
    directory: Path, known: Known, authenticator: auth.Authenticator, authority: Authority
) -> Door:
    """Return the door; no port is open yet."""
    return Door(directory, known.look, authenticator, authority)
