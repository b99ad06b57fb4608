"""EnvoyFilters of a mesh, as lists of patches by the set that applies. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.collections import Collections, Key
from lateen.compiler.frontend.graph.incremental import Derived, Graph
from lateen.compiler.ir.patches import ConfigPatch, Patches
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.istio import networking_proxy

_NOTHING = ("BOOTSTRAP", "INVALID")
"""Objects that no patch of a running proxy changes."""


class EnvoyFilters:
    """What is patched at each pod with a proxy. A mesh without EnvoyFilters costs one question."""

    def __init__(self, graph: Graph, collections: Collections, settings: MeshSettings) -> None:
        self._collections = collections
        self._settings = settings
        self._applying: Derived[Key, tuple[Key, ...]] = Derived(graph, self._find)
        self._patches: Derived[Key, tuple[ConfigPatch, ...]] = Derived(graph, self._translate)
        self._joined: Derived[tuple[Key, ...], Patches | None] = Derived(graph, self._join)

    def of(self, pod: Key) -> Patches | None:
        """Return what is patched at a pod; None where nothing is."""
        if not self._collections.envoy_filters.entries:
            return None
        applying = self._applying.get(pod)
        return self._joined.get(applying) if applying else None

    def _find(self, pod: Key) -> tuple[Key, ...]:
        """Return the EnvoyFilters of a pod in Istio's order: by priority, the root namespace before
        its own, by age, by name."""
        table = self._collections.filters_in.table
        found = self._collections.pods.get(pod)
        labels = found.metadata.labels if found is not None else {}
        namespaces = dict.fromkeys((self._settings.root_namespace, pod[0]))
        every = [
            (obj.spec.priority, place, precedence.age(obj), (namespace, obj.metadata.name))
            for place, namespace in enumerate(namespaces)
            for obj in table.get(namespace)
            if selects(obj, labels)
        ]
        return tuple(key for *_, key in sorted(every))

    def _translate(self, key: Key) -> tuple[ConfigPatch, ...]:
        obj = self._collections.envoy_filters.get(key)
        return tuple(translated(obj, self._settings)) if obj is not None else ()

    def _join(self, keys: tuple[Key, ...]) -> Patches | None:
        every = tuple(patch for key in keys for patch in self._patches.get(key))
        return Patches(patches=every) if every else None


def selects(obj: networking_proxy.EnvoyFilter, labels: Mapping[str, str]) -> bool:
    """Whether an EnvoyFilter is for a workload of its reach: one with targets is for gateways of
    the Gateway API and waypoints alone."""
    if obj.spec.target_refs:
        return False
    selector = obj.spec.workload_selector
    wanted = selector.labels if selector is not None else {}
    return all(labels.get(name) == value for name, value in wanted.items())


def translated(obj: networking_proxy.EnvoyFilter, settings: MeshSettings) -> Iterator[ConfigPatch]:
    """Yield the patches of one EnvoyFilter that proxies of this version take."""
    source = precedence.source("EnvoyFilter", obj, "spec")
    for index, entry in enumerate(obj.spec.config_patches):
        if entry.patch is None or entry.apply_to in _NOTHING:
            continue
        match = entry.match or networking_proxy.EnvoyConfigObjectMatch()
        if not is_for(match.proxy, settings):
            continue
        yield ConfigPatch(
            source=source.at(f"configPatches[{index}]"),
            apply_to=entry.apply_to,
            context=match.context,
            operation=entry.patch.operation,
            match=json.dumps(dict(_conditions(match)), sort_keys=True),
            value="" if entry.patch.value is None else json.dumps(entry.patch.value),
        )


def _conditions(match: networking_proxy.EnvoyConfigObjectMatch) -> Iterator[tuple[str, Any]]:
    for name, written in (
        ("listener", match.listener),
        ("routeConfiguration", match.route_configuration),
        ("cluster", match.cluster),
    ):
        if isinstance(written, Mapping):
            yield name, written


def is_for(proxy: Any, settings: MeshSettings) -> bool:
    """Whether a proxy match is met: the version by an expression that may fit any part, metadata
    by what a proxy tells of itself."""
    if not isinstance(proxy, Mapping):
        return True
    wanted = str(proxy.get("proxyVersion", proxy.get("proxy_version", "")) or "")
    if wanted:
        try:
            if re.search(wanted, version(settings)) is None:
                return False
        except re.error:
            return False
    known = {"ISTIO_VERSION": version(settings), "CLUSTER_ID": settings.cluster_id}
    asked = proxy.get("metadata")
    pairs = asked.items() if isinstance(asked, Mapping) else ()
    return all(known.get(str(name)) == value for name, value in pairs)


def version(settings: MeshSettings) -> str:
    """Return the version that proxies tell, with a patch number."""
    text = settings.features.version
    return text if text.count(".") > 1 else f"{text}.0"
