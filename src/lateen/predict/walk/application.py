"""What an application makes of what reaches it. Pure."""

import re

from lateen.predict.connection.choices import Option
from lateen.predict.connection.run import Layer, Run, WireReply, party_of
from lateen.predict.envoy import paths, tls
from lateen.predict.values.facts import PodFacts, Speech
from lateen.predict.values.request import Content, Http, Raw, Tls

PLAIN_ON_TLS = "plain HTTP on a port that serves TLS"
_HTTP = Speech(otherwise=None)


def answer(
    run: Run, pod: PodFacts, port: int, content: Content, *, inside: bool = False
) -> WireReply:
    """Return what the application of a pod answers on a port; `inside`: on the loopback address."""
    server = party_of(pod, "app", port)
    speech = _speech(run, pod, port)
    if speech is None or (speech.local and not inside):
        where = " but on the loopback address" if speech is not None else ""
        words = f"nothing listens on port {port}{where}"
        run.step("application", words, at=pod.name, ok=False)
        return WireReply(kind="refused", server=server)
    reply = _spoken(speech, content, server=WireReply(kind="closed", server=server))
    if reply.answered:
        shown = "answers" if reply.status is None else f"answers {reply.status}"
        words = f"port {port} {shown}"
        if reply.reason == PLAIN_ON_TLS:
            run.fail("plaintext-to-tls", tuple(run.decided))
            words += f" ({reply.reason})"
        run.step("application", words, at=pod.name, ok=reply.reason != PLAIN_ON_TLS)
        return WireReply(
            kind="answer",
            server=server,
            status=reply.status,
            layers=reply.layers,
            seconds=reply.seconds,
            pod=pod.name,
        )
    return reply


def _speech(run: Run, pod: PodFacts, port: int) -> Speech | None:
    """Return what is spoken on a port; None where nothing listens. What is not known is asked."""
    if pod.speeches is not None:
        return pod.speeches.get(port)
    what = f"the application of {pod.workload or pod.name}"
    options = (
        Option(f"{what} speaks HTTP on port {port}"),
        Option(f"{what} speaks TLS on port {port}"),
        Option(f"{what} does not listen on port {port}"),
    )
    index = run.fact(f"{pod.workload} {port}", options)
    if index == 2:
        return None
    if index == 1:
        from lateen.predict.values.request import Credential

        own = Credential(dns=("its own",), signers=(f"{pod.workload} itself",), self_signed=True)
        return Speech(certificate=own, otherwise=None, plain_on_tls=400, versions=("1.1", "2"))
    return _HTTP


def _spoken(speech: Speech, content: Content, server: WireReply) -> WireReply:
    if isinstance(content, Tls):
        return _over_tls(speech, content, server)
    if speech.certificate is not None:
        plain = isinstance(content, Http) and content.version != "2"
        if plain and speech.plain_on_tls is not None:
            status = speech.plain_on_tls
            return WireReply(
                kind="answer", server=server.server, status=status, reason=PLAIN_ON_TLS
            )
        return server
    return _plainly(speech, content, server)


def _over_tls(speech: Speech, content: Tls, server: WireReply) -> WireReply:
    if speech.certificate is None:
        reason = "closed" if speech.garbage == "close" else "WRONG_VERSION_NUMBER"
        return WireReply(kind="tls", server=server.server, reason=reason)
    if speech.strict_alpn and content.alpn and not set(speech.alpn) & set(content.alpn):
        return WireReply(kind="tls", server=server.server, reason=tls.NO_PROTOCOL)
    own = tls.ServerSide(certificate=speech.certificate, alpn=speech.alpn)
    done = tls.handshake(content, own)
    layer = Layer(done=done.done, server=speech.certificate.identity, alpn=done.alpn)
    if done.client:
        return WireReply(kind="tls", server=server.server, reason=done.client, layers=(layer,))
    inner = _plainly(speech, content.inner, server)
    return WireReply(
        kind=inner.kind,
        server=server.server,
        status=inner.status,
        reason=inner.reason,
        layers=(layer, *inner.layers),
        seconds=inner.seconds,
    )


def _plainly(speech: Speech, content: Content, server: WireReply) -> WireReply:
    if isinstance(content, Tls):
        return _over_tls(Speech(garbage=speech.garbage), content, server)
    if isinstance(content, Raw):
        return WireReply(kind="answer", server=server.server)
    spoken = "1.1" if content.version == "1.0" else content.version
    if spoken not in speech.versions:
        kind = "protocol" if speech.versions and speech.garbage == "answer" else "closed"
        return WireReply(kind=kind, server=server.server)
    status, seconds = _answered(speech, content)
    return WireReply(kind="answer", server=server.server, status=status, seconds=seconds)


def _answered(speech: Speech, request: Http) -> tuple[int | None, float]:
    alone = paths.without_query(request.path)
    for each in speech.answers or ():
        if each.methods and request.method not in each.methods:
            continue
        found = re.fullmatch(each.path, alone)
        if found is None:
            continue
        named = found.groupdict()
        status = int(named["status"]) if named.get("status") else each.status
        return status, float(named.get("seconds") or 0)
    return (None if speech.answers is None else speech.otherwise), 0.0
