"""A request from its client to the end: every way it can go. Pure."""

import ipaddress

import msgspec

from lateen.predict.connection import choices, upstream
from lateen.predict.connection.choices import Choices, Option
from lateen.predict.connection.run import OpenedConnection, Run, WireReply, World
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.values.facts import PodFacts
from lateen.predict.values.outcome import Branch, Foretold, Leg, Party, Prediction
from lateen.predict.values.request import Content, Http, Raw, Tls, innermost
from lateen.predict.walk import network


class Sending(msgspec.Struct, frozen=True, kw_only=True):
    """A request, and where it is sent from and to."""

    content: Content
    pod: PodFacts | None = None
    """None for a client outside."""
    host: str
    """A name or an address."""
    port: int
    address: str = ""
    """Where to connect, if that is known already."""
    verifies: bool = True
    """Whether the client looks at the server's certificate."""


def predict(world: World, asked: Sending) -> Prediction:
    """Return every way that a request can go, ways of equal outcome as one."""
    found, complete = choices.every(lambda drawn: _walk(world, asked, drawn))
    merged: dict[Foretold, list[Choices]] = {}
    for drawn, outcome in found:
        merged.setdefault(outcome, []).append(drawn)
    branches = tuple(_branch(outcome, drawn, len(merged)) for outcome, drawn in merged.items())
    left = "" if complete else f"more than {choices.MOST} ways were not looked into"
    return Prediction(branches=branches, open=left)


def _branch(outcome: Foretold, drawn: list[Choices], ways: int) -> Branch:
    if ways == 1:
        return Branch(outcome=outcome)
    shares = [each.share for each in drawn]
    share = None if None in shares else sum(each for each in shares if each is not None)
    return Branch(outcome=outcome, conditions=drawn[0].conditions, share=share)


def _walk(world: World, asked: Sending, drawn: Choices) -> Foretold:
    run = Run(world, drawn, network.arrive)
    try:
        return _ended(run, asked, _sent(run, asked))
    except UnknownError as error:
        return Foretold(
            unknown=str(error),
            code="unknown",
            steps=tuple(run.steps),
            legs=tuple(leg for leg in run.legs if leg is not None),
            cluster=run.cluster,
        )


def _client(asked: Sending, world: World) -> Party:
    if asked.pod is not None:
        return Party("app", asked.pod.name, asked.pod.address)
    return Party("host", "host", world.network.node)


def _sent(run: Run, asked: Sending) -> WireReply | str:
    """Return the client's reply, or its own words where it could not even begin."""
    address = asked.address or _looked_up(run, asked)
    if not address:
        run.step("name", f"{asked.host} is not known", at="client", ok=False)
        run.fail("unknown-name")
        return f"no such name: {asked.host}"
    client = _client(asked, run.world)
    place = run.reserve()
    wanted = OpenedConnection(
        client=client, pod=asked.pod, address=address, port=asked.port, content=asked.content
    )
    reply = network.reach(run, wanted)
    run.put(place, _first_leg(run, asked, client, reply, place))
    return reply


def _first_leg(run: Run, asked: Sending, client: Party, reply: WireReply, place: int) -> Leg:
    inside = asked.pod is not None and reply.server.name == asked.pod.name
    refused = reply.kind in ("refused", "unreachable", "timeout")
    layer = reply.layers[0] if reply.layers else None
    secure = isinstance(asked.content, Tls)
    return Leg(
        client=client,
        server=reply.server,
        tls="" if refused else "tls" if secure else "none",
        sni=asked.content.sni if isinstance(asked.content, Tls) and not refused else "",
        alpn=asked.content.alpn if isinstance(asked.content, Tls) and not refused else (),
        server_identity=upstream.server_identity(reply, layer, wrapped=False, deep=run.depth),
        server_log=reply.log,
        failed=refused or (run.failure is not None and run.failure.leg == place),
        inside=inside,
    )


def _looked_up(run: Run, asked: Sending) -> str:
    try:
        ipaddress.ip_address(asked.host)
    except ValueError:
        pass
    else:
        return asked.host
    if asked.host == "localhost" and asked.pod is not None:
        return "127.0.0.1"  # by the container's /etc/hosts
    namespace = asked.pod.namespace if asked.pod is not None else ""
    client = asked.pod.address if asked.pod is not None else ""
    found = run.world.network.names.addresses(asked.host, namespace, client)
    if not found:
        return ""
    options = [Option(f"{asked.host} is {each}", 1 / len(found)) for each in found]
    chosen = found[run.choices.choose(options)]
    run.step("name", f"{asked.host} is {chosen}", at="client")
    return chosen


_TLS_WORDS = {
    "WRONG_VERSION_NUMBER": "wrong version number",
    "closed": "connection ended by the other side",
}


def _ended(run: Run, asked: Sending, reply: WireReply | str) -> Foretold:
    """Return the outcome as the client tells it."""
    if isinstance(reply, str):
        return _outcome(run, None, reply, "")
    inner = innermost(asked.content)
    waits = inner.seconds if isinstance(inner, Http) else 15.0
    if reply.kind == "answer" and reply.seconds <= waits:
        if isinstance(inner, Raw):
            return _outcome(run, None, "", reply.pod)
        if reply.status is not None and reply.status >= 400:
            run.fail("application-status", tuple(dict.fromkeys(run.decided)), len(run.legs) - 1)
        return _outcome(run, reply.status, "", reply.pod)
    secure = isinstance(asked.content, Tls)
    if reply.kind in ("answer", "silent"):
        run.fail("client-left", leg=0)
        _mark(run)
        run.left_alone(0)
        return _outcome(run, None, f"no answer within {waits:g} s", "")
    if reply.kind == "tls":
        words = _TLS_WORDS.get(reply.reason, f"certificate not accepted: {_reason(reply.reason)}")
        place = _where_ended(run, reply)
        run.fail("client-tls", leg=place)
        _mark(run, place)
        return _outcome(run, None, f"TLS: {words}", "")
    if reply.kind == "timeout":
        run.fail("connect-timeout", leg=0)
        _mark(run)
        return _outcome(run, None, "no connection in time", "")
    if reply.kind == "unreachable":
        run.fail("unreachable", leg=0)
        _mark(run)
        return _outcome(run, None, "Network is unreachable", "")
    if reply.kind == "refused":
        run.fail("connection-refused", leg=0)
        _mark(run)
        return _outcome(run, None, "connection refused", "")
    run.fail("connection-terminated", leg=0)
    _mark(run)
    done = bool(reply.layers) and reply.layers[0].done
    words = "connection ended by the other side"
    if secure and not done and reply.layers:
        words = "tlsv13 alert certificate required"  # OpenSSL's words: a proxy would not hear it
    return _outcome(run, None, f"TLS: {words}" if secure and not done else words, "")


def _where_ended(run: Run, reply: WireReply) -> int:
    """Return the leg at whose end the client's TLS was answered: its own, unless proxies passed it
    on to one that ends it."""
    layer = reply.layers[0] if reply.layers else None
    for place, leg in enumerate(run.legs):
        if layer is not None and leg is not None and place and layer.deep == place:
            return place if leg.server.name == layer.at else 0
    return 0


def _mark(run: Run, place: int = 0) -> None:
    """The client's own leg is where it failed, if nothing failed before."""
    leg = run.legs[place] if run.legs else None
    if leg is not None and run.failure is not None and run.failure.leg == place:
        run.put(place, msgspec.structs.replace(leg, failed=True))


def _reason(text: str) -> str:
    return (text.partition(": ")[2] or text).replace("self signed", "self-signed")


def _outcome(run: Run, status: int | None, error: str, pod: str) -> Foretold:
    failure = run.failure
    decided = tuple(dict.fromkeys(run.decided))
    sources = decided
    if failure is not None:
        sources = tuple(dict.fromkeys((*failure.sources, *decided)))
    return Foretold(
        status=status,
        error=error,
        code=failure.code if failure is not None else "ok",
        sources=sources,
        destination=pod,
        cluster=run.cluster,
        legs=tuple(leg for leg in run.legs if leg is not None),
        steps=tuple(run.steps),
    )
