"""Which kinds are served: the rows of `model.schema.kinds`, and those that CRDs add."""

from collections.abc import Iterator, Mapping

import msgspec

from lateen.apiserver import errors
from lateen.apiserver.kinds.strategy import registry
from lateen.apiserver.kinds.strategy.base import Strategy
from lateen.base.jsonvalue import Json
from lateen.model.gatewayapi.references import GROUP
from lateen.model.schema import describe, kinds
from lateen.model.schema.kindinfo import KindInfo


class ScalePaths(msgspec.Struct, frozen=True):
    """Where an object says how many it wants and has, and what chooses them (dotted paths)."""

    spec: str = "spec.replicas"
    status: str = "status.replicas"
    selector: str = ""


class Kind(msgspec.Struct, frozen=True):
    """A served kind: its row, its strategy, and for a custom one what its definition says of each
    version: the schema, how its objects are merged, where its replicas are."""

    info: KindInfo
    strategy: Strategy
    schemas: Mapping[str, Json] = msgspec.field(default_factory=dict)
    merge: Mapping[str, describe.Schema] = msgspec.field(default_factory=dict)
    scale: Mapping[str, "ScalePaths"] = msgspec.field(default_factory=dict)
    rules: frozenset[str] = frozenset()
    """The versions whose schemas have rules in CEL."""
    selectable: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    """By version, the fields that field selectors may name."""
    deprecated: Mapping[str, str] = msgspec.field(default_factory=dict)
    """By version, the warning that answers to a deprecated one carry."""
    shown: Mapping[str, KindInfo] = msgspec.field(default_factory=dict)
    """By version, the row to print objects by, where it is not `info`."""

    @property
    def strategic(self) -> bool:
        """Whether strategic merge patches are taken; clients ask OpenAPI for it."""
        return not self.schemas and not self.info.is_istio


class Target(msgspec.Struct, frozen=True):
    """What a request is about: a kind in one of its versions, and where."""

    kind: Kind
    version: str
    namespace: str = ""
    name: str = ""
    subresource: str = ""

    @property
    def info(self) -> KindInfo:
        """Return the kind's row."""
        return self.kind.info

    @property
    def shown(self) -> KindInfo:
        """Return the row by which objects are printed in this version."""
        return self.kind.shown.get(self.version, self.kind.info)

    @property
    def scale_paths(self) -> ScalePaths:
        """Return where the kind keeps its replicas."""
        return self.kind.scale.get(self.version, ScalePaths())

    @property
    def api_version(self) -> str:
        """Return `apps/v1`, or `v1` for the core group."""
        group = self.kind.info.group
        return f"{group}/{self.version}" if group else self.version


def built_in() -> dict[str, Kind]:
    """Return the kinds that are always served, by resource name (plural.group)."""
    return {
        resource: Kind(info, registry.strategy_for(resource))
        for resource, info in kinds.KINDS.items()
    }


class Resources:
    """The kinds served now. Custom ones come and go; built-in ones win over them, but for those
    that a cluster only has by their definitions too: the Gateway API's."""

    def __init__(self) -> None:
        self._built_in = built_in()
        self._custom: dict[str, Kind] = {}

    def __iter__(self) -> Iterator[Kind]:
        yield from {**self._built_in, **self._custom}.values()

    def offer(self, kind: Kind) -> bool:
        """Serve a custom kind; False when a built-in one has its name."""
        if kind.info.resource in self._built_in and kind.info.group != GROUP:
            return False
        self._custom[kind.info.resource] = kind
        return True

    def withdraw(self, resource: str) -> None:
        """Stop serving a custom kind."""
        self._custom.pop(resource, None)

    def get(self, resource: str) -> Kind:
        """Return the kind of `plural.group`. Raises ApiError 404."""
        kind = self._custom.get(resource) or self._built_in.get(resource)
        if kind is None:
            raise errors.unknown_path()
        return kind

    def target(
        self,
        group: str,
        version: str,
        plural: str,
        namespace: str = "",
        name: str = "",
        subresource: str = "",
    ) -> Target:
        """Resolve the parts of a URL. Raises ApiError 404 for what is not served."""
        kind = self.get(f"{plural}.{group}" if group else plural)
        if version not in kind.info.versions or (namespace and not kind.info.namespaced):
            raise errors.unknown_path()
        return Target(kind, version, namespace, name, subresource)
