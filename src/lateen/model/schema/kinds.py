"""Every kind that is served, and how people name it. Pure."""

from collections.abc import Mapping
from types import MappingProxyType

from lateen.model.schema import kinds_gateway, kinds_istio, kinds_kube
from lateen.model.schema.kindinfo import KindInfo

KINDS: Mapping[str, KindInfo] = MappingProxyType(
    {info.resource: info for info in (*kinds_kube.ROWS, *kinds_istio.ROWS, *kinds_gateway.ROWS)}
)
"""Every served kind by resource name (`pods`, `deployments.apps`)."""

_BY_API_AND_KIND = {
    (api_version, info.kind): info for info in KINDS.values() for api_version in info.api_versions
}


def _names() -> dict[str, KindInfo]:
    """Index rows by every name a user may type; the first row to claim a name keeps it."""
    found: dict[str, KindInfo] = {}
    for info in KINDS.values():
        for name in (info.resource, info.plural, info.singular, info.kind.lower()):
            found.setdefault(name, info)
        for version in info.versions:
            if info.group:
                found.setdefault(f"{info.plural}.{version}.{info.group}", info)
                found.setdefault(f"{info.singular}.{version}.{info.group}", info)
        found.setdefault(f"{info.singular}.{info.group}", info)
    for info in KINDS.values():
        for name in info.short_names:
            found.setdefault(name, info)
    return found


_BY_NAME = _names()


def find(api_version: str, kind: str) -> KindInfo | None:
    """Return the row of a kind in a served group and version; both are case-sensitive."""
    return _BY_API_AND_KIND.get((api_version, kind))


def by_kind(kind: str) -> KindInfo | None:
    """Return the kind of a name; the first of several, in the order of KINDS."""
    return next((info for info in KINDS.values() if info.kind == kind), None)


def find_resource(name: str) -> KindInfo | None:
    """Return the row a user means: plural, singular, kind, short name, `plural.group` or
    `plural.version.group`, in any case."""
    return _BY_NAME.get(name.lower())


def in_category(name: str) -> tuple[KindInfo, ...]:
    """Return the rows of a category such as `all` or `istio-io`."""
    return tuple(info for info in KINDS.values() if name in info.categories)
