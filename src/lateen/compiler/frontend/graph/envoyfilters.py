"""EnvoyFilters of a mesh, as lists of patches. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from lateen.compiler.frontend import precedence
from lateen.compiler.frontend.graph.applying import Applying
from lateen.compiler.frontend.graph.collections import Collections, Key
from lateen.compiler.frontend.graph.incremental import Graph
from lateen.compiler.ir.patches import ConfigPatch, Patches
from lateen.compiler.ir.proxy import MeshSettings
from lateen.model.istio import networking_proxy

_NOTHING = ("BOOTSTRAP", "INVALID")
"""Objects that no patch of a running proxy changes."""


class EnvoyFilters(Applying[tuple[ConfigPatch, ...], Patches]):
    """What is patched at each pod with a proxy."""

    def __init__(self, graph: Graph, collections: Collections, settings: MeshSettings) -> None:
        filters, homes = collections.envoy_filters, collections.filters_in.table
        super().__init__(graph, collections, settings, filters, homes)

    def _applies(self, policy: networking_proxy.EnvoyFilter, labels: dict[str, str]) -> bool:
        return selects(policy, labels)

    def _find(self, pod: Key) -> tuple[Key, ...]:
        """Return the EnvoyFilters of a pod in Istio's order: by priority, the root namespace before
        its own, by age, by name."""

        def order(key: Key) -> tuple[int, bool, Any, Key]:
            obj = self._policies.get(key)
            own = key[0] != self._settings.root_namespace
            return (obj.spec.priority, own, precedence.age(obj), key)

        return tuple(sorted(super()._find(pod), key=order))

    def _compile(self, key: Key) -> tuple[ConfigPatch, ...]:
        obj = self._policies.get(key)
        return tuple(translated(obj, self._settings)) if obj is not None else ()

    def _join(self, keys: tuple[Key, ...]) -> Patches | None:
        every = tuple(patch for key in keys for patch in self._compiled.get(key))
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
