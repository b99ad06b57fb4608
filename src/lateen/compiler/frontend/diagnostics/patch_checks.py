"""What is noticed in an EnvoyFilter, and of its patches once they were tried on proxies. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from lateen.compiler.frontend import precedence
from lateen.compiler.ir.patches import Patches
from lateen.compiler.output import PatchProblem
from lateen.model.istio import networking_proxy
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.meta import Source

_ABSENT = ("istio.stats", "istio.metadata_exchange", "istio.alpn", "istio.peer_metadata")
_CHANGES = ("MERGE", "REPLACE", "MERGE_AND_REPLACE_LIST")


def findings(obj: networking_proxy.EnvoyFilter) -> Iterator[Diagnostic]:
    """Yield what its patches alone tell."""
    source = precedence.source("EnvoyFilter", obj, "spec")
    if obj.spec.target_refs:
        yield make("LTN0037", source.at("targetRefs"), field="targetRefs")
        return
    for index, entry in enumerate(obj.spec.config_patches):
        at = source.at(f"configPatches[{index}]")
        if entry.apply_to == "BOOTSTRAP":
            yield make("LTN0194", at, why="istiod no longer changes the bootstrap of proxies")
        elif entry.match is not None and entry.match.context == "WAYPOINT":
            yield make("LTN0194", at, why="there are no waypoints here")
        elif entry.patch is not None and entry.patch.operation in _CHANGES:
            name = _filter_named(entry)
            if name in _ABSENT:
                why = f"{name} is Istio's own filter, which upstream Envoy does not have"
                yield make("LTN0194", at, why=why)


def _filter_named(entry: networking_proxy.EnvoyConfigObjectPatch) -> str:
    found: Any = entry.match.listener if entry.match is not None else None
    name = ""
    for step in ("filterChain", "filter", "subFilter"):
        found = found.get(step) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping) and found.get("name") and step != "filterChain":
            name = str(found["name"])
    return name


Tried = tuple[Patches, Collection[Source], Collection[PatchProblem]]
"""What one proxy has, what of it changed something, and what could not be tried."""


def of_trials(tried: Collection[Tried]) -> Iterator[Diagnostic]:
    """Yield what came of patches: which cannot be tried, and which no proxy that has them was
    changed by. Each entry is what one proxy has, what changed it, and what could not be tried."""
    applied = {source for _, touched, _ in tried for source in touched}
    refused = {problem.source: problem.why for _, _, problems in tried for problem in problems}
    every = dict.fromkeys(patch.source for patches, _, _ in tried for patch in patches.patches)
    for source in every:
        if source in refused:
            yield make("LTN0195", source.at("patch.value"), why=refused[source])
        elif source not in applied:
            yield make("LTN0193", source)
