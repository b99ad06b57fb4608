"""Which failure class a journey's logs tell of, by flags and reasons, never by bodies. Pure.

A class that looks the same to the client is told apart by what the other side logged: under
TLS 1.3 a server that refuses a client's certificate and one that refuses plaintext both look like
`503 UC connection_termination` from the client's proxy.
"""

from collections.abc import Mapping

import msgspec

from lateen.causes import catalogue
from lateen.causes.cause import Cause, Mark, SendFailure
from lateen.compiler.backend import names
from lateen.compiler.ir.proxy import ProxyView
from lateen.observe.requests import directory, hops
from lateen.observe.requests.journey import Journey
from lateen.observe.requests.ledger import LogEntry
from lateen.observe.requests.legs import Leg

_UPSTREAMS_OWN = "via_upstream"
"""Envoy's word for a response that it did not make."""
_BLOCKED_ROUTE = "block_all"
"""Istio's route for hosts that nobody knows, under REGISTRY_ONLY."""
_NOBODYS = (names.PASSTHROUGH_CHAIN, names.OUTBOUND_CATCH_ALL_CHAIN)
"""Filter chains for what is no Service's."""
_OF_CLIENTS_OWN = {
    SendFailure.CERTIFICATE: catalogue.CLIENT_TLS,
    SendFailure.TLS: catalogue.CLIENT_TLS,
    SendFailure.REFUSED: catalogue.CONNECTION_REFUSED,
    SendFailure.UNREACHABLE: catalogue.UNREACHABLE,
    SendFailure.NO_NETWORK: catalogue.UNREACHABLE,
    SendFailure.NO_CONNECTION: catalogue.CONNECT_TIMEOUT,
    SendFailure.NO_HANDSHAKE: catalogue.TLS_UNANSWERED,
    SendFailure.NO_ANSWER: catalogue.CLIENT_LEFT,
    SendFailure.ENDED: catalogue.CONNECTION_TERMINATED,
    SendFailure.PROTOCOL: catalogue.NOT_HTTP,
}


class Received(msgspec.Struct, frozen=True):
    """What the client got: a status, or a failure of its own and the words for it."""

    status: int | None = None
    error: str = ""
    failure: SendFailure | None = None


def of(
    journey: Journey, answer: Received, views: Mapping[str, ProxyView]
) -> tuple[Cause, Leg | None]:
    """Return the failure class and the leg it was found on; OK and None for success."""
    legs = journey.legs
    marked = next((leg for leg in legs if leg.failed), None)
    if marked is not None:
        cause = of_leg(marked)
        if cause is catalogue.CONNECTION_TERMINATED and _plain_to_tls(legs, views) is not None:
            cause = catalogue.PLAINTEXT_TO_TLS
        if cause is not None:
            return cause, marked
    if answer.failure is not None:
        return _OF_CLIENTS_OWN[answer.failure], marked or (legs[0] if legs else None)
    if answer.status is not None and answer.status >= 400:
        if answer.status == 400 and (sender := _plain_to_tls(legs, views)) is not None:
            return catalogue.PLAINTEXT_TO_TLS, sender
        return _of_status(journey), legs[-1] if legs else None
    if any(_is_blocked(entry) for entry in _entries(journey)):
        return catalogue.BLOCKED, legs[-1]  # gRPC is told so with HTTP 200
    return catalogue.OK, None


def of_leg(leg: Leg) -> Cause | None:
    """Return the class of a leg that failed, by itself; None where its logs tell of none."""
    server, client = leg.server_entry, leg.client_entry
    if server is not None and hops.refused(server):
        found = _of_server(leg)
        if found is not None:
            return found
    if client is None:
        return None
    if _is_blocked(client):
        return catalogue.BLOCKED
    made = client.entry
    details = made.http.details if made.http is not None else ""
    if details == _UPSTREAMS_OWN:
        return None  # tried again or not: it is the upstream's answer that is passed on
    cause = catalogue.by_client(f"{made.upstream_failure} {details}")
    if cause is catalogue.CONNECT_TIMEOUT and _hello_unanswered(leg):
        return catalogue.TLS_UNANSWERED
    cause = cause or catalogue.by_flags(frozenset(made.flags.split(",")))
    if cause is None and (not leg.sent or hops.failed(client)):
        return catalogue.PROXY_ERROR
    return cause


def _is_blocked(client: LogEntry) -> bool:
    made = client.entry
    if made.upstream_cluster == names.BLACK_HOLE_CLUSTER or made.route_name == _BLOCKED_ROUTE:
        return True
    # A TCP proxy does not name a cluster without hosts: the chain for what nobody knows tells.
    return made.tags.get("filter_chain") in _NOBODYS and "UH" in made.flags.split(",")


def _hello_unanswered(leg: Leg) -> bool:
    """Whether a client began TLS and the server was silent: Envoy's time to connect includes the
    handshake."""
    return leg.reading is not None and leg.reading.kind.encrypted and not leg.reading.version


def _of_server(leg: Leg) -> Cause | None:
    """What the server's side says of a leg that it refused."""
    assert leg.server_entry is not None
    made = leg.server_entry.entry
    rule = hops.refusing_rule(leg.server_entry)
    if rule:
        return catalogue.RBAC_NOT_ALLOWED if rule == hops.NO_RULE else catalogue.RBAC_DENIED
    if refusal := hops.refusal(leg.server_entry):
        return catalogue.by_details(refusal)
    if hops.met_plaintext(leg.server_entry) and leg.tls == "none":
        return catalogue.PLAINTEXT_TO_TLS_PORT
    cause = catalogue.by_server(hops.handshake_failure(leg.server_entry))
    if cause is not None:
        if Mark.CLIENTS_TLS in cause.marks and _is_clients_own(leg):
            return catalogue.CLIENT_TLS
        at_gateway = cause is catalogue.NO_MESH_CERTIFICATE and leg.server.role == "gateway"
        return catalogue.NO_CLIENT_CERTIFICATE if at_gateway else cause
    details = made.http.details if made.http is not None else ""
    if "low_version" in details:
        return catalogue.HTTP_1_0
    if "DPE" in made.flags:
        return _of_garbage(leg)
    if "NR" in made.flags or made.termination == "filter_chain_not_found":
        secure = leg.tls in ("tls", "mtls") or bool(made.downstream.sni)
        if leg.server.role == "gateway":
            return catalogue.NO_MATCHING_SERVER if secure else catalogue.PLAINTEXT_TO_TLS_PORT
        # A sidecar has a chain for TLS on every port that is STRICT, or is not declared as HTTP.
        return catalogue.TLS_TO_HTTP_PORT if secure else catalogue.PLAINTEXT_TO_STRICT
    return None


def _is_clients_own(leg: Leg) -> bool:
    """Whether the TLS of a leg was begun by who asked, and not by a proxy."""
    made = leg.client_entry.entry if leg.client_entry is not None else None
    if made is not None and (made.upstream.version or made.upstream_failure):
        return False
    return leg.carried == "tls"


def _of_garbage(leg: Leg) -> Cause:
    """Bytes that are no HTTP: TLS inside TLS of a proxy, TLS alone, or something else."""
    assert leg.server_entry is not None
    if leg.carried != "tls":
        return catalogue.NOT_HTTP
    inside = leg.server_entry.entry.downstream.version
    return catalogue.DOUBLE_TLS if inside else catalogue.TLS_TO_HTTP_PORT


def _entries(journey: Journey) -> list[LogEntry]:
    return [e for leg in journey.legs for e in (leg.client_entry, leg.server_entry) if e]


def _of_status(journey: Journey) -> Cause:
    """An error that no proxy marked as its own: the application's, or a route's."""
    entries = _entries(journey)
    if any(_is_blocked(entry) for entry in entries):
        return catalogue.BLOCKED
    if any(hops.chosen(entry) for entry in entries):
        return catalogue.DIRECT_RESPONSE
    return catalogue.APPLICATION_STATUS


def _plain_to_tls(legs: tuple[Leg, ...], views: Mapping[str, ProxyView]) -> Leg | None:
    """Return the leg on which a proxy sent clear HTTP towards a port that is declared as TLS, if
    it reached the application in the clear."""
    last = legs[-1] if legs else None
    if last is None or last.tls != "none" or last.server.role not in ("app", "outside"):
        return None
    for leg in reversed(legs):
        entry = leg.client_entry
        view = views.get(entry.proxy) if entry is not None else None
        if entry is None or view is None or entry.entry.http is None:
            continue
        found = directory.cluster(view, entry.entry.upstream_cluster)
        if found is not None and found.protocol.is_tls:
            return leg
    return None
