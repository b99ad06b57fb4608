"""What is known of a kind: its names, versions, columns, and where its struct is. Pure."""

from typing import NamedTuple

import msgspec

from lateen.base import byname


class Column(NamedTuple):
    """A column of `kubectl get`: `path` is a JSON path such as `.spec.host`; `wide` columns show
    with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False


AGE = Column("Age", ".metadata.creationTimestamp", "date")


def struct_at(place: str) -> type[msgspec.Struct]:
    """Return the struct at a place in `lateen.model`: `kube.core.objects.Pod`. Its module loads."""
    found: type[msgspec.Struct] = byname.attribute(f"lateen.model.{place}")
    return found


class KindInfo(msgspec.Struct, frozen=True):
    """What is known of a kind.

    `versions` begins with the storage version. `typed` is the place of its struct
    (`kube.core.objects.Pod`); it is empty for a kind whose content is kept as it is. `compiled`
    says that the mesh compiler reads it, `acted_on` that anything here does.
    """

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    singular: str
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    namespaced: bool = True
    typed: str = ""
    columns: tuple[Column, ...] = ()
    status: bool = True
    scale: bool = False
    acted_on: bool = False
    compiled: bool = False

    @property
    def struct(self) -> type[msgspec.Struct] | None:
        """The struct of its objects, None for a kind whose content is kept as it is.

        Loaded when it is first asked for: defining all of them takes 20 ms, and each process of a
        lab reads a few.
        """
        return struct_at(self.typed) if self.typed else None

    @property
    def resource(self) -> str:
        """Return plural.group, or the plural alone in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def api_version(self) -> str:
        """Return the storage version with its group: `apps/v1`, `v1`."""
        return self._with_group(self.versions[0])

    @property
    def api_versions(self) -> tuple[str, ...]:
        """Return all served versions with their group, the storage version first."""
        return tuple(self._with_group(version) for version in self.versions)

    @property
    def is_istio(self) -> bool:
        """Whether it is one of Istio's kinds, that is a custom resource of protobuf shape."""
        return self.group.endswith(".istio.io")

    def _with_group(self, version: str) -> str:
        return f"{self.group}/{version}" if self.group else version
