"""One line of what a capture shows: a handshake, a request, an end. Pure."""

from collections.abc import Mapping

import msgspec

from lateen.model.labapi.traffic import Flow
from lateen.observe.wire import classify
from lateen.observe.wire.classify import Reading, WireKind
from lateen.observe.wire.streams import Conversation

LEGS = {"eth0": "wire", "lo": "app"}
"""Interface to leg: between pods, or between a proxy and its application inside one."""
BEGAN_PLAIN = "opened, without TLS at its beginning"
"""What the standing taps, which keep no plaintext, say of a connection."""


def handshake(made: Conversation, reading: Reading, detail: str) -> Flow:
    """Return what the opening of a connection told as a flow, not yet of any pod or leg."""
    return Flow(
        time=made.last,
        pod="",
        leg="",
        client=str(made.client),
        server=str(made.server),
        event="handshake" if reading.kind is WireKind.TLS else "data",
        tls=reading.tls,
        kind=reading.kind.value,
        version=reading.version,
        sni=reading.sni,
        alpn=reading.alpn,
        detail=detail,
    )


def opening(pod: str, leg: str, made: Conversation) -> Flow | None:
    """Return what a connection's opening told as a flow; None if it told nothing.

    Of a connection that was seen to open the taps keep what TLS and HTTP/2 begin with: where there
    is none of it, it began in plaintext, or carried nothing.
    """
    reading = classify.read(made)
    if reading.kind is WireKind.NOTHING:
        if not made.handshake:
            return None
        told = handshake(made, msgspec.structs.replace(reading, kind=WireKind.OTHER), BEGAN_PLAIN)
        return msgspec.structs.replace(told, pod=pod, leg=LEGS[leg], time=round(made.opened, 6))
    alert = reading.server_alert or reading.client_alert
    side = "server" if reading.server_alert else "client"
    told = handshake(made, reading, f"{side} alert {alert}" if alert else "")
    return msgspec.structs.replace(told, pod=pod, leg=LEGS[leg], time=round(made.opened, 6))


def place(flow: Flow, end: str, names: Mapping[str, str]) -> str:
    """Return who is at an end of a flow: a pod, or the address if it is nobody's."""
    host = end.rpartition(":")[0].strip("[]")
    if host.startswith("127.") or host == "::1":
        return flow.pod
    return names.get(host, host)


def line(flow: Flow, names: Mapping[str, str], clock: str) -> str:
    """Return a flow as one line; `clock` is its time as it is to be shown."""
    ends = []
    for end in (flow.client, flow.server):
        port = end.rpartition(":")[2]
        ends.append(f"{place(flow, end, names)}:{port}")
    return f"{clock} {flow.leg:<4} {ends[0]} > {ends[1]} {flow.tls:<4} {flow.kind}: {flow.text}"
