"""A frozen, typed view of all objects the compiler reads. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from lateen.model.istio import networking, security
from lateen.model.kube import discovery
from lateen.model.kube.core import objects as core
from lateen.model.manifests import sourcelines
from lateen.model.manifests.sourcemap import SourceMap
from lateen.model.meta import Location, Source
from lateen.model.schema import decode, fieldpath, kinds
from lateen.model.schema.selectors import subset

Key = tuple[str, str]
"""(namespace, name); the namespace of a cluster-wide object is empty."""
_NOTHING: Mapping[Key, Any] = {}

_PODS = "pods"
_SERVICES = "services"
_NAMESPACES = "namespaces"
_SECRETS = "secrets"
_SLICES = "endpointslices.discovery.k8s.io"
_GATEWAYS = "gateways.networking.istio.io"
_ROUTES = "virtualservices.networking.istio.io"
_RULES = "destinationrules.networking.istio.io"
_POLICIES = "peerauthentications.security.istio.io"
_AUTHORIZATION = "authorizationpolicies.security.istio.io"
_MAPS = "sourcemaps.lateen.dev"


class Change(NamedTuple):
    """One object as it is now; `object` is None when it is gone."""

    resource: str
    namespace: str
    name: str
    object: Any


class Snapshot:
    """All objects at one moment. Never changes; `with_changes` makes the next one, in which kinds
    and objects that did not change keep their identity."""

    __slots__ = ("_indexes", "_objects")

    def __init__(self, objects: Mapping[str, Mapping[Key, Any]] | None = None) -> None:
        self._objects: Mapping[str, Mapping[Key, Any]] = objects or {}
        self._indexes: dict[str, _LabelIndex] = {}

    def of(self, resource: str) -> Mapping[Key, Any]:
        """Return the objects of a resource such as `deployments.apps`, by (namespace, name)."""
        return self._objects.get(resource, _NOTHING)

    @property
    def pods(self) -> Mapping[Key, core.Pod]:
        """Return all pods."""
        return self.of(_PODS)

    @property
    def services(self) -> Mapping[Key, core.Service]:
        """Return all Services."""
        return self.of(_SERVICES)

    @property
    def namespaces(self) -> Mapping[Key, core.Namespace]:
        """Return all namespaces, under ("", name)."""
        return self.of(_NAMESPACES)

    @property
    def secrets(self) -> Mapping[Key, core.Secret]:
        """Return all Secrets."""
        return self.of(_SECRETS)

    @property
    def endpoint_slices(self) -> Mapping[Key, discovery.EndpointSlice]:
        """Return all EndpointSlices."""
        return self.of(_SLICES)

    @property
    def gateways(self) -> Mapping[Key, networking.Gateway]:
        """Return all Istio Gateways."""
        return self.of(_GATEWAYS)

    @property
    def virtual_services(self) -> Mapping[Key, networking.VirtualService]:
        """Return all VirtualServices."""
        return self.of(_ROUTES)

    @property
    def destination_rules(self) -> Mapping[Key, networking.DestinationRule]:
        """Return all DestinationRules."""
        return self.of(_RULES)

    @property
    def peer_authentications(self) -> Mapping[Key, security.PeerAuthentication]:
        """Return all PeerAuthentications."""
        return self.of(_POLICIES)

    @property
    def authorization_policies(self) -> Mapping[Key, security.AuthorizationPolicy]:
        """Return all AuthorizationPolicies."""
        return self.of(_AUTHORIZATION)

    def matching(self, resource: str, namespace: str, labels: Mapping[str, str]) -> Iterator[Any]:
        """Return the objects of a namespace that have all these labels.

        The index is made when first asked for and from then on kept up to date by difference.
        """
        index = self._indexes.get(resource)
        if index is None:
            index = self._indexes[resource] = _LabelIndex.of(self.of(resource).values())
        return index.matching(namespace, labels)

    def with_changes(self, changes: Iterable[Change]) -> "Snapshot":
        """Return the next snapshot. Only the tables of the kinds that changed are copied."""
        touched: dict[str, dict[Key, Any]] = {}
        differences: dict[str, list[tuple[Any, Any]]] = {}
        for resource, namespace, name, new in changes:
            table = touched.get(resource)
            if table is None:
                table = touched[resource] = dict(self.of(resource))
            old = table.pop((namespace, name), None)
            if new is not None:
                table[namespace, name] = new
            differences.setdefault(resource, []).append((old, new))
        following = Snapshot({**self._objects, **touched})
        for resource, index in tuple(self._indexes.items()):  # a reader may be making one
            following._indexes[resource] = index.after(differences.get(resource, ()))
        return following

    def locate(self, source: Source) -> Location | None:
        """Return where a field was written, by the source map the CLI left beside its object.

        None when there is none, or when the object's spec is another one by now.
        """
        ref = source.ref
        kind, name, namespace = ref.kind, ref.name, ref.namespace or "default"
        entry: SourceMap | None = self.of(_MAPS).get(
            (namespace, sourcelines.source_map_name(kind, name))
        )
        if entry is None or (entry.spec.target.kind, entry.spec.target.name) != (kind, name):
            return None
        if not self._current(entry, ref.namespace):
            return None
        for path in fieldpath.enclosing(source.path):
            if (line := entry.spec.lines.get(path)) is not None:
                return Location(entry.spec.file, line)
        return Location(entry.spec.file, 1)

    def _current(self, entry: SourceMap, namespace: str) -> bool:
        target = entry.spec.target
        fitting = [i for i in kinds.KINDS.values() if i.kind == target.kind and i.compiled]
        objects = [self.of(info.resource).get((namespace, target.name)) for info in fitting]
        hashes = {sourcelines.hash_of(found) for found in objects if found is not None}
        return not fitting or entry.spec.spec_hash in hashes


class _LabelIndex:
    """Objects by namespace and by label."""

    __slots__ = ("_filed",)

    def __init__(self, filed: dict[tuple[str, ...], dict[str, Any]]) -> None:
        self._filed = filed

    @classmethod
    def of(cls, objects: Iterable[Any]) -> "_LabelIndex":
        filed: dict[tuple[str, ...], dict[str, Any]] = {}
        for value in objects:
            for key in _label_keys(value):
                filed.setdefault(key, {})[value.metadata.name] = value
        return cls(filed)

    def after(self, differences: Iterable[tuple[Any, Any]]) -> "_LabelIndex":
        """Return the index with objects replaced: (old or None, new or None) each."""
        differences = list(differences)
        if not differences:
            return self
        filed = dict(self._filed)
        own: set[tuple[str, ...]] = set()
        for old, new in differences:
            for value, present in ((old, False), (new, True)):
                for key in _label_keys(value) if value is not None else ():
                    if key not in own:
                        filed[key] = dict(filed.get(key, ()))
                        own.add(key)
                    filed[key].pop(value.metadata.name, None)
                    if present:
                        filed[key][value.metadata.name] = value
        return _LabelIndex({key: group for key, group in filed.items() if group})

    def matching(self, namespace: str, labels: Mapping[str, str]) -> Iterator[Any]:
        """Look up the rarest label and test the rest."""
        groups = [self._filed.get((namespace, *pair), {}) for pair in labels.items()]
        smallest = min(groups, key=len, default=self._filed.get((namespace,), {}))
        return (v for v in smallest.values() if subset(labels, v.metadata.labels))


def _label_keys(value: Any) -> Iterator[tuple[str, ...]]:
    metadata = value.metadata
    yield (metadata.namespace,)
    for label, text in metadata.labels.items():
        yield (metadata.namespace, label, text)


def of_bodies(bodies: Iterable[Mapping[str, Any]], namespace: str = "default") -> Snapshot:
    """Return the snapshot of objects given as JSON, namespaced ones in `namespace` unless they
    name another. Raises ValueError for a kind that is not known or a body that cannot be read."""
    return Snapshot().with_changes(_change(body, namespace) for body in bodies)


def _change(body: Mapping[str, Any], namespace: str) -> Change:
    kind, api_version = str(body.get("kind", "")), str(body.get("apiVersion", ""))
    info = kinds.find(api_version, kind)
    if info is None:
        raise ValueError(f"no kind {kind} in {api_version}: see `lateen api-resources`")
    metadata = dict(body.get("metadata") or {})
    metadata["namespace"] = (metadata.get("namespace") or namespace) if info.namespaced else ""
    decoded = decode.decode(info, {**body, "metadata": metadata}, strict=False)
    if decoded.object is None:
        raise ValueError(f"{kind} {metadata.get('name')}: {decoded.problems[0].message}")
    return Change(info.resource, metadata["namespace"], str(metadata["name"]), decoded.object)
