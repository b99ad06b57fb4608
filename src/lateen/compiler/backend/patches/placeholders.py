"""Istio's own filters, which upstream Envoy lacks: they stand in the lists while patches run, so
that patches find their anchors, and are taken out afterwards. Pure."""

from typing import Any

STATS = "istio.stats"
EXCHANGE = "istio.metadata_exchange"
_TYPE = "type.googleapis.com/lateen.placeholder"
_TERMINAL = (
    "envoy.filters.network.tcp_proxy",
    "envoy.filters.network.http_connection_manager",
)

ABSENT = (STATS, "envoy.wasm.stats", "envoy.filters.http.wasm.metadata_exchange")
"""Filters of Istio's that do nothing here: to change one has no effect."""


def is_one(candidate: Any) -> bool:
    """Whether a filter is a placeholder."""
    return bool(candidate.typed_config.type_url == _TYPE)


def put_http(manager: Any) -> None:
    """Put `istio.stats` before the router."""
    place = max(0, len(manager.http_filters) - 1)
    kept = [_copy(each) for each in manager.http_filters]
    del manager.http_filters[:]
    manager.http_filters.extend(kept[:place])
    manager.http_filters.add(name=STATS).typed_config.type_url = _TYPE
    manager.http_filters.extend(kept[place:])


def take_http(manager: Any) -> None:
    """Take placeholders out of a connection manager."""
    _take(manager.http_filters)


def put_network(chain: Any) -> None:
    """Put `istio.metadata_exchange` first and `istio.stats` last before what ends a chain for
    bytes; a chain for HTTP has the first alone."""
    if not chain.filters or chain.filters[-1].name not in _TERMINAL:
        return
    kept = [_copy(each) for each in chain.filters]
    del chain.filters[:]
    chain.filters.add(name=EXCHANGE).typed_config.type_url = _TYPE
    chain.filters.extend(kept[:-1])
    if kept[-1].name == _TERMINAL[0]:
        chain.filters.add(name=STATS).typed_config.type_url = _TYPE
    chain.filters.extend(kept[-1:])


def take_network(chain: Any) -> None:
    """Take placeholders out of a chain."""
    _take(chain.filters)


def _take(filters: Any) -> None:
    for index in reversed(range(len(filters))):
        if is_one(filters[index]):
            del filters[index]


def _copy(one: Any) -> Any:
    out = type(one)()
    out.CopyFrom(one)
    return out
