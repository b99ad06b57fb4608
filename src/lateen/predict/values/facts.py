"""What no configuration of a proxy says: who has an address, which name leads where, what a pod's
capture rules take, what an application speaks. All of it is given. Pure."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from lateen.model.meta import Source
from lateen.predict.values.request import Credential

Address = tuple[str, int]


class PathAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What an application answers to paths: `path` is a regular expression that the whole path,
    without its query, must match. A `status` of None is one that the path names itself, by the
    group of the expression; `seconds`, by its group `seconds`, how long it takes."""

    path: str
    status: int | None = 200
    methods: tuple[str, ...] = ()


class Speech(msgspec.Struct, frozen=True, kw_only=True):
    """What an application does on a port."""

    certificate: Credential | None = None
    """Its own, where it speaks TLS."""
    versions: tuple[str, ...] = ("1.1",)
    """Of HTTP; empty where it is not HTTP."""
    alpn: tuple[str, ...] = ()
    strict_alpn: bool = False
    """Whether a TLS client that offers none of them is refused."""
    answers: tuple[PathAnswer, ...] | None = None
    """None: what it answers to which path is not known."""
    otherwise: int | None = 404
    """The status for all other paths; None where it is not known."""
    plain_on_tls: int | None = None
    """The status that a TLS server answers plain HTTP with; None where it ends the connection."""
    garbage: str = "answer"
    """What it does with bytes that are not its protocol: `answer` (with an error in plaintext),
    `close` or `echo`."""
    server_first: bool = False
    """Whether it sends the first bytes."""
    local: bool = False
    """Whether it listens on the loopback address alone."""


class CaptureRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a pod's rules take, Istio's annotations resolved. `*` is all."""

    inbound: tuple[str, ...] = ("*",)
    not_inbound: tuple[str, ...] = ()
    outbound_ports: tuple[str, ...] = ()
    not_outbound_ports: tuple[str, ...] = ()
    outbound_ranges: tuple[str, ...] = ("*",)
    not_outbound_ranges: tuple[str, ...] = ()


class PodFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A pod at an address."""

    name: str
    """`namespace/name`."""
    address: str
    workload: str = ""
    """`namespace/OWNER`: pods of one workload are alike."""
    proxy: str = ""
    """`sidecar`, `gateway`, or empty without a proxy."""
    identity: str = ""
    capture: CaptureRules | None = None
    speeches: Mapping[int, Speech] | None = None
    """By port; None where it is not known what it listens on."""

    @property
    def namespace(self) -> str:
        """Where it is."""
        return self.name.partition("/")[0]


class ServiceAddress(msgspec.Struct, frozen=True):
    """An address and port that the node leads to endpoints."""

    service: str
    """`namespace/name`."""
    endpoints: tuple[Address, ...]
    source: Source | None = None


class Names(Protocol):
    """The name server."""

    def addresses(self, name: str, namespace: str, client: str = "") -> tuple[str, ...]:
        """Return what a client in a namespace is answered; empty for an unknown name. Outside of
        the mesh the namespace is empty. `client` is the address of a pod whose application asks;
        empty for proxies."""
        ...


class NetworkFacts(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    pods: Mapping[str, PodFacts]
    """By address."""
    fronts: Mapping[Address, ServiceAddress]
    names: Names
    routed: tuple[str, ...] = ()
    """Networks that are routed though nobody may be at an address of them: refused there."""
    node: str = ""
    """The address that clients outside have as seen by pods."""
    mesh_root: str = "mesh"
    """The name of the root that workloads' certificates lead to."""
    system_roots: frozenset[str] = frozenset()
