"""What is known of the leg that a request failed on: facts as values, for advice. Pure.

Who concludes a cause fills in what it knows; an empty field is not known, and gives no remedy.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from lateen.model.meta import ObjectRef, Source


class ClientTls(msgspec.Struct, frozen=True):
    """The DestinationRule's TLS settings that a client's proxy goes by."""

    mode: str
    """DISABLE, SIMPLE, MUTUAL or ISTIO_MUTUAL."""
    field: Source
    """The `tls` block."""
    sans: tuple[str, ...] = ()
    """The names that the block itself asks for."""
    alone: bool = False
    """Whether the block says nothing but its mode."""


class ServerMode(msgspec.Struct, frozen=True):
    """What a server's sidecar accepts, by which PeerAuthentication."""

    mode: str
    field: Source | None = None
    """None by default, without any."""
    selects: bool = False
    """Whether that policy has a selector: only then may it name ports."""


class DeclaredPort(msgspec.Struct, frozen=True):
    """One port of a Service; `speaks` is `http`, `tls` or `tcp`, by its declared protocol, empty
    where none is declared."""

    number: int
    speaks: str = ""


class Correction(msgspec.Struct, frozen=True):
    """A field that means something else than was asked for, and what it would have to say: a value,
    one more entry of a list (`adds`), or nothing (None)."""

    code: str
    """The failure class that comes of it."""
    purpose: str
    field: Source
    value: Any = None
    adds: bool = False


class ChosenPod(msgspec.Struct, frozen=True):
    """A pod that a destination means."""

    name: str
    why_not: str = ""
    """Why it is not ready; empty if it is."""


class RouteDestination(msgspec.Struct, frozen=True, kw_only=True):
    """Where a route leads."""

    host: str
    port: int
    subset: str = ""
    known: bool = True
    """Whether the mesh has such a host."""
    elsewhere: tuple[str, ...] = ()
    """Services of the same name in other namespaces, where it is not known."""
    ports: tuple[DeclaredPort, ...] = ()
    """Of the Service."""
    subsets: tuple[str, ...] = ()
    """Those that DestinationRules define for the host."""
    field: Source | None = None
    """The VirtualService's `destination`; None where no VirtualService chose it."""
    selector: Mapping[str, str] = {}
    """Of the Service."""
    service: ObjectRef | None = None
    labels: Mapping[str, str] = {}
    """What its pods are chosen by: the Service's selector, and the subset's labels."""
    pods: tuple[ChosenPod, ...] = ()
    """The pods that have them."""


class GatewayChoice(msgspec.Struct, frozen=True):
    """A Gateway, beside the pods of a gateway."""

    field: Source
    """Its selector."""
    labels: str
    """What it selects, in words."""
    selects: bool
    wanted: Mapping[str, str] = {}
    """The label by which the pods could be selected."""


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that advice is made from. Roles are `host`, `app`, `sidecar`, `gateway`,
    `service`, `outside` or empty."""

    client_role: str = ""
    server_role: str = ""
    client_tls: ClientTls | None = None
    server_mode: ServerMode | None = None
    passed_through: bool = False
    """Whether the client's proxy knew the address as no Service's."""
    asked_service: ObjectRef | None = None
    """The Service whose address was asked for, where the client's proxy did not know it."""
    asked_port: int = 0
    """The port of it that was asked for."""
    asked_ports: tuple[int, ...] = ()
    """The ports that it has."""
    scope: Source | None = None
    """The list of hosts of the Sidecar that the client's proxy goes by."""
    gateways: tuple[GatewayChoice, ...] = ()
    """All Gateways, where a gateway has no listener for what came."""
    speaks: str = ""
    """What the application speaks on the port: `http`, `tls` or `tcp`, as far as declared."""
    answers: str = ""
    """What the server was seen to answer in: `http` for HTTP/1."""
    service_port: Source | None = None
    """The Service's port that was asked for."""
    has_rule: ObjectRef | None = None
    """The DestinationRule that shapes the destination, if any."""
    container_ports: tuple[int, ...] = ()
    """The TCP ports that the server's containers declare."""
    target_port: int = 0
    """The workload's port."""
    destination: RouteDestination | None = None
    client_workload: ObjectRef | None = None
    """The Deployment of a client without a sidecar, if one may be injected."""
    server_workload: ObjectRef | None = None
    """The same of a server."""
    client_identity: str = ""
    """The SPIFFE id of a client with mutual TLS."""
    server_identity: str = ""
    """What the server's certificate is for."""
    skips_verification: bool = True
    """Whether insecureSkipVerify has an effect (Istio 1.19 and newer)."""
    limits: tuple[Source, ...] = ()
    """The fields of `connectionPool` that limit the destination's connections and requests."""
    timeout: Source | None = None
    """The VirtualService's field that sets the timeout that passed."""
    fault: Source | None = None
    """The VirtualService's `fault` block."""
    gateway_server: Source | None = None
    """The Gateway's server that the client came to."""
    rule: Source | None = None
    """The authorization rule that refused."""
    only_rule: bool = False
    """Whether its policy has no other."""
    policy: Source | None = None
    """A policy that must allow the request."""
    would_allow: bool = False
    """Whether it would allow the client if it were known."""
    tls_names: tuple[str, ...] = ()
    """The names that the TLS servers of the port are for."""
    listens: tuple[int, ...] = ()
    """The ports on which the application is known to listen."""
    principals: Source | None = None
    """The list of principals that the first rule of `policy` allows."""
    exceptions: tuple[Source, ...] = ()
    """The lists of clients that `rule`, which refuses all others, leaves alone: `notPrincipals`,
    `notNamespaces`."""
    host: str = ""
    """Of the request, without a port."""
    served: tuple[Source, ...] = ()
    """The lists of hosts of Gateways' servers, and of the VirtualServices bound to them."""
    wider: Mapping[Source, dict[str, str]] = {}
    """Where a match asks for a whole path that the request's path begins with, and a match that
    would take it."""
    corrections: tuple[Correction, ...] = ()
    server_meant: bool = False
    """Whether a Gateway has a server for the TLS name that was asked for."""
    insecure: bool = False
    """Whether the client was told to accept any certificate."""
