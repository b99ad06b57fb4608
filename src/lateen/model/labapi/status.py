"""The state of a lab: what `lateen status` shows and `lateen up` waits for. Pure."""

from collections.abc import Mapping

import msgspec


class PodState(msgspec.Struct, frozen=True, kw_only=True):
    """One pod. `container` is the one that it waits for, with how often it was started again and
    the exit code with which it ended last (None if it never did)."""

    namespace: str
    name: str
    uid: str
    ip: str
    ready: bool
    reason: str
    message: str
    container: str
    restarts: int
    exit_code: int | None
    images: tuple[str, ...] = ()


class ProxyState(msgspec.Struct, frozen=True, kw_only=True):
    """One proxy: by xDS type (`CDS`, `EDS` …) whether it has its newest configuration, and what it
    rejected, in words."""

    proxy: str
    kind: str
    connected: bool
    synced: bool
    types: Mapping[str, str]
    problems: tuple[str, ...]


class FindingLine(msgspec.Struct, frozen=True, kw_only=True):
    """A diagnostic of manifests with its place, as text and as fields."""

    code: str
    level: str
    origin: str
    reference: str
    message: str
    remedy: str
    text: str


class GatewayUrls(msgspec.Struct, frozen=True, kw_only=True):
    """A Service of type LoadBalancer (`namespace/name`) and the URLs at which it answers."""

    name: str
    urls: tuple[str, ...]


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """A lab is settled when nothing is `pending`, its pods are ready and its proxies in step."""

    lab: str
    istio: str
    written: int = 0
    """The store's newest revision."""
    revision: int
    """The newest revision that is compiled."""
    pending: bool
    ruled: bool = True
    """Whether the node's rules of Services are as the store says."""
    pods: tuple[PodState, ...]
    proxies: tuple[ProxyState, ...]
    diagnostics: tuple[FindingLine, ...]
    reported: int = 1
    """One request in so many is reported by the proxies; every failed one is."""
    gateways: tuple[GatewayUrls, ...]
