"""EnvoyFilter patches whose operation cannot do what it seems to. Pure."""

from collections.abc import Iterator

from lateen.compiler.frontend import precedence
from lateen.model.istio import networking_proxy
from lateen.model.messages.diagnostics import Diagnostic, make
from lateen.model.snapshot import Snapshot

_FILTERS = "envoyfilters.networking.istio.io"
_RELATIVE = ("INSERT_BEFORE", "INSERT_AFTER", "INSERT_FIRST")
_REPLACED = ("NETWORK_FILTER", "HTTP_FILTER")
_FIXED = ("ROUTE_CONFIGURATION", "HTTP_ROUTE")


def findings(snapshot: Snapshot) -> Iterator[Diagnostic]:
    """Yield what is said of each patch, as Istio's analyzer of EnvoyFilters does."""
    for obj in sorted(snapshot.of(_FILTERS).values(), key=precedence.age):
        for index, entry in enumerate(obj.spec.config_patches):
            yield from _of(obj, index, entry)


def _of(
    obj: networking_proxy.EnvoyFilter, index: int, entry: networking_proxy.EnvoyConfigObjectPatch
) -> Iterator[Diagnostic]:
    if entry.patch is None:
        return
    operation, target = entry.patch.operation, entry.apply_to
    path = f"spec.configPatches[{index}]"
    source = precedence.source("EnvoyFilter", obj, f"{path}.patch.operation")
    if operation in _RELATIVE and not obj.spec.priority:
        code = "IST0155" if _by_version(entry) else "IST0151"
        yield make(code, source, operation=operation)
    if operation == "REPLACE" and target not in _REPLACED:
        yield make("IST0152", source, target=target)
    if operation == "ADD" and target in _FIXED:
        yield make("IST0153", source, target=target)
    if operation == "REMOVE" and target in _FIXED:
        yield make("IST0154", source, target=target)


def _by_version(entry: networking_proxy.EnvoyConfigObjectPatch) -> bool:
    proxy = entry.match.proxy if entry.match is not None else None
    return isinstance(proxy, dict) and bool(proxy.get("proxyVersion"))
