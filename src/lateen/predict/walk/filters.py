"""The network filters of a chain, in order: authorization, then HTTP or bytes. Pure."""

from typing import Any

from lateen.predict.connection import authorizers, peer
from lateen.predict.connection.hop import Hop
from lateen.predict.connection.run import Run, WireReply, ended, party_of
from lateen.predict.envoy import any_messages, config, rbac
from lateen.predict.envoy.errors import UnknownError
from lateen.predict.http import manager
from lateen.predict.values.outcome import Log
from lateen.predict.walk import tcp

_QUIET = ("tcp.metadataexchange.config.MetadataExchange", "stats.PluginConfig")
"""Istio's own filters, which let all bytes through: they tell the other proxy whose they are."""


def run_through(run: Run, hop: Hop) -> WireReply:
    """Return what the filters of a chain make of a connection."""
    told: dict[str, str] = {}
    for each in hop.chain.filters:
        kind = any_messages.type_of(each.typed_config)
        if kind.endswith(_QUIET):
            continue
        opened = any_messages.opened(each.typed_config)
        if opened is None:
            raise UnknownError(f"the network filter {each.name} of {hop.name}")
        if kind.endswith("network.rbac.v3.RBAC"):
            told = rbac.noted(opened, peer.subject(hop)) or told
            refused = _authorize(run, hop, opened)
            if refused is not None:
                return refused
        elif kind.endswith("network.ext_authz.v3.ExtAuthz"):
            if authorizers.ask(run, hop, opened, told).code != "ok":
                log = Log(proxy=hop.name, kind="tcp", flags=("UAEX",))
                return ended(hop.taken.content, party_of(hop.pod, port=hop.taken.port), log)
        elif kind.endswith(tcp.SNI_PROXY):
            continue  # what it resolves is dialled by the TCP proxy behind it
        elif kind.endswith("HttpConnectionManager"):
            return manager.handle(run, hop, opened)
        elif kind.endswith("TcpProxy"):
            return tcp.forward(run, hop, opened)
        else:
            raise UnknownError(f"the network filter {each.name} of {hop.name}")
    return WireReply(kind="closed", server=party_of(hop.pod, port=hop.taken.port))


def _authorize(run: Run, hop: Hop, opened: Any) -> WireReply | None:
    if not opened.HasField("rules"):
        return None
    ruling = rbac.judge(opened.rules, peer.subject(hop))
    if ruling.allowed:
        peer.note_allowed(run, hop, ruling)
        return None
    policy = hop.policy_source(ruling.policy)
    sources = config.known(policy) or hop.policy_sources()
    run.step("authorization", f"refused: {ruling.policy}", at=hop.name, ok=False, sources=sources)
    code = "rbac-denied" if ruling.policy != "none" else "rbac-not-allowed"
    if code == "rbac-not-allowed" and hop.certificate is None and rbac.asks_identity(opened.rules):
        code = "rbac-no-identity"
    run.fail(code, sources, len(run.legs) - 1)
    details = f"rbac_access_denied_matched_policy[{ruling.policy}]"
    log = Log(proxy=hop.name, kind="tcp", details=details)
    return ended(hop.taken.content, party_of(hop.pod, port=hop.taken.port), log)
