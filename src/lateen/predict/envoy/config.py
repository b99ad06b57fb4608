"""One proxy's resources, read from their bytes when they are asked for. Pure."""

import ipaddress
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, NamedTuple

from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.endpoint.v3 import endpoint_pb2
from envoy.config.listener.v3 import listener_pb2
from envoy.config.route.v3 import route_pb2

from lateen.compiler.output import Resource, ResourceSet, ResourceType
from lateen.model.meta import Source, parse_source
from lateen.predict.envoy import any_messages, istio_metadata
from lateen.predict.envoy.errors import UnknownError

SOURCE_METADATA = "lateen"
_CLASSES: Mapping[ResourceType, Any] = {
    ResourceType.LISTENER: listener_pb2.Listener,
    ResourceType.CLUSTER: cluster_pb2.Cluster,
    ResourceType.ENDPOINT: endpoint_pb2.ClusterLoadAssignment,
    ResourceType.ROUTE: route_pb2.RouteConfiguration,
}


class FilterSetting(NamedTuple):
    """What a filter is told: of which type, and the message; None for a type without rules."""

    kind: str
    opened: Any | None


class ReadResources:
    """Messages by the resource they were read from: proxies have most resources in common."""

    def __init__(self) -> None:
        self._known: dict[tuple[ResourceType, str, str], Any] = {}

    def of(self, resource: Resource) -> Any:
        """Return the message of a resource."""
        key = (resource.type, resource.name, resource.version)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._read(resource)
        return found

    def _read(self, resource: Resource) -> Any:
        if resource.type is ResourceType.EXTENSION:
            from envoy.config.core.v3 import extension_pb2

            wrapped = extension_pb2.TypedExtensionConfig.FromString(resource.body)
            packed = wrapped.typed_config
            return FilterSetting(any_messages.type_of(packed), any_messages.opened(packed))
        return _CLASSES[resource.type].FromString(resource.body)


class Proxy:
    """A proxy's whole configuration."""

    def __init__(
        self, name: str, resources: ResourceSet, parsed: ReadResources | None = None
    ) -> None:
        self.name = name
        self._resources = resources
        self._parsed = parsed or ReadResources()
        self._chains: dict[str, list[Any]] = {}

    def _get(self, kind: ResourceType, name: str) -> Any | None:
        found = self._resources.of(kind).get(name)
        return None if found is None else self._parsed.of(found)

    def sources(self, kind: ResourceType, name: str) -> tuple[Source, ...]:
        """Return the fields that made a resource."""
        found = self._resources.of(kind).get(name)
        return () if found is None else found.sources

    def listener(self, name: str) -> Any | None:
        """Return a Listener by name."""
        return self._get(ResourceType.LISTENER, name)

    def listener_names(self) -> Iterator[str]:
        """Return the names of all listeners."""
        yield from self._resources.of(ResourceType.LISTENER)

    @cached_property
    def by_address(self) -> Mapping[tuple[str, int], str]:
        """The listeners by the address that they are for; the wildcard is the empty address."""
        found: dict[tuple[str, int], str] = {}
        for name in self.listener_names():
            listener = self.listener(name)
            assert listener is not None
            every = [listener.address, *(each.address for each in listener.additional_addresses)]
            for address in every:
                socket = address.socket_address
                host = socket.address
                wild = not host or ipaddress.ip_address(host).is_unspecified
                found.setdefault(("" if wild else host, socket.port_value), name)
        return found

    def table(self, name: str) -> Any | None:
        """Return a RouteConfiguration by name."""
        return self._get(ResourceType.ROUTE, name)

    def cluster(self, name: str) -> Any | None:
        """Return a Cluster by name."""
        return self._get(ResourceType.CLUSTER, name)

    def endpoints(self, name: str) -> Any | None:
        """Return a ClusterLoadAssignment by name."""
        return self._get(ResourceType.ENDPOINT, name)

    def extension(self, name: str) -> FilterSetting:
        """Return the configuration of a filter that is told it by discovery. Raises UnknownError
        where it was told none."""
        found: FilterSetting | None = self._get(ResourceType.EXTENSION, name)
        if found is None:
            raise UnknownError(f"the filter {name} waits for a configuration that is not there")
        return found


def written(metadata: Any, key: str) -> Source | None:
    """Return the field that a resource's metadata names under a key, if any."""
    told = metadata.filter_metadata.get(SOURCE_METADATA)
    if told is None:
        return istio_metadata.source(metadata, key)
    if key not in told.fields:
        return None
    try:
        return parse_source(told.fields[key].string_value)
    except ValueError:
        return None


def text(metadata: Any, key: str) -> str:
    """Return a text that a resource's metadata has for us under a key; empty without one."""
    told = metadata.filter_metadata.get(SOURCE_METADATA)
    return told.fields[key].string_value if told is not None and key in told.fields else ""


def known(*sources: Source | None) -> tuple[Source, ...]:
    """Return those that are there, each once."""
    return tuple(dict.fromkeys(each for each in sources if each is not None))
