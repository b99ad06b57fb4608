"""Refusals by authorization: who was refused by which rule, told from logs and compiled views."""

from typing import Any

import msgspec
import pytest

from lateen.causes.cause import SendFailure
from lateen.compiler.frontend import versions
from lateen.compiler.frontend.security import authz
from lateen.compiler.ir.proxy import MeshSettings, Node, ProxyKind, ProxyView
from lateen.model import snapshot
from lateen.observe.requests import journey
from lateen.observe.requests.ledger import Ledger
from lateen.observe.verdicts import verdict
from lateen.observe.verdicts.failures import Received
from lateen.observe.verdicts.verdict import RequestVerdict
from lateen.xds.als import AccessEntry, TlsFacts
from tests.observe import entries as e

SERVER_AT, ONWARD = f"{e.BACK}:80", f"{e.GATE}:2000"
SETTINGS = MeshSettings(features=versions.features())
CALLERS = {"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/a/sa/friend"]}}]}]}
GETS = {"rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}
DENY = {"action": "DENY", "rules": [{"to": [{"operation": {"ports": ["81"]}}]}, {}]}
CUSTOM = {"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [{}]}
KNOWN = TlsFacts("TLSv1.3", sni="s", peer_sans=("spiffe://cluster.local/ns/a/sa/stranger",))
ASKED = "istio-ext-authz-opa-ns[default]-policy[p0]-rule[0]-deny-due-to-bad-CUSTOM-action"


def view(*specs: dict[str, Any]) -> ProxyView:
    bodies = [
        {
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": {"name": f"p{number}", "namespace": "default"},
            "spec": spec,
        }
        for number, spec in enumerate(specs)
    ]
    found = snapshot.of_bodies(bodies).authorization_policies.values()
    joined = authz.join(authz.compile_policy(policy, SETTINGS) for policy in found)
    node = Node(kind=ProxyKind.SIDECAR, pod="back", namespace="default", ip=e.BACK, identity="")
    return ProxyView(node=node, settings=SETTINGS, authorization=joined)


def refused(rule: str, tls: TlsFacts, *, tcp: bool = False) -> AccessEntry:
    said = f"rbac_access_denied_matched_policy[{rule}]"
    if tcp:
        changes: dict[str, Any] = {"log": "tcp", "termination": said, "http": None}
        made = e.inbound(ONWARD, SERVER_AT, downstream=tls, **changes)
    else:
        made = e.entry(ONWARD, downstream=tls, http=e.http(status=403, details=said))
    return msgspec.structs.replace(made, downstream_local=SERVER_AT)


def judged(
    server: AccessEntry, specs: list[dict[str, Any]]
) -> tuple[journey.Journey, RequestVerdict]:
    http = e.http(status=403) if server.http is not None else None
    gate = e.entry(f"{e.HOST}:1000", SERVER_AT, ONWARD, http=http)
    ledger = Ledger()
    ledger.add(e.GATEWAY, [gate])
    ledger.add(e.SERVER, [server])
    failure = None if server.http is not None else SendFailure.ENDED
    found = journey.build(e.sent(failure=failure), ledger, e.DIRECTORY, lambda _c, _s: None)
    answer = Received(None if failure else 403, "", failure)
    views = {e.SERVER: view(*specs)}
    return found, verdict.judge(found, answer, views, snapshot.Snapshot())


@pytest.mark.parametrize("tcp", [False, True], ids=["http", "tcp"])
@pytest.mark.parametrize(
    ("rule", "tls", "specs", "code", "words", "source"),
    [
        (
            "none",
            TlsFacts(),
            [CALLERS],
            "rbac-no-identity",
            "AuthorizationPolicy/default/p0 must allow it",
            "AuthorizationPolicy/default/p0#spec.rules[0]",
        ),
        (
            "none",
            KNOWN,
            [CALLERS],
            "rbac-not-allowed",
            "the client is cluster.local/ns/a/sa/stranger",
            "AuthorizationPolicy/default/p0#spec.rules[0]",
        ),
        (
            "none",
            KNOWN,
            [{}],
            "rbac-not-allowed",
            "AuthorizationPolicy/default/p0 must allow it",
            "AuthorizationPolicy/default/p0#spec",
        ),
        (
            "ns[default]-policy[p1]-rule[1]",
            KNOWN,
            [CALLERS, DENY],
            "rbac-denied",
            "it is rules[1] of AuthorizationPolicy/default/p1",
            "AuthorizationPolicy/default/p1#spec.rules[1]",
        ),
        (ASKED, KNOWN, [CUSTOM], "rbac-denied", "provider", None),
    ],
    ids=["nobody", "stranger", "nothing", "deny", "custom"],
)
def test_a_refusal_names_rule_policy_and_client(
    rule: str,
    tls: TlsFacts,
    specs: list[dict[str, Any]],
    code: str,
    words: str,
    source: str | None,
    tcp: bool,
) -> None:
    found, said = judged(refused(rule, tls, tcp=tcp), specs)
    assert said.code == code
    assert words in said.sentence
    assert [journey.name(leg) for leg in found.legs if leg.failed] == ["gateway -> sidecar"]
    assert found.legs[-1].failed, "nothing went on to the application"
    if source is not None:
        assert str(said.sources[0]) == source


def test_an_identity_that_no_rule_asks_for_is_not_missed() -> None:
    _, said = judged(refused("none", TlsFacts()), [GETS])
    assert said.code == "rbac-not-allowed"


def test_on_tcp_a_rule_of_http_is_no_rule() -> None:
    """The policy is there all the same, and so is named itself."""
    _, said = judged(refused("none", TlsFacts(), tcp=True), [GETS])
    assert said.code == "rbac-not-allowed"
    assert [str(source) for source in said.sources] == ["AuthorizationPolicy/default/p0#spec"]


def test_the_end_of_a_refused_connection_is_waited_for() -> None:
    ledger = Ledger()
    opened = msgspec.structs.replace(
        refused("none", TlsFacts(), tcp=True), open=True, termination=""
    )
    ledger.add(e.GATEWAY, [e.entry(f"{e.HOST}:1000", SERVER_AT, ONWARD)])
    ledger.add(e.SERVER, [opened])
    sent = e.sent(failure=SendFailure.ENDED)
    found = journey.build(sent, ledger, e.DIRECTORY, lambda _c, _s: None)
    assert not found.complete
    ledger.add(e.SERVER, [refused("none", TlsFacts(), tcp=True)])
    assert journey.build(sent, ledger, e.DIRECTORY, lambda _c, _s: None).complete
