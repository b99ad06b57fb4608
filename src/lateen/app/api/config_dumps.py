"""Proxies' own configuration, as Envoy's admin tells it: what `/config_dump` answers. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

import msgspec

from lateen.app.api import envoyjson
from lateen.base.jsonvalue import Json
from lateen.compiler.output import Resource, ResourceSet, ResourceType

_ROWS: Mapping[str, tuple[tuple[ResourceType, str, str], ...]] = {
    "ClustersConfigDump": (
        (ResourceType.CLUSTER, "static_clusters", "cluster"),
        (ResourceType.CLUSTER, "dynamic_active_clusters", "cluster"),
    ),
    "ListenersConfigDump": (
        (ResourceType.LISTENER, "static_listeners", "listener"),
        (ResourceType.LISTENER, "dynamic_listeners", "active_state.listener"),
    ),
    "RoutesConfigDump": ((ResourceType.ROUTE, "dynamic_route_configs", "route_config"),),
    "EndpointsConfigDump": (
        (ResourceType.ENDPOINT, "dynamic_endpoint_configs", "endpoint_config"),
    ),
    "EcdsConfigDump": ((ResourceType.EXTENSION, "ecds_filters", "ecds_filter"),),
}
"""Of each part of a dump: what it holds, in which list, and where in each entry."""
_ENDPOINTS = "EndpointsConfigDump"


class DumpError(ValueError):
    """A text that is no configuration of a proxy; the message names the file and says what is."""


class ConfigDump(msgspec.Struct, frozen=True, kw_only=True):
    """What one proxy was given and took."""

    proxy: str
    """`namespace/pod`."""
    resources: ResourceSet
    with_endpoints: bool
    """Whether it tells endpoints: Envoy does only where it is asked to include them."""
    own: frozenset[str] = frozenset()
    """Listeners and clusters of its bootstrap, which no control plane sends."""
    refused: tuple[str, ...] = ()
    """Updates that the proxy did not take: the listener's or cluster's name, and why."""


def read(text: str, file: str) -> ConfigDump:
    """Read what `/config_dump?include_eds` answers. The pod is that of the proxy's node, or, where
    the dump has no bootstrap (istiod's own has none), of the file's name, POD.NAMESPACE.json.

    Raises DumpError.
    """
    try:
        body = json.loads(text)
        parts = [each for each in body["configs"] if isinstance(each, dict)]
    except (ValueError, KeyError, TypeError) as error:
        raise DumpError(
            f"{file} is no configuration of a proxy: save what its admin answers to "
            "/config_dump?include_eds"
        ) from error
    found: dict[ResourceType, dict[str, Resource]] = {}
    try:
        for kind, content in _contents(parts):
            made = _resource(kind, content)
            found.setdefault(kind, {})[made.name] = made
    except ValueError as error:
        raise DumpError(f"{file}: {error}") from error
    return ConfigDump(
        proxy=_proxy(parts, file),
        resources=ResourceSet(found),
        with_endpoints=any(_part(each) == _ENDPOINTS for each in parts),
        own=frozenset(_static(parts)),
        refused=tuple(_refused(parts)),
    )


def _part(part: Json) -> str:
    return str(part.get("@type", "")).rpartition(".")[2]


def _contents(parts: Sequence[Json]) -> Iterator[tuple[ResourceType, Json]]:
    for part in parts:
        for kind, rows, path in _ROWS.get(_part(part), ()):
            for row in part.get(rows, ()):
                content: Any = row
                for step in path.split("."):
                    content = content.get(step) if isinstance(content, dict) else None
                if isinstance(content, dict):
                    yield kind, content


def _resource(kind: ResourceType, content: Json) -> Resource:
    """Return a resource. Raises ValueError for one that Envoy's API does not have."""
    name = str(content.get("cluster_name" if kind is ResourceType.ENDPOINT else "name", ""))
    plain = {key: value for key, value in content.items() if key != "@type"}
    try:
        return Resource(kind, name, envoyjson.as_bytes(kind, plain))
    except ValueError as error:
        raise ValueError(f"{kind.name.lower()} {name}: {error}") from error


def _proxy(parts: Sequence[Json], file: str) -> str:
    """Return the pod of a proxy: its node is called `sidecar~IP~POD.NAMESPACE~DOMAIN`."""
    for part in parts:
        if _part(part) == "BootstrapConfigDump":
            node = str(part.get("bootstrap", {}).get("node", {}).get("id", ""))
            if node.count("~") == 3:
                return _namespaced(node.split("~")[2])
    name = PurePath(file).name.removesuffix(".json")
    if "." not in name:
        raise DumpError(
            f"{file} names no proxy: it has no bootstrap; call the file POD.NAMESPACE.json"
        )
    return _namespaced(name)


def _namespaced(name: str) -> str:
    pod, _, namespace = name.rpartition(".")
    return f"{namespace}/{pod}"


def _static(parts: Sequence[Json]) -> Iterator[str]:
    for part in parts:
        for rows, field in (("static_listeners", "listener"), ("static_clusters", "cluster")):
            for row in part.get(rows, ()):
                yield str(row.get(field, {}).get("name", ""))


def _refused(parts: Sequence[Json]) -> Iterator[str]:
    for part in parts:
        for rows in ("dynamic_listeners", "dynamic_active_clusters", "dynamic_route_configs"):
            for row in part.get(rows, ()):
                error = row.get("error_state")
                if error:
                    content = row.get("cluster") or row.get("route_config") or {}
                    name = row.get("name") or content.get("name", "")
                    yield f"{name}: {error.get('details', '')}"


def completed(dump: ConfigDump, compiled: ResourceSet | None) -> ResourceSet:
    """Return a proxy's resources; one that does not tell endpoints has those that the compiler
    makes of the objects."""
    if dump.with_endpoints or compiled is None:
        return dump.resources
    endpoints = compiled.of(ResourceType.ENDPOINT)
    return ResourceSet({**dump.resources.by_type, ResourceType.ENDPOINT: endpoints})


def one_sided(dump: ConfigDump, compiled: ResourceSet) -> Iterator[tuple[str, str, str]]:
    """Yield what only one of the two has: its kind, its name, and `proxy` or `compiled`."""
    for kind in (ResourceType.LISTENER, ResourceType.ROUTE, ResourceType.CLUSTER):
        mine, theirs = set(compiled.of(kind)), set(dump.resources.of(kind)) - dump.own
        for name in sorted(mine ^ theirs):
            yield kind.name.lower(), name, "compiled" if name in mine else "proxy"
